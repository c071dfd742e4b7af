//! The numbers with which a simulation shows what was measured, and how sure they are.
//!
//! The covariance is that of the normal distribution around the end (A. Gelman et al., "Bayesian Data Analysis", 2013,
//! section 4.1), wider by the root of the mean square of the residuals where that is above 1 (R. T. Birge, "The
//! Calculation of Errors by the Method of Least Squares", 1932).

use super::cell::Measured;
use super::descent::{Point, Problem, Simulate};
use super::estimate::{Estimate, Fitted, Held, Told};
use super::features::{Feature, Features};
use super::parameter::Parameter;
use super::start::{Reached, starts};
use super::sums::{Kin, Searched};
use super::surface::Solved;
use crate::error::{Error, Result};
use crate::result::Direction;
use crate::stats;
use crate::storj::Model;

/// Starts with chance that are followed, beside one without.
const STARTS: usize = 2;

/// Steps from each start at most.
const STEPS: usize = 4;

/// Planes reach so far, in logarithms, one after the other and at the end.
const REACHES: [f64; 3] = [0.15, 0.1, 0.07];
const REACH: f64 = 0.07;

/// How much of a step that a plane suggests is tried.
const SHARES_OF_STEP: [f64; 3] = [1.0, 0.5, 0.2];

/// Intervals are so many times as wide as the plane has them, for a search ends where its draws let it, not at the best
/// place: so many hold nine of ten numbers of random links (`cargo bench --bench fit`).
const CAUTION: f64 = 1.6;

/// A logarithm that is less sure than this is not known: the number may be 2.3 times as large.
const KNOWN_SD: f64 = 0.5;

/// Numbers that are this small at most are known to be small, however little is known of their logarithm: seconds, and
/// shares.
const NEGLIGIBLE: f64 = 3e-3;

/// What an interval of 90 % leaves out on either side.
const TAIL: f64 = 0.05;

/// Finds the numbers of a link like `like`.
///
/// # Errors
/// Those of `simulate`.
pub async fn search(measured: &Measured, like: &Model, simulate: &impl Simulate) -> Result<Fitted> {
    let kin = kin(measured, like);
    let starts = starts(&measured.cells, &kin);
    let active: Vec<Parameter> =
        Parameter::ALL.into_iter().filter(|parameter| kin.has(*parameter)).collect();
    let mut problem = Problem::new(&measured.cells, kin, simulate);
    let candidates = begun(&problem, starts, &active).await?;
    if let Some(first) = candidates.iter().min_by(|one, two| one.cost.total_cmp(&two.cost)) {
        problem.look_at(&first.draws);
    }
    let mut best: Option<Point> = None;
    for point in candidates {
        let point = problem.descend(problem.again(point), STEPS).await?;
        if best.as_ref().is_none_or(|best| point.cost < best.cost) {
            best = Some(point);
        }
    }
    let best = best.ok_or_else(|| Error::environment("there is nothing to begin a search with"))?;
    problem.look_at(&best.draws);
    let best = problem.again(best);
    settled(&problem, best).await
}

/// The best starts with chance, and without.
async fn begun<S: Simulate>(
    problem: &Problem<'_, S>,
    starts: Vec<Searched>,
    active: &[Parameter],
) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for start in &starts {
        points.push(problem.at(*start, active.to_vec()).await?);
    }
    points.sort_by(|one, two| one.cost.total_cmp(&two.cost));
    points.truncate(STARTS);
    if problem.kin.has(Parameter::NodeSpread) {
        let active = active.iter().copied().filter(|one| *one != Parameter::NodeSpread).collect();
        let start = points.first().map_or_else(|| problem.kin.searched(), |best| best.searched);
        points.push(problem.at(without_chance(start), active).await?);
    }
    Ok(points)
}

/// All requests of the same are alike: movers keep in step or out of it for ever, which is another world than that of
/// little chance.
fn without_chance(mut start: Searched) -> Searched {
    start[Parameter::NodeSpread as usize] = Parameter::NodeSpread.searched(0.0);
    start
}

fn kin(measured: &Measured, like: &Model) -> Kin {
    let cells = &measured.cells;
    let went = |way| cells.iter().any(|cell| cell.asked.manner.direction == way);
    let shows =
        |feature| cells.iter().any(|cell| Features::mean(&cell.trials).ln(feature).is_some());
    Kin {
        like: Model { tls: measured.tls.unwrap_or(like.tls), ..like.clone() },
        up: went(Direction::Up),
        down: went(Direction::Down),
        calls: shows(Feature::CallTime),
        chance: shows(Feature::Unevenness),
    }
}

