//! One run of one client: what the kernel says it used, and what the server says it moved.

use std::process::{Command, Stdio};

use wait4::Wait4;

use crate::Result;

/// What a client and all its processes used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub rss_peak_bytes: u64,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub usage: Usage,
    pub bytes: u64,
    /// Requests that carried them.
    pub operations: u64,
    /// From the first data request to the end of the last one, as the server saw them.
    pub seconds: f64,
}

impl Sample {
    pub fn cpu_seconds_per_gb(&self) -> f64 {
        self.usage.cpu_seconds / (self.bytes as f64 / 1e9)
    }

    pub fn cpu_us_per_operation(&self) -> f64 {
        self.usage.cpu_seconds * 1e6 / self.operations as f64
    }

    pub fn operations_per_second(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    pub fn gb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e9 / self.seconds
    }

    pub fn rss_peak_mib(&self) -> f64 {
        self.usage.rss_peak_bytes as f64 / f64::from(1 << 20)
    }
}

/// Runs a command to its end; it must succeed.
pub fn run(command: &mut Command) -> Result<Usage> {
    let mut errors = tempfile::tempfile()?;
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.try_clone()?).spawn()?;
    let ended = child.wait4()?;
    if !ended.status.success() {
        return Err(format!("{}: {}", ended.status, last_line(&mut errors)?).into());
    }
    let usage = ended.rusage;
    Ok(Usage {
        cpu_seconds: (usage.utime + usage.stime).as_secs_f64(),
        rss_peak_bytes: usage.maxrss,
    })
}

fn last_line(file: &mut std::fs::File) -> Result<String> {
    use std::io::{Read, Seek};
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
}
