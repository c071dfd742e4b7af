//! Worker threads: each with a runtime, a store and a share of the movers.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::measure;
use crate::store::s3::{Connection, S3Store};
use crate::transfer::{Control, Job, Worker, WorkerReport};

/// The threads of one trial.
pub(super) struct Threads {
    job: Arc<Job>,
    control: Arc<Control>,
    cut: watch::Sender<bool>,
    /// Closed when the last thread is done.
    done: watch::Receiver<()>,
    handles: Vec<JoinHandle<WorkerReport>>,
}

impl Threads {
    /// One thread for each core, or for each mover if these are fewer.
    pub(super) fn start(job: Job, control: Control, connection: &Connection) -> Result<Self> {
        let count = measure::cores().min(job.settings.concurrency).max(1);
        let (job, control) = (Arc::new(job), Arc::new(control));
        let (cut, cut_receiver) = watch::channel(false);
        let (done_sender, done) = watch::channel(());
        let mut handles = Vec::new();
        for number in 0..count {
            let seat = Seat {
                number,
                count,
                job: Arc::clone(&job),
                control: Arc::clone(&control),
                connection: connection.clone(),
                cut: cut_receiver.clone(),
            };
            let done_sender = done_sender.clone();
            let work = move || {
                let report = seat.work();
                drop(done_sender);
                report
            };
            let handle =
                std::thread::Builder::new().name(format!("movers-{number}")).spawn(work).map_err(
                    |error| Error::environment(format!("cannot start a thread: {error}")),
                )?;
            handles.push(handle);
        }
        Ok(Self { job, control, cut, done, handles })
    }

    pub(super) fn job(&self) -> Arc<Job> {
        Arc::clone(&self.job)
    }

    pub(super) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    pub(super) fn count(&self) -> usize {
        self.handles.len()
    }

    /// Waits until every mover has stopped by itself.
    pub(super) async fn done(&self) {
        let mut done = self.done.clone();
        while done.changed().await.is_ok() {}
    }

    /// Drops what is still under way and collects what was recorded.
    ///
    /// # Errors
    /// If a thread panicked; the caller still has a clean-up to do.
    pub(super) async fn join(self) -> Result<Vec<WorkerReport>> {
        self.cut.send_replace(true);
        self.done().await;
        // The panic itself is on standard error already.
        let panicked = |_| Error::environment("a thread that moves data panicked: this is a bug");
        let join = |handle: JoinHandle<WorkerReport>| handle.join().map_err(panicked);
        self.handles.into_iter().map(join).collect()
    }
}

/// What a thread takes with it.
struct Seat {
    number: u32,
    count: u32,
    job: Arc<Job>,
    control: Arc<Control>,
    connection: Connection,
    cut: watch::Receiver<bool>,
}

impl Seat {
    fn work(mut self) -> WorkerReport {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system gives a thread its event queue");
        runtime.block_on(async {
            let store = S3Store::connect(&self.connection);
            let worker = Worker::new(&store, &self.job, &self.control, u64::from(self.number));
            let movers = (self.number..self.job.settings.concurrency).step_by(self.count as usize);
            tokio::select! {
                biased;
                () = worker.drive(movers) => {}
                // Also when the sender is gone: nobody waits for this thread any more.
                _ = self.cut.wait_for(|cut| *cut) => {}
            }
            worker.report()
        })
    }
}
