//! Whether a launcher of MPI has started this process, and with how many others.

use super::Crew;
use crate::error::{Error, Result};

/// What launchers tell the processes that they start: Open MPI's mpirun, MPICH's and others' hydra, PMI 2 and PMIx of
/// Slurm's srun (their sources; PMIx's standard leaves the size to a question).
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];

fn is_launched() -> bool {
    RANKS.iter().any(|rank| std::env::var_os(rank).is_some())
}

/// How many processes were started together, as far as the launcher says.
fn size_told() -> Option<u32> {
    let told = SIZES.iter().filter_map(|size| std::env::var(size).ok());
    told.filter_map(|size| size.parse().ok()).next()
}

/// Joins those that the launcher has started together with this process, or is alone.
///
/// Call it once, on the main thread: the crew stays there.
///
/// # Errors
/// If there are others, and this program was built without MPI, or cannot use it.
pub fn join() -> Result<Crew> {
    match size_told() {
        _ if !is_launched() => Ok(Crew::alone()),
        Some(0 | 1) => Ok(Crew::alone()),
        told => join_others(told),
    }
}

#[cfg(feature = "mpi")]
fn join_others(_: Option<u32>) -> Result<Crew> {
    let world = super::mpi::World::join().ok_or_else(|| {
        Error::environment("MPI cannot be used: it was used before in this process")
    })?;
    Ok(Crew::over(world))
}

#[cfg(not(feature = "mpi"))]
fn join_others(told: Option<u32>) -> Result<Crew> {
    let together = told.map_or_else(|| "with others".to_owned(), |size| format!("{size} times"));
    Err(Error::environment(format!(
        "an MPI launcher has started tidegate {together}, and this tidegate was built without MPI"
    ))
    .hint(
        "build it with `cargo install --path . --features mpi`, or start it without the launcher",
    ))
}
