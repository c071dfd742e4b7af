//! A GCS endpoint as it is set now: what `globus gcs endpoint show ENDPOINT_ID -F json` prints.

use std::num::NonZeroU32;

use serde::Deserialize;
use uuid::Uuid;

use super::GCS_NORMAL_CONCURRENCY;

/// Concurrency and parallelism of an endpoint: all its servers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLevels {
    /// Files in flight that a transfer gets unless the other endpoint asks for more.
    pub preferred_concurrency: u32,
    /// Files in flight at most.
    pub max_concurrency: u32,
    /// TCP connections of a file, between the two endpoints, likewise.
    pub preferred_parallelism: u32,
    /// TCP connections of a file at most.
    pub max_parallelism: u32,
}

impl NetworkLevels {
    /// Options that set them. `custom` needs all four (GCS Endpoint 1.2.0 and StorageGateway 1.3.0 schemas;
    /// globus-cli 3.44.0 refuses fewer).
    pub fn flags(self) -> String {
        let Self { preferred_concurrency, max_concurrency, .. } = self;
        let Self { preferred_parallelism, max_parallelism, .. } = self;
        format!(
            "--network-use custom --max-concurrency {max_concurrency} --preferred-concurrency {preferred_concurrency} --max-parallelism {max_parallelism} --preferred-parallelism {preferred_parallelism}"
        )
    }
}

/// `network_use` of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NetworkUse {
    Normal,
    Minimal,
    Aggressive,
    Custom,
}

impl NetworkUse {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Minimal => "minimal",
            Self::Aggressive => "aggressive",
            Self::Custom => "custom",
        }
    }
}

/// A GCS endpoint as it is set now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcsEndpoint {
    /// Which.
    pub id: Uuid,
    network_use: NetworkUse,
    /// GCS leaves them out where they are those of `normal` (globus-cli, fixture `gcs_endpoint_operations.yaml`
    /// at 2f516eb), or gives the numbers of the preset (the schema's words).
    levels: Option<NetworkLevels>,
}

/// The fields of GCS's document that matter here.
#[derive(Deserialize)]
struct Written {
    id: Uuid,
    network_use: NetworkUse,
    preferred_concurrency: Option<NonZeroU32>,
    max_concurrency: Option<NonZeroU32>,
    preferred_parallelism: Option<NonZeroU32>,
    max_parallelism: Option<NonZeroU32>,
}

impl Written {
    fn levels(&self) -> Option<NetworkLevels> {
        Some(NetworkLevels {
            preferred_concurrency: self.preferred_concurrency?.get(),
            max_concurrency: self.max_concurrency?.get(),
            preferred_parallelism: self.preferred_parallelism?.get(),
            max_parallelism: self.max_parallelism?.get(),
        })
    }
}

impl GcsEndpoint {
    /// Of GCS's document in JSON.
    ///
    /// # Errors
    /// In words, if it is none, or is set to `custom` without all four numbers.
    pub fn read(json: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let (network_use, levels) = (written.network_use, written.levels());
        if network_use == NetworkUse::Custom && levels.is_none() {
            return Err("its network use is custom, but not all four numbers are there".into());
        }
        Ok(Self { id: written.id, network_use, levels })
    }

    /// Concurrency and parallelism, if the document says them.
    pub fn levels(&self) -> Option<NetworkLevels> {
        self.levels
    }

    /// Files in flight that each of so many servers has of a transfer.
    ///
    /// # Errors
    /// In words, if the document does not say it and GCS does not publish it.
    pub fn concurrency_of_a_server(&self, servers: u32) -> Result<u32, String> {
        match (self.levels, self.network_use) {
            (Some(levels), _) => Ok(levels.preferred_concurrency.div_ceil(servers)),
            // GCS says that its levels depend on the number of servers: the same for each is an ASSUMPTION.
            (None, NetworkUse::Normal) => Ok(GCS_NORMAL_CONCURRENCY.0),
            (None, other) => Err(format!(
                "its network use is {}, and which numbers that is is not published",
                other.name()
            )),
        }
    }

    /// Options that set what is set now.
    pub fn flags(&self) -> String {
        match (self.network_use, self.levels) {
            (NetworkUse::Custom, Some(levels)) => levels.flags(),
            (preset, _) => format!("--network-use {}", preset.name()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ID: &str = "c574170d-3690-4343-bd16-2c9e49bd1ab0";

    pub(in crate::tune) fn document(network_use: &str) -> String {
        format!(r#"{{"DATA_TYPE": "endpoint#1.2.0", "id": "{ID}", "public": true, {network_use}}}"#)
    }

    pub(in crate::tune) fn custom(preferred: u32, max: u32) -> GcsEndpoint {
        let numbers = format!(
            r#""network_use": "custom", "preferred_concurrency": {preferred}, "max_concurrency": {max},
               "preferred_parallelism": 3, "max_parallelism": 6"#
        );
        GcsEndpoint::read(&document(&numbers)).unwrap()
    }

    #[test]
    fn custom_numbers_are_undone_to_the_last() {
        let endpoint = custom(16, 32);
        assert_eq!(endpoint.concurrency_of_a_server(1), Ok(16));
        assert_eq!(endpoint.concurrency_of_a_server(3), Ok(6));
        assert_eq!(
            endpoint.flags(),
            "--network-use custom --max-concurrency 32 --preferred-concurrency 16 --max-parallelism 6 --preferred-parallelism 3"
        );
    }

    #[test]
    fn a_preset_is_undone_by_its_name_whether_or_not_its_numbers_are_there() {
        let bare = GcsEndpoint::read(&document(r#""network_use": "normal""#)).unwrap();
        assert_eq!((bare.flags().as_str(), bare.levels()), ("--network-use normal", None));
        assert_eq!(bare.concurrency_of_a_server(4), Ok(2));
        let numbers = r#""network_use": "aggressive", "preferred_concurrency": 12, "max_concurrency": 16,
            "preferred_parallelism": 4, "max_parallelism": 8"#;
        let told = GcsEndpoint::read(&document(numbers)).unwrap();
        assert_eq!(told.flags(), "--network-use aggressive");
        assert_eq!(told.concurrency_of_a_server(1), Ok(12));
    }

    #[test]
    fn numbers_that_nobody_publishes_are_asked_for() {
        let endpoint = GcsEndpoint::read(&document(r#""network_use": "minimal""#)).unwrap();
        let why = endpoint.concurrency_of_a_server(1).unwrap_err();
        assert!(why.contains("minimal") && why.contains("not published"), "{why}");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_in_words() {
        let half = document(r#""network_use": "custom", "max_concurrency": 4"#);
        let none = document(r#""network_use": "custom", "preferred_concurrency": 0"#);
        for (text, why) in [
            (half.as_str(), "not all four numbers"),
            (none.as_str(), "nonzero"),
            (r#"{"id": "my endpoint", "network_use": "normal"}"#, "UUID"),
            (r#"{"DATA_TYPE": "collection#1.9.0"}"#, "missing field"),
            ("Display Name: mine", "expected value"),
        ] {
            let error = GcsEndpoint::read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
