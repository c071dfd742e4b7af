//! What is shown as a plane over the parameters, near where a search has come.
//!
//! Simulations draw, so what they show has steps and noise, which a slope between two of them shows as well. Here
//! [`RUNS`] simulations around a place have each parameter higher in half of them and lower in the other half, each
//! half in another combination with the others: a two-level design in which no parameter is mistaken for two others
//! together (G. Box, J. Hunter, "The 2^(k-p) Fractional Factorial Designs", 1961). All of them tell every slope.

use super::descent::{HUBER, Point, Problem, Rows, Simulate, weight};
use super::parameter::Parameter;
use super::sums::Searched;
use crate::error::Result;
use crate::stats;

/// Simulations of a plane.
const RUNS: usize = 16;

/// Columns of a Hadamard matrix of 16: the first eight are of resolution IV, as far as they suffice.
const COLUMNS: [usize; Parameter::COUNT] = [1, 2, 4, 7, 8, 11, 13, 14, 3];

/// No step leaves the plane further than this many times as far as it reaches.
const STEP_MOST: f64 = 2.0;

/// The plane, and what follows from it.
pub(super) struct Surface {
    /// Residuals in the middle.
    middle: Vec<f64>,
    /// By parameter.
    slopes: Rows,
    /// How far it reaches.
    reach: f64,
}

/// Where least squares lead, and how sure that is.
pub(super) struct Solved {
    /// The place.
    pub searched: Searched,
    /// Standard deviation of each active parameter.
    pub sds: Vec<f64>,
    /// Root of the mean square of the residuals there; at least 1.
    pub misfit: f64,
}

impl<S: Simulate> Problem<'_, S> {
    /// The plane through a point.
    pub(super) async fn surface(&self, at: &Point, reach: f64) -> Result<Surface> {
        let active = &at.active;
        let place = |run: usize| {
            let mut place = at.searched;
            for (i, parameter) in active.iter().enumerate() {
                place[*parameter as usize] += sign(run, i) * reach;
            }
            place
        };
        let shown = self.show(&(0..RUNS).map(place).collect::<Vec<_>>()).await?;
        let residuals: Vec<Vec<f64>> = shown.iter().map(|draws| self.residuals(draws)).collect();
        let mut surface = Surface {
            middle: self.residuals(&at.draws),
            slopes: vec![[0.0; Parameter::COUNT]; self.observations.len()],
            reach,
        };
        for (run, residuals) in residuals.iter().enumerate() {
            for (row, residual) in residuals.iter().enumerate() {
                for (i, parameter) in active.iter().enumerate() {
                    surface.slopes[row][*parameter as usize] +=
                        sign(run, i) * residual / (RUNS as f64 * reach);
                }
            }
        }
        Ok(surface)
    }

    /// Least squares on a plane.
    pub(super) fn solve(&self, at: &Searched, active: &[Parameter], plane: &Surface) -> Solved {
        let used: Vec<usize> = active.iter().map(|one| *one as usize).collect();
        let weights: Vec<f64> = plane.middle.iter().map(weight).collect();
        let weighted = plane.slopes.iter().zip(&weights).map(|(row, by)| row.map(|one| one * by));
        let mut rows: Rows = weighted.collect();
        let mut right: Vec<f64> =
            plane.middle.iter().zip(&weights).map(|(one, by)| one * by).collect();
        self.add_prior(at, active, (&mut rows, &mut right));
        let Some(inverse) = stats::inverse_of_squares(&rows, &used) else {
            return Solved { searched: *at, sds: vec![f64::INFINITY; used.len()], misfit: 1.0 };
        };
        let downhill = |column: &usize| -> f64 {
            rows.iter().zip(&right).map(|(row, residual)| -row[*column] * residual).sum()
        };
        let downhill: Vec<f64> = used.iter().map(downhill).collect();
        let most = STEP_MOST * plane.reach;
        let mut step = [0.0; Parameter::COUNT];
        for (column, row) in used.iter().zip(&inverse) {
            let change: f64 = row.iter().zip(&downhill).map(|(one, other)| one * other).sum();
            step[*column] = change.clamp(-most, most);
        }
        let misfit = self.misfit(plane, &step, active.len());
        let mut searched = *at;
        for parameter in active {
            let place = &mut searched[*parameter as usize];
            // Below nothing there is nothing.
            *place = (*place + step[*parameter as usize]).max(parameter.searched(0.0));
        }
        let sds = (0..used.len()).map(|i| misfit * inverse[i][i].sqrt()).collect();
        Solved { searched, sds, misfit }
    }

    /// Of what is left after a step.
    fn misfit(&self, plane: &Surface, step: &Searched, parameters: usize) -> f64 {
        let left = plane.middle.iter().zip(&plane.slopes).map(|(middle, row)| {
            middle + row.iter().zip(step).map(|(slope, by)| slope * by).sum::<f64>()
        });
        let squares: f64 = left.map(|one| one.abs().min(2.0 * HUBER).powi(2)).sum();
        let free = plane.middle.len().saturating_sub(parameters).max(1);
        (squares / free as f64).sqrt().max(1.0)
    }
}

/// Whether a parameter is higher or lower in a run.
fn sign(run: usize, parameter: usize) -> f64 {
    if (run & COLUMNS[parameter]).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_of_the_design_moves_with_another() {
        for one in 0..Parameter::COUNT {
            assert_eq!((0..RUNS).map(|run| sign(run, one)).sum::<f64>(), 0.0, "{one}");
            for other in (0..Parameter::COUNT).filter(|other| *other != one) {
                let together: f64 = (0..RUNS).map(|run| sign(run, one) * sign(run, other)).sum();
                assert_eq!(together, 0.0, "{one}, {other}");
            }
        }
    }
}
