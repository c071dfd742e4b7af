//! What trials have in common whose goodputs can be compared.

use super::{Traffic, Trial};

/// Which way files went and, in a run of several datasets, which of them they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Which way.
    pub direction: Traffic,
    /// Name of the dataset; `None` where the run has only one.
    pub dataset: Option<String>,
    /// How many DTNs moved it together; `None` of one alone.
    pub dtns: Option<u32>,
}

impl Workload {
    /// Whether this trial moved it.
    pub fn is_of(&self, trial: &Trial) -> bool {
        *self == trial.workload()
    }
}

impl Trial {
    /// What it moved.
    pub fn workload(&self) -> Workload {
        let dtns = u32::try_from(self.dtns.len()).ok().filter(|dtns| *dtns > 0);
        Workload { direction: self.direction, dataset: self.dataset.clone(), dtns }
    }
}
