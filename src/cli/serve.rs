//! `tidegate serve`: the embedded S3 gateway.

use crate::error::Result;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Serves until it is told to stop.
///
/// # Errors
/// If the address or the directory cannot be used.
pub fn run(_args: Args) -> Result<()> {
    todo!()
}
