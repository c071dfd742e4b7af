//! Where the comparison happens: servers, files to send, objects to fetch. All is gone at the end.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::measure::{self, Sample};
use crate::peer::{Peer, Place};
use crate::raw_hyper;
use crate::servers::{Server, Traffic};
use crate::task::{Data, Direction, FILES, Security, Task};

pub struct Stage {
    plain: Server,
    tls: Server,
    directory: TempDir,
    /// Uploads so far: each goes to a prefix of its own.
    uploads: Cell<u32>,
}

impl Stage {
    pub fn set(directory: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("peers-").tempdir_in(directory)?;
        let [plain, tls] = [Security::Plain, Security::Tls]
            .map(|security| Server::start(directory.path(), security));
        let stage = Self { plain: plain?, tls: tls?, directory, uploads: Cell::new(0) };
        fs::write(stage.path("aws.ini"), crate::peer::AWS_CONFIG)?;
        let (mut made, mut uploaded) = (BTreeSet::new(), BTreeSet::new());
        for task in Task::all() {
            match (task.data, task.direction) {
                (Data::Files, Direction::Up) if made.insert(files(task)) => {
                    stage.write_files(task)?;
                }
                (_, Direction::Down) if uploaded.insert((task.security, objects(task))) => {
                    stage.upload_objects(task)?;
                }
                _ => {}
            }
        }
        Ok(stage)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a peer at a task and checks that it moved what it was to move.
    pub fn run(&self, task: Task, peer: Peer) -> Result<Sample> {
        let place = self.place(task);
        let mut command = peer.command(task, &place)?;
        let _ = fs::remove_dir_all(&place.to);
        fs::create_dir(&place.to)?;
        let (usage, traffic) = self.server(task).traffic_of(task, || measure::run(&mut command))?;
        fs::remove_dir_all(&place.to)?;
        let expected = task.bytes();
        if peer.moves_a_fixed_amount() && traffic.bytes != expected {
            return Err(format!("it moved {} bytes instead of {expected}", traffic.bytes).into());
        }
        if traffic.bytes == 0 {
            return Err("it moved nothing".into());
        }
        let Traffic { bytes, operations, seconds } = traffic;
        Ok(Sample { usage, bytes, operations, seconds })
    }

    fn server(&self, task: Task) -> &Server {
        match task.security {
            Security::Plain => &self.plain,
            Security::Tls => &self.tls,
        }
    }

    pub fn place(&self, task: Task) -> Place {
        Place {
            address: self.server(task).process.address.clone(),
            security: task.security,
            prefix: match task.direction {
                Direction::Up => self.new_prefix(),
                Direction::Down => objects(task),
            },
            home: self.directory.path().to_owned(),
            from: self.path(&files(task)),
            to: self.path("to"),
        }
    }

    fn new_prefix(&self) -> String {
        self.uploads.set(self.uploads.get() + 1);
        format!("up/{}", self.uploads.get())
    }

    /// Files of bytes that do not compress.
    fn write_files(&self, task: Task) -> Result<()> {
        let directory = self.path(&files(task));
        fs::create_dir(&directory)?;
        let mut random = fastrand::Rng::with_seed(0);
        let mut chunk = vec![0; 1 << 20];
        for number in 0..FILES {
            let mut file = fs::File::create(directory.join(raw_hyper::file_name(number)))?;
            for _ in 0..task.file_bytes() / chunk.len() as u64 {
                random.fill(&mut chunk);
                file.write_all(&chunk)?;
            }
        }
        Ok(())
    }

    /// Objects to fetch: the server keeps their sizes and makes up their bytes.
    fn upload_objects(&self, task: Task) -> Result<()> {
        let place = Place { prefix: objects(task), ..self.place(task) };
        let up = Task { direction: Direction::Up, ..task };
        let maker = match task.data {
            Data::Synthetic | Data::Files => Peer::RawHyper,
            Data::Small => Peer::Tidegate,
        };
        measure::run(&mut maker.command(up, &place)?).map(drop)
    }
}

/// The directory of the files to send.
fn files(task: Task) -> String {
    format!("files-{}", task.file_bytes())
}

/// The prefix of the objects to fetch: those of one size are the same ones.
fn objects(task: Task) -> String {
    format!("objects-{}", task.file_bytes())
}
