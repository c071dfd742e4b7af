//! Those who do the work of a trial: threads over sockets, or one future in simulated time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{AbortHandle, AbortRegistration, Abortable};
use tokio::sync::watch;

use crate::clock::Apart;
use crate::error::{Error, Result};
use crate::measure::{self, ThreadTime};
use crate::store::model::ModelStore;
use crate::store::s3::{Connection, S3Store};
use crate::store::{Place, Store};
use crate::transfer::{Control, Job, Worker, WorkerReport};

/// The workers of one trial.
pub(super) struct Crew {
    job: Arc<Job>,
    control: Arc<Control>,
    cut: Cut,
    hands: Hands,
}

/// How long a thread waits for what it has begun on blocking threads, such as to take a file away again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cuts the workers off when it is dropped. They look at every poll, which costs less than to ask a channel.
struct Cut(Vec<AbortHandle>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

enum Hands {
    /// Each with a runtime, a store and a share of the movers.
    Threads {
        /// Closed when the last thread is done.
        done: watch::Receiver<()>,
        handles: Vec<JoinHandle<Worked>>,
    },
    /// All movers on this thread. They move while somebody waits for them to be done.
    Simulated(RefCell<Work>),
}

/// A worker that is done.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) report: WorkerReport,
    /// Of its thread, which is gone: its number and its time, where the system tells them.
    pub(super) thread: Option<(u32, ThreadTime)>,
}

/// The work of a simulation.
enum Work {
    UnderWay(Apart<dyn Future<Output = WorkerReport>>),
    Done(Box<WorkerReport>),
}

impl Crew {
    /// Puts the movers to work.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn start(job: Job, control: Control, place: &Place) -> Result<Self> {
        let (job, control) = (Arc::new(job), Arc::new(control));
        let count = match place {
            // Any request of a script may wait for any other.
            Place::Endpoint(_) if job.script.is_some() => 1,
            Place::Endpoint(_) => measure::cores().min(job.settings.concurrency).max(1),
            Place::Simulated(_) => 1,
        };
        let (handles, registrations) = (0..count).map(|_| AbortHandle::new_pair()).unzip();
        // Before a thread is started: those that run end also if the next one cannot be.
        let cut = Cut(handles);
        let mut seats = (0..count).zip::<Vec<_>>(registrations).map(|(number, cut)| Seat {
            number,
            count,
            job: Arc::clone(&job),
            control: Arc::clone(&control),
            cut,
        });
        let hands = match place {
            Place::Endpoint(connection) => start_threads(seats, connection)?,
            Place::Simulated(store) => simulate(seats.next().expect("one worker"), store.clone()),
        };
        Ok(Self { job, control, cut, hands })
    }

    pub(super) fn job(&self) -> Arc<Job> {
        Arc::clone(&self.job)
    }

    pub(super) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Threads that move data: none in a simulation.
    pub(super) fn threads(&self) -> usize {
        match &self.hands {
            Hands::Threads { handles, .. } => handles.len(),
            Hands::Simulated(_) => 0,
        }
    }

    /// Whether what this machine uses says nothing about the trial.
    pub(super) fn is_simulated(&self) -> bool {
        matches!(self.hands, Hands::Simulated(_))
    }

    /// Waits until every mover has stopped by itself.
    pub(super) async fn done(&self) {
        self.hands.done().await;
    }

    /// Drops what is still under way and collects what was recorded.
    ///
    /// # Errors
    /// If a thread panicked; the caller still has a clean-up to do.
    pub(super) async fn join(self) -> Result<Vec<Worked>> {
        drop(self.cut);
        self.hands.done().await;
        // The panic itself is on standard error already.
        let panicked = |_| Error::environment("a thread that moves data panicked: this is a bug");
        let join = |handle: JoinHandle<Worked>| handle.join().map_err(panicked);
        match self.hands {
            Hands::Threads { handles, .. } => handles.into_iter().map(join).collect(),
            Hands::Simulated(work) => match work.into_inner() {
                Work::Done(report) => Ok(vec![Worked { report: *report, thread: None }]),
                Work::UnderWay(_) => unreachable!("it was waited for"),
            },
        }
    }
}

impl Hands {
    async fn done(&self) {
        match self {
            Self::Threads { done, .. } => {
                let mut done = done.clone();
                while done.changed().await.is_ok() {}
            }
            Self::Simulated(work) => poll_fn(|context| work.borrow_mut().poll(context)).await,
        }
    }
}

impl Work {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::UnderWay(work) = self {
            let Poll::Ready(report) = work.poll_unpin(context) else { return Poll::Pending };
            *self = Self::Done(Box::new(report));
        }
        Poll::Ready(())
    }
}

fn start_threads(seats: impl Iterator<Item = Seat>, connection: &Connection) -> Result<Hands> {
    let (done_sender, done) = watch::channel(());
    let mut handles = Vec::new();
    for seat in seats {
        let (done_sender, connection) = (done_sender.clone(), connection.clone());
        let builder = std::thread::Builder::new().name(format!("workers-{}", seat.number));
        let work = move || {
            let report = seat.work_on_a_thread(&connection);
            let thread = measure::this_thread();
            drop(done_sender);
            Worked { report, thread }
        };
        let cannot = |error| Error::environment(format!("cannot start a thread: {error}"));
        handles.push(builder.spawn(work).map_err(cannot)?);
    }
    Ok(Hands::Threads { done, handles })
}

fn simulate(seat: Seat, store: ModelStore) -> Hands {
    let work = async move { seat.work(&store).await };
    Hands::Simulated(RefCell::new(Work::UnderWay(Apart::new(Box::pin(work)))))
}

/// A worker's place: which of the movers are its own.
struct Seat {
    number: u32,
    count: u32,
    job: Arc<Job>,
    control: Arc<Control>,
    cut: AbortRegistration,
}

impl Seat {
    fn work_on_a_thread(self, connection: &Connection) -> WorkerReport {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system gives a thread its event queue");
        let report = runtime.block_on(async { self.work(&S3Store::connect(connection)).await });
        // A read or a look-up of a name that hangs must not hold up the clean-up.
        runtime.shutdown_timeout(PATIENCE);
        report
    }

    async fn work(self, store: &impl Store) -> WorkerReport {
        let worker = Worker::new(store, &self.job, &self.control, u64::from(self.number));
        let movers = (self.number..self.job.settings.concurrency).step_by(self.count as usize);
        // Cut off or not: what was recorded until then is reported.
        let _ = Abortable::new(worker.drive(movers), self.cut).await;
        worker.report()
    }
}
