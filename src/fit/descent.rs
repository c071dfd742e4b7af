//! Least squares of what a simulation shows beside what was measured.
//!
//! The residuals are (simulated - measured) / standard deviation of the logarithms of the [`Feature`]s of all cells,
//! and for each parameter (logarithm - that of the link it is like) / `prior_sd`. Their squares are made small by
//! Levenberg's and Marquardt's method (K. Levenberg 1944; D. Marquardt 1963), those of large residuals by less (P. J.
//! Huber, "Robust Estimation of a Location Parameter", 1964). Slopes are differences of simulations that draw the same.
//!
//! [`Feature`]: super::features::Feature

use super::cell::Cell;
use super::features::Features;
use super::observation::{Observation, observations};
use super::parameter::Parameter;
use super::sums::{Kin, Searched};
use crate::error::Result;
use crate::stats;
use crate::storj::Model;

/// A parameter is moved by so much of its logarithm to see what follows: with less, draws that change places would be
/// seen instead.
const SLOPE_STEP: f64 = 0.08;

/// The search is over when a step brings less than this share.
const GAIN_MIN: f64 = 2e-3;

/// No step moves a logarithm further.
const STEP_MAX: f64 = 1.0;

/// Residuals beyond this count by their size, not by its square.
pub(super) const HUBER: f64 = 3.0;

/// A simulation that does not show what was measured at all is as far off as this.
const MISSING: f64 = 5.0;

/// ASSUMPTION: how far the numbers of a link are from those of the link it is like, as powers of e (a standard
/// deviation). Measurements that say anything outweigh it. Shares are often nothing, of which any logarithm is far away.
fn prior_sd(parameter: Parameter) -> f64 {
    match parameter {
        Parameter::Crowding | Parameter::NodeSpread => 6.0,
        _ => 2.0,
    }
}

/// By how much a residual counts, as a factor.
pub(super) fn weight(residual: &f64) -> f64 {
    (HUBER / residual.abs().max(HUBER)).sqrt()
}

/// What several draws of each cell show on each of several models: by model, by cell, by draw.
pub trait Simulate: AsyncFn(Vec<Model>) -> Result<Vec<Vec<Vec<Features>>>> {}

impl<F: AsyncFn(Vec<Model>) -> Result<Vec<Vec<Vec<Features>>>>> Simulate for F {}

/// What is to be fitted.
pub(super) struct Problem<'a, S> {
    pub cells: &'a [Cell],
    pub kin: Kin,
    pub observations: Vec<Observation>,
    pub simulate: &'a S,
}

/// A place of the search.
#[derive(Clone)]
pub(super) struct Point {
    pub searched: Searched,
    /// Those that are searched.
    pub active: Vec<Parameter>,
    /// What the draws of each cell show.
    pub draws: Vec<Vec<Features>>,
    pub cost: f64,
}

/// How residuals follow the parameters.
pub(super) type Rows = Vec<Searched>;

impl<'a, S: Simulate> Problem<'a, S> {
    pub(super) fn new(cells: &'a [Cell], kin: Kin, simulate: &'a S) -> Self {
        Self { cells, kin, observations: observations(cells, &[]), simulate }
    }

    /// Looks at how much these draws differ.
    pub(super) fn look_at(&mut self, draws: &[Vec<Features>]) {
        self.observations = observations(self.cells, draws);
    }

    /// The same place, with what it costs after another look.
    pub(super) fn again(&self, point: Point) -> Point {
        self.point(point.searched, point.active, point.draws)
    }

    pub(super) async fn show(&self, places: &[Searched]) -> Result<Vec<Vec<Vec<Features>>>> {
        (self.simulate)(places.iter().map(|place| self.kin.model(place)).collect()).await
    }

    pub(super) async fn at(&self, searched: Searched, active: Vec<Parameter>) -> Result<Point> {
        let draws = self.show(&[searched]).await?.pop().unwrap_or_default();
        Ok(self.point(searched, active, draws))
    }

    fn point(
        &self,
        searched: Searched,
        active: Vec<Parameter>,
        draws: Vec<Vec<Features>>,
    ) -> Point {
        let mut point = Point { searched, active, draws, cost: 0.0 };
        point.cost = self.cost(&point);
        point
    }

    pub(super) fn residuals(&self, draws: &[Vec<Features>]) -> Vec<f64> {
        let shown: Vec<Features> = draws.iter().map(|draws| Features::mean(draws)).collect();
        let residual = |one: &Observation| {
            let shown = shown.get(one.cell).and_then(|shown| shown.ln(one.feature));
            shown.map_or(MISSING, |shown| {
                ((shown - one.ln) / one.sd).clamp(-RESIDUAL_MAX, RESIDUAL_MAX)
            })
        };
        self.observations.iter().map(residual).collect()
    }

    fn off_like(&self, searched: &Searched, parameter: Parameter) -> f64 {
        let place = parameter as usize;
        (searched[place] - self.kin.searched()[place]) / prior_sd(parameter)
    }

