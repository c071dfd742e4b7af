//! "Linear, then flat": the plainest law of rate against streams, beside which any other must prove itself.

use super::usl::{Observed, centred_squares};

/// Knees that are looked at between the fewest and the most streams, evenly on a logarithmic scale.
const KNEES: u32 = 120;

/// X(N) = g min(N, knee).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hinge {
    /// Streams from which on nothing is added.
    pub knee: f64,
}

impl Hinge {
    /// The knee nearest to what was observed, by least squares on logarithms with a level for each block;
    /// `None` without observations.
    pub fn fit(observed: &[Observed]) -> Option<Self> {
        let streams = || observed.iter().map(|one| one.streams);
        let (fewest, most) = (streams().reduce(f64::min)?, streams().reduce(f64::max)?);
        let knee = |step: u32| fewest * (most / fewest).powf(f64::from(step) / f64::from(KNEES));
        let error = |hinge: &Self| centred_squares(observed, |streams| hinge.shape(streams));
        let all = (0..=KNEES).map(|step| Self { knee: knee(step) });
        all.min_by(|one, other| error(one).total_cmp(&error(other)))
    }

    /// Logarithm of the law with g = 1.
    pub fn shape(&self, streams: f64) -> f64 {
        streams.min(self.knee).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_found_whatever_the_level_of_a_block() {
        let observed: Vec<Observed> = [2.0, 8.0, 13.0, 20.0, 40.0]
            .into_iter()
            .flat_map(|streams: f64| {
                let rate = |level: f64| level * streams.min(16.0);
                [(0, rate(1.0)), (1, rate(0.7))].map(|(block, rate)| Observed {
                    block,
                    streams,
                    rate,
                })
            })
            .collect();
        let knee = Hinge::fit(&observed).unwrap().knee;
        assert!((15.6..16.4).contains(&knee), "{knee}");
        assert_eq!(Hinge::fit(&[]), None);
    }
}
