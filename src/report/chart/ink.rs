//! Colours, markers and the typeface.

use std::sync::Once;

use plotters::style::{FontStyle, RGBColor, register_font};

/// The family that charts name. SVG viewers bring their own sans-serif; for bitmaps, and to know how much
/// room a text takes, it is the embedded one.
pub const FAMILY: &str = "sans-serif";

/// Everything that is not data.
pub const TEXT: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Captions.
pub const FAINT_TEXT: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// The lines of the mesh.
pub const MESH: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// Okabe and Ito's palette for all kinds of colour vision (<https://jfly.uni-koeln.de/color/>), without
/// its yellow, which is lost on white; neighbours differ in lightness too, for grey-scale print.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
];

/// What is shaded behind the data.
pub const BAND: RGBColor = RGBColor(0xd6, 0xe8, 0xf5);

/// White to dark blue by lightness alone, so that it is the same in grey.
pub fn of_share(share: f64) -> RGBColor {
    let blend = |light: f64, dark: f64| (light + (dark - light) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(blend(247.0, 8.0), blend(251.0, 48.0), blend(255.0, 107.0))
}

/// Text that is read on that.
pub fn on_share(share: f64) -> RGBColor {
    if share > 0.5 { RGBColor(0xff, 0xff, 0xff) } else { TEXT }
}

/// The shape of a point: colour is never the only difference between series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square on its side.
    Square,
    /// A triangle on its base.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A triangle on its tip.
    Wedge,
}

const MARKERS: [Marker; 5] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge];

/// The look of series `index`; seven colours and five markers repeat after 35 series.
pub fn of_series(index: usize) -> (RGBColor, Marker) {
    (COLOURS[index % COLOURS.len()], MARKERS[index % MARKERS.len()])
}

impl Marker {
    /// Corners around the origin, in units of the marker's radius; a circle has none.
    pub fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Circle => &[],
            Self::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Triangle => &[(-1.1, 0.8), (1.1, 0.8), (0.0, -1.2)],
            Self::Diamond => &[(-1.25, 0.0), (0.0, -1.25), (1.25, 0.0), (0.0, 1.25)],
            Self::Wedge => &[(-1.1, -0.8), (1.1, -0.8), (0.0, 1.2)],
        }
    }
}

/// Makes the embedded font known to plotters, once for the process.
pub fn load_font() {
    /// See `font/LICENSE` for where it is from and how it was cut.
    static FONT: &[u8] = include_bytes!("../font/DejaVuSans-subset.ttf");
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let registered = register_font(FAMILY, FontStyle::Normal, FONT);
        assert!(registered.is_ok(), "the embedded font is a font");
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn thirty_five_series_look_different() {
        let looks = (0..35).map(|index| {
            let (RGBColor(red, green, blue), marker) = of_series(index);
            format!("{red} {green} {blue} {marker:?}")
        });
        assert_eq!(looks.collect::<HashSet<_>>().len(), 35);
    }
}
