//! A plan as a page.

use super::page::{Block, Facts, Page, Section, figures};
use super::table::Table;
use super::{Report, chart, json};
use crate::error::Result;
use crate::plan::{BetweenSessions, Fitted, Forecast, Plan, advice};
use crate::result::Direction;
use crate::units::{ByteSize, Rate, count, counted};
use crate::words::{self, percent, roughly, signed_percent, whole_percent};

impl Report for Plan {
    /// The answer, a row for each number of DTNs, what it takes and costs, and what to do.
    fn brief(&self) -> Vec<Block> {
        let mut blocks = vec![answer(self).into()];
        if self.forecasts.len() > 1 || self.simulated.is_some() {
            blocks.push(by_nodes(self).into());
        }
        let mut lines = Facts::default();
        lines.add_each("Globus", tasks_say(self));
        lines.add_each("advice", &self.advice);
        lines.add_each("warning", &self.warnings);
        blocks.extend([Block::Table(tasks(self)), Block::Facts(lines)]);
        blocks
    }

    fn page(&self) -> Page {
        let list = |title, items: &[String]| Section::new(title, [Block::List(items.into())]);
        let numbers = [by_nodes(self), by_file_size(self), scorecard(self), tasks(self)];
        let sections = [
            Section::new("The answer", [answer(self).into()]),
            list("What to do", &self.advice),
            list("Warnings", &self.warnings),
            Section::new("Charts", figures(Ok(chart::plan::all(self)))),
            Section::new("Numbers", numbers.map(Block::Table)),
            list("Globus's own tasks", &tasks_say(self)),
            list("Runs that it rests on", &self.runs),
            list("Assumptions", &self.assumptions),
        ];
        let title = format!("Plan: {}", self.dataset.name);
        Page { title, blocks: sections.map(Block::Section).into() }
    }

    fn numbers(&self) -> Table {
        by_nodes(self)
    }

    fn json(&self) -> Result<String> {
        json(self)
    }
}

/// The answer for the fewest DTNs, and what it takes.
fn answer(plan: &Plan) -> Facts {
    let first = &plan.forecasts[0];
    let mut facts = Facts::from([
        ("dataset", dataset(plan)),
        ("moved", format!("{}, {}", way(plan), words::settings(plan.settings))),
        ("time", time(plan, first)),
        ("speed", format!("{} effective ({})", rate(first), counted(first.nodes, "DTN"))),
        ("limit", format!("{}; {}", advice::limit(first.limit), terms(first))),
    ]);
    if let Some(deadline) = plan.deadline {
        let takes = match deadline.nodes {
            Some(number) => format!("{}, in nine of ten cases", counted(number, "DTN")),
            None => "more than any number of DTNs can do under these limits".into(),
        };
        facts.add(
            "deadline",
            format!(
                "{} takes {takes}; {:.1} Gbit/s on average",
                roughly(deadline.seconds),
                deadline.bits_per_second / 1e9
            ),
        );
    }
    facts.append(Facts::from([
        ("takes", takes(plan, first)),
        ("cost", cost(plan)),
        ("GridFTP", plan.gridftp.sentence()),
        ("model up", plan.models.up.as_ref().map(said).unwrap_or_default()),
        ("model down", plan.models.down.as_ref().map(said).unwrap_or_default()),
    ]));
    facts
}

fn dataset(plan: &Plan) -> String {
    let dataset = &plan.dataset;
    format!(
        "{}: {} in {}, {} on average, {} the largest",
        dataset.name,
        ByteSize(dataset.bytes),
        counted(dataset.files, "file"),
        ByteSize(dataset.mean_file_bytes),
        ByteSize(dataset.largest_file_bytes)
    )
}

fn way(plan: &Plan) -> String {
    let way = match plan.direction {
        Direction::Up => "to Storj",
        Direction::Down => "from Storj",
    };
    let tasks =
        if plan.tasks > 1 { format!(", {} tasks on each DTN", plan.tasks) } else { String::new() };
    let verified = if plan.verify { ", verified" } else { "" };
    format!("{way}{tasks}{verified}")
}

fn time(plan: &Plan, forecast: &Forecast) -> String {
    format!(
        "p50 {}, p90 {} with {}{}",
        roughly(forecast.p50_s),
        roughly(forecast.p90_s),
        counted(forecast.nodes, "DTN"),
        if plan.verify { ", read back" } else { "" }
    )
}

