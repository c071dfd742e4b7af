//! The DTNs that work together: those that an MPI launcher has started, or one.

use tidegate::crew::{self, Crew};
use tidegate::error::{Error, Result};

/// The crew of this process.
///
/// # Errors
/// If it has others, and what is asked for is about one process.
pub(super) fn crew(simulated: bool, embedded: bool) -> Result<Crew> {
    let crew = crew::join()?;
    let refuse = |what: &str, hint: &str| Err(Error::environment(what).hint(hint));
    match (crew.is_alone(), simulated, embedded) {
        (true, ..) | (false, false, false) => Ok(crew),
        (false, true, _) => refuse(
            "a simulation is one process, and an MPI launcher has started several",
            "start it without the launcher, and give --dtns for the number of DTNs that are simulated",
        ),
        (false, false, true) => refuse(
            "several DTNs need a target: each would start an embedded gateway of its own",
            "name it as s3://bucket/prefix",
        ),
    }
}

/// Up to so many DTNs a search is made with each number of them; with more only with powers of two and all.
const EACH_UP_TO: u32 = 4;

/// With how many DTNs searches are made: those asked for, else up to all of the crew.
///
/// # Errors
/// If there are not so many, or what several searches are made of is not only the number of DTNs.
pub(super) fn searched(
    asked: &[u32],
    size: u32,
    simulated: bool,
    other_searches: usize,
) -> Result<Vec<u32>> {
    let mut dtns: Vec<u32> = match asked {
        [] if other_searches > 1 => vec![size],
        [] => (1..=size)
            .filter(|dtns| size <= EACH_UP_TO || dtns.is_power_of_two() || *dtns == size)
            .collect(),
        asked => asked.to_vec(),
    };
    dtns.sort_unstable();
    dtns.dedup();
    let most = dtns.last().copied().unwrap_or(1);
    if most > size && !simulated {
        return Err(Error::environment(format!(
            "--dtns {most} is more than the {size} that were started"
        ))
        .hint("start as many with mpirun, or simulate them with --simulate"));
    }
    if dtns.len() > 1 && other_searches > 1 {
        return Err(Error::environment(
            "several numbers of DTNs are searched in one direction and of one dataset",
        )
        .hint("give one number with --dtns, or one direction and one dataset"));
    }
    Ok(dtns)
}
