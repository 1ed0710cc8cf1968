//! What this process uses, as Linux tells in `/proc/self` (see `man 5 proc`). Elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// How long a tick of the processor's time is: 1/100 s wherever Linux runs (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

const KIBIBYTE: u64 = 1_024;

/// What was used up to the beginning of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    cpu: Option<Duration>,
    disk_bytes: Option<u64>,
    memory_bytes: Option<u64>,
}

/// What was used in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) cpu_micros: Option<f64>,
    pub(crate) disk_bytes: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
}

impl Usage {
    /// Looks, and lets the peak of memory be counted from here on.
    pub(crate) fn begin() -> Self {
        // The peak is set to what is there now; where that is refused, the peak is the one since the beginning.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self {
            cpu: cpu(),
            disk_bytes: disk_bytes(),
            memory_bytes: status("VmRSS:"),
        }
    }

    pub(crate) fn end(self) -> Used {
        let cpu = cpu().zip(self.cpu);
        let disk_bytes = disk_bytes().zip(self.disk_bytes);
        let memory_bytes = status("VmHWM:").zip(self.memory_bytes);
        #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
        Used {
            cpu_micros: cpu.map(|(end, begin)| end.saturating_sub(begin).as_secs_f64() * 1e6),
            disk_bytes: disk_bytes.map(|(end, begin)| end.saturating_sub(begin) as f64),
            memory_bytes: memory_bytes.map(|(peak, begin)| peak.saturating_sub(begin)),
        }
    }
}

/// The time that the process had of the processor, in its own code and the system's for it.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    cpu_of(&stat)
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The name of the program comes before, in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(TICK * user.checked_add(system)?)
}

/// What the process let be sent to the disk.
fn disk_bytes() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    field(&io, "write_bytes:")
}

/// A size of the process's memory, in bytes.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(field(&status, name)? * KIBIBYTE)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_hold_brackets_and_spaces() {
        let stat = "12 (a ) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("12 (a) R 1"), None);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(field(text, "write_bytes:"), Some(4_096));
        assert_eq!(field(text, "none:"), None);
    }
}
