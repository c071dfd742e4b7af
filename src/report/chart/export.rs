//! Charts as files and as parts of a page.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;

use super::super::cannot_write;
use super::Chart;
use super::draw::Layout;
pub use super::ink::css_on_dark;
use crate::error::{Error, Result};

/// 1600 x 900 as a bitmap.
const FILE_SIZE: (u32, u32) = (800, 450);
const BITMAP_SCALE: i32 = 2;

/// The room a page has for a chart.
#[derive(Clone, Copy)]
pub enum Room {
    /// A desk's screen, or paper.
    Wide,
    /// A telephone.
    Narrow,
}

impl Room {
    /// A telephone has room for one name of the legend per row.
    fn size(self, chart: &Chart) -> (u32, u32) {
        let names = chart.drawn_series().count() + chart.guides.len();
        let names = u32::try_from(names).unwrap_or(u32::MAX).min(100);
        match self {
            Self::Wide => (800, 420 + names / 4 * 20),
            Self::Narrow => (380, 350 + names * 20),
        }
    }
}

/// The chart with its caption as an SVG document.
///
/// # Errors
/// If plotters cannot draw it.
pub fn svg(chart: &Chart) -> Result<String> {
    draw_svg(chart, FILE_SIZE, true)
}

/// The chart without its caption as an SVG element for a page.
///
/// # Errors
/// If plotters cannot draw it.
pub fn inline_svg(chart: &Chart, room: Room) -> Result<String> {
    draw_svg(chart, room.size(chart), false)
}

fn draw_svg(chart: &Chart, size: (u32, u32), with_caption: bool) -> Result<String> {
    let mut svg = String::new();
    let sheet = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    chart
        .draw(&sheet, Layout { scale: 1, with_caption })
        .and_then(|()| sheet.present())
        .map_err(|error| Error::environment(format!("cannot draw `{}`: {error}", chart.title)))?;
    drop(sheet);
    Ok(svg)
}

/// Writes the chart with its caption as a PNG file.
///
/// # Errors
/// If the file cannot be written.
pub fn save_png(chart: &Chart, path: &Path) -> Result<()> {
    let scale = BITMAP_SCALE.unsigned_abs();
    let size = (FILE_SIZE.0 * scale, FILE_SIZE.1 * scale);
    let mut pixels = vec![0; 3 * (size.0 * size.1) as usize];
    let sheet = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
    chart
        .draw(&sheet, Layout { scale: BITMAP_SCALE, with_caption: true })
        .and_then(|()| sheet.present())
        .map_err(|error| cannot_write(path, &error))?;
    drop(sheet);
    encode_png(&pixels, size, path).map_err(|error| cannot_write(path, &error))
}

fn encode_png(rgb: &[u8], size: (u32, u32), path: &Path) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()
}