fn rate(forecast: &Forecast) -> Rate {
    Rate(forecast.effective_speed_bytes_per_second)
}

fn terms(forecast: &Forecast) -> String {
    let terms = &forecast.terms;
    let parts = [
        (terms.startup_s, "startup"),
        (terms.files_s, "files"),
        (terms.parts_s, "parts"),
        (terms.bytes_s, "bytes"),
        (terms.link_s, "waiting for the link"),
        (terms.tail_s, "last files"),
        (forecast.limits_s, "waiting for Storj's limits"),
        (forecast.verification_s, "reading back"),
        (forecast.globus_s, "Globus itself"),
    ];
    let share = |seconds: f64| seconds / forecast.p50_s;
    let said = parts.into_iter().filter(|(seconds, _)| share(*seconds) >= 0.005);
    let said = said.map(|(seconds, name)| format!("{name} {}", whole_percent(share(seconds))));
    format!("of the time {}", said.collect::<Vec<_>>().join(", "))
}

fn takes(plan: &Plan, forecast: &Forecast) -> String {
    let resources = &plan.resources;
    let own = resources
        .cores_of_tidegate
        .map_or(String::new(), |cores| format!(" (tidegate itself would use {cores:.1})"));
    format!(
        "{}, {}, {}, {:.0} a second; {:.0} calls a second to the satellite, {} at a time; each DTN {} by Storj's rule{own} and {} if its connector holds parts whole",
        counted(resources.parts, "part"),
        counted(resources.segments, "segment"),
        counted(resources.requests, "request"),
        forecast.requests_per_second,
        forecast.calls_per_second,
        counted(forecast.transfers, "transfer"),
        counted(resources.cores_per_node, "core"),
        ByteSize(resources.memory_bytes_per_node),
    )
}

fn cost(plan: &Plan) -> String {
    let cost = &plan.cost;
    let once = match cost.egress_usd_once.0 > 0.0 {
        true => format!("{} once for egress", cost.egress_usd_once),
        false => format!("nothing for the upload; {} for downloading it once", cost.download_usd),
    };
    format!("{} a month for storage, {once} (prices: {})", cost.storage_usd_per_month, cost.prices)
}

fn said(fitted: &Fitted) -> String {
    let model = &fitted.model;
    let ms = |seconds: f64| format!("{:.0} ms", 1e3 * seconds);
    let link =
        model.link_bytes_per_second.map_or("not reached".into(), |link| Rate(link).to_string());
    let sessions = match fitted.between_sessions {
        BetweenSessions::Measured(sd) => format!("{} between sessions", percent(sd)),
        BetweenSessions::Assumed(sd) => {
            format!("{} between sessions (ASSUMPTION)", percent(sd))
        }
        BetweenSessions::None => "sessions of a simulation do not differ".into(),
    };
    format!(
        "startup {:.2} s, a file {}, in parts {} more, a part {}, a segment {}, a stream {}, a DTN's link {link}; errors {} (sd), {sessions}; {} tasks or trials of {}",
        model.startup_s,
        ms(model.per_file_s),
        ms(model.per_multipart_file_s),
        ms(model.per_further_part_s),
        ms(model.per_further_segment_s),
        Rate(1.0 / model.seconds_per_byte.max(1e-15)),
        percent(fitted.residual_sd),
        fitted.observations,
        counted(fitted.sessions, "run"),
    )
}

/// A row for each number of DTNs, with the simulation's where there is one.
fn by_nodes(plan: &Plan) -> Table {
    let simulated = |nodes: u32| {
        let points = plan.simulated.iter().flat_map(|simulated| &simulated.points);
        points.into_iter().find(|point| point.nodes == nodes)
    };
    let row = |forecast: &Forecast| {
        let point = simulated(forecast.nodes);
        let told = point.map_or(String::new(), |point| {
            let off = forecast.p50_s / point.p50_s - 1.0;
            format!("{} (model {})", roughly(point.p50_s), signed_percent(off))
        });
        let simulated_p90 = point.map_or(String::new(), |point| roughly(point.p90_s));
        let simulated_429 = point.map_or(String::new(), |point| percent(point.refused_share));
        [
            forecast.nodes.to_string(),
            roughly(forecast.p50_s),
            roughly(forecast.p90_s),
            rate(forecast).to_string(),
            format!("{:.0}", forecast.calls_per_second),
            percent(forecast.refused_share),
            advice::limit_in_short(forecast.limit).to_owned(),
            told,
            simulated_429,
            simulated_p90,
        ]
    };
    let columns = [
        "DTNs",
        "p50",
        "p90",
        "speed",
        "calls/s",
        "429",
        "limit",
        "simulated p50",
        "simulated 429",
        "simulated p90",
    ];
    // The 90th percentile of one seed is that seed.
    let shown = match &plan.simulated {
        None => 7,
        Some(simulated) if simulated.seeds == 1 => 9,
        Some(_) => 10,
    };
    Table::new("By number of DTNs", columns, plan.forecasts.iter().map(row)).first_columns(shown)
}

