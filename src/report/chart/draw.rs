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
/// Half of the widest column: a single one is still a column.
const MOST_HALF_BAR: i32 = 50;
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

/// What stands before a name in the legend: what stands for it in the picture.
enum Sign<'a> {
    Marker(usize),
    Line(usize),
    Swatch(usize),
    Guide(&'a Guide),
    Ring,
    Frame,
}

impl Sign<'_> {
    fn of_series(index: usize, series: &Series) -> Self {
        match (series.is_bare, series.line.is_empty() && series.samples.is_empty()) {
            (true, _) => Self::Line(index),
            (false, true) => Self::Swatch(index),
            (false, false) => Self::Marker(index),
        }
    }
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
        let signs = chart.drawn_series();
        let signs = signs.map(|(index, series)| (&series.name, Sign::of_series(index, series)));
        let guides = chart.guides.iter().map(|guide| (&guide.name, Sign::Guide(guide)));
        let mark = || if chart.cells.is_empty() { Sign::Ring } else { Sign::Frame };
        let ring = chart.highlight.iter().map(|highlight| (&highlight.name, mark()));
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
        let half = self.length(LEGEND_MARKER / 2 - 3);
        match sign {
            Sign::Marker(index) => {
                let (colour, marker) = ink::of_series(index);
                self.marker(marker, middle, MARKER_RADIUS, colour)
            }
            Sign::Line(index) => {
                let (colour, _) = ink::of_series(index);
                let ends = vec![(middle.0 - half, middle.1), (middle.0 + half, middle.1)];
                self.sheet.draw(&PathElement::new(ends, self.stroke(colour, 2)))
            }
            Sign::Swatch(index) => {
                let (colour, _) = ink::of_series(index);
                self.marker(Marker::Square, middle, MARKER_RADIUS, colour)
            }
            Sign::Guide(guide) => {
                let (dx, dy) = if guide.is_upright() { (0, half) } else { (half, 0) };
                let ends = [(middle.0 - dx, middle.1 - dy), (middle.0 + dx, middle.1 + dy)];
                self.guide(guide, ends.to_vec())
            }
            Sign::Ring => self.ring(middle, RING_RADIUS - 5),
            Sign::Frame => {
                let (dx, dy) = (half, half - self.length(2));
                self.frame([(middle.0 - dx, middle.1 - dy), (middle.0 + dx, middle.1 + dy)])
            }
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
        let mut mesh = context.configure_mesh();
        if !chart.cells.is_empty() {
            mesh.disable_mesh();
        }
        mesh.bold_line_style(self.stroke(ink::MESH, 1))
            .axis_style(self.stroke(ink::TEXT, 1))
            .set_all_tick_mark_size(self.length(4))
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_desc(&chart.x.title)
            .y_desc(&chart.y.title)
            .draw()?;
        let locate = |x: f64, y: f64| context.backend_coord(&(x, y));
        self.layers(chart, &locate)?;
        let mut labels = Labels::default();
        if let Some(Highlight { at: (x, y), .. }) = chart.highlight {
            if chart.cells.is_empty() {
                labels.ring = Some(locate(x, y));
                self.ring(locate(x, y), RING_RADIUS)?;
            } else {
                let [low, high] = [locate(x - 0.5, y - 0.5), locate(x + 0.5, y + 0.5)];
                self.frame([(low.0, high.1), (high.0, low.1)])?;
            }
        }
        for (index, series) in chart.series.iter().enumerate() {
            self.series(series, ink::of_series(index), &chart.y, &locate, &mut labels)?;
        }
        // After the last line, which would hide them.
        labels.at.iter().try_for_each(|(at, label)| {
            let beside = (at.0 + self.length(8), at.1 - self.length(16));
            self.sheet.draw_text(label, &self.style(SMALL, ink::TEXT), beside)
        })
    }

    /// What lies on the mesh and behind the points.
    fn layers(&self, chart: &Chart, locate: &impl Fn(f64, f64) -> Pixel) -> Drawn<DB> {
        for guide in &chart.guides {
            self.guide(guide, guide.line.iter().map(|(x, y)| locate(*x, *y)).collect())?;
        }
        for Cell { at: (x, y), share, label } in &chart.cells {
            let [low, high] = [locate(x - 0.5, y - 0.5), locate(x + 0.5, y + 0.5)];
            // Apart from each other, and from the axes.
            let gap = self.length(1);
            let corners = [(low.0 + gap, low.1 - gap), (high.0 - gap, high.1 + gap)];
            self.sheet.draw(&Rectangle::new(corners, ink::of_share(*share).filled()))?;
            let middle = Pos::new(HPos::Center, VPos::Center);
            let style = self.style(BODY, ink::on_share(*share)).pos(middle);
            self.sheet.draw_text(label, &style, locate(*x, *y))?;
        }
        for Bar { x, from, to, series } in &chart.bars {
            let (middle, low) = locate(*x, *from);
            let (right, high) = locate(x + BAR_WIDTH / 2.0, *to);
            let half = (right - middle).min(self.length(MOST_HALF_BAR));
            let corners = [(middle - half, low), (middle + half, high)];
            let (colour, _) = ink::of_series(*series);
            self.sheet.draw(&Rectangle::new(corners, colour.filled()))?;
            // Told from the part above it in grey, too.
            let top = vec![(middle - half, high), (middle + half, high)];
            self.sheet.draw(&PathElement::new(top, self.stroke(WHITE, 1)))?;
        }
        Ok(())
    }

    fn series<'c>(
        &self,
        series: &'c Series,
        (colour, marker): (RGBColor, Marker),
        y: &Axis,
        locate: &impl Fn(f64, f64) -> Pixel,
        labels: &mut Labels<'c>,
    ) -> Drawn<DB> {
        for (x, y) in &series.samples {
            self.marker(marker, locate(*x, *y), SAMPLE_RADIUS, colour.mix(FAINT))?;
        }
        let means = series.line.iter().map(|point| locate(point.x, point.y));
        let means: Vec<_> = means.collect();
        for piece in between_sharp_turns(&means) {
            self.sheet.draw(&PathElement::new(piece, self.stroke(colour, 2)))?;
        }
        let marked = series.line.iter().zip(means).filter(|_| !series.is_bare);
        for (point, at) in marked {
            self.interval(point, y, colour, locate)?;
            self.marker(marker, at, MARKER_RADIUS, colour)?;
            if let Some(label) = &point.label {
                labels.add(at, label, self.length(LEAST_LABEL_DISTANCE));
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

    /// Within a rectangle, between two rims of white, so that it is seen on a dark cell too.
    fn frame(&self, rectangle: [Pixel; 2]) -> Drawn<DB> {
        for (inset, thickness, colour) in [(1, 4, WHITE), (2, 2, ink::TEXT)] {
            let [(left, top), (right, bottom)] = rectangle;
            let (inset, thickness) = (self.length(inset), self.length(thickness));
            let [left, top] = [left + inset, top + inset];
            let [right, bottom] = [right - inset, bottom - inset];
            // Four bars: a thick line of plotters is neither sharp nor in the middle.
            for corners in [
                [(left, top), (right, top + thickness)],
                [(left, bottom - thickness), (right, bottom)],
                [(left, top), (left + thickness, bottom)],
                [(right - thickness, top), (right, bottom)],
            ] {
                self.sheet.draw(&Rectangle::new(corners, colour.filled()))?;
            }
        }
        Ok(())
    }

    fn ring(&self, at: Pixel, radius: i32) -> Drawn<DB> {
        self.sheet.draw(&Circle::new(at, self.length(radius), self.stroke(ink::TEXT, 2)))
    }
}

/// Labels and the points that they are beside.
#[derive(Default)]
struct Labels<'a> {
    /// What it is around is said in the legend.
    ring: Option<Pixel>,
    at: Vec<(Pixel, &'a str)>,
}

impl<'a> Labels<'a> {
    /// Unless it would be on another or on the ring, where neither is read.
    fn add(&mut self, at: Pixel, label: &'a str, least_distance: i32) {
        let is_apart =
            |other: &Pixel| (at.0 - other.0).abs().max((at.1 - other.1).abs()) >= least_distance;
        let mut others = self.at.iter().map(|(at, _)| at).chain(&self.ring);
        if others.all(is_apart) {
            self.at.push((at, label));
        }
    }
}

/// Pieces of a line, each from where the one before ends. A corner at which a line turns back would be a spike across
/// the picture: the bitmap backend's corners are as long as their angle is sharp.
fn between_sharp_turns(line: &[Pixel]) -> Vec<Vec<Pixel>> {
    let mut pieces = vec![Vec::new()];
    for (place, at) in line.iter().enumerate() {
        let turns_back = place >= 2 && is_sharp([line[place - 2], line[place - 1], *at]);
        if turns_back {
            pieces.push(vec![line[place - 1]]);
        }
        pieces.last_mut().expect("there is one from the beginning").push(*at);
    }
    pieces
}

/// Whether a line turns by more than 120 degrees.
fn is_sharp([before, corner, after]: [Pixel; 3]) -> bool {
    let vector = |from: Pixel, to: Pixel| (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let (one, two) = (vector(before, corner), vector(corner, after));
    one.0 * two.0 + one.1 * two.1 < -0.5 * one.0.hypot(one.1) * two.0.hypot(two.1)
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::super::{all, export};
    use super::*;
    use crate::result::Saved;

    #[test]
    fn labels_keep_off_each_other_and_off_the_ring() {
        let mut labels = Labels { ring: Some((100, 100)), at: Vec::new() };
        for (x, label) in [(110, "beside"), (100, "in it"), (130, "apart"), (135, "crowded")] {
            labels.add((x, 100), label, LEAST_LABEL_DISTANCE);
        }
        assert_eq!(labels.at, [((130, 100), "apart")]);
    }

    #[test]
    fn the_ring_hides_nothing() {
        let run = Saved { document: samples::tune(), directory: "absent".into() };
        let charts = all(&run).expect("no record is read");
        let (_, tradeoff) =
            charts.iter().find(|(name, _)| *name == "tradeoff").expect("it is there");
        let svg = export::svg(tradeoff).expect("a picture");
        let ring = svg.find(&format!("r=\"{RING_RADIUS}\"")).expect("16 streams are recommended");
        let series = svg.rfind("<polyline").expect("a line of goodputs");
        let label = svg.find("\n32\n").expect("streams beside a point");
        assert!(ring < series && series < label);
    }

    #[test]
    fn a_line_that_turns_back_is_drawn_in_pieces_without_sharp_corners() {
        let line = [(0, 0), (10, 0), (20, 5), (9, 1), (3, -1), (3, -1), (12, -2)];
        let pieces = between_sharp_turns(&line);
        assert!(pieces.iter().all(|piece| piece.array_windows().all(|three| !is_sharp(*three))));
        assert!(pieces.array_windows().all(|[one, next]| one.last() == next.first()));
        let again = pieces.iter().enumerate().flat_map(|(at, piece)| &piece[usize::from(at > 0)..]);
        assert_eq!(again.copied().collect::<Vec<_>>(), line);
        assert_eq!(between_sharp_turns(&line[..3]), [line[..3].to_vec()]);
    }
}
