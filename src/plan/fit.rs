//! The model's numbers from observations: least squares of relative errors, nothing below zero, no more
//! terms than the observations carry.

use super::evidence::Observation;
use super::model::{Crew, Model};
use super::work::Work;
use crate::error::{Error, Result};
use crate::stats;
use crate::units::ByteSize;

/// S0, t0, Create and Complete, part, segment, byte, and a byte of the link.
pub const TERMS: usize = 7;

/// Those without which nothing can be told of other sizes: files and bytes always cost something.
const KEPT: [usize; 2] = [1, 5];

/// Different file sizes without which what files cost is not told from what bytes cost.
const SIZES_MIN: usize = 3;

/// Sizes that are closer than this are one.
const SIZES_RATIO: f64 = 1.5;

/// Passes in which the tails follow from the model so far.
const PASSES: usize = 2;

/// Steps of a search at most.
const STEPS: usize = 40;

/// Logarithm by which a number is moved to see what follows.
const SLOPE_STEP: f64 = 1e-4;

/// Refuses what cannot tell files from bytes.
pub fn enough(observations: &[&Observation]) -> Result<()> {
    let mut sizes: Vec<f64> = observations.iter().map(|one| one.shape.mean_bytes()).collect();
    sizes.sort_by(f64::total_cmp);
    let mut different = Vec::<f64>::new();
    for size in sizes {
        if different.last().is_none_or(|last| size / last > SIZES_RATIO) {
            different.push(size);
        }
    }
    if different.len() >= SIZES_MIN {
        return Ok(());
    }
    let sizes: Vec<String> =
        different.iter().map(|size| ByteSize(*size as u64).to_string()).collect();
    let message = format!(
        "to tell what a file costs from what its bytes cost takes transfers of {SIZES_MIN} file sizes or more; these results have {}: {}",
        different.len(),
        if sizes.is_empty() { "none this way".into() } else { sizes.join(", ") }
    );
    Err(Error::environment(message).hint(
        "give --measure TARGET as well, which measures the others there, or add runs of files of other sizes",
    ))
}

/// The best that was found from every start; `None` if no number says anything.
pub fn best(observations: &[&Observation]) -> Option<Candidate> {
    let found = starts(observations).into_iter().map(|start| search(observations, start));
    found.min_by(|one, other| one.cost.total_cmp(&other.cost))
}

/// A model under way: the numbers that are in it, and what it says of each observation.
#[derive(Clone)]
pub struct Candidate {
    pub model: Model,
    pub used: Vec<usize>,
    cost: f64,
}

/// The numbers as they are searched: logarithms have no sign to break.
fn numbers(model: &Model) -> [f64; TERMS] {
    [
        model.startup_s,
        model.per_file_s,
        model.per_multipart_file_s,
        model.per_further_part_s,
        model.per_further_segment_s,
        model.seconds_per_byte,
        model.link_bytes_per_second.map_or(0.0, |link| 1.0 / link),
    ]
}

fn with_numbers(numbers: [f64; TERMS], in_step: f64) -> Model {
    let [startup_s, per_file_s, per_multipart_file_s, part_s, segment_s, seconds_per_byte, link] =
        numbers;
    Model {
        startup_s,
        per_file_s,
        per_multipart_file_s,
        per_further_part_s: part_s,
        per_further_segment_s: segment_s,
        seconds_per_byte,
        link_bytes_per_second: (link > 0.0).then(|| 1.0 / link),
        in_step: if link > 0.0 { in_step } else { 0.0 },
    }
}

/// Every start: the link never binds, or it does and movers stay in step or not.
fn starts(observations: &[&Observation]) -> Vec<Candidate> {
    let least = |of: &dyn Fn(&Observation) -> f64| {
        let values = observations.iter().map(|one| of(one)).filter(|value| value.is_finite());
        values.fold(f64::MAX, f64::min)
    };
    let movers = |one: &Observation| f64::from(one.manner.settings.concurrency);
    let per_file_s = 0.5 * least(&|one| one.seconds * movers(one) / one.shape.files());
    let per_byte =
        least(&|one| one.seconds * movers(one) / Work::of(&one.shape, one.manner).serial_bytes);
    let startup_s = 0.05 * least(&|one| one.seconds);
    let fastest = 1.0 / least(&|one| one.seconds / one.shape.bytes());
    let free = Model {
        startup_s: if observations.iter().any(|one| one.is_whole_task) { startup_s } else { 0.0 },
        per_file_s,
        per_multipart_file_s: 0.3 * per_file_s,
        per_further_part_s: 0.3 * per_file_s,
        per_further_segment_s: 0.3 * per_file_s,
        seconds_per_byte: 0.9 * per_byte,
        ..Model::default()
    };
    let bound = |in_step| Model { link_bytes_per_second: Some(1.02 * fastest), in_step, ..free };
    let models = [free, bound(0.0), bound(0.5), bound(1.0)];
    models
        .map(|model| Candidate { model, used: shown(observations, &model), cost: f64::MAX })
        .to_vec()
}

/// The numbers of which the observations can say anything.
fn shown(observations: &[&Observation], model: &Model) -> Vec<usize> {
    let start = numbers(model);
    let counts = |term: usize| {
        let of = |one: &&Observation| Work::of(&one.shape, one.manner).terms()[term - 1];
        observations.iter().map(of).sum::<f64>()
    };
    let is_shown = |term: &usize| {
        start[*term] > 0.0 && (*term == 0 || *term == TERMS - 1 || counts(*term) > 0.0)
    };
    (0..TERMS).filter(is_shown).collect()
}

