//! The links: how they are modelled, and which limits must be named on them.

use std::path::PathBuf;

use crate::Result;

/// A link between client and gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: &'static str,
    pub limit: Limit,
}

/// What must be named as the limit, beside the gateway and the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing: the modelled link is the limit.
    Nothing,
    /// More streams than this are told to slow down.
    Throttled { beyond: u32 },
    /// The client's processor, whatever the settings: then nothing says which are best.
    Client,
}

/// All of them.
const LINKS: [Link; 11] = [
    Link { name: "linear", limit: Limit::Nothing },
    Link { name: "saturating", limit: Limit::Nothing },
    Link { name: "retrograde", limit: Limit::Nothing },
    Link { name: "throttled", limit: Limit::Throttled { beyond: 12 } },
    Link { name: "noisy", limit: Limit::Nothing },
    Link { name: "slow", limit: Limit::Nothing },
    Link { name: "far", limit: Limit::Nothing },
    Link { name: "soft", limit: Limit::Nothing },
    Link { name: "weather", limit: Limit::Nothing },
    Link { name: "calls", limit: Limit::Nothing },
    Link { name: "unlimited", limit: Limit::Client },
];

impl Link {
    /// Those named; all if none is.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        let named = |name: &String| {
            let found = LINKS.into_iter().find(|link| link.name == name);
            found.ok_or_else(|| format!("there is no link {name}").into())
        };
        match names {
            [] => Ok(LINKS.to_vec()),
            _ => names.iter().map(named).collect(),
        }
    }

    /// The model's file.
    pub fn scenario(self) -> PathBuf {
        let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tuner");
        PathBuf::from(scenarios).join(self.name).with_extension("toml")
    }

    /// What is moved. One long file again and again: no part is shorter than the others. Where the client is
    /// to be the limit, small files: what a request costs, it costs the client.
    pub fn dataset(self) -> [&'static str; 4] {
        match self.limit {
            Limit::Client => ["--files", "1000", "--size", "16MB"],
            Limit::Nothing | Limit::Throttled { .. } => ["--files", "1", "--size", "10GB"],
        }
    }

    /// Whether a best cell can be told from others.
    pub fn has_a_best(self) -> bool {
        self.limit != Limit::Client
    }
}
