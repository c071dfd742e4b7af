//! What to do, from the same model, and what to be careful about.

use super::fitted::BetweenSessions;
use super::forecast::{Forecast, Limit, Models};
use super::globus;
use super::question::Question;
use super::work::Work;
use crate::error::Result;
use crate::result::{Direction, Settings};
use crate::tune;
use crate::units::{ByteSize, MIB, Rate, counted};

/// A change that brings less than this is not worth a sentence.
const WORTH: f64 = 0.10;

/// Part sizes that are compared, and those that were measured: what a second segment of a part costs is not
/// known unless parts of two were measured.
const PART_SIZES_MIB: [u64; 3] = [16, 32, 64];

/// Part sizes whose times differ by less are the same: then the smaller, which takes less memory.
const SAME: f64 = 0.02;

/// Efficiency at which files are large enough: 90 % of the time is bytes.
const BYTES_TO_OVERHEAD: f64 = 9.0;

/// Archives of more parts than this are not advised: one that fails is sent again as a whole.
const ARCHIVE_PARTS_MAX: f64 = 100.0;

/// What to do, one sentence each.
///
/// # Errors
/// If a way that is needed was not measured.
pub fn advise(question: &Question, models: &Models, forecasts: &[Forecast]) -> Result<Vec<String>> {
    let advice = [
        bundling(question, models, &forecasts[0])?,
        part_size(question, models)?,
        more_files(question, models, &forecasts[0])?,
        nodes(question, forecasts),
        refusals(forecasts),
    ];
    Ok(advice.into_iter().flatten().collect())
}

fn bundling(question: &Question, models: &Models, now: &Forecast) -> Result<Option<String>> {
    let Some(fitted) = models.of(question.manner.direction) else { return Ok(None) };
    let model = fitted.model;
    let part = question.manner.settings.part_size_bytes as f64;
    let movers = f64::from(question.manner.settings.concurrency) * f64::from(question.tasks);
    // A byte of a mover takes as long as its stream needs, or as its share of a full link.
    let per_byte =
        model.link_bytes_per_second.map_or(0.0, |link| movers / link).max(model.seconds_per_byte);
    let enough = BYTES_TO_OVERHEAD * model.per_file_s / per_byte.max(f64::MIN_POSITIVE);
    let least = (enough / part).ceil().clamp(1.0, ARCHIVE_PARTS_MAX) * part;
    let setup = question.setup(question.nodes[0]);
    let bundled = question.ask(models, &question.shape.bundled(least), &setup)?;
    let ratio = now.p50_s / bundled.p50_s;
    let size = ByteSize(least as u64);
    Ok(Some(match ratio > 1.0 + WORTH {
        true => format!(
            "bundle files smaller than {size} (with tar, for example) into archives of about {size}: {} instead of {}, {ratio:.1} times as fast",
            time(bundled.p50_s),
            time(now.p50_s),
        ),
        false if ratio < 1.005 => {
            format!("no need to bundle files: in archives of {size} it would not be faster")
        }
        false => format!(
            "no need to bundle files: in archives of {size} it would be {:.0} % faster",
            100.0 * (ratio - 1.0)
        ),
    }))
}

fn part_size(question: &Question, models: &Models) -> Result<Option<String>> {
    let largest = question.shape.largest_bytes() as u64;
    let of = |part_size_bytes: u64| {
        let settings = Settings { part_size_bytes, ..question.manner.settings };
        let mut setup = question.setup(question.nodes[0]);
        setup.manner.settings = settings;
        question.ask(models, &question.shape, &setup).map(|one| (part_size_bytes, one.p50_s))
    };
    let measured = models.of(question.manner.direction).map(|one| one.part_sizes_bytes.clone());
    let mut sizes =
        [PART_SIZES_MIB.map(|size| size * MIB).to_vec(), measured.unwrap_or_default()].concat();
    sizes.sort_unstable();
    sizes.dedup();
    let possible = sizes.into_iter().filter(|size| {
        let settings = Settings { part_size_bytes: *size, ..question.manner.settings };
        tune::feasible(settings, largest).is_ok()
    });
    let times: Vec<(u64, f64)> = possible.map(of).collect::<Result<_>>()?;
    let Some(best) = times.iter().map(|(_, time)| *time).min_by(f64::total_cmp) else {
        return Ok(Some(
            "files of this size need larger parts than those that were measured".into(),
        ));
    };
    let chosen = times.iter().find(|(_, time)| *time <= best * (1.0 + SAME));
    let now = of(question.manner.settings.part_size_bytes)?;
    Ok(chosen.map(|(size, time)| {
        let size = ByteSize(*size);
        match now.1 / time > 1.0 + SAME {
            true => format!(
                "parts of {size} would be {:.0} % faster than those of {}; what GCS's connector sends is not known: see `tidegate observe`",
                100.0 * (now.1 / time - 1.0),
                ByteSize(now.0),
            ),
            false => format!("parts of {} are as good as any", ByteSize(now.0)),
        }
    }))
}

fn more_files(question: &Question, models: &Models, now: &Forecast) -> Result<Option<String>> {
    if !matches!(now.limit, Limit::Files | Limit::Parts | Limit::Streams) {
        return Ok(None);
    }
    let concurrency = 2 * question.manner.settings.concurrency;
    let mut setup = question.setup(question.nodes[0]);
    setup.manner.settings.concurrency = concurrency;
    let more = question.ask(models, &question.shape, &setup)?;
    let ratio = now.p50_s / more.p50_s;
    Ok((ratio > 1.0 + WORTH).then(|| {
        format!(
            "concurrency {concurrency} would be {ratio:.1} times as fast, if the DTN has the cores and nothing else limits it: `tidegate tune` measures that"
        )
    }))
}

