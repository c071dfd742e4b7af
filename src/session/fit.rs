//! `tidegate fit`: what was measured is asked of the simulator, with one model of the link after the other.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::progress::Progress;
use super::{Work, in_simulated_time};
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::error::{Error, Result};
use crate::fit::{Asked, Cell, During, Feature, Features, Fitted, Measured, search};
use crate::interrupt::Interrupt;
use crate::measure;
use crate::plan::Shape;
use crate::result::{Direction, Phase, Settings, Trial};
use crate::store::Place;
use crate::store::model::{ModelStore, Retain};
use crate::storj::{Limits, Model};
use crate::transfer::{GetMode, Job, Order, RetryPolicy, Start};
use crate::trial::{self, Label, Load, Stop};
use crate::units::{ByteSize, counted};

/// Files of a dataset that are simulated at most where a window is: they come round and round.
const FILES_IN_WINDOW: usize = 2_000;

/// Movers begin over this share of the warm-up, as `run` and `tune` have them do.
const SPREAD: f64 = 0.5;

/// A cell is simulated with so many draws at least and at most, and between the two until they make so many seconds.
const DRAWS: [f64; 2] = [2.0, 4.0];
const DRAWN_S: f64 = 20.0;

/// A window is simulated for so long at most, or for so many parts, whichever is shorter, but for some parts of each
/// stream: a longer one shows the same.
const WINDOW_MOST_S: f64 = 20.0;
const WINDOW_PARTS: f64 = 1_500.0;
const WINDOW_PARTS_OF_STREAM: f64 = 8.0;

/// Fits the numbers of a link that is like `like` to what was measured.
///
/// # Errors
/// If the user interrupts.
pub fn fit<'a>(
    measured: &'a Measured,
    like: &'a Model,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Fitted> {
    Box::pin(async move {
        progress.note(&format!(
            "fitting a link to {} of {}",
            counted(measured.cells.len(), "setting"),
            counted(measured.runs.len(), "run")
        ));
        let cells = measured.cells.iter().map(|cell| Ok((cell, Arc::new(dataset(&cell.asked)?))));
        let cells: Vec<(&Cell, Arc<Dataset>)> = cells.collect::<Result<_>>()?;
        let simulate = async |models: Vec<Model>| {
            let asked = models.iter().flat_map(|model| {
                let drawn = cells.iter().flat_map(|(cell, dataset)| {
                    (0..draws(cell)).map(move |draw| (*cell, dataset, draw))
                });
                drawn.map(|(cell, dataset, draw)| World::of(model, cell, dataset, draw, interrupt))
            });
            let shown =
                asked.map(|world| in_simulated_time(move || async move { world.shown().await }));
            // As many at a time as there are cores.
            let shown = stream::iter(shown).buffered(measure::cores() as usize);
            let mut shown = shown.try_collect::<Vec<Features>>().await?.into_iter();
            let mut of_cell = |cell: &Cell| shown.by_ref().take(draws(cell) as usize).collect();
            Ok(models.iter().map(|_| measured.cells.iter().map(&mut of_cell).collect()).collect())
        };
        search(measured, like, &simulate).await
    })
}

/// How often a cell is simulated.
fn draws(cell: &Cell) -> u64 {
    let [fewest, most] = DRAWS;
    match cell.asked.during {
        During::WholeTask => fewest as u64,
        During::Window { window, .. } | During::ShortWindow { window, .. } => {
            (DRAWN_S / window.as_secs_f64()).ceil().clamp(fewest, most) as u64
        }
    }
}

/// The files of a cell, in the order in which they were moved if that is known: few movers see few of them.
fn dataset(asked: &Asked) -> Result<Dataset> {
    let Asked { shape, profile, during, .. } = asked;
    let (files, bytes) = (shape.files().round() as u64, shape.bytes().round() as u64);
    let size = Some(ByteSize(bytes));
    let scales = [
        Scale { size, files: None },
        Scale { size, files: Some(files) },
        Scale { size: None, files: Some(files) },
    ];
    let of_profile = scales.into_iter().filter_map(|scale| {
        let dataset = Dataset::Synthetic(Synthetic::new(profile.as_deref()?, scale).ok()?);
        (Shape::of(&dataset).ok()? == *shape).then_some(dataset)
    });
    if let Some(dataset) = of_profile.into_iter().next() {
        return Ok(dataset);
    }
    let wanted = match during {
        During::WholeTask => files as usize,
        _ => (files as usize).min(FILES_IN_WINDOW),
    };
    let sizes = shape.sample(wanted, 0.0).into_iter().map(|size| size.round() as u64);
    Ok(Dataset::Synthetic(Synthetic::of_sizes(sizes.collect())?))
}

