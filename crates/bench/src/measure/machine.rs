//! The machine, as far as it tells.

use std::fs;
use std::path::Path;

use super::disk::FileSystem;
use crate::report::Machine;

const KIBIBYTE: u64 = 1_024;

pub(crate) fn look(folder: &Path) -> Machine {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let version = read("/proc/sys/kernel/osrelease");
    let system = format!("{} {}", std::env::consts::OS, version.trim());
    let folder_shown = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let file_system = FileSystem::of(folder);
    Machine {
        processor: value(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: value(&read("/proc/meminfo"), "MemTotal").and_then(|total| {
            let kibibytes: u64 = total.split(' ').next()?.parse().ok()?;
            Some(kibibytes * KIBIBYTE)
        }),
        system: system.trim().to_owned(),
        folder: folder_shown.display().to_string(),
        file_system: file_system.map(|of| format!("{} on {}", of.kind, of.source)),
    }
}

fn value(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}
