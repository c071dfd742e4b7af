//! What a plan measures or simulates itself.

use std::path::PathBuf;
use std::time::Duration;

use super::question::Asked;
use super::{Ground, PlanOutput};
use crate::cli::options::{Endpoint, time};
use tidegate::error::{Error, Result};
use tidegate::plan::{Question, Simulated};
use tidegate::result::Document;
use tidegate::scenario;
use tidegate::session::{
    self, Finished, MeasureOptions, Progress, SimulateOptions, Simulation, TargetUrl,
};
use tidegate::store::model::Retain;
use tidegate::storj::Limits;
use tidegate::transfer::RetryMode;

/// What `--measure` alone means.
const EMBEDDED: &str = "embedded";

/// Where and how it is measured.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Measuring")]
pub(super) struct Measuring {
    /// Measure what a plan needs at this target, s3://bucket/prefix [default: the embedded gateway]
    #[arg(long, value_name = "TARGET", num_args = 0..=1, default_missing_value = EMBEDDED)]
    measure: Option<String>,
    /// Link of the embedded gateway (a preset, or TOML as for `serve --model`)
    #[arg(long, value_name = "FILE", requires = "measure")]
    model: Option<PathBuf>,
    /// Time for measuring; a series of tasks that has begun is finished
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = time)]
    budget: Duration,
    /// How requests slow down after a 429 or 503 SlowDown
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    retry: RetryMode,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// What is simulated.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Simulation")]
pub(super) struct Simulating {
    /// Simulate the transfer on a preset or a file as for `serve --model`; without RESULT the runs that the model is
    /// fitted to are simulated as well
    #[arg(long, value_name = "PRESET|FILE", conflicts_with = "measure")]
    simulate: Option<PathBuf>,
    /// Simulations for each number of DTNs, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
    /// Seed of the first simulation and of the order of measured tasks
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Simulating {
    /// The limits of the simulation, if there is one.
    pub(super) fn limits(&self) -> Result<Option<Limits>> {
        let Some(scenario) = &self.simulate else { return Ok(None) };
        Ok(Some(scenario::read(scenario)?.limits.unwrap_or_default()))
    }

    /// The question in simulated time, if that is asked for.
    pub(super) fn answer(&self, question: &Question, ground: &Ground) -> Result<Option<Simulated>> {
        let Some(scenario) = self.simulate.clone() else { return Ok(None) };
        let question = question.clone();
        let options = SimulateOptions { scenario, question, seeds: self.seeds, seed: self.seed };
        let mut progress = Progress::new(ground.quiet);
        let simulate = session::simulate(&options, &ground.interrupt, &mut progress);
        let simulated = ground.runtime.block_on(simulate);
        progress.end();
        simulated.map(Some)
    }
}

impl Measuring {
    /// What is measured or simulated now, if anything is to be.
    pub(super) fn measure(
        &self,
        (asked, simulating): (&Asked, &Simulating),
        documents: &[Document],
        output: &PlanOutput,
        ground: &Ground,
    ) -> Result<Option<Finished>> {
        let simulation = match (&self.measure, &simulating.simulate) {
            (Some(_), _) => None,
            (None, Some(scenario)) if documents.is_empty() => Some(scenario),
            (None, None) if documents.is_empty() => {
                return Err(Error::environment("a plan needs measurements").hint(
                    "name runs, or measure with --measure TARGET, or --simulate hosted-10g-near",
                ));
            }
            (None, _) => return Ok(None),
        };
        let url = match self.measure.as_deref() {
            None | Some(EMBEDDED) => None,
            Some(url) => Some(url.parse::<TargetUrl>().map_err(Error::environment)?),
        };
        let simulated = simulation.is_some();
        let mut target = self.endpoint.clone().resolve(url, self.model.clone())?;
        target.simulation = simulation.map(|scenario| Simulation {
            scenario: scenario.clone(),
            retain: Retain::Layout,
            seed: simulating.seed,
        });
        target.retry = self.retry;
        let last = documents.last().and_then(|one| one.trials.last());
        let options = MeasureOptions {
            target,
            directions: asked.directions(),
            settings: asked.settings(last.map(|one| one.settings)),
            get: asked.get,
            budget: self.budget,
            seed: simulating.seed,
            results: output.results.clone(),
        };
        let (interrupt, mut progress) = (ground.interrupt.clone(), Progress::new(ground.quiet));
        let finished = ground.runtime.block_on(async {
            let measure = move || async move {
                let finished = session::measure(&options, &interrupt, &mut progress).await;
                progress.end();
                finished
            };
            if simulated { session::in_simulated_time(measure).await } else { measure().await }
        })?;
        Ok(Some(finished))
    }
}
