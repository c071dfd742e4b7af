//! Puts a [`Chart`] on a plotters drawing area: title, caption and legend above, the data below.

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle};
use plotters::prelude::{ChartBuilder, DrawingArea, DrawingBackend, IntoFont, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle, WHITE};

use super::axis::Axis;
use super::ink::{self, Marker};
use super::{Bar, Cell, Chart, Guide, Highlight, Point, Series};

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Sheet<DB> = DrawingArea<DB, Shift>;
type Pixel = (i32, i32);

const MARGIN: i32 = 14;
const TITLE: f64 = 22.0;
const BODY: f64 = 15.0;
/// Labels of points.
const SMALL: f64 = 12.0;
/// From one label to the next.
const LEAST_LABEL_DISTANCE: i32 = 20;
/// Of a column, as a part of the room that it has.
const BAR_WIDTH: f64 = 0.7;
/// From one line of text to the next, in heights of the text.
const LEADING: f64 = 1.3;
const MARKER_RADIUS: f64 = 5.0;
const SAMPLE_RADIUS: f64 = 3.5;
const RING_RADIUS: i32 = 11;
/// Room for a marker before its name in the legend.
const LEGEND_MARKER: i32 = 24;
const FAINT: f64 = 0.35;

/// How a canvas wants a chart.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Pixels per unit of length: 2 for sharp bitmaps.
    pub scale: i32,
    /// Whether the caption is part of the picture or stands beside it.
    pub with_caption: bool,
}

/// What stands before a name in the legend.
enum Sign<'a> {
    Series(usize),
    Guide(&'a Guide),
    Ring,
}

impl Chart {
    /// Draws the whole picture on `sheet`, which may be of any backend.
    ///
    /// # Errors
    /// What the backend says.
    pub fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, layout: Layout) -> Drawn<DB> {
        ink::load_font();
        sheet.fill(&WHITE)?;
        let pen = Pen { sheet, scale: layout.scale };
        let mut top = pen.paragraph(&self.title, TITLE, ink::TEXT, pen.length(MARGIN))?;
        if layout.with_caption || self.is_empty() {
            top = pen.paragraph(&self.caption, BODY, ink::FAINT_TEXT, top)?;
        }
        if self.is_empty() {
            return Ok(());
        }
        let top = pen.legend(self, top)?;
        pen.plot(self, top)
    }
}

