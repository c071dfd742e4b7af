//! A run as it lies on disk: its document and, beside it, the records of its trials.

use std::path::{Path, PathBuf};

use super::Document;
use crate::error::{Error, Result};
use crate::outside;

/// The name of the document in a run's directory.
pub const RESULT: &str = "result.json";

/// Columns of [`bins_name`].
pub const BINS_HEADER: &str = "start_s,wire_bytes,good_bytes";

/// Bins that a trial has at most, however long it takes (see `measure::series`), and some that are begun.
pub const BINS_MAX: usize = 1_100_000;

/// The name of the file with the bytes of a trial in bins of 100 ms.
pub fn bins_name(trial: u32) -> String {
    format!("trial-{trial:03}-bins.csv")
}

/// A run that is over, or as much of it as was saved.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Its document.
    pub document: Document,
    /// Where its files are.
    pub directory: PathBuf,
}

/// Bytes that passed the sockets in one bin of a trial's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Its beginning, since the trial began.
    pub start_s: f64,
    /// All of them.
    pub wire_bytes: u64,
    /// Of these, what belonged to attempts that in the end succeeded.
    pub good_bytes: u64,
}

impl Saved {
    /// Reads a run by its directory or by its `result.json`.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(RESULT) } else { path.to_owned() };
        if !file.is_file() {
            return Err(Error::environment(format!("{} is not a run", path.display())).hint(
                "name a directory with a result.json, such as results/20261123T101500Z-7f3a",
            ));
        }
        let document = Document::load(&file)?;
        let directory = file.parent().map_or_else(PathBuf::new, Path::to_owned);
        Ok(Self { document, directory })
    }

    /// Reads one run, or every run below a directory of results, in order of their start.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub fn load_all(path: &Path) -> Result<Vec<Self>> {
        if !path.is_dir() || path.join(RESULT).is_file() {
            return Ok(vec![Self::load(path)?]);
        }
        let unreadable =
            |error| Error::environment(format!("cannot read {}: {error}", path.display()));
        let mut runs = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let directory = entry.map_err(unreadable)?.path();
            if directory.join(RESULT).is_file() {
                runs.push(Self::load(&directory)?);
            }
        }
        if runs.is_empty() {
            return Err(Error::environment(format!("there are no runs in {}", path.display()))
                .hint("name the directory of a run, or the one given as --results"));
        }
        let age = |run: &Self| (run.document.started.clone(), run.document.id.clone());
        runs.sort_by_key(age);
        Ok(runs)
    }

    /// The bytes of a trial over time; `None` if they were not kept.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn bins(&self, trial: u32) -> Result<Option<Vec<Bin>>> {
        let path = self.directory.join(bins_name(trial));
        let fail = |what: &dyn std::fmt::Display| {
            Error::environment(format!("cannot read {}: {what}", path.display()))
        };
        let mut rows = match outside::lines(&path) {
            Ok(rows) => rows,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(&error)),
        };
        let header = rows.next().map_err(|error| fail(&error))?;
        if header.map(|row| row.text) != Some(BINS_HEADER) {
            return Err(fail(&format!("its first line is not {BINS_HEADER}")));
        }
        let mut bins = Vec::new();
        while let Some(row) = rows.next().map_err(|error| fail(&error))? {
            let follows = |bin: &Bin| follows(&bins, *bin);
            let bin = bin(row.text).filter(follows);
            bins.push(bin.ok_or_else(|| fail(&format!("`{}` is not a bin", row.text)))?);
            if bins.len() > BINS_MAX {
                return Err(fail(&format!("it has more than {BINS_MAX} bins")));
            }
        }
        Ok(Some(bins))
    }
}

/// Whether a bin comes after these: in time, and as far from the one before as the second from the first.
fn follows(bins: &[Bin], bin: Bin) -> bool {
    let Some(last) = bins.last() else { return (0.0..f64::INFINITY).contains(&bin.start_s) };
    let width_s = bins.get(1).map_or(bin.start_s, |second| second.start_s) - bins[0].start_s;
    // Times are written to a tenth of a second, the shortest that a bin is.
    let is_next = (bin.start_s - last.start_s - width_s).abs() < 0.05;
    width_s > 0.05 && is_next
}

fn bin(row: &str) -> Option<Bin> {
    let mut fields = row.split(',');
    let bin = Bin {
        start_s: fields.next()?.parse().ok()?,
        wire_bytes: fields.next()?.parse().ok()?,
        good_bytes: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bins(content: &str) -> (tempfile::TempDir, Saved) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(bins_name(7)), content).expect("a small file");
        let document = crate::report::samples::tune();
        let saved = Saved { document, directory: directory.path().to_owned() };
        (directory, saved)
    }

    #[test]
    fn bins_are_read_as_they_were_written() {
        let (_directory, saved) = with_bins(&format!("{BINS_HEADER}\n0.0,5,4\n0.1,7,7\n"));
        let bin = |start_s, wire_bytes, good_bytes| Bin { start_s, wire_bytes, good_bytes };
        assert_eq!(saved.bins(7).unwrap(), Some(vec![bin(0.0, 5, 4), bin(0.1, 7, 7)]));
        assert_eq!(saved.bins(8).unwrap(), None);
    }

    #[test]
    fn a_broken_row_is_named() {
        for broken in ["0.0,5", "0.0,5,4,3", "0.0,5,many", "NaN,5,4", "-0.1,5,4", "1e999,5,4"] {
            let (_directory, saved) = with_bins(&format!("{BINS_HEADER}\n{broken}\n"));
            let error = saved.bins(7).unwrap_err().to_string();
            assert!(error.contains(broken), "{error}");
        }
        let (_directory, saved) = with_bins("start,wire\n");
        assert!(saved.bins(7).is_err());
    }

    #[test]
    fn bins_that_do_not_follow_each_other_are_refused() {
        for rows in ["0.0,5,4\n0.0,5,4\n", "0.0,5,4\n1e-300,5,4\n", "0.0,5,4\n0.1,5,4\n0.3,5,4\n"] {
            let (_directory, saved) = with_bins(&format!("{BINS_HEADER}\n{rows}"));
            assert!(saved.bins(7).unwrap_err().to_string().contains("is not a bin"), "{rows}");
        }
    }

    #[test]
    fn runs_of_a_directory_come_in_order_of_their_start() {
        let results = tempfile::tempdir().expect("a temporary directory");
        for (name, started) in [("b", "2026-11-23T10:00:00Z"), ("a", "2026-11-23T11:00:00Z")] {
            let mut document = crate::report::samples::tune();
            document.started = started.into();
            std::fs::create_dir(results.path().join(name)).expect("a new directory");
            document.save(&results.path().join(name).join(RESULT)).expect("a small file");
        }
        let runs = Saved::load_all(results.path()).unwrap();
        let names: Vec<_> = runs.iter().map(|run| run.directory.file_name().unwrap()).collect();
        assert_eq!(names, ["b", "a"]);
        let one = Saved::load_all(&results.path().join("a").join(RESULT)).unwrap();
        assert_eq!(one.len(), 1);
        assert!(Saved::load(results.path()).unwrap_err().to_string().contains("is not a run"));
    }
}