/// Searches the numbers, then leaves out what brings nothing.
fn search(observations: &[&Observation], start: Candidate) -> Candidate {
    let mut best = descended(observations, start);
    loop {
        let without = |left_out: &usize| {
            let used: Vec<usize> =
                best.used.iter().copied().filter(|term| term != left_out).collect();
            (!used.is_empty()).then(|| descended(observations, Candidate { used, ..best.clone() }))
        };
        let simpler = best.used.iter().filter(|term| !KEPT.contains(term)).filter_map(without);
        match simpler.min_by(|one, other| one.cost.total_cmp(&other.cost)) {
            Some(simpler) if simpler.cost <= best.cost => best = simpler,
            _ => return best,
        }
    }
}

/// Levenberg's and Marquardt's method (K. Levenberg 1944; D. Marquardt 1963) on the logarithms of times and
/// numbers.
fn descended(observations: &[&Observation], start: Candidate) -> Candidate {
    let Candidate { model, used, .. } = start;
    let kept = numbers(&model);
    let all: [f64; TERMS] =
        std::array::from_fn(|term| if used.contains(&term) { kept[term].max(1e-15) } else { 0.0 });
    let mut model = with_numbers(all, model.in_step);
    for _ in 0..PASSES {
        let tails = tails(observations, &model);
        let mut damping = 1e-3;
        let mut squares = sum_of_squares(observations, &tails, &model);
        for _ in 0..STEPS {
            let step = step(observations, &tails, &model, &used, damping);
            let Some(moved) = step else { break };
            let moved_squares = sum_of_squares(observations, &tails, &moved);
            if moved_squares < squares {
                let gain = 1.0 - moved_squares / squares;
                (model, squares, damping) = (moved, moved_squares, damping / 5.0);
                if gain < 1e-6 {
                    break;
                }
            } else {
                damping *= 10.0;
                if damping > 1e6 {
                    break;
                }
            }
        }
    }
    let tails = tails(observations, &model);
    let squares = sum_of_squares(observations, &tails, &model);
    let cost = stats::akaike(squares, observations.len() as f64, used.len() as f64);
    Candidate { model, used, cost }
}

/// Each observation's tail over its steady time.
pub fn tails(observations: &[&Observation], model: &Model) -> Vec<f64> {
    let tail = |one: &&Observation| {
        let movers = f64::from(one.manner.settings.concurrency);
        let steady_s = model.mover_seconds(&Work::of(&one.shape, one.manner)) / movers;
        match one.is_whole_task && steady_s > 0.0 {
            true => model.tail_s(&one.shape, one.manner, movers) / steady_s,
            false => 0.0,
        }
    };
    observations.iter().map(tail).collect()
}

/// What the model says of an observation.
fn told_s(observation: &Observation, tail: f64, model: &Model) -> f64 {
    let Observation { shape, manner, .. } = observation;
    let movers = f64::from(manner.settings.concurrency);
    let link_bytes_per_second = model.link_bytes_per_second;
    let steady = model.steady(shape, *manner, Crew { movers, links: 1.0, link_bytes_per_second });
    let told = match observation.is_whole_task {
        true => model.with_tail(steady, tail * (steady.total_s() - steady.link_s)),
        false => steady,
    };
    told.total_s().max(f64::MIN_POSITIVE)
}

/// Logarithms of observed over told.
pub fn residuals(observations: &[&Observation], tails: &[f64], model: &Model) -> Vec<f64> {
    let pairs = observations.iter().zip(tails);
    pairs.map(|(one, tail)| (one.seconds / told_s(one, *tail, model)).ln()).collect()
}

fn sum_of_squares(observations: &[&Observation], tails: &[f64], model: &Model) -> f64 {
    residuals(observations, tails, model).iter().map(|residual| residual.powi(2)).sum()
}

/// How the logarithm of a time follows those of the numbers.
pub fn slopes(model: &Model, used: &[usize], told_s: impl Fn(&Model) -> f64) -> [f64; TERMS] {
    let (now_s, now) = (told_s(model), numbers(model));
    std::array::from_fn(|term| {
        if !used.contains(&term) {
            return 0.0;
        }
        let mut moved = now;
        moved[term] *= SLOPE_STEP.exp();
        (told_s(&with_numbers(moved, model.in_step)) / now_s).ln() / SLOPE_STEP
    })
}

pub fn all_slopes(
    observations: &[&Observation],
    tails: &[f64],
    model: &Model,
    used: &[usize],
) -> Vec<[f64; TERMS]> {
    let pairs = observations.iter().zip(tails);
    pairs.map(|(one, tail)| slopes(model, used, |model| told_s(one, *tail, model))).collect()
}

/// The next model; `None` when there is nowhere to go.
fn step(
    observations: &[&Observation],
    tails: &[f64],
    model: &Model,
    used: &[usize],
    damping: f64,
) -> Option<Model> {
    let mut rows = all_slopes(observations, tails, model, used);
    let residuals = residuals(observations, tails, model);
    let right: Vec<f64> = used
        .iter()
        .map(|term| rows.iter().zip(&residuals).map(|(row, residual)| row[*term] * residual).sum())
        .collect();
    rows.extend(used.iter().map(|term| {
        let mut row = [0.0; TERMS];
        row[*term] = damping.sqrt();
        row
    }));
    let inverse = stats::inverse_of_squares(&rows, used)?;
    let mut moved = numbers(model);
    for (i, term) in used.iter().enumerate() {
        let change: f64 = inverse[i].iter().zip(&right).map(|(one, other)| one * other).sum();
        moved[*term] = (moved[*term] * change.clamp(-2.0, 2.0).exp()).clamp(1e-15, 1e6);
    }
    Some(with_numbers(moved, model.in_step))
}
