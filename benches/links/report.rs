//! The page in Markdown, the figures as CSV, the worst links for who develops the tuner.

use std::collections::BTreeMap;
use std::fmt::Write;

use tidegate::result::Settings;
use tidegate::units::{ByteSize, Rate};

use crate::answer::Answer;
use crate::draw::DISTRIBUTION;

const INTRODUCTION: &str = "\
`cargo bench --bench links -- --save` wrote this page. Links are drawn by number, with what the tuner is not told, \
and `tidegate tune --simulate` is asked for settings with several budgets. Then its recommendation is run for 15 \
minutes in simulated time, and so are the best cells of a grid: parts of 16 and 64 MiB, 1 to 500 files in flight by \
factors of 1.35. All cells are looked at for 90 s or ten parts of a stream, up to 15 minutes; of those within 7 % \
of the best look the three best and the cheapest are measured for 15 minutes, and the best of them with at most 5 % \
of its attempts refused is \"the best\" (of all, where each cell has more refused). It is measured without the link's \
weather, which multiplies all alike. On links 1 to 65 a look differed from the long measurement of the same \
cell by 3 % at most (95 % of them by 0.6 %), where attempts are refused by 8 % at most: a cell that its look \
underrated so is missed.";

const WORDS: &str = "\
Excess regret is max(0, 0.95 best - chosen) / best. \"False clear\": the verdict is \"clear\" and the long run is \
below 0.95 of the best. \"Told\": the told goodput is within 5 % of the long run's. \"Let in\": at most 5 % of the \
attempts of the long run are refused. Shares are of the recommendations; those of no answer and of faults (an exit \
code that is neither 0 with a recommendation nor 1 without) of all links.";

const PEERS: &str = "\
Peers may spend as many bytes on a link as `tidegate` spent, by trials of 5 s after a warm-up, each a run of its \
own that begins at the same phase of the weather's drift: they see none of it. Nothing limits their time: a trial \
waits, as all do, until each file has sent its first part.";

/// So many links are shown to who develops the tuner.
const WORST: usize = 15;

/// All answers of one budget by one chooser.
type Group<'a> = ((usize, &'a str), Vec<&'a Answer>);

/// Tidegate's first; budgets in the order in which they were asked.
fn groups(answers: &[Answer]) -> Vec<Group<'_>> {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut groups: BTreeMap<(usize, &str), Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        let key = (answer.who, answer.budget.as_str());
        let place = order.iter().position(|one| *one == key).unwrap_or_else(|| {
            order.push(key);
            order.len() - 1
        });
        groups.entry((place, answer.who)).or_default().push(answer);
    }
    groups.into_iter().collect()
}

pub fn page(answers: &[Answer], faults: &[String]) -> String {
    let numbers = answers.iter().map(|answer| answer.link.number);
    let (first, last) = (numbers.clone().min().unwrap_or(0), numbers.max().unwrap_or(0));
    let mut text = format!(
        "# The tuner on drawn links\n\nLinks {first} to {last}.\n\n{INTRODUCTION}\n\n## What it loses\n\n{WORDS}\n\n"
    );
    text += "| chooser | budget | links | excess regret: median | p95 | most | above 10 % | below 0.8 of the best | \"clear\" | false clear | told | let in | no answer | faults | bytes: median |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    let groups = groups(answers);
    for ((_, who), group) in &groups {
        let _ = writeln!(text, "| {who} | {} | {} |", group[0].budget, row(group).join(" | "));
    }
    text += "\n## Verdicts\n\n| budget | verdict | links | below 0.95 of the best |\n|---|---|---|---|\n";
    for (_, group) in &groups {
        text += &verdicts(group);
    }
    if groups.iter().any(|((_, who), _)| *who != "tidegate") {
        let _ = writeln!(text, "\n{PEERS}");
    }
    if !faults.is_empty() {
        let _ = writeln!(text, "\n## Links that could not be measured\n\n{}", faults.join("\n"));
    }
    let _ = writeln!(text, "\n## How links are drawn\n\n{DISTRIBUTION}");
    text
}

