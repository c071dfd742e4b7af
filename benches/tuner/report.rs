//! The tables in Markdown, the figures as CSV, the chart as SVG.

use std::fmt::Write;

use super::strategies::Strategy;
use super::study::{Claims, NOISES, Study, mean, percentile};

const INTRODUCTION: &str = "\
A made-up link has a true goodput for each settings: linear, saturating, retrograde, flat, throttled, with \
two good part sizes, or with a limit on calls a second that saved-up ones exceed for a while, so that each trial \
leaves the next one fewer or more of them; trials vary by noise (the standard deviation of their logarithm), on half of the \
links also by drift of a third up and down, on half by outliers (3 % of the trials lose 20 to 60 %). \
The reference grid has 5 part sizes x 8 concurrencies x 3 parts in flight x 3 repeats.";

const LOSSES: &str = "\
## Losses

Noise of 2 % and 5 %. Excess regret is max(0, 0.95 x best - chosen) / best, by the true goodputs. All but the \
reference grid may spend a fifth of its trials and bytes.";

const CLAIMS: &str = "\
## Claims

72 trials a search, six of them the soak. An interval holds if the true ratio is in it; its width is over that of an interval with \
known variance (outliers counted in), at the median. \"Race\" are the intervals of settings that were only \
raced: they hold for all comparisons of a race together. Width has a floor: with n blocks Student's interval \
is at the median 1.82 (n = 3), 1.30 (n = 5), 1.22 (n = 6), 1.11 (n = 10) times as wide.";

pub fn tables(study: &Study) -> String {
    let mut text =
        format!("# The tuner on {} surfaces\n\n{INTRODUCTION}\n\n{LOSSES}\n\n", study.surfaces);
    text += "| strategy | answers | none | excess regret: median | mean | 95th percentile | bytes of the grid: mean | most |\n|---|---|---|---|---|---|---|---|\n";
    for (strategy, losses) in &study.losses {
        let regret = &losses.excess_regret;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} % | {:.2} % | {:.2} % | {:.1} % | {:.1} % |",
            strategy.name(),
            regret.len(),
            losses.unanswered,
            100.0 * percentile(regret, 0.5),
            100.0 * mean(regret),
            100.0 * percentile(regret, 0.95),
            100.0 * mean(&losses.bytes_share),
            100.0 * percentile(&losses.bytes_share, 1.0),
        );
    }
    let _ = writeln!(text, "\n![losses](losses.svg)\n\n{CLAIMS}\n");
    text += "| shape | noise | intervals | hold | width | race: intervals | hold | \"clear\" | of them wrong | same twice | told apart |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
    for ((shape, level), claims) in &study.claims {
        let noise = 100.0 * NOISES[*level];
        let _ = writeln!(text, "| {shape:?} | {noise:.0} % | {} |", row(claims).join(" | "));
    }
    let total = |count: fn(&Claims) -> u32| study.claims.values().map(count).sum::<u32>();
    let _ = writeln!(
        text,
        "\nSettings measured twice were told apart in {} of {} searches ({:.1} %); \"clear\" was wrong in {} of {}.",
        total(|claims| claims.twice_differ),
        total(|claims| claims.twice),
        100.0 * share(total(|claims| claims.twice_differ), total(|claims| claims.twice)),
        total(|claims| claims.clear_but_wrong),
        total(|claims| claims.clear),
    );
    text
}

fn row(claims: &Claims) -> [String; 9] {
    let percent = |part, whole| format!("{:.1} %", 100.0 * share(part, whole));
    [
        claims.intervals.to_string(),
        percent(claims.hold, claims.intervals),
        format!("{:.2}", percentile(&claims.widths, 0.5)),
        claims.raced.to_string(),
        percent(claims.raced_hold, claims.raced),
        percent(claims.clear, claims.searches),
        claims.clear_but_wrong.to_string(),
        claims.twice.to_string(),
        percent(claims.twice_differ, claims.twice),
    ]
}

pub fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

pub fn losses_csv(study: &Study) -> String {
    let mut text = "strategy,excess_regret,bytes_share\n".to_owned();
    for (strategy, losses) in &study.losses {
        for (regret, bytes) in losses.excess_regret.iter().zip(&losses.bytes_share) {
            let _ = writeln!(text, "\"{}\",{regret:.5},{bytes:.5}", strategy.name());
        }
    }
    text
}

pub fn claims_csv(study: &Study) -> String {
    let mut text = "shape,noise,searches,intervals,hold,width_median,raced,raced_hold,clear,clear_but_wrong,twice,twice_differ\n".to_owned();
    for ((shape, level), claims) in &study.claims {
        let Claims {
            searches,
            intervals,
            hold,
            raced,
            raced_hold,
            clear,
            clear_but_wrong,
            twice,
            twice_differ,
            widths,
        } = claims;
        let (noise, width) = (NOISES[*level], percentile(widths, 0.5));
        let _ = writeln!(
            text,
            "{shape:?},{noise},{searches},{intervals},{hold},{width:.3},{raced},{raced_hold},{clear},{clear_but_wrong},{twice},{twice_differ}"
        );
    }
    text
}

const COLOURS: [&str; 7] =
    ["#0072b2", "#000000", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];

/// Share of the surfaces (upwards, from half on) on which no more than so much was lost.
pub fn chart(study: &Study) -> String {
    let mut svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 460\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"800\" height=\"460\" fill=\"white\"/>\n<text x=\"60\" y=\"24\" font-size=\"17\">Share of surfaces by excess regret, noise up to 5 %</text>\n".to_owned();
    let x = |regret: f64| 60.0 + 2400.0 * regret.min(0.2);
    let y = |share: f64| 410.0 - 720.0 * (share - 0.5).max(0.0);
    for percent in [0, 5, 10, 15, 20] {
        let at = x(f64::from(percent) / 100.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} 410v6\" stroke=\"black\"/><text x=\"{at:.1}\" y=\"432\" text-anchor=\"middle\">{percent} %</text>"
        );
    }
    for percent in [50, 60, 70, 80, 90, 100] {
        let at = y(f64::from(percent) / 100.0);
        let _ = writeln!(
            svg,
            "<path d=\"M60 {at:.1}h480\" stroke=\"#ddd\"/><text x=\"52\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M60 50V410H540\" fill=\"none\" stroke=\"black\"/><text x=\"300\" y=\"452\" text-anchor=\"middle\">excess regret</text>"
    );
    for (place, (strategy, losses)) in study.losses.iter().enumerate() {
        line(&mut svg, place, *strategy, &losses.excess_regret, (&x, &y));
    }
    svg + "</svg>\n"
}

fn line(
    svg: &mut String,
    place: usize,
    strategy: Strategy,
    regret: &[f64],
    (x, y): (&dyn Fn(f64) -> f64, &dyn Fn(f64) -> f64),
) {
    let (colour, name) = (COLOURS[place % COLOURS.len()], strategy.name());
    let points = (0..=100).map(|step| {
        let share = 0.5 + f64::from(step) / 200.0;
        format!("{:.1},{:.1}", x(percentile(regret, share)), y(share))
    });
    let points = points.collect::<Vec<_>>().join(" ");
    let legend = 60 + 22 * place;
    let _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><path d=\"M556 {legend}h20\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"582\" y=\"{}\">{name}</text>",
        legend + 4
    );
}
