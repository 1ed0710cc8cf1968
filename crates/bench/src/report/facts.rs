//! The head of a report: what made it, the machine, and what a flush of its disk costs.

use runstore_core::Timestamp;

use super::engines::{LeftOut, beneath};
use super::figures::{ABSENT, count, rate, size, time, whole_bytes};
use super::{Fsync, Report, Rounds};

/// What there is to say before the rows, each with its name.
pub(crate) fn head(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("program", report.program.clone().unwrap_or_else(absent)),
        ("rounds", report.rounds.map_or_else(absent, rounds)),
    ];
    facts.extend(of_machine(report));
    facts.extend(beneath(report).into_iter().map(|told| ("engine", told)));
    let left_out = report.left_out.iter().map(LeftOut::to_string);
    facts.extend(left_out.map(|told| ("left out", told)));
    facts
}

fn rounds(of: Rounds) -> String {
    let Rounds {
        count: number,
        length,
    } = of;
    format!("{} of {length}", count(size(number)))
}

fn absent() -> String {
    ABSENT.to_owned()
}

/// What there is to say of the machine, each with its name.
pub(crate) fn of_machine(report: &Report) -> Vec<(&'static str, String)> {
    let machine = &report.machine;
    let mut facts = vec![
        (
            "processor",
            machine.processor.clone().unwrap_or_else(absent),
        ),
        ("cores", count(size(machine.cores))),
        (
            "memory",
            machine.memory_bytes.map_or_else(absent, whole_bytes),
        ),
        ("system", machine.system.clone()),
        ("folder", machine.folder.clone()),
        (
            "file system",
            machine.file_system.clone().unwrap_or_else(absent),
        ),
    ];
    let growing = report.fsync.map(|of| flush(of, "where the file grows"));
    let in_place = report.fsync_in_place.map(|of| flush(of, "in place"));
    facts.push(("flush", growing.unwrap_or_else(absent)));
    facts.extend(in_place.map(|told| ("flush", told)));
    facts
}

fn flush(fsync: Fsync, of_what: &str) -> String {
    format!(
        "{}, p50 {}, p99 {}, {of_what}",
        rate(fsync.per_second),
        time(fsync.latency.p50),
        time(fsync.latency.p99)
    )
}

/// A time in seconds since 1970, to the minute: `2026-03-01 10:00 UTC`.
pub(crate) fn date(seconds: u64) -> String {
    let micros = i64::try_from(seconds)
        .ok()
        .and_then(|of| of.checked_mul(1_000_000));
    let text = micros
        .and_then(Timestamp::from_micros)
        .map(|of| of.to_string());
    let parts = text
        .as_deref()
        .and_then(|text| Some((text.get(..10)?, text.get(11..16)?)));
    parts.map_or_else(
        || ABSENT.to_owned(),
        |(day, hour)| format!("{day} {hour} UTC"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_told_to_the_minute() {
        assert_eq!(date(1_772_359_261), "2026-03-01 10:01 UTC");
        assert_eq!(date(u64::MAX), "–");
    }
}
