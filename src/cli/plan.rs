//! `tidegate plan`: how long, how many DTNs, what does it cost.

mod args;
mod asked;

use std::path::PathBuf;

use super::options::{print_report, runtime};
pub(super) use args::Args;
use args::EMBEDDED;
use asked::read;
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::plan::{
    self, Event, Evidence, Fitted, Given, Gridftp, Iperf3, Models, Plan, Question, Shape,
    Simulated, Task, Tasks,
};
use tidegate::prices::Prices;
use tidegate::report::{self, Format};
use tidegate::result::{Direction, Document, TargetKind};
use tidegate::session::{
    self, Finished, MeasureOptions, Progress, SimulateOptions, Simulation, TargetUrl,
};
use tidegate::store::model::Retain;
use tidegate::storj::Limits;
use tidegate::terminal;

/// What measuring and simulating run on: one Ctrl-C for both.
struct Ground {
    runtime: tokio::runtime::Runtime,
    interrupt: Interrupt,
}

impl Ground {
    fn prepare() -> Result<Self> {
        let runtime = runtime()?;
        let interrupt = runtime.block_on(async { Interrupt::install() })?;
        Ok(Self { runtime, interrupt })
    }
}

/// Fits, asks, and says.
pub(super) fn run(args: Args) -> Result<()> {
    let shape = args.shape()?;
    let limits = args.limits()?;
    let prices = Prices::read(&args.prices)?;
    let tasks: Vec<Task> =
        args.globus_task.iter().map(|file| read(file, Task::read)).collect::<Result<_>>()?;
    let events: Vec<Vec<Event>> =
        args.globus_events.iter().map(|file| read(file, plan::events)).collect::<Result<_>>()?;
    let iperf3 = args.iperf3.as_ref().map(|file| read(file, Iperf3::read)).transpose()?;
    let mut documents = args.documents()?;
    args.check_streams(args.manner(&documents).settings)?;
    let ground = Ground::prepare()?;
    let measured = args.measured(&documents, &ground)?;
    let (measured, after) = measured.map(|finished| (finished.document, finished.after)).unzip();
    documents.extend(measured);
    let asked = Asked { shape, limits, prices, tasks, events, iperf3 };
    let said = say(&args, asked, documents, &ground);
    // The plan first, then what its measurements may have left behind.
    match (said, after.flatten()) {
        (Err(error), Some(after)) => Err(error.followed_by(after)),
        (said, after) => said.and(after.map_or(Ok(()), Err)),
    }
}

/// What a plan is made from, beside results.
struct Asked {
    shape: Shape,
    limits: Limits,
    prices: Prices,
    tasks: Vec<Task>,
    events: Vec<Vec<Event>>,
    iperf3: Option<Iperf3>,
}

fn say(args: &Args, asked: Asked, documents: Vec<Document>, ground: &Ground) -> Result<()> {
    let Asked { shape, limits, prices, tasks, events, iperf3 } = asked;
    let evidence = Evidence::of(&documents)?;
    let manner = args.manner(&documents);
    let needed = needed(args.direction, args.verify);
    let models = models(&evidence, &needed)?;
    let question = Question {
        dataset: args.dataset().to_owned(),
        shape,
        manner,
        nodes: args.nodes.0,
        tasks: args.tasks,
        verify: args.verify,
        deadline: args.deadline,
        shared_link_bytes_per_second: args.shared_link.map(|rate| rate.0),
        limits,
        globus: args.globus(),
        prices,
    };
    tidegate::tune::feasible(manner.settings, question.shape.largest_bytes() as u64)?;
    let globus_tasks = match tasks.is_empty() {
        true => None,
        false => Some(Tasks::compare(tasks, events.concat(), &question, &models)?),
    };
    let process = question
        .ask(&models, &question.shape, &question.setup(1))?
        .effective_speed_bytes_per_second
        / f64::from(manner.settings.concurrency * args.tasks);
    let given = Given {
        runs: documents.iter().map(|document| document.id.clone()).collect(),
        cpu_seconds_per_gb: evidence.cpu_seconds_per_gb,
        globus_tasks,
        gridftp: Gridftp::of(iperf3, process),
        simulated: args.simulated(&question, ground)?,
        warnings: [
            evidence.left_out.clone(),
            evidence.taken_for.clone(),
            iperf3.as_ref().and_then(Iperf3::warning).into_iter().collect(),
        ]
        .concat(),
    };
    let plan = question.answer(models, given)?;
    let plan = session::save_plan(plan, &args.results)?;
    args.say(&plan)
}

