//! What the Globus commands of a recommendation depend on; the measurements do not.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::value_parser;
use uuid::Uuid;

use super::options::described;
use tidegate::error::{Error, Result};
use tidegate::observe::Manner;
use tidegate::outside::DOCUMENT_MAX;
use tidegate::tune::{GcsEndpoint, GcsOptions};
use tidegate::units::ByteSize;

/// Options of `tune` about Globus.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Globus commands")]
pub(super) struct Gcs {
    /// Settings of the endpoint, as `globus gcs endpoint show ENDPOINT_ID -F json` prints them: the present concurrency
    /// is then known, and the commands name the endpoint and can restore its settings
    #[arg(long, value_name = "FILE")]
    gcs_endpoint: Option<PathBuf>,
    /// Storage gateway to set: the UUID that `globus-connect-server storage-gateway list` shows
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    storage_gateway: Option<Uuid>,
    /// Servers (DTNs) in the endpoint, which share its concurrency: the commands set this many times what
    /// this machine measured [default: 1]
    #[arg(long, value_name = "K")]
    servers: Option<NonZeroU32>,
    /// Part size of the S3 connector, if you know it
    #[arg(long, value_name = "SIZE")]
    pub(super) connector_part_size: Option<ByteSize>,
    /// Cores of the DTN; caps the concurrency of each server in the commands
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    dtn_cores: Option<u32>,
    /// Preferred concurrency of the other endpoint
    #[arg(long, value_name = "N", requires = "peer_max")]
    peer_preferred: Option<u32>,
    /// Highest concurrency of the other endpoint
    #[arg(long, value_name = "N", requires = "peer_preferred")]
    peer_max: Option<u32>,
    /// Preferred parallelism to set [default: that of --gcs-endpoint, else 4, GCS's normal]
    #[arg(long, value_name = "N", requires = "max_parallelism")]
    preferred_parallelism: Option<u32>,
    /// Highest parallelism to set [default: that of --gcs-endpoint, else 8, GCS's normal]
    #[arg(long, value_name = "N", requires = "preferred_parallelism")]
    max_parallelism: Option<u32>,
}

fn uuid(text: &str) -> std::result::Result<Uuid, &'static str> {
    Uuid::try_parse(text)
        .map_err(|_| "it is not a UUID: take the ID, not the name, from `globus-connect-server storage-gateway list`")
}

impl Gcs {
    /// What they depend on, for a connector that does so and an S3 endpoint that allows so many transfers at a time.
    ///
    /// # Errors
    /// If the file of the endpoint cannot be read, or is none.
    pub(super) fn resolve(
        self,
        connector: Manner,
        transfers_max: Option<u32>,
    ) -> Result<GcsOptions> {
        let part_size = self.connector_part_size.or(connector.part_size());
        Ok(GcsOptions {
            endpoint: self.endpoint()?,
            connector_part_size_bytes: part_size.map(|size| size.0),
            connector_parts_in_flight: connector.parts_in_flight(),
            dtn_cores: self.dtn_cores,
            peer: self.peer_preferred.zip(self.peer_max),
            parallelism: self.preferred_parallelism.zip(self.max_parallelism),
            storage_gateway: self.storage_gateway,
            servers: self.servers,
            measured: None,
            transfers_max,
        })
    }

    fn endpoint(&self) -> Result<Option<GcsEndpoint>> {
        let Some(file) = &self.gcs_endpoint else { return Ok(None) };
        let save =
            "save what `globus gcs endpoint show ENDPOINT_ID -F json` prints, and name that file";
        described(file, DOCUMENT_MAX, "a GCS endpoint", save, GcsEndpoint::read).map(Some)
    }
}

/// Files in flight that this machine has now: what the user says of the whole endpoint, what the endpoint's document
/// says, or what the connector was seen to do; `None` where nobody says anything.
///
/// # Errors
/// If the endpoint is set to numbers that are not published.
pub(super) fn current_concurrency(
    said: Option<u32>,
    options: &GcsOptions,
    connector: Manner,
) -> Result<Option<u32>> {
    let servers = options.servers();
    if let Some(said) = said {
        return Ok(Some(said.div_ceil(servers)));
    }
    let Some(endpoint) = options.endpoint else { return Ok(connector.concurrency()) };
    endpoint.concurrency_of_a_server(servers).map(Some).map_err(|why| {
        Error::environment(format!("--gcs-endpoint does not say the present concurrency: {why}"))
            .hint("give --current-concurrency as well")
    })
}
