//! What makes a comparison mean less than it seems to.

use crate::report::figures::{count, size, time};
use crate::report::{Report, facts};

/// By how much the cost of a flush must differ for a warning: it varies by itself.
const OTHER_DISK: f64 = 1.5;

/// In what the reports differ beside their figures.
pub(super) fn of(old: &Report, new: &Report) -> Vec<String> {
    let mut warnings = of_rounds(old, new);
    warnings.extend(of_machines(old, new));
    warnings
}

fn differing(what: &str, then: &str, now: &str) -> Option<String> {
    (then != now).then(|| format!("another {what}: {then} then, {now} now"))
}

/// In what the rounds differ: longer ones have other times, above all the longest.
fn of_rounds(old: &Report, new: &Report) -> Vec<String> {
    let unknown = |which: &str| {
        vec![format!(
            "the {which} report does not tell its rounds' length"
        )]
    };
    match (old.rounds, new.rounds) {
        (Some(then), Some(now)) => {
            let shown = |number: usize| count(size(number));
            let number = differing("number of rounds", &shown(then.count), &shown(now.count));
            let (then, now) = (then.length.to_string(), now.length.to_string());
            let length = differing("length of a round", &then, &now);
            number.into_iter().chain(length).collect()
        }
        (None, Some(_)) => unknown("old"),
        (Some(_), None) => unknown("new"),
        (None, None) => Vec::new(),
    }
}

/// In what the machines differ.
fn of_machines(old: &Report, new: &Report) -> Vec<String> {
    // What is told of the machine, but for the folder: another one on the same file system makes no difference.
    let (then, now) = (facts::of_machine(old), facts::of_machine(new));
    let pairs = then.iter().zip(&now);
    let told = pairs.filter_map(|((what, then), (_, now))| match *what {
        "folder" | "flush" => None,
        "cores" => differing("number of cores", then, now),
        what => differing(what, then, now),
    });
    let mut warnings: Vec<String> = told.collect();
    if let (Some(then), Some(now)) = (&old.fsync, &new.fsync) {
        let (then, now) = (then.latency.p50, now.latency.p50);
        if then.max(now) > then.min(now) * OTHER_DISK {
            warnings.extend(differing("cost of a flush", &time(then), &time(now)));
        }
    }
    warnings
}
