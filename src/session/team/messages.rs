//! What the leader of a crew and those who follow tell each other.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Instant;
use crate::measure;
use crate::result::{Host, Scenario};
use crate::session::claim::Claim;
use crate::session::marker::Identity;

/// What a DTN would move.
#[derive(Serialize, Deserialize)]
pub(in crate::session) struct Hello {
    pub(super) host: Host,
    scenario: Map<String, Value>,
    /// Files and bytes of each dataset.
    datasets: Vec<(u64, u64)>,
}

/// Where those who follow write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::session) struct Ground {
    /// Name of the run.
    pub(in crate::session) run: String,
    /// What proves its marker.
    pub(in crate::session) token: String,
    /// The key of that.
    pub(in crate::session) marker: String,
    /// What keys begin with.
    pub(in crate::session) prefix: String,
}

impl Ground {
    /// Of a run that writes nothing.
    pub(in crate::session) fn of_nobody(prefix: &str) -> Self {
        let [run, token, marker] = [(); 3].map(|()| String::new());
        Self { run, token, marker, prefix: prefix.to_owned() }
    }

    /// What proves the marker of the run.
    pub(in crate::session) fn identity(&self) -> Option<Identity> {
        Identity::again(&self.run, &self.token)
    }

    /// Of a run whose leader has claimed it.
    pub(in crate::session) fn new(claim: &Claim<'_>, identity: &Identity) -> Self {
        Self {
            run: identity.name().to_owned(),
            token: identity.token().to_owned(),
            marker: claim.marker().unwrap_or_default().to_owned(),
            prefix: claim.prefix().to_owned(),
        }
    }
}

/// What the leader wants of the others.
#[derive(Serialize, Deserialize)]
pub(in crate::session) enum Order<T> {
    /// A trial, and then to take away what it made.
    Measure(T),
    /// To take away what else there is, and to go.
    End,
}

/// A trial can begin here, or its window can open.
#[derive(Serialize, Deserialize)]
pub(super) struct Ready;

/// When to go on, by the clock of whom this is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) at: Instant,
}

/// Whether what was made is gone, or why not.
#[derive(Serialize, Deserialize)]
pub(super) struct Cleared(pub(super) Option<String>);

impl Hello {
    pub(in crate::session) fn new(scenario: &Scenario, datasets: Vec<(u64, u64)>) -> Self {
        Self { host: measure::host(), scenario: scenario.fields(), datasets }
    }

    /// What is another there than here, in a few words.
    pub(super) fn differs(&self, there: &Self) -> Option<String> {
        let keys = self.scenario.keys().chain(there.scenario.keys());
        let of = |hello: &Self, key: &str| hello.scenario.get(key).cloned().unwrap_or_default();
        let mut differing = keys.filter(|key| of(self, key) != of(there, key));
        if let Some(key) = differing.next() {
            return Some(format!("{key} is {} there and {} here", of(there, key), of(self, key)));
        }
        let told = |(files, bytes): &(u64, u64)| format!("{files} files of {bytes} bytes");
        let pairs = self.datasets.iter().zip(&there.datasets);
        let mut differing = pairs.filter(|(here, there)| here != there);
        let (here, there) = differing.next()?;
        Some(format!("the dataset has {} there and {} here", told(there), told(here)))
    }
}