/// ESnet's trees, in the unit of DTN scorecards.
fn scorecard(plan: &Plan) -> Table {
    let row = |score: &crate::plan::Score| {
        let tb_per_hour = match score.tb_per_hour {
            few if few < 0.0005 => "below 0.001".to_owned(),
            many => format!("{many:.3}"),
        };
        [score.dataset.clone(), roughly(score.p50_s), tb_per_hour]
    };
    let caption = "ESnet's datasets, one DTN (a 10G DTN's target is 1 TB per hour; Globus's startup included)";
    Table::new(caption, ["dataset", "p50", "TB per hour"], plan.scorecard.iter().map(row))
}

/// The same bytes in files of other sizes.
fn by_file_size(plan: &Plan) -> Table {
    let row = |by: &crate::plan::BySize| {
        [ByteSize(by.file_bytes).to_string(), roughly(by.p50_s), roughly(by.p90_s)]
    };
    let nodes = counted(plan.forecasts[0].nodes, "DTN");
    let caption = format!("The same bytes in files of other sizes, {nodes}");
    Table::new(caption, ["file size", "p50", "p90"], plan.by_file_size.iter().map(row))
}

/// Real tasks beside the model.
fn tasks(plan: &Plan) -> Table {
    let row = |one: &crate::plan::Compared| {
        [
            one.task.name.clone(),
            count(one.task.files),
            ByteSize(one.task.bytes).to_string(),
            Rate(one.actual_bytes_per_second).to_string(),
            Rate(one.predicted_bytes_per_second).to_string(),
            words::rate_interval(one.interval_90),
            if one.fits { "fits" } else { "DOES NOT FIT" }.to_owned(),
        ]
    };
    let columns = ["task", "files", "bytes", "actual", "predicted", "90 % interval", "model"];
    let compared = plan.globus_tasks.iter().flat_map(|tasks| &tasks.compared);
    Table::new("Globus tasks: effective speed", columns, compared.map(row))
}

/// What the tasks say by themselves.
fn tasks_say(plan: &Plan) -> Vec<String> {
    let Some(tasks) = &plan.globus_tasks else { return Vec::new() };
    let mut said = Vec::new();
    if tasks.misfits() > 0 {
        said.push(format!(
            "outside the model's interval: {} of {}; the model was not changed to fit them",
            tasks.misfits(),
            counted(tasks.compared.len(), "Globus task")
        ));
    }
    said.extend(tasks.left_out.iter().cloned());
    for one in &tasks.compared {
        said.extend(one.why.iter().map(|why| format!("{}: {why}", one.task.name)));
    }
    let equal = tasks.compared.iter().filter(|one| !one.sizes_are_known).count();
    if equal > 0 {
        said.push(format!(
            "files taken to be of equal size: those of {equal} of {}, because `globus task show` tells only how many they are; with the directory or manifest of a task as --dataset its sizes are used",
            counted(tasks.compared.len(), "Globus task")
        ));
    }
    said.push(match &tasks.own {
        None => "too few tasks, or of sizes too alike, to fit Globus's own startup and per-file time (6 tasks, sizes 10 times apart)".into(),
        Some(own) => format!(
            "Globus's tasks by themselves: startup {:.1} s, a file {:.3} s (all workers together), {}; each task told by the others is missed by {} in the median, by bytes over the fastest rate {}: {}",
            own.startup_s,
            own.per_file_s,
            Rate(own.bytes_per_second),
            whole_percent(own.median_error),
            whole_percent(own.naive_median_error),
            if own.fits { "usable with --globus-startup" } else { "this model does not fit them" }
        ),
    });
    if !tasks.events.is_empty() {
        said.push(format!("errors among the events: {}", tasks.events.join(", ")));
    }
    said
}
