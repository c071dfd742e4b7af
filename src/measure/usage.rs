//! What this process and its machine are and use. What the platform does not tell stays `None`.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::result::Host;

/// Processor time and memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// User and system time since the process began.
    pub cpu: Duration,
    /// Highest resident set since the process began.
    pub rss_peak_bytes: Option<u64>,
}

impl Usage {
    /// As of now.
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        Self { cpu, rss_peak_bytes: proc_kib("/proc/self/status", "VmHWM:") }
    }
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
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let before = Usage::now().cpu;
        while Usage::now().cpu < before + Duration::from_millis(2) {
            std::hint::black_box(0_u64);
        }
    }

    #[test]
    fn the_host_has_a_core_and_a_name() {
        let host = host();
        assert!(host.cores >= 1);
        assert!(!host.os.is_empty());
    }
}
