//! What this process and its machine are and use. What the platform does not tell stays unknown.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::result::Host;

/// Processor time up to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of this process since it began.
    pub cpu: Duration,
    /// The same of each of its threads, by their number; empty where the platform does not say.
    pub threads: BTreeMap<u32, ThreadTime>,
    /// Of the whole machine; `None` where the platform does not say.
    pub machine: Option<MachineTime>,
}

/// Time of one thread since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTime {
    /// The thread's name.
    pub name: String,
    /// On a processor.
    pub running: Duration,
    /// Ready to run, while others had the processors.
    pub ready: Duration,
}

/// Time of all processors since the machine started, in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineTime {
    busy: u64,
    all: u64,
}

impl Usage {
    /// As of now.
    pub fn now() -> Self {
        Self { cpu: process_cpu(), threads: threads(), machine: MachineTime::now() }
    }
}

/// User and system time of this process since it began.
pub fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// All threads of this process.
fn threads() -> BTreeMap<u32, ThreadTime> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    let thread = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, ThreadTime::of(&entry.path())?))
    };
    entries.flatten().filter_map(thread).collect()
}

/// The number of this thread and its time, as it ends: nobody sees it afterwards.
pub fn this_thread() -> Option<(u32, ThreadTime)> {
    let task = Path::new("/proc/thread-self");
    let number = fs::read_link(task).ok()?.file_name()?.to_str()?.parse().ok()?;
    Some((number, ThreadTime::of(task)?))
}

impl ThreadTime {
    fn of(task: &Path) -> Option<Self> {
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        let [running, ready] = schedstat(&fs::read_to_string(task.join("schedstat")).ok()?)?;
        Some(Self { name, running, ready })
    }
}

/// Nanoseconds on a processor, nanoseconds on a run queue, and the number of time slices
/// (`Documentation/scheduler/sched-stats.rst`). A kernel that does not count says `0 0 0`.
fn schedstat(text: &str) -> Option<[Duration; 2]> {
    let numbers: Vec<u64> =
        text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [_, _, 0] => None,
        [running, ready, _] => Some([*running, *ready].map(Duration::from_nanos)),
        _ => None,
    }
}

impl MachineTime {
    fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The line `cpu user nice system idle iowait irq softirq steal ...` (proc_stat(5)).
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).filter_map(|ticks| ticks.parse().ok()).collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all = ticks.iter().sum::<u64>();
        Some(Self { busy: all - idle, all })
    }

    /// Share of all processors' time since `earlier` that was spent on anything.
    pub fn busy_share_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        Some(self.busy.saturating_sub(earlier.busy) as f64 / all as f64)
    }
}

/// Memory of this process that is resident now.
pub fn resident_bytes() -> Option<u64> {
    proc_kib("/proc/self/status", "VmRSS:")
}

/// Highest resident set since the process began.
pub fn resident_peak_bytes() -> Option<u64> {
    proc_kib("/proc/self/status", "VmHWM:")
}

/// The machine this runs on.
pub fn host() -> Host {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    Host {
        name: text(system.nodename()),
        os: format!("{} {}", text(system.sysname()), text(system.release())),
        arch: text(system.machine()),
        cores: cores(),
        memory_bytes: proc_kib("/proc/meminfo", "MemTotal:"),
    }
}

/// Logical processors available to this process.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// A line `Name:  123 kB` of a file of /proc, in bytes.
fn proc_kib(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let before = process_cpu();
        while process_cpu() < before + Duration::from_millis(2) {
            std::hint::black_box(0_u64);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_of_a_thread_is_seen_by_its_name() {
        let time_of = |name: &str| {
            let threads = Usage::now().threads.into_values();
            threads.filter(|thread| thread.name == name).map(|thread| thread.running).max()
        };
        let work = move || while time_of("works").unwrap() < Duration::from_millis(2) {};
        std::thread::Builder::new().name("works".into()).spawn(work).unwrap().join().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_finds_itself_among_all() {
        let (number, this) = this_thread().unwrap();
        assert_eq!(threads()[&number].name, this.name);
    }

    #[test]
    fn a_kernel_that_does_not_count_says_nothing() {
        assert_eq!(schedstat("0 0 0\n"), None);
        let counted = [Duration::from_nanos(553_998_765), Duration::from_nanos(267_776)];
        assert_eq!(schedstat("553998765 267776 53\n"), Some(counted));
    }

    #[test]
    fn a_machine_that_idles_is_not_busy() {
        let at = |line| MachineTime::read(line).unwrap();
        let then = at("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1\n");
        let now = at("cpu  40 0 20 120 20 0 0 0 0 0\n");
        assert_eq!(now.busy_share_since(then), Some(0.4));
        assert_eq!(now.busy_share_since(now), None);
        assert_eq!(MachineTime::read("no such line"), None);
    }

    #[test]
    fn the_host_has_a_core_and_a_name() {
        let host = host();
        assert!(host.cores >= 1);
        assert!(!host.os.is_empty());
    }
}
