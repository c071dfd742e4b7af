//! What the comparison ran on, and with which command.

use std::fs;
use std::path::Path;

use tidegate::measure;
use tidegate::units::ByteSize;

use crate::Result;
use crate::core;

/// A list in Markdown. The load is that of the moment.
pub fn describe(files: &Path) -> Result<String> {
    let host = measure::host();
    let memory =
        host.memory_bytes.map_or("unknown".to_owned(), |bytes| ByteSize(bytes).to_string());
    Ok(format!(
        "- CPU: {}, {} cores\n- memory: {memory}\n- kernel: {}\n- files lie on: {}\n- {}\n- load average when it began (1, 5, 15 min): {}\n- command: `{}`",
        cpu_model()?,
        host.cores,
        host.os,
        file_system(files)?,
        core::describe(),
        load_average()?,
        command(),
    ))
}

/// The load of the last 1, 5 and 15 minutes.
pub fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn cpu_model() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    Ok(line.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned())
}

/// As the user typed it: cargo adds the program's path and `--bench`.
fn command() -> String {
    let options = std::env::args().skip(1).filter(|option| option != "--bench");
    let options: Vec<String> = options.collect();
    match options.is_empty() {
        true => "cargo bench --bench peers".to_owned(),
        false => format!("cargo bench --bench peers -- {}", options.join(" ")),
    }
}

/// The file system under `directory`, as the kernel mounts it.
fn file_system(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let of_directory = mounts.filter(|(point, _)| directory.starts_with(point));
    let deepest = of_directory.max_by_key(|(point, _)| point.len());
    Ok(deepest.map_or("unknown", |(_, kind)| kind).to_owned())
}
