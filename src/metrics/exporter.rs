//! The thread that tells: it answers readers and writes the file again and again.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use prometheus_client::encoding::prometheus_text;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use super::exposition::Exposition;
use crate::error::{Error, Result};
use crate::http_page::{self, Page, page};
use crate::terminal;

/// How often the file is written: oftener than node_exporter is usually scraped, every 15 s in Prometheus's example
/// (`documentation/examples/prometheus.yml`).
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Where metrics go.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Address to serve them at.
    pub listen: Option<SocketAddr>,
    /// File to write them to.
    pub file: Option<PathBuf>,
}

/// Tells metrics until it is dropped; then the file is written a last time.
#[derive(Debug)]
pub struct Exporter {
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Listens and writes the file for the first time.
    ///
    /// # Errors
    /// If the address is taken, the file cannot be written, or there is no thread for it.
    pub fn start(to: &Destinations, exposition: Exposition) -> Result<Self> {
        let listener = to.listen.map(listen).transpose()?;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let file = to.file.as_ref().map(|path| Textfile::create(path, &exposition)).transpose()?;
        let (stop, stopped) = oneshot::channel();
        let cannot = |error| Error::environment(format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(cannot)?;
        let work = move || {
            let exposition = Arc::new(exposition);
            runtime.block_on(tell(listener, file.as_ref(), &exposition, stopped));
            if let Some(file) = file {
                write(&file, &exposition);
            }
        };
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(work);
        let thread = thread.map_err(cannot)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where metrics are served, if they are.
    pub fn url(&self) -> Option<String> {
        self.address.map(|address| format!("http://{address}/metrics"))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Its panic is on standard error already.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        Error::environment(format!("cannot serve metrics at {address}: {error}"))
            .hint("choose another address with --metrics; port 0 picks a free port")
    })
}

/// Tells until it is told to stop.
async fn tell(
    listener: Option<TcpListener>,
    file: Option<&Textfile>,
    exposition: &Arc<Exposition>,
    stopped: oneshot::Receiver<()>,
) {
    let mut serving = pin!(async {
        let listener = listener.map(tokio::net::TcpListener::from_std);
        match listener {
            Some(Ok(listener)) => answer_all(listener, Arc::clone(exposition)).await,
            Some(Err(error)) => terminal::say(&format!("warning: no metrics are served: {error}")),
            None => {}
        }
        std::future::pending::<()>().await;
    });
    let mut writing = pin!(async {
        match file {
            Some(file) => write_again(file, exposition).await,
            None => std::future::pending().await,
        }
    });
    tokio::select! {
        _ = stopped => {}
        () = &mut serving => {}
        () = &mut writing => {}
    }
}

async fn write_again(file: &Textfile, exposition: &Exposition) {
    let mut due = interval(WRITE_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is due at once, and has been written.
    due.tick().await;
    let mut is_written = true;
    loop {
        due.tick().await;
        if is_written {
            is_written = write(file, exposition);
        } else {
            // It was said that it cannot be; perhaps there is room again.
            is_written = file.write(exposition).is_ok();
        }
    }
}

/// Whether it was written; if not, that is said, and the work goes on.
fn write(file: &Textfile, exposition: &Exposition) -> bool {
    let written = file.write(exposition);
    if let Err(error) = &written {
        terminal::say(&format!("warning: {}", file.sentence(error)));
    }
    written.is_ok()
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers `GET /metrics`, and nothing else, until it is dropped.
async fn answer_all(listener: tokio::net::TcpListener, exposition: Arc<Exposition>) {
    http_page::serve(listener, move |request| answer(request, &exposition)).await;
}

fn answer<B>(request: &Request<B>, exposition: &Exposition) -> Page {
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        return page(StatusCode::NOT_FOUND, PLAIN, "metrics are at GET /metrics\n".to_owned());
    }
    let (content_type, text) = match takes_open_metrics(request) {
        true => (OPEN_METRICS, exposition.open_metrics()),
        false => (prometheus_text::CONTENT_TYPE, exposition.text()),
    };
    match text {
        Ok(text) => page(StatusCode::OK, content_type, text),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
    }
}

/// Prometheus names it first where it knows it.
fn takes_open_metrics<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).into_iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"))
}

/// A file for node_exporter's textfile collector: it is read at any time, and so is whole at any time.
#[derive(Debug)]
struct Textfile {
    path: PathBuf,
    /// Where it is written before it has its name, which ends in something that the collector does not read.
    beside: PathBuf,
}

impl Textfile {
    /// Writes it for the first time.
    ///
    /// # Errors
    /// If that cannot be done: better now than when the work is done.
    fn create(path: &Path, exposition: &Exposition) -> Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let file = Self { path: path.to_owned(), beside: beside.into() };
        file.write(exposition).map_err(|error| {
            Error::environment(file.sentence(&error))
                .hint("name a file in a directory that is there and yours with --metrics-file")
        })?;
        Ok(file)
    }

    /// Writes it anew. The one before is there until this one is whole.
    fn write(&self, exposition: &Exposition) -> io::Result<()> {
        let text = exposition.text().map_err(io::Error::other)?;
        let written = fs::write(&self.beside, text);
        written.and_then(|()| fs::rename(&self.beside, &self.path)).inspect_err(|_| {
            // It may not even be there.
            let _ = fs::remove_file(&self.beside);
        })
    }

    /// What is said if it cannot be written.
    fn sentence(&self, error: &io::Error) -> String {
        format!("cannot write the metrics {}: {error}", self.path.display())
    }
}
