//! The fitted law of how goodput scales with streams, as far as a report says and draws it.

use super::digest::{Answer, Digest};
use crate::result::{Scaling, Settings};
use crate::stats::Usl;
use crate::tune::MARGIN;
use crate::units::counted;
use crate::words;

/// A law with the range of streams that it was fitted in.
pub struct Law<'a> {
    scaling: &'a Scaling,
    usl: Usl,
    settings: Settings,
    tried: [u32; 2],
}

impl<'a> Law<'a> {
    /// Of the recommended settings' shape; `None` where none was fitted.
    pub fn of(digest: &Digest<'a>) -> Option<Self> {
        let Answer::Settings(found) = digest.answer else { return None };
        let scaling = found.scaling.as_ref()?;
        let law = |tried| Self {
            scaling,
            usl: Usl {
                gamma: scaling.gamma_bytes_per_second,
                alpha: scaling.alpha,
                beta: scaling.beta,
            },
            settings: found.settings,
            tried,
        };
        let settings = digest.candidates.iter().map(|candidate| candidate.settings);
        let streams = settings.filter(|one| law([1, 1]).is_of(*one)).map(|one| one.streams());
        let (fewest, most) = (streams.clone().min()?, streams.max()?);
        (fewest < most).then(|| law([fewest.max(1), most]))
    }

    /// Whether it was fitted to these settings among others.
    pub fn is_of(&self, settings: Settings) -> bool {
        let shape = |of: Settings| (of.part_size_bytes, of.parts_in_flight);
        shape(settings) == shape(self.settings)
    }

    /// Bytes per second with so many streams.
    pub fn at(&self, streams: f64) -> f64 {
        self.usl.at(streams)
    }

    /// The fewest and the most streams that were tried.
    pub fn tried(&self) -> [f64; 2] {
        self.tried.map(f64::from)
    }

    /// The most that it gives in the range that was tried.
    pub fn highest(&self) -> f64 {
        let [fewest, most] = self.tried();
        self.at(self.usl.peak().clamp(fewest, most))
    }

    /// The fewest streams with which it gives all but [`MARGIN`] of the most that it gives in the range
    /// that was tried: beyond them nothing is gained that a recommendation would wait for.
    pub fn knee(&self) -> u32 {
        let enough = (1.0 - MARGIN) * self.highest();
        let [fewest, most] = self.tried;
        // The law rises up to its highest, so that the first that is enough can be searched by halves.
        let (mut low, mut high) = (fewest, (self.usl.peak().ceil() as u32).clamp(fewest, most));
        while low < high {
            let middle = low.midpoint(high);
            if self.at(f64::from(middle)) >= enough {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// `knee at 12 streams, no peak shown; universal scalability law through 22 trials: ...`.
    pub fn in_words(&self) -> String {
        let Scaling { alpha, alpha_interval_95, beta, beta_interval_95, trials, .. } = self.scaling;
        let [alpha, beta] =
            [(alpha, alpha_interval_95), (beta, beta_interval_95)].map(|(value, interval)| {
                match interval {
                    Some([low, high]) => {
                        format!("{} ({} to {})", share(*value), share(*low), share(*high))
                    }
                    None => share(*value),
                }
            });
        format!(
            "knee at {}, where the fitted law gives {} of the most it gives in the range that \
             was tried; {}. Universal scalability law through {trials} trials: contention {alpha}, \
             crosstalk {beta}, one stream {}",
            counted(self.knee(), "stream"),
            words::whole_percent(1.0 - MARGIN),
            self.peak(),
            words::rate(self.scaling.gamma_bytes_per_second),
        )
    }

    fn peak(&self) -> String {
        match (self.scaling.peak_streams, self.scaling.peak_streams_interval_95) {
            (Some(peak), Some([low, high])) => {
                format!("peak at {peak:.0} streams ({low:.0} to {high:.0})")
            }
            (Some(peak), None) => format!("peak at {peak:.0} streams"),
            (None, _) => "no peak is shown".into(),
        }
    }
}

/// `0.031`, `2.1e-5`.
fn share(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        large if large >= 1e-3 => format!("{large:.3}"),
        small => format!("{small:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_knee_is_the_first_that_is_within_the_margin_of_the_highest() {
        let document = samples::tune();
        let law = Law::of(&Digest::of(&document)).expect("tune fits a law");
        let knee = law.knee();
        let enough = (1.0 - MARGIN) * law.highest();
        let first = (1..=32).find(|streams| law.at(f64::from(*streams)) >= enough);
        assert_eq!((Some(knee), law.tried()), (first, [1.0, 32.0]));
    }

    #[test]
    fn a_law_with_a_peak_is_highest_there() {
        let mut document = samples::tune();
        let found = document.recommendation.as_mut().expect("tune recommends");
        let scaling = found.scaling.as_mut().expect("with a law");
        (scaling.alpha, scaling.beta, scaling.peak_streams) = (0.0, 1.0 / 64.0, Some(8.0));
        let digest = Digest::of(&document);
        let law = Law::of(&digest).expect("still a law");
        assert_eq!(law.highest(), law.at(8.0));
        assert!((4..8).contains(&law.knee()), "{}", law.knee());
        assert!(law.in_words().contains("peak at 8 streams"), "{}", law.in_words());
    }

    #[test]
    fn what_was_not_fitted_is_not_drawn() {
        let mut document = samples::tune();
        document.recommendation.as_mut().expect("tune recommends").scaling = None;
        assert!(Law::of(&Digest::of(&document)).is_none());
    }
}
