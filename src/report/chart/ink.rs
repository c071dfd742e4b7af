//! Colours, markers and the typeface.

use std::sync::Once;

use plotters::style::{FontStyle, RGBColor, WHITE, register_font};

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
/// its yellow, which is lost on white; in an order in which neighbours differ in lightness too, for
/// grey-scale print.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
];

/// The same for dark paper.
const COLOURS_ON_DARK: [RGBColor; 7] = [
    RGBColor(0x3d, 0x9b, 0xe9),
    RGBColor(0xff, 0xc2, 0x4d),
    RGBColor(0xe0, 0x66, 0x1a),
    RGBColor(0x9f, 0xdc, 0xff),
    RGBColor(0x2a, 0xa8, 0x82),
    RGBColor(0xff, 0xff, 0xff),
    RGBColor(0xe3, 0xa3, 0xc8),
];

/// What is shaded behind the data.
pub const BAND: RGBColor = RGBColor(0xd6, 0xe8, 0xf5);

/// White to dark blue by lightness alone, so that it is the same in grey.
pub fn of_share(share: f64) -> RGBColor {
    let blend = |light: f64, dark: f64| (light + (dark - light) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(blend(247.0, 8.0), blend(251.0, 48.0), blend(255.0, 107.0))
}

/// Text that is read on that, whatever paper is around: the same in every scheme.
pub fn on_share(share: f64) -> RGBColor {
    if share > 0.65 { RGBColor(0xfe, 0xfe, 0xfe) } else { RGBColor(0x01, 0x01, 0x01) }
}

/// Rules of CSS that give a chart within a page the colours for dark paper. Files keep their own.
pub fn css_on_dark() -> String {
    let fixed = [
        (WHITE, RGBColor(0x15, 0x17, 0x1a)),
        (TEXT, RGBColor(0xe8, 0xe8, 0xe8)),
        (FAINT_TEXT, RGBColor(0xb0, 0xb4, 0xba)),
        (MESH, RGBColor(0x3c, 0x42, 0x4a)),
        (BAND, RGBColor(0x1f, 0x35, 0x48)),
    ];
    let pairs = fixed.into_iter().chain(COLOURS.into_iter().zip(COLOURS_ON_DARK));
    let hex = |RGBColor(red, green, blue): RGBColor| format!("#{red:02X}{green:02X}{blue:02X}");
    let rule = |(light, dark)| {
        let (light, dark) = (hex(light), hex(dark));
        ["fill", "stroke"].map(|what| format!("figure svg [{what}=\"{light}\"]{{{what}:{dark}}}\n"))
    };
    pairs.flat_map(rule).collect()
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

    type Linear = [f64; 3];

    fn linear(RGBColor(red, green, blue): RGBColor) -> Linear {
        [red, green, blue].map(|value| match f64::from(value) / 255.0 {
            dark if dark <= 0.04045 => dark / 12.92,
            light => ((light + 0.055) / 1.055).powf(2.4),
        })
    }

    /// CIELAB of linear sRGB (IEC 61966-2-1, white D65).
    fn lab([red, green, blue]: Linear) -> [f64; 3] {
        let x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.950_47;
        let y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        let z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.088_83;
        let [x, y, z] = [x, y, z].map(|t| match t {
            t if t > 216.0 / 24389.0 => t.cbrt(),
            t => (24389.0 / 27.0 * t + 16.0) / 116.0,
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// What is seen without one kind of cones (G. Machado, M. Oliveira, L. Fernandes, "A
    /// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1), and
    /// with all.
    const VISIONS: [(&str, [Linear; 3]); 4] = [
        ("all", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];

    /// Of CIELAB: two patches side by side differ at a glance from about 10 on.
    const AT_A_GLANCE: f64 = 10.0;

    #[test]
    fn neighbours_in_the_legend_differ_in_grey_scale() {
        for palette in [COLOURS, COLOURS_ON_DARK] {
            let lightness = palette.map(|colour| lab(linear(colour))[0]);
            for index in 0..palette.len() {
                let (one, next) = (lightness[index], lightness[(index + 1) % palette.len()]);
                assert!((one - next).abs() > AT_A_GLANCE, "{index}: {one} and {next}");
            }
        }
    }

    /// WCAG 2.2, 1.4.3: at least 4.5 to 1.
    #[test]
    fn numbers_are_read_on_every_cell() {
        let luminance = |colour| {
            let [red, green, blue] = linear(colour);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for share in (0..=100).map(|percent| f64::from(percent) / 100.0) {
            let both = [luminance(of_share(share)), luminance(on_share(share))];
            let [low, high] = [both[0].min(both[1]), both[0].max(both[1])];
            assert!((high + 0.05) / (low + 0.05) >= 4.5, "{share}");
        }
    }

    #[test]
    fn any_two_colours_differ_for_every_kind_of_colour_vision() {
        for (vision, matrix) in VISIONS {
            for palette in [COLOURS, COLOURS_ON_DARK] {
                let seen = palette.map(|colour| {
                    let colour = linear(colour);
                    let row = |row: Linear| row.iter().zip(colour).map(|(a, b)| a * b).sum::<f64>();
                    lab(matrix.map(|of| row(of).clamp(0.0, 1.0)))
                });
                for (index, one) in seen.iter().enumerate() {
                    for other in &seen[..index] {
                        let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
                        let distance = squares.sum::<f64>().sqrt();
                        assert!(distance > AT_A_GLANCE, "{vision}: {one:?} and {other:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn thirty_five_series_look_different() {
        let looks = (0..35).map(|index| {
            let (RGBColor(red, green, blue), marker) = of_series(index);
            format!("{red} {green} {blue} {marker:?}")
        });
        assert_eq!(looks.collect::<HashSet<_>>().len(), 35);
    }
}