fn nodes(question: &Question, forecasts: &[Forecast]) -> Option<String> {
    let (first, last) = (forecasts.first()?, forecasts.last()?);
    let short = forecasts.iter().find(|one| !one.brings_its_share(first));
    Some(match short {
        _ if forecasts.len() == 1 => return None,
        None => format!("up to {} DTNs, each brings its full share", last.nodes),
        Some(short) => format!(
            "beyond {} each further one brings less than its share: {} limits them to {}{}",
            counted(short.nodes - 1, "DTN"),
            limit(short.limit),
            Rate(short.effective_speed_bytes_per_second),
            knee(question, short.limit, first.each_bytes_per_second()).unwrap_or_default(),
        ),
    })
}

/// Where the limit of calls begins to bind, and why more passes all the same.
fn knee(question: &Question, limit: Limit, each_bytes_per_second: f64) -> Option<String> {
    let rate = question.limits.calls_per_second.filter(|_| limit == Limit::Calls)?;
    let work = Work::of(&question.shape, question.manner);
    let (calls, files) = (work.calls / work.files, rate * work.files / work.calls);
    let bytes = files * work.bytes / work.files;
    Some(format!(
        "; a file takes {calls:.0} calls, so {rate:.0} calls a second allow {files:.0} files or {}, as much as {:.1} DTNs ask for; beyond that, Storj admits what finds a token for its first call and refuses the rest",
        Rate(bytes),
        bytes / each_bytes_per_second
    ))
}

fn refusals(forecasts: &[Forecast]) -> Option<String> {
    let first = forecasts.iter().find(|one| one.refused_share > 0.02)?;
    Some(format!(
        "from {} on Storj answers more and more attempts with 429 ({:.0} % with {}); ask Storj for a higher limit of requests, or bundle files",
        counted(first.nodes, "DTN"),
        100.0 * forecasts.last()?.refused_share,
        forecasts.last()?.nodes,
    ))
}

/// A limit in words.
pub fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::Startup => "the startup of the task",
        Limit::Files => "what each file costs beside its bytes",
        Limit::Parts => "what each part and segment costs beside its bytes",
        Limit::Streams => "the rate of the streams: this many files in flight carry no more",
        Limit::Link => "the DTN's link",
        Limit::SharedLink => "the link that all DTNs share",
        Limit::Calls => "the project's limit of calls to Storj's satellite",
        Limit::Transfers => "the project's limit of uploads and downloads at a time",
        Limit::Tail => "the last and largest files, while other workers have none left",
        Limit::Verification => "reading everything back",
    }
}

/// A limit in a word or two.
pub fn limit_in_short(limit: Limit) -> &'static str {
    match limit {
        Limit::Startup => "startup",
        Limit::Files => "files",
        Limit::Parts => "parts",
        Limit::Streams => "streams",
        Limit::Link => "DTN's link",
        Limit::SharedLink => "shared link",
        Limit::Calls => "calls to Storj",
        Limit::Transfers => "transfers at a time",
        Limit::Tail => "last files",
        Limit::Verification => "reading back",
    }
}

/// Warnings, and assumptions.
pub fn caution(question: &Question, models: &Models, forecasts: &[Forecast]) -> [Vec<String>; 2] {
    let (mut warnings, mut assumptions) = (Vec::new(), Vec::new());
    let manner = question.manner;
    if let Some(fitted) = models.of(manner.direction) {
        let [small, large] = fitted.file_bytes;
        let mean = question.shape.mean_bytes();
        if mean < small / 2.0 || mean > large * 100.0 {
            warnings.push(format!(
                "files of {} on average are far from those that were measured ({} to {})",
                ByteSize(mean as u64),
                ByteSize(small as u64),
                ByteSize(large as u64),
            ));
        }
        if !fitted.part_sizes_bytes.contains(&manner.settings.part_size_bytes) {
            warnings.push(format!(
                "parts of {} were not measured",
                ByteSize(manner.settings.part_size_bytes)
            ));
        }
        if !fitted.startup_is_known {
            warnings.push("the startup of a task is not known: only whole tasks show it".into());
        }
        if let BetweenSessions::Assumed(sd) = fitted.between_sessions {
            assumptions.push(format!(
                "Sessions differ by {:.0} % (standard deviation): one session was measured, and regressions over Globus logs miss by 4.6 to 7.8 % in the median (HPDC 2017). Where they differ by 20 %, p90 is too early: measure on another day as well.",
                100.0 * sd
            ));
        }
        if fitted.model.link_bytes_per_second.is_none() {
            assumptions.push(
                "A DTN's link is taken to carry whatever its streams do: nothing that was measured filled it.".into(),
            );
        }
    }
    if question.nodes[1] > 1 && question.shared_link_bytes_per_second.is_none() {
        assumptions.push("DTNs share Storj's limits but no link (--shared-link).".into());
    }
    if forecasts.iter().any(|one| one.failing_share > 1e-3) {
        let worst = forecasts.iter().map(|one| one.failing_share).fold(0.0, f64::max);
        warnings.push(format!(
            "up to {:.1} % of the files would fail: all their attempts are refused",
            100.0 * worst
        ));
    }
    let way = match manner.direction {
        Direction::Up => "sends a file's parts one after the other",
        Direction::Down => "fetches an object with one GetObject",
    };
    assumptions.push(format!("Globus's S3 connector does as tidegate: it {way} as set."));
    assumptions.push(format!("What Globus adds: {}.", globus::SOURCE));
    assumptions.push(
        "Limits of the project are those that Storj publishes, unless --limits says otherwise."
            .into(),
    );
    [warnings, assumptions]
}

fn time(seconds: f64) -> String {
    crate::words::roughly(seconds)
}
