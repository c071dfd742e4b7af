//! The tables, in Markdown.

use std::fmt;

use crate::Outcomes;
use crate::goals;
use crate::measure::Sample;
use crate::median::Median;
use crate::memory::{Case, Peaks};
use crate::peer::Peer;
use crate::task::{Data, Security, Task};

pub struct Report {
    /// What it ran on and how it was started.
    pub circumstances: String,
    pub outcomes: Outcomes,
    pub peaks: Peaks,
    pub rounds: u32,
}

/// A property of a sample that is compared by its ratio.
type Property = fn(&Sample) -> f64;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# tidegate and its peers\n\n{}\n", self.circumstances)?;
        writeln!(f, "{}\n", preamble(self.rounds))?;
        for task in Task::all() {
            self.table(f, task)?;
        }
        self.encryption(f)?;
        self.memory(f)?;
        goals::table(f, &self.outcomes, &self.peaks)?;
        notes(f)
    }
}

fn preamble(rounds: u32) -> String {
    format!(
        "All speak to the same `tidegate serve --retain discard` without a link model, one after the other, in an order drawn anew in each of {rounds} rounds; downloads to files have their rounds after all others, for the memory that removed files leave is slow to get again. CPU is user and system time of the client and all its processes (`wait4`), from its start to its end; 1 GB = 10^9 bytes. Throughput is that of the data requests in the server's log, without the client's start and end. Client and server share one machine, over TLS too: throughput says more about that than about a network. Memory is the highest resident set of any one process. All figures are medians over the rounds. Ratios are to tidegate in the same round; their 95 % intervals are between two of the rounds, whatever the distribution: now and then the machine is slow for some seconds."
    )
}

impl Report {
    fn table(&self, f: &mut fmt::Formatter<'_>, task: Task) -> fmt::Result {
        writeln!(f, "## {}\n", task.title())?;
        let columns = match task.data {
            Data::Small => {
                writeln!(f, "{} objects a round.\n", task.files())?;
                "CPU µs per operation | ratio | operations/s"
            }
            Data::Synthetic | Data::Files => {
                writeln!(f, "{:.1} GB a round.\n", task.bytes() as f64 / 1e9)?;
                "CPU s/GB | ratio | GB/s"
            }
        };
        writeln!(f, "| client | {columns} | ratio | peak MiB | ratio |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|")?;
        for peer in task.peers() {
            match &self.outcomes[&(task, *peer)] {
                Ok(samples) => self.row(f, task, *peer, samples)?,
                Err(why) => writeln!(f, "| {} | {why} | | | | | |", peer.name())?,
            }
        }
        writeln!(f)
    }

    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        task: Task,
        peer: Peer,
        samples: &[Sample],
    ) -> fmt::Result {
        let cell = |property: Property, digits: usize| {
            let all = Median::of(samples.iter().map(property).collect());
            let all = all.map_or(f64::NAN, |median| median.value);
            let ratio = ratio(&self.outcomes, (task, peer), (task, Peer::Tidegate), property);
            format!("{all:.digits$} | {}", or_nothing(ratio))
        };
        let (cpu, throughput) = match task.data {
            Data::Small => {
                (cell(Sample::cpu_us_per_operation, 1), cell(Sample::operations_per_second, 0))
            }
            Data::Synthetic | Data::Files => {
                (cell(Sample::cpu_seconds_per_gb, 3), cell(Sample::gb_per_second, 2))
            }
        };
        let memory = cell(Sample::rss_peak_mib, 0);
        writeln!(f, "| {} | {cpu} | {throughput} | {memory} |", peer.name())
    }

    /// Paired differences of the CPU time with and without TLS.
    fn encryption(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## What TLS 1.3 adds\n")?;
        writeln!(
            f,
            "CPU s/GB over TLS less those over HTTP, paired by round, with a 95 % interval; and their share of the whole. More synthetic bytes are moved over HTTP, so the start and the end of a process weigh less there. Clients that hash payloads for the signature only over HTTP show less than encryption costs.\n"
        )?;
        writeln!(f, "| task | client | difference | share |\n|---|---|--:|--:|")?;
        for task in
            Task::all().filter(|task| task.security == Security::Tls && task.data != Data::Small)
        {
            let plain = Task { security: Security::Plain, ..task };
            for peer in task.peers() {
                let both = (&self.outcomes[&(task, *peer)], &self.outcomes[&(plain, *peer)]);
                let (Ok(tls), Ok(http)) = both else { continue };
                let cpu = Sample::cpu_seconds_per_gb;
                let differences = tls.iter().zip(http).map(|(tls, http)| cpu(tls) - cpu(http));
                let Some(added) = Median::of(differences.collect()) else { continue };
                let Some(whole) = Median::of(tls.iter().map(cpu).collect()) else { continue };
                let share = 100.0 * added.value / whole.value;
                let (title, name) = (task.title(), peer.name());
                writeln!(f, "| {title} | {name} | {added:.3} | {share:.0} % |")?;
            }
        }
        writeln!(f)
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Memory of tidegate with 64 movers and parts of 64 MiB\n")?;
        writeln!(f, "The highest of all rounds; 64 files of 128 MiB.\n")?;
        writeln!(f, "| task | peak MiB |\n|---|--:|")?;
        for case in Case::ALL {
            writeln!(f, "| {} | {:.0} |", case.title(), self.peaks.mib(case))?;
        }
        writeln!(f)
    }
}

fn notes(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "## What each client does\n")?;
    for peer in Peer::ALL {
        let version = peer.version().map(|version| format!(" (`{version}`)")).unwrap_or_default();
        writeln!(f, "- **{}**{version}: {}", peer.name(), peer.about())?;
    }
    Ok(())
}

/// What `one` measured by what `other` did, round by round; `None` where one of them has no samples.
pub fn ratio(
    outcomes: &Outcomes,
    one: (Task, Peer),
    other: (Task, Peer),
    property: Property,
) -> Option<Median> {
    let samples = |of| outcomes.get(&of)?.as_ref().ok();
    let pairs = samples(one)?.iter().zip(samples(other)?);
    Median::of(pairs.map(|(one, other)| property(one) / property(other)).collect())
}

pub fn or_nothing(ratio: Option<Median>) -> String {
    ratio.map(|ratio| ratio.to_string()).unwrap_or_default()
}
