//! `claim.jsonl` beside a result: the token of the run's marker, and the uploads that it has open in a place of the user's.
//!
//! What a marker in the bucket says can be forged by whoever may write there. Uploads that are not below a prefix of
//! a run's own are aborted after a kill only if this file names them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::marker::Identity;
use crate::error::{Error, Result};
use crate::outside;
use crate::store::Upload;
use crate::transfer::Journal;

/// The file's name in a run's directory.
pub(crate) const NAME: &str = "claim.jsonl";

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Token(String),
    Begun { key: String, id: String },
    Ended { key: String, id: String },
}

/// Writes the token of a run that begins.
pub(super) fn begin(directory: &Path, identity: &Identity) -> Result<()> {
    let token = Line::Token(identity.token().to_owned());
    let write = || append(&mut File::create(directory.join(NAME))?, &token);
    write().map_err(|error| cannot("write", directory, &error))
}

/// The identity of a run that goes on.
///
/// # Errors
/// If the file is not there, or is of another run.
pub(super) fn identity(directory: &Path, run: &str) -> Result<Identity> {
    let token = lines(directory)?.into_iter().find_map(|line| match line {
        Line::Token(token) => Some(token),
        Line::Begun { .. } | Line::Ended { .. } => None,
    });
    token.and_then(|token| Identity::again(run, &token)).ok_or_else(|| {
        let file = directory.join(NAME);
        Error::environment(format!("{} does not hold the token of run {run}", file.display()))
            .hint("start a new run")
    })
}

/// Uploads that the run began at the target itself, and that were neither completed nor aborted.
pub(crate) fn open_uploads(directory: &Path) -> Result<BTreeSet<Upload>> {
    let mut open = BTreeSet::new();
    for line in lines(directory)? {
        match line {
            Line::Token(_) => {}
            Line::Begun { key, id } => drop(open.insert(Upload { key, id })),
            Line::Ended { key, id } => drop(open.remove(&Upload { key, id })),
        }
    }
    Ok(open)
}

/// Goes on with the file of a run, which another process has begun, here or on another machine.
pub(super) fn join(directory: &Path, identity: &Identity) -> Result<Box<dyn Journal>> {
    std::fs::create_dir_all(directory).map_err(|error| cannot("make", directory, &error))?;
    if !directory.join(NAME).exists() {
        begin(directory, identity)?;
    }
    open(directory)
}

/// Goes on with the file of a run.
pub(super) fn open(directory: &Path) -> Result<Box<dyn Journal>> {
    let file = OpenOptions::new().append(true).open(directory.join(NAME));
    let file = file.map_err(|error| cannot("open", directory, &error))?;
    Ok(Box::new(Lines(file)))
}

struct Lines(File);

impl Lines {
    /// Only a kill would miss a line, and what it misses is left and named: a full disk does not end the transfer.
    fn append(&mut self, line: &Line) {
        let _ = append(&mut self.0, line);
    }
}

impl Journal for Lines {
    fn begun(&mut self, Upload { key, id }: &Upload) {
        self.append(&Line::Begun { key: key.clone(), id: id.clone() });
    }

    fn ended(&mut self, Upload { key, id }: &Upload) {
        self.append(&Line::Ended { key: key.clone(), id: id.clone() });
    }
}

/// In one write, so that a kill leaves whole lines.
fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line).expect("strings serialise");
    text.push('\n');
    file.write_all(text.as_bytes())
}

/// Its lines; one that was not written to its end is none.
fn lines(directory: &Path) -> Result<Vec<Line>> {
    let read = || {
        let mut lines = Vec::new();
        let mut file = outside::lines(&directory.join(NAME))?;
        while let Some(line) = file.next()? {
            lines.extend(serde_json::from_str::<Line>(line.text));
        }
        Ok(lines)
    };
    read().map_err(|error| cannot("read", directory, &error))
}

fn cannot(doing: &str, directory: &Path, error: &io::Error) -> Error {
    let file = directory.join(NAME);
    Error::environment(format!("cannot {doing} {}: {error}", file.display()))
        .hint("it proves what the run may remove from the bucket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_that_ended_are_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let identity_then = Identity::new().unwrap();
        begin(directory, &identity_then).unwrap();
        let [first, second] =
            ["1", "2"].map(|id| Upload { key: "p/\n\u{1b}".into(), id: id.into() });
        let mut journal = open(directory).unwrap();
        journal.begun(&first);
        journal.begun(&second);
        journal.ended(&first);
        assert_eq!(open_uploads(directory).unwrap(), [second].into());
        assert_eq!(identity(directory, identity_then.name()).unwrap(), identity_then);
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        begin(directory, &Identity::new().unwrap()).unwrap();
        let mut file = OpenOptions::new().append(true).open(directory.join(NAME)).unwrap();
        file.write_all(b"{\"begun\":{\"key\":\"p").unwrap();
        assert_eq!(open_uploads(directory).unwrap(), BTreeSet::new());
    }

    #[test]
    fn the_token_of_another_run_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| Identity::new().unwrap());
        begin(directory.path(), &one).unwrap();
        assert!(identity(directory.path(), other.name()).is_err());
    }
}
