//! `tidegate plan`: how long, how many DTNs, what does it cost.

mod globus;
mod measuring;
mod question;

use std::path::PathBuf;

use super::options::{print_report, runtime};
use globus::{Globus, Told};
use measuring::{Measuring, Simulating};
use question::Asked;
use tidegate::error::Result;
use tidegate::interrupt::Interrupt;
use tidegate::plan::{Evidence, Fitted, Given, Gridftp, Iperf3, Models, Plan, Question, Tasks};
use tidegate::report::{self, Format};
use tidegate::result::{Direction, Document, Saved, TargetKind};
use tidegate::session;
use tidegate::terminal;

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Runs to fit the model to: directories of runs, or of results
    #[arg(value_name = "RESULT")]
    results_read: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    globus: Globus,
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    simulating: Simulating,
    #[command(flatten)]
    output: PlanOutput,
}

/// What comes out, and where.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
struct PlanOutput {
    /// Format of the plan; csv has a row for each number of DTNs
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
    /// Print the plan as JSON (schema tidegate.plan/1), as --format json does
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Directory below which the plan and each measured run get a directory of their own
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Print no progress, only the plan
    #[arg(long, short)]
    quiet: bool,
}

/// What measuring and simulating run on: one Ctrl-C for both.
struct Ground {
    runtime: tokio::runtime::Runtime,
    interrupt: Interrupt,
    quiet: bool,
}

impl Ground {
    fn prepare(quiet: bool) -> Result<Self> {
        let runtime = runtime()?;
        let interrupt = runtime.block_on(async { Interrupt::install() })?;
        Ok(Self { runtime, interrupt, quiet })
    }
}

/// Fits, asks, and says.
pub(super) fn run(args: Args) -> Result<()> {
    let question = args.asked.question(args.globus.startup(), args.simulating.limits()?)?;
    let told = args.globus.read()?;
    let mut documents = args.documents()?;
    args.asked.check_streams(args.asked.manner(&documents).settings)?;
    let ground = Ground::prepare(args.output.quiet)?;
    let asked = (&args.asked, &args.simulating);
    let measured = args.measuring.measure(asked, &documents, &args.output, &ground)?;
    let (measured, after) = measured.map(|finished| (finished.document, finished.after)).unzip();
    documents.extend(measured);
    let manner = args.asked.manner(&documents);
    let said = answer(&args, Question { manner, ..question }, told, &documents, &ground)
        .and_then(|plan| args.output.say(plan));
    // The plan first, then what its measurements may have left behind.
    match (said, after.flatten()) {
        (Err(error), Some(after)) => Err(error.followed_by(after)),
        (said, after) => said.and(after.map_or(Ok(()), Err)),
    }
}

fn answer(
    args: &Args,
    question: Question,
    told: Told,
    documents: &[Document],
    ground: &Ground,
) -> Result<Plan> {
    let Told { tasks, events, iperf3 } = told;
    let evidence = Evidence::of(documents)?;
    let models = models(&evidence, &args.asked.directions())?;
    let settings = question.manner.settings;
    tidegate::tune::feasible(settings, question.shape.largest_bytes() as u64)?;
    let globus_tasks = match tasks.is_empty() {
        true => None,
        false => Some(Tasks::compare(tasks, events, &question, &models)?),
    };
    let process = question
        .ask(&models, &question.shape, &question.setup(1))?
        .effective_speed_bytes_per_second
        / f64::from(settings.concurrency * question.tasks);
    let given = Given {
        runs: documents.iter().map(|document| document.id.clone()).collect(),
        cpu_seconds_per_gb: evidence.cpu_seconds_per_gb,
        globus_tasks,
        gridftp: Gridftp::of(iperf3, process),
        simulated: args.simulating.answer(&question, ground)?,
        warnings: [
            evidence.left_out.clone(),
            evidence.taken_for.clone(),
            iperf3.as_ref().and_then(Iperf3::warning).into_iter().collect(),
        ]
        .concat(),
    };
    question.answer(models, given)
}

impl Args {
    /// The runs that are named.
    fn documents(&self) -> Result<Vec<Document>> {
        let runs = self.results_read.iter().map(|path| Saved::load_all(path));
        let runs: Vec<Vec<Saved>> = runs.collect::<Result<_>>()?;
        Ok(runs.into_iter().flatten().map(|run| run.document).collect())
    }
}

impl PlanOutput {
    /// Saves a plan and prints it.
    fn say(&self, plan: Plan) -> Result<()> {
        let (plan, directory) = session::save_plan(plan, &self.results)?;
        let format = if self.json { Format::Json } else { self.format };
        print_report(&report::render(&plan, format)?, format);
        if format == Format::Text {
            terminal::print(&format!(
                "{:<12} {}",
                "report",
                directory.join(report::PAGE).display()
            ));
        }
        Ok(())
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