    fn cost(&self, point: &Point) -> f64 {
        let loss = |residual: f64| match residual.abs() {
            small if small <= HUBER => small.powi(2),
            large => 2.0 * HUBER * large - HUBER.powi(2),
        };
        let data: f64 = self.residuals(&point.draws).into_iter().map(loss).sum();
        let squares = point.active.iter().map(|one| self.off_like(&point.searched, *one).powi(2));
        data + squares.sum::<f64>()
    }

    /// Downhill, for so many steps at most.
    pub(super) async fn descend(&self, from: Point, steps: usize) -> Result<Point> {
        let mut at = from;
        let mut damping = 1e-2;
        for _ in 0..steps {
            let (rows, right) = self.slopes(&at).await?;
            let Some(next) = self.step(&at, &rows, &right, &mut damping).await? else { break };
            let gain = 1.0 - next.cost / at.cost;
            at = next;
            if gain < GAIN_MIN {
                break;
            }
        }
        Ok(at)
    }

    /// Weighted slopes of all residuals, those of the parameters themselves at the end, and the residuals.
    async fn slopes(&self, at: &Point) -> Result<(Rows, Vec<f64>)> {
        let moved = |one: &Parameter| {
            let mut moved = at.searched;
            moved[*one as usize] += SLOPE_STEP;
            moved
        };
        let shown = self.show(&at.active.iter().map(moved).collect::<Vec<_>>()).await?;
        let now = self.residuals(&at.draws);
        let weights: Vec<f64> = now.iter().map(weight).collect();
        let mut rows = vec![[0.0; Parameter::COUNT]; now.len()];
        for (parameter, draws) in at.active.iter().zip(&shown) {
            let there = self.residuals(draws);
            for (i, row) in rows.iter_mut().enumerate() {
                row[*parameter as usize] = weights[i] * (there[i] - now[i]) / SLOPE_STEP;
            }
        }
        let mut right: Vec<f64> = now.iter().zip(&weights).map(|(one, by)| one * by).collect();
        self.add_prior(&at.searched, &at.active, (&mut rows, &mut right));
        Ok((rows, right))
    }

    /// Adds a row and a residual for each parameter, which hold it near the link that this one is like.
    pub(super) fn add_prior(
        &self,
        at: &Searched,
        active: &[Parameter],
        (rows, right): (&mut Rows, &mut Vec<f64>),
    ) {
        for parameter in active {
            let mut row = [0.0; Parameter::COUNT];
            row[*parameter as usize] = prior_sd(*parameter).recip();
            rows.push(row);
            right.push(self.off_like(at, *parameter));
        }
    }

    /// The next place, if there is a better one. Two steps are tried at a time, a long one and a short one.
    async fn step(
        &self,
        at: &Point,
        rows: &Rows,
        right: &[f64],
        damping: &mut f64,
    ) -> Result<Option<Point>> {
        while *damping < DAMPING_MAX {
            let tried = [*damping, *damping * 30.0];
            let places: Vec<Searched> =
                tried.iter().filter_map(|by| stepped(at, rows, right, *by)).collect();
            let shown = self.show(&places).await?;
            let points = places.into_iter().zip(shown);
            let points = points.map(|(place, draws)| self.point(place, at.active.clone(), draws));
            let best =
                points.enumerate().min_by(|(_, one), (_, two)| one.cost.total_cmp(&two.cost));
            match best {
                Some((which, point)) if point.cost < at.cost => {
                    *damping = (tried[which] / 10.0).max(1e-4);
                    return Ok(Some(point));
                }
                _ => *damping *= 900.0,
            }
        }
        Ok(None)
    }
}

/// A residual says no more than that it is far off.
const RESIDUAL_MAX: f64 = 1e3;

/// With more no step is left.
const DAMPING_MAX: f64 = 1e4;

fn stepped(at: &Point, rows: &Rows, right: &[f64], damping: f64) -> Option<Searched> {
    let used: Vec<usize> = at.active.iter().map(|one| *one as usize).collect();
    let mut damped = rows.clone();
    damped.extend(used.iter().map(|column| {
        let squares: f64 = rows.iter().map(|row| row[*column].powi(2)).sum();
        let mut row = [0.0; Parameter::COUNT];
        row[*column] = (damping * squares).sqrt();
        row
    }));
    let inverse = stats::inverse_of_squares(&damped, &used)?;
    let downhill = |column: &usize| {
        let products = rows.iter().zip(right).map(|(row, residual)| -row[*column] * residual);
        products.sum::<f64>()
    };
    let downhill: Vec<f64> = used.iter().map(downhill).collect();
    let mut searched = at.searched;
    for (parameter, row) in at.active.iter().zip(&inverse) {
        let change: f64 = row.iter().zip(&downhill).map(|(one, other)| one * other).sum();
        let place = &mut searched[*parameter as usize];
        // Below nothing there is nothing.
        *place = (*place + change.clamp(-STEP_MAX, STEP_MAX)).max(parameter.searched(0.0));
    }
    Some(searched)
}