/// A sheet with the means to draw on it; lengths are scaled here and nowhere else.
struct Pen<'a, DB: DrawingBackend> {
    sheet: &'a Sheet<DB>,
    scale: i32,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    fn length(&self, units: i32) -> i32 {
        units * self.scale
    }

    fn stroke(&self, colour: impl Color, units: u32) -> ShapeStyle {
        ShapeStyle {
            color: colour.to_rgba(),
            filled: false,
            stroke_width: units * self.scale.unsigned_abs(),
        }
    }

    fn style(&self, size: f64, colour: RGBColor) -> TextStyle<'static> {
        let font = (ink::FAMILY, size * f64::from(self.scale)).into_font();
        TextStyle { color: colour.to_backend_color(), ..TextStyle::from(font) }
    }

    fn right_edge(&self) -> i32 {
        self.sheet.dim_in_pixel().0.cast_signed() - self.length(MARGIN)
    }

    fn width(
        &self,
        text: &str,
        style: &TextStyle,
    ) -> Result<i32, DrawingAreaErrorKind<DB::ErrorType>> {
        Ok(self.sheet.estimate_text_size(text, style)?.0.cast_signed())
    }

    fn line_height(&self, size: f64) -> i32 {
        (size * LEADING * f64::from(self.scale)).round() as i32
    }

    /// Text broken between words at the right edge; returns where it ends.
    fn paragraph(
        &self,
        text: &str,
        size: f64,
        colour: RGBColor,
        mut top: i32,
    ) -> Result<i32, DrawingAreaErrorKind<DB::ErrorType>> {
        let style = self.style(size, colour);
        let left = self.length(MARGIN);
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.into() } else { format!("{line} {word}") };
            if !line.is_empty() && left + self.width(&longer, &style)? > self.right_edge() {
                self.sheet.draw_text(&line, &style, (left, top))?;
                top += self.line_height(size);
                line = word.into();
            } else {
                line = longer;
            }
        }
        self.sheet.draw_text(&line, &style, (left, top))?;
        Ok(top + self.line_height(size))
    }

    /// Names of the series beside their markers, in as many rows as it takes; returns where it ends.
    fn legend(&self, chart: &Chart, top: i32) -> Result<i32, DrawingAreaErrorKind<DB::ErrorType>> {
        let style = self.style(BODY, ink::TEXT);
        let signs = chart.series.iter().enumerate();
        let signs = signs.map(|(index, series)| (&series.name, Sign::Series(index)));
        let guides = chart.guides.iter().map(|guide| (&guide.name, Sign::Guide(guide)));
        let ring = chart.highlight.iter().map(|highlight| (&highlight.name, Sign::Ring));
        let (mut left, mut top) = (self.length(MARGIN), top + self.length(6));
        for (name, sign) in signs.chain(guides).chain(ring) {
            let width = self.length(LEGEND_MARKER) + self.width(name, &style)?;
            if left > self.length(MARGIN) && left + width > self.right_edge() {
                left = self.length(MARGIN);
                top += self.line_height(BODY);
            }
            let middle = (left + self.length(LEGEND_MARKER) / 2, top + self.length(5));
            self.sign(sign, middle)?;
            self.sheet.draw_text(name, &style, (left + self.length(LEGEND_MARKER), top))?;
            left += width + self.length(18);
        }
        Ok(top + self.line_height(BODY))
    }

    fn sign(&self, sign: Sign, middle: Pixel) -> Drawn<DB> {
        match sign {
            Sign::Series(index) => {
                let (colour, marker) = ink::of_series(index);
                self.marker(marker, middle, MARKER_RADIUS, colour)
            }
            Sign::Guide(guide) => {
                let half = self.length(LEGEND_MARKER / 2 - 3);
                let (dx, dy) = if guide.is_upright() { (0, half) } else { (half, 0) };
                let ends = [(middle.0 - dx, middle.1 - dy), (middle.0 + dx, middle.1 + dy)];
                self.guide(guide, ends.to_vec())
            }
            Sign::Ring => self.ring(middle, RING_RADIUS - 4),
        }
    }

    fn guide(&self, guide: &Guide, line: Vec<Pixel>) -> Drawn<DB> {
        let dash = if guide.is_upright() { 2 } else { 7 };
        let (dash, gap) = (self.length(dash), self.length(4));
        self.sheet.draw(&DashedPathElement::new(line, dash, gap, self.stroke(ink::TEXT, 2)))
    }

    fn plot(&self, chart: &Chart, top: i32) -> Drawn<DB> {
        let below = self.sheet.margin(top + self.length(4), self.length(8), self.length(8), 0);
        let labels = self.style(BODY, ink::TEXT);
        let mut widest = 0;
        for tick in &chart.y.ticks {
            widest = widest.max(self.width(&tick.label, &labels)?);
        }
        let room = self.width("0", &labels)? / 2;
        let last = chart.x.ticks.last().map_or(Ok(0), |tick| self.width(&tick.label, &labels))?;
        let right = self.length(26).max(last / 2 + room);
        let mut context = ChartBuilder::on(&below)
            .margin_top(self.length(8))
            .margin_right(right)
            .x_label_area_size(self.length(46))
            .y_label_area_size(widest + self.length(40))
            .build_cartesian_2d(&chart.x, &chart.y)?;
        for band in &chart.bands {
            let ends =
                [band.from, band.to].map(|at| at.clamp(chart.x.range.start, chart.x.range.end));
            let corners = [(ends[0], chart.y.range.start), (ends[1], chart.y.range.end)];
            let corners = corners.map(|corner| context.backend_coord(&corner));
            self.sheet.draw(&Rectangle::new(corners, ink::BAND.filled()))?;
        }
        context
            .configure_mesh()
            .bold_line_style(self.stroke(ink::MESH, 1))
            .axis_style(self.stroke(ink::TEXT, 1))
            .set_all_tick_mark_size(self.length(4))
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_desc(&chart.x.title)
            .y_desc(&chart.y.title)
            .draw()?;
        let locate = |x: f64, y: f64| context.backend_coord(&(x, y));
        self.layers(chart, &locate)?;
        // The ring covers what is beside it, and the legend says what it is around.
        let ring = chart.highlight.iter().map(|highlight| locate(highlight.at.0, highlight.at.1));
        let mut labelled = ring.collect();
        for (index, series) in chart.series.iter().enumerate() {
            self.series(series, ink::of_series(index), &chart.y, &locate, &mut labelled)?;
        }
        match &chart.highlight {
            Some(Highlight { at: (x, y), .. }) if !chart.cells.is_empty() => {
                self.frame([locate(x - 0.5, y - 0.5), locate(x + 0.5, y + 0.5)])
            }
            Some(highlight) => self.ring(locate(highlight.at.0, highlight.at.1), RING_RADIUS),
            None => Ok(()),
        }
    }

    /// What lies on the mesh and behind the points.
    fn layers(&self, chart: &Chart, locate: &impl Fn(f64, f64) -> Pixel) -> Drawn<DB> {
        for guide in &chart.guides {
            self.guide(guide, guide.line.iter().map(|(x, y)| locate(*x, *y)).collect())?;
        }
        for Cell { at: (x, y), share, label } in &chart.cells {
            let corners = [locate(x - 0.5, y - 0.5), locate(x + 0.5, y + 0.5)];
            self.sheet.draw(&Rectangle::new(corners, ink::of_share(*share).filled()))?;
            self.sheet.draw(&Rectangle::new(corners, self.stroke(WHITE, 1)))?;
            let middle = Pos::new(HPos::Center, VPos::Center);
            let style = self.style(BODY, ink::on_share(*share)).pos(middle);
            self.sheet.draw_text(label, &style, locate(*x, *y))?;
        }
        for Bar { x, from, to, series } in &chart.bars {
            let corners = [locate(x - BAR_WIDTH / 2.0, *from), locate(x + BAR_WIDTH / 2.0, *to)];
            let (colour, _) = ink::of_series(*series);
            self.sheet.draw(&Rectangle::new(corners, colour.filled()))?;
            self.sheet.draw(&Rectangle::new(corners, self.stroke(WHITE, 1)))?;
        }
        Ok(())
    }

    fn series(
        &self,
        series: &Series,
        (colour, marker): (RGBColor, Marker),
        y: &Axis,
        locate: &impl Fn(f64, f64) -> Pixel,
        labelled: &mut Vec<Pixel>,
    ) -> Drawn<DB> {
        for (x, y) in &series.samples {
            self.marker(marker, locate(*x, *y), SAMPLE_RADIUS, colour.mix(FAINT))?;
        }
        let means = series.line.iter().map(|point| locate(point.x, point.y));
        let means: Vec<_> = means.collect();
        self.sheet.draw(&PathElement::new(means.clone(), self.stroke(colour, 2)))?;
        let marked = series.line.iter().zip(means).filter(|_| !series.is_bare);
        for (point, at) in marked {
            self.interval(point, y, colour, locate)?;
            self.marker(marker, at, MARKER_RADIUS, colour)?;
            // A label on another is not read.
            let is_apart = |(x, y): &Pixel| {
                (at.0 - x).abs().max((at.1 - y).abs()) >= self.length(LEAST_LABEL_DISTANCE)
            };
            if let Some(label) = point.label.as_ref().filter(|_| labelled.iter().all(is_apart)) {
                labelled.push(at);
                let beside = (at.0 + self.length(8), at.1 - self.length(16));
                self.sheet.draw_text(label, &self.style(SMALL, ink::TEXT), beside)?;
            }
        }
        Ok(())
    }

    /// A bar with caps; an end beyond the axis has no cap.
    fn interval(
        &self,
        point: &Point,
        axis: &Axis,
        colour: RGBColor,
        locate: &impl Fn(f64, f64) -> Pixel,
    ) -> Drawn<DB> {
        let Some(ends) = point.interval else { return Ok(()) };
        let stroke = self.stroke(colour, 1);
        let within = ends.map(|end| end.clamp(axis.range.start, axis.range.end));
        let [low, high] = within.map(|end| locate(point.x, end));
        self.sheet.draw(&PathElement::new(vec![low, high], stroke))?;
        for ((x, y), end) in [low, high].into_iter().zip(ends) {
            if (axis.range.start..=axis.range.end).contains(&end) {
                let half = self.length(5);
                self.sheet.draw(&PathElement::new(vec![(x - half, y), (x + half, y)], stroke))?;
            }
        }
        Ok(())
    }

    fn marker(&self, marker: Marker, (x, y): Pixel, radius: f64, colour: impl Color) -> Drawn<DB> {
        let radius = radius * f64::from(self.scale);
        if marker == Marker::Circle {
            return self.sheet.draw(&Circle::new((x, y), radius.round() as i32, colour.filled()));
        }
        let corner = |(dx, dy): &(f64, f64)| {
            (x + (dx * radius).round() as i32, y + (dy * radius).round() as i32)
        };
        let corners: Vec<_> = marker.corners().iter().map(corner).collect();
        self.sheet.draw(&Polygon::new(corners, colour.filled()))
    }

    /// Around a cell, within it.
    fn frame(&self, [(left, bottom), (right, top)]: [Pixel; 2]) -> Drawn<DB> {
        let inset = self.length(3);
        let [left, bottom, right, top] = [left + inset, bottom - inset, right - inset, top + inset];
        // A path, because the rectangles of plotters' SVG have lines of one pixel; its second corner
        // again, so that the first has no notch.
        let corners = [(left, bottom), (left, top), (right, top), (right, bottom)];
        let path: Vec<Pixel> = corners.into_iter().cycle().take(6).collect();
        for stroke in [self.stroke(WHITE, 5), self.stroke(ink::TEXT, 2)] {
            self.sheet.draw(&PathElement::new(path.clone(), stroke))?;
        }
        Ok(())
    }

    /// With a white rim, so that it is seen on a dark cell too.
    fn ring(&self, at: Pixel, radius: i32) -> Drawn<DB> {
        self.sheet.draw(&Circle::new(at, self.length(radius), self.stroke(WHITE, 5)))?;
        self.sheet.draw(&Circle::new(at, self.length(radius), self.stroke(ink::TEXT, 2)))
    }
}