impl Args {
    fn say(&self, (plan, directory): &(Plan, PathBuf)) -> Result<()> {
        let format = if self.json { Format::Json } else { self.format };
        print_report(&report::render(plan, format)?, format);
        if format == Format::Text {
            terminal::print(&format!(
                "{:<12} {}",
                "report",
                directory.join(report::PAGE).display()
            ));
        }
        Ok(())
    }

    /// What is measured or simulated now, if anything is to be.
    fn measured(&self, documents: &[Document], ground: &Ground) -> Result<Option<Finished>> {
        let simulation = match (&self.measure, &self.simulate) {
            (Some(_), _) => None,
            (None, Some(scenario)) if documents.is_empty() => Some(scenario),
            (None, Some(_)) => return Ok(None),
            (None, None) if documents.is_empty() => {
                return Err(Error::environment("a plan needs measurements").hint(
                    "name runs, or measure with --measure TARGET, or --simulate hosted-10g-near",
                ));
            }
            (None, None) => return Ok(None),
        };
        let url = match self.measure.as_deref() {
            None | Some(EMBEDDED) => None,
            Some(url) => Some(url.parse::<TargetUrl>().map_err(Error::environment)?),
        };
        let simulation = simulation.map(|scenario| Simulation {
            scenario: scenario.clone(),
            retain: Retain::Layout,
            seed: self.seed,
        });
        let simulated = simulation.is_some();
        let mut target = self.endpoint.clone().resolve(url, self.model.clone())?;
        target.simulation = simulation;
        target.retry = self.retry;
        let options = MeasureOptions {
            target,
            directions: needed(self.direction, self.verify),
            settings: self.settings(
                documents.last().and_then(|one| one.trials.last()).map(|one| one.settings),
            ),
            get: self.get,
            budget: self.budget,
            seed: self.seed,
            results: self.results.clone(),
        };
        let (interrupt, mut progress) = (ground.interrupt.clone(), Progress::new(self.quiet));
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

    fn simulated(&self, question: &Question, ground: &Ground) -> Result<Option<Simulated>> {
        let Some(scenario) = self.simulate.clone() else { return Ok(None) };
        let options = SimulateOptions {
            scenario,
            question: question.clone(),
            seeds: self.seeds,
            seed: self.seed,
        };
        let mut progress = Progress::new(self.quiet);
        let simulate = session::simulate(&options, &ground.interrupt, &mut progress);
        let simulated = ground.runtime.block_on(simulate);
        progress.end();
        simulated.map(Some)
    }
}

/// The ways that a plan needs to know: to verify an upload it is read back.
fn needed(direction: Direction, verify: bool) -> Vec<Direction> {
    match (direction, verify) {
        (Direction::Up, true) => vec![Direction::Up, Direction::Down],
        (direction, _) => vec![direction],
    }
}

fn models(evidence: &Evidence, needed: &[Direction]) -> Result<Models> {
    let ours = evidence.kinds.iter().all(|kind| *kind != TargetKind::Endpoint);
    let fit = |direction| {
        let observations = evidence.one_way(direction);
        match needed.contains(&direction) {
            true => Fitted::to(&observations, ours).map(Some),
            false => Ok(Fitted::to(&observations, ours).ok()),
        }
    };
    Ok(Models { up: fit(Direction::Up)?, down: fit(Direction::Down)? })
}
