//! `--connector FILE`: trials that do as a connector was seen to do.

use std::path::PathBuf;

use super::options::described;
use tidegate::error::{Error, Result};
use tidegate::observe::{Connector, Followed, Manner};
use tidegate::outside::SETTINGS_MAX;
use tidegate::transfer::Flow;

/// The connector to do as.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connector")]
pub(super) struct ConnectorFile {
    /// Use the part size, parts in flight, files in flight and ranges that `observe --save FILE` found; options on the
    /// command line take precedence
    #[arg(long, value_name = "FILE")]
    connector: Option<PathBuf>,
}

impl ConnectorFile {
    /// How the connector moves files in this direction, if one is named.
    pub(super) fn read(&self, direction: Flow) -> Result<Option<Followed>> {
        let Some(file) = &self.connector else { return Ok(None) };
        let name = file.display();
        let saved =
            "observe the connector and keep what is found with `tidegate observe ... --save FILE`";
        let connector = described(file, SETTINGS_MAX, "a connector", saved, Connector::read)?;
        let (manner, way) = match direction {
            Flow::Up => (connector.up, "uploads"),
            Flow::Down => (connector.down, "downloads"),
            // Both ways with the settings of one: the uploads' parts, and the downloads' way to get.
            Flow::Mixed(_) => {
                let get = connector.down.and_then(|down| down.get);
                (connector.up.map(|up| Manner { get, ..up }), "uploads")
            }
        };
        let manner = manner.ok_or_else(|| {
            Error::environment(format!("{name} does not cover {way}"))
                .hint("observe the connector in this direction, or leave out --connector")
        })?;
        Ok(Some(Followed { seen: connector.seen, manner }))
    }
}