fn row(group: &[&Answer]) -> [String; 13] {
    let links = group.len();
    let regrets = sorted(group.iter().filter_map(|answer| answer.excess_regret()));
    let found = regrets.len();
    let count = |holds: fn(&Answer) -> bool| group.iter().filter(|one| holds(one)).count();
    let is_clear = |answer: &Answer| verdict(answer) == "clear";
    let bytes = sorted(group.iter().map(|answer| answer.bytes));
    [
        links.to_string(),
        percent(percentile(&regrets, 0.5)),
        percent(percentile(&regrets, 0.95)),
        percent(percentile(&regrets, 1.0)),
        share(regrets.iter().filter(|regret| **regret > 0.1).count(), found),
        share(count(|one| one.share_of_the_best().is_some_and(|share| share < 0.8)), found),
        share(count(is_clear), found),
        share(count(Answer::is_falsely_clear), count(is_clear)),
        share(count(Answer::tells_the_long_run), found),
        share(count(Answer::is_let_in), found),
        share(links - found, links),
        count(|one| one.fault.is_some()).to_string(),
        ByteSize(percentile(&bytes, 0.5) as u64).to_string(),
    ]
}

fn verdicts(group: &[&Answer]) -> String {
    let mut counts = BTreeMap::<String, (u32, u32)>::new();
    let answers = group.iter().filter(|answer| answer.who == "tidegate");
    for answer in answers.filter(|answer| answer.recommended.is_some()) {
        let (links, worse) = counts.entry(verdict(answer)).or_default();
        *links += 1;
        *worse += u32::from(answer.excess_regret().is_some_and(|regret| regret > 0.0));
    }
    let budget = &group[0].budget;
    let rows = counts.into_iter().map(|(verdict, (links, worse))| {
        format!("| {budget} | {} | {links} | {worse} |\n", verdict.replace('_', " "))
    });
    rows.collect()
}

/// The worst links of each budget, and all faults.
pub fn worst(answers: &[Answer]) -> String {
    let mut text = String::new();
    for ((_, who), mut group) in groups(answers) {
        if who != "tidegate" {
            continue;
        }
        let _ = writeln!(text, "worst links, budget {}:", group[0].budget);
        for answer in group.iter().filter(|answer| answer.fault.is_some()) {
            let fault = answer.fault.as_deref().unwrap_or_default();
            let _ = writeln!(text, "{:>5} {fault} ({})", answer.link.number, answer.link.short());
        }
        let regret = |answer: &Answer| answer.excess_regret().unwrap_or(0.0);
        group.sort_by(|one, other| regret(other).total_cmp(&regret(one)));
        for answer in group.into_iter().filter(|answer| regret(answer) > 0.0).take(WORST) {
            text += &told(answer);
        }
    }
    text
}

fn told(answer: &Answer) -> String {
    let Some(found) = answer.recommended else { return String::new() };
    format!(
        "{:>5} regret {}: {} at {}, {} refused, {}; best {} at {}; {}\n",
        answer.link.number,
        percent(answer.excess_regret().unwrap_or_default()),
        name(found.settings),
        Rate(found.worth.goodput),
        percent(found.worth.refused),
        verdict(answer).replace('_', " "),
        name(answer.best.settings),
        Rate(answer.best.goodput),
        answer.link.short(),
    )
}

pub fn csv(answers: &[Answer]) -> String {
    let mut text = "link,chooser,budget,exit_code,part_size_bytes,concurrency,verdict,told_bytes_per_second,long_run_bytes_per_second,refused_share,spent_bytes,best_part_size_bytes,best_concurrency,best_bytes_per_second,best_refused_share,excess_regret\n".to_owned();
    for answer in answers {
        let best = &answer.best;
        let _ = writeln!(
            text,
            "{},\"{}\",{},{},{},{:.0},{},{},{:.0},{:.4},{}",
            answer.link.number,
            answer.who,
            answer.budget,
            answer.code.map(|code| code.to_string()).unwrap_or_default(),
            recommended_csv(answer),
            answer.bytes,
            best.settings.part_size_bytes,
            best.settings.concurrency,
            best.goodput,
            best.refused,
            answer.excess_regret().map(|regret| format!("{regret:.4}")).unwrap_or_default(),
        );
    }
    text
}

fn recommended_csv(answer: &Answer) -> String {
    let Some(found) = answer.recommended else { return ",,,,,".into() };
    format!(
        "{},{},{},{:.0},{:.0},{:.4}",
        found.settings.part_size_bytes,
        found.settings.concurrency,
        verdict(answer),
        found.told,
        found.worth.goodput,
        found.worth.refused,
    )
}

/// As the result document writes it; peers have none.
fn verdict(answer: &Answer) -> String {
    let verdict = answer.recommended.and_then(|found| found.verdict);
    let word = verdict.and_then(|verdict| serde_json::to_value(verdict).ok());
    word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().into()
}

fn name(settings: Settings) -> String {
    format!("{} x {}", ByteSize(settings.part_size_bytes), settings.concurrency)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value that is at least as large as this share of all.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn share(some: usize, of: usize) -> String {
    if of == 0 { "–".into() } else { percent(some as f64 / of as f64) }
}
