//! What settings are worth on a link: measured once, kept in a file, and never looked at by the tuner.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tidegate::result::Settings;

use crate::Result;
use crate::draw::{Link, settings};
use crate::program::{Bench, Cell, Load};

/// Those that `tidegate tune` tries in a simulation.
pub const PART_SIZES_MIB: [u64; 2] = [16, 64];

/// Most files in flight.
pub const CONCURRENCY_MAX: u32 = 500;

/// From one concurrency of the grid to the next.
const STEP: f64 = 1.35;

/// Of a first, cheap look. Where parts take long it is longer, so that some of each stream are seen.
const LOOK_S: f64 = 90.0;

/// So many parts of a stream are seen in a look.
const PARTS_IN_LOOK: f64 = 10.0;

/// Of a measurement that counts.
const LONG_S: f64 = 900.0;

/// Looks that are worse than the best by more are not measured again.
const NEAR_THE_BEST: f64 = 0.93;

/// Cells that are measured again.
const FINALISTS: usize = 4;

/// Settings by which more attempts are refused are not to be recommended.
pub const REFUSED_MAX: f64 = 0.05;

/// All runs of the truth draw the same times.
const SEED: u64 = 1;

/// What is known of a link.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Truth {
    /// The model it was measured on.
    model: String,
    looks: Vec<Cell>,
    finalists: Vec<Cell>,
    /// Long measurements of what somebody chose: no part of the truth, only not to measure them again.
    chosen: Vec<Cell>,
}

impl Truth {
    /// The highest goodput of those that are let in, or of all where none is.
    pub fn best(&self) -> Option<Cell> {
        best(&self.finalists)
    }

    fn measure(link: &Link, bench: &Bench) -> Result<Self> {
        let cells =
            PART_SIZES_MIB.into_iter().flat_map(|mib| grid().map(move |n| settings(mib, n)));
        let look = |settings| {
            let window_s = (PARTS_IN_LOOK * link.part_s(settings)).clamp(LOOK_S, LONG_S);
            Ok(bench.measure_calm(Load { settings, window_s, seed: SEED })?.cell)
        };
        let looks = cells.map(look).collect::<Result<Vec<Cell>>>()?;
        let finalists = finalists(&looks).into_iter().map(|settings| long(bench, settings));
        let finalists = finalists.collect::<Result<Vec<Cell>>>()?;
        Ok(Self { model: link.calm_toml(), looks, finalists, chosen: Vec::new() })
    }
}

fn long(bench: &Bench, settings: Settings) -> Result<Cell> {
    Ok(bench.measure_calm(Load { settings, window_s: LONG_S, seed: SEED })?.cell)
}

/// 1 to the most, by factors.
fn grid() -> impl Iterator<Item = u32> {
    let next = |last: &u32| {
        let next = (f64::from(*last) * STEP).round().max(f64::from(*last) + 1.0) as u32;
        (*last < CONCURRENCY_MAX).then_some(next.min(CONCURRENCY_MAX))
    };
    std::iter::successors(Some(1), next)
}

fn let_in(cells: &[Cell]) -> Vec<Cell> {
    let let_in: Vec<Cell> =
        cells.iter().copied().filter(|cell| cell.refused <= REFUSED_MAX).collect();
    if let_in.is_empty() { cells.to_vec() } else { let_in }
}

fn best(cells: &[Cell]) -> Option<Cell> {
    let_in(cells).into_iter().max_by(|one, other| one.goodput.total_cmp(&other.goodput))
}

/// The cheapest of those near the best, and the best of them.
fn finalists(looks: &[Cell]) -> Vec<Settings> {
    let least = best(looks).map_or(0.0, |best| NEAR_THE_BEST * best.goodput);
    let mut near: Vec<Cell> =
        let_in(looks).into_iter().filter(|cell| cell.goodput >= least).collect();
    near.sort_by(|one, other| other.goodput.total_cmp(&one.goodput));
    let cheapest = near.iter().map(|cell| cell.settings).min_by_key(Settings::streams);
    let mut finalists: Vec<Settings> =
        near.iter().map(|cell| cell.settings).take(FINALISTS - 1).collect();
    finalists.extend(cheapest.filter(|cheapest| !finalists.contains(cheapest)));
    finalists
}

/// The truth of all links that were measured so far.
pub struct Truths {
    path: PathBuf,
    links: Mutex<BTreeMap<u64, Truth>>,
}

impl Truths {
    /// Reads the file, if there is one.
    pub fn read(path: &Path) -> Result<Self> {
        let links = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path: path.to_owned(), links: Mutex::new(links) })
    }

    /// Of this link; measured now unless it was before.
    pub fn of(&self, link: &Link, bench: &Bench) -> Result<Truth> {
        let known = self.links().get(&link.number).cloned();
        if let Some(known) = known.filter(|known| known.model == link.calm_toml()) {
            return Ok(known);
        }
        let truth = Truth::measure(link, bench)?;
        self.save(link, truth.clone())?;
        Ok(truth)
    }

    /// What these settings are worth in the long run.
    pub fn worth(&self, link: &Link, bench: &Bench, settings: Settings) -> Result<Cell> {
        let mut truth = self.of(link, bench)?;
        let known = truth.finalists.iter().chain(&truth.chosen);
        if let Some(known) = known.copied().find(|cell| cell.settings == settings) {
            return Ok(known);
        }
        let cell = long(bench, settings)?;
        truth.chosen.push(cell);
        self.save(link, truth)?;
        Ok(cell)
    }

    /// Each link is asked about by one thread at a time.
    fn save(&self, link: &Link, truth: Truth) -> Result<()> {
        let mut links = self.links();
        links.insert(link.number, truth);
        let unfinished = self.path.with_extension("unfinished");
        std::fs::write(&unfinished, serde_json::to_vec(&*links)?)?;
        Ok(std::fs::rename(unfinished, &self.path)?)
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Truth>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
