//! What a search will spend and can show, in words.

use super::{Estimate, RateFrom, SearchEstimate};
use crate::result::Workload;
use crate::units::{ByteSize, Rate, counted};
use crate::words::{self, whole_percent, whole_seconds};

impl SearchEstimate {
    fn workload(&self) -> Workload {
        let (direction, dataset) = (self.direction.into(), self.dataset.clone());
        Workload { direction, dataset, dtns: self.dtns }
    }

    fn text(&self, sd_assumed: f64) -> String {
        let shows = self.smallest_difference.map_or("no differences at all".into(), |smallest| {
            let [smallest, sd] = [smallest, sd_assumed].map(whole_percent);
            format!("differences of {smallest} or more, if trials vary by {sd} (ASSUMPTION)")
        });
        format!(
            "{} likely, at most {} in {}, for {} allows no more: {} to find the knee, a race and {} of confirmation, which show {shows}, and a soak of {}",
            whole_seconds(self.likely_duration_s),
            counted(self.trials, "trial"),
            whole_seconds(self.duration_s),
            self.bound_by.option(),
            self.trials_to_the_knee,
            counted(self.blocks, "block"),
            whole_seconds(self.soak_s),
        )
    }
}

impl Estimate {
    /// For a person.
    pub fn text(&self) -> String {
        let memory = self
            .memory_bytes
            .map_or(String::new(), |bytes| format!("; up to {} of memory", ByteSize(bytes)));
        let search = |search: &SearchEstimate| match self.searches.len() {
            1 => search.text(self.sd_assumed),
            _ => {
                format!("{}: {}", words::workload(&search.workload()), search.text(self.sd_assumed))
            }
        };
        let searches: Vec<String> = self.searches.iter().map(search).collect();
        format!("{}\n{}{memory}", searches.join("\n"), self.spending())
    }

    fn spending(&self) -> String {
        let stops = match (self.max_bytes, self.max_cost_usd) {
            (None, None) => "no cap on bytes or money".to_owned(),
            (Some(bytes), None) => format!("it stops at {}", ByteSize(bytes)),
            (None, Some(cost)) => format!("it stops at {cost}"),
            (Some(bytes), Some(cost)) => format!("it stops at {} or {cost}", ByteSize(bytes)),
        };
        let tier = &self.prices.name;
        let Some(cost) = self.cost_usd else {
            return format!(
                "how much that moves is not known before the first trials (--expected-rate gives an estimate); {stops} at {tier} prices"
            );
        };
        format!(
            "likely {} and {}; at most {} up and {} down in {} requests, {cost} at {tier} prices, at {}; {stops}",
            ByteSize(self.likely_bytes.unwrap_or_default()),
            self.likely_cost_usd.unwrap_or_default(),
            ByteSize(self.bytes_up.unwrap_or_default()),
            ByteSize(self.bytes_down.unwrap_or_default()),
            self.requests.unwrap_or_default(),
            self.rates(),
        )
    }

    /// `1 Gbit/s (as expected)`; of two rates that differ both.
    fn rates(&self) -> String {
        let from = |search: &SearchEstimate| match search.rate_from {
            RateFrom::User => "as expected",
            RateFrom::Model | RateFrom::Unknown => "the most that the model lets through",
        };
        let rate = |search: &SearchEstimate| Rate(search.rate_bytes_per_second.unwrap_or_default());
        let mut rates: Vec<String> =
            self.searches.iter().map(|one| rate(one).to_string()).collect();
        rates.dedup();
        let from = self.searches.first().map(from).unwrap_or_default();
        format!("{} ({from})", rates.join(" and "))
    }
}