/// Goes to where planes lead, takes what is not known from the link that this is like, the least known first, and says
/// how sure the rest is.
async fn settled<S: Simulate>(problem: &Problem<'_, S>, found: Point) -> Result<Fitted> {
    let mut at = found;
    let mut taken: Vec<(Parameter, Held)> = Vec::new();
    for reach in REACHES {
        let plane = problem.surface(&at, reach).await?;
        let mut solved = problem.solve(&at.searched, &at.active, &plane);
        while let Some(worst) = worst_known(&at.active, &solved) {
            let (value, held) = from_like(problem, worst);
            at.active.retain(|one| *one != worst);
            taken.push((worst, held));
            at.searched[worst as usize] = worst.searched(value);
            solved = problem.solve(&at.searched, &at.active, &plane);
        }
        at = nearer(problem, at, &solved.searched).await?;
    }
    let plane = problem.surface(&at, REACH).await?;
    let solved = problem.solve(&at.searched, &at.active, &plane);
    Ok(fitted(problem, at, &solved, &taken))
}

/// What is taken of the link that this one is like. A rate is no lower than what was carried.
fn from_like<S>(problem: &Problem<'_, S>, parameter: Parameter) -> (f64, Held) {
    let reached = Reached::in_cells(problem.cells);
    let like = parameter.value(problem.kin.searched()[parameter as usize]);
    match parameter {
        Parameter::ConnectionRate => (like.max(reached.of_a_stream), Held::NotReached),
        Parameter::SharedRate => (like.max(reached.of_all), Held::NotReached),
        _ => (like, Held::Taken),
    }
}

/// The best on the way to a place.
async fn nearer<S: Simulate>(
    problem: &Problem<'_, S>,
    from: Point,
    to: &Searched,
) -> Result<Point> {
    let mut best = problem.at(from.searched, from.active.clone()).await?;
    for share in SHARES_OF_STEP {
        let mut searched = from.searched;
        for (place, to) in searched.iter_mut().zip(to) {
            *place += share * (to - *place);
        }
        let point = problem.at(searched, from.active.clone()).await?;
        if point.cost < best.cost {
            best = point;
        }
    }
    Ok(best)
}

/// The one that is least known, if it is not known enough.
fn worst_known(active: &[Parameter], solved: &Solved) -> Option<Parameter> {
    let is_known = |parameter: Parameter, sd: f64| {
        let most = parameter.value(solved.searched[parameter as usize] + 2.0 * sd);
        sd <= KNOWN_SD || (!parameter.is_rate() && most <= NEGLIGIBLE)
    };
    let all = active.iter().copied().zip(solved.sds.iter().copied());
    let unknown = all.filter(|(parameter, sd)| !is_known(*parameter, *sd));
    unknown.max_by(|(_, one), (_, two)| one.total_cmp(two)).map(|(parameter, _)| parameter)
}

/// How many residuals are free of the parameters.
fn freedom<S>(problem: &Problem<'_, S>, at: &Point) -> usize {
    problem.observations.len().saturating_sub(at.active.len()).max(1)
}

fn fitted<S: Simulate>(
    problem: &Problem<'_, S>,
    at: Point,
    solved: &Solved,
    taken: &[(Parameter, Held)],
) -> Fitted {
    let deviate = CAUTION * stats::quantile(1.0 - TAIL, freedom(problem, &at));
    let measured = at.active.iter().zip(&solved.sds).map(|(parameter, sd)| {
        let middle = at.searched[*parameter as usize];
        let end = |by: f64| parameter.value(middle + by * deviate * sd);
        let value = parameter.value(middle);
        let interval_90 = Some([end(-1.0), end(1.0)]);
        Estimate { parameter: *parameter, value, interval_90, held: Held::Measured }
    });
    let others = taken.iter().map(|(parameter, held)| Estimate {
        parameter: *parameter,
        value: parameter.value(at.searched[*parameter as usize]),
        interval_90: None,
        held: *held,
    });
    let is_absent = problem.kin.has(Parameter::NodeSpread)
        && !at.active.contains(&Parameter::NodeSpread)
        && taken.iter().all(|(parameter, _)| *parameter != Parameter::NodeSpread);
    let absent = is_absent.then_some(Estimate {
        parameter: Parameter::NodeSpread,
        value: 0.0,
        interval_90: None,
        held: Held::Absent,
    });
    let mut estimates: Vec<Estimate> = measured.chain(others).chain(absent).collect();
    estimates.sort_by_key(|one| one.parameter as usize);
    let told = problem.cells.iter().zip(&at.draws).enumerate();
    let told = told.map(|(place, (cell, draws))| Told {
        asked: cell.asked.clone(),
        trials: cell.trials.len(),
        measured: Features::mean(&cell.trials),
        simulated: Features::mean(draws),
        rate_sd: rate_sd(problem, place),
    });
    Fitted {
        estimates,
        told: told.collect(),
        misfit: solved.misfit,
        model: problem.kin.model(&at.searched),
    }
}

fn rate_sd<S>(problem: &Problem<'_, S>, cell: usize) -> f64 {
    let rates = problem.observations.iter().filter(|one| one.feature == Feature::Rate);
    rates.filter(|one| one.cell == cell).map(|one| one.sd).next().unwrap_or(0.0)
}