/// The longest that its window is simulated.
fn window_most(cell: &Cell) -> Duration {
    let Asked { manner, shape, .. } = &cell.asked;
    let part_bytes = (manner.settings.part_size_bytes as f64).min(shape.mean_bytes());
    let rate = Features::mean(&cell.trials).ln(Feature::Rate).map_or(f64::INFINITY, f64::exp);
    let part_s = part_bytes / rate;
    let of_streams_s = WINDOW_PARTS_OF_STREAM * f64::from(manner.settings.streams()) * part_s;
    let most_s = (WINDOW_PARTS * part_s).min(WINDOW_MOST_S).max(of_streams_s);
    Duration::try_from_secs_f64(most_s).unwrap_or(Duration::MAX)
}

/// One model, asked for one thing with one draw.
struct World {
    model: Model,
    asked: Asked,
    dataset: Arc<Dataset>,
    window_most: Duration,
    draw: u64,
    interrupt: Interrupt,
}

impl World {
    fn of(
        model: &Model,
        cell: &Cell,
        dataset: &Arc<Dataset>,
        draw: u64,
        interrupt: &Interrupt,
    ) -> Self {
        Self {
            model: model.clone(),
            asked: cell.asked.clone(),
            dataset: Arc::clone(dataset),
            window_most: window_most(cell),
            draw,
            interrupt: interrupt.clone(),
        }
    }

    async fn shown(&self) -> Result<Features> {
        let Asked { manner, .. } = &self.asked;
        let dataset = Arc::clone(&self.dataset);
        let retain = match manner.direction {
            Direction::Up => Retain::Nothing,
            Direction::Down => Retain::Layout,
        };
        // What was throttled is not among what is fitted.
        let store = ModelStore::new(self.model.clone(), Limits::none(), retain, self.draw);
        let place = Place::Simulated(store);
        if manner.direction == Direction::Down {
            let part_size_bytes = self.asked.stored_part_size_bytes;
            let settings = Settings { part_size_bytes, ..manner.settings };
            let stored =
                Job::new(Arc::clone(&dataset), Direction::Up.into(), settings, PREFIX.into());
            self.moved(stored, Load::WholeTask, &place).await?;
        }
        let job = Job {
            get: if manner.ranged { GetMode::Ranged } else { GetMode::Whole },
            retry: RetryPolicy::of(self.asked.retry),
            // Movers draw from it where they begin.
            seed: self.draw << 16,
            ..Job::new(dataset, manner.direction.into(), manner.settings, PREFIX.into())
        };
        let (job, load) = self.loaded(job);
        self.moved(job, load, &place).await.map(|trial| Features::of(&trial))
    }

    /// As the verb that measured it had it.
    fn loaded(&self, job: Job) -> (Job, Load) {
        let shortened = |window: Duration| window.min(self.window_most);
        let (warm_up, stop, start) = match self.asked.during {
            During::WholeTask => return (job, Load::WholeTask),
            During::Window { warm_up, window } => {
                (warm_up, Stop::after(shortened(window)), Start::Fresh)
            }
            During::ShortWindow { warm_up, window } => {
                (warm_up, Stop::at_once_after(shortened(window)), Start::Midway)
            }
        };
        let job = Job { order: Order::ForEver, spread: warm_up.mul_f64(SPREAD), start, ..job };
        (job, Load::Timed { warm_up, stop })
    }

    async fn moved(&self, job: Job, load: Load, place: &Place) -> Result<Trial> {
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let finished = trial::run(job, load, label, place, &self.interrupt, &mut |_| {}).await?;
        match finished.interrupted {
            true => Err(Error::interrupted()),
            false => Ok(finished.trial),
        }
    }
}

const PREFIX: &str = "fit/";
