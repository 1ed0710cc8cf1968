//! What makes a comparison mean less than it seems to.

use crate::report::figures::{ABSENT, count, size, time};
use crate::report::{EngineFacts, Report, facts};

/// By how much the cost of a flush must differ for a warning: it varies by itself.
const OTHER_DISK: f64 = 1.5;

/// In what the reports differ beside their figures.
pub(super) fn of(old: &Report, new: &Report) -> Vec<String> {
    let mut warnings = of_rounds(old, new);
    warnings.extend(of_machines(old, new));
    warnings.extend(of_engines(old, new));
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
    // In place where both tell it, for that varies less.
    let in_place = old.fsync_in_place.zip(new.fsync_in_place);
    if let Some((then, now)) = in_place.or(old.fsync.zip(new.fsync)) {
        let (then, now) = (then.latency.p50, now.latency.p50);
        if then.max(now) > then.min(now) * OTHER_DISK {
            warnings.extend(differing("cost of a flush", &time(then), &time(now)));
        }
    }
    warnings
}

/// What is another beneath the engines of which both reports tell; once of those of which it is the same.
fn of_engines(old: &Report, new: &Report) -> Vec<String> {
    let mut changes: Vec<(Change<'_>, Vec<&str>)> = Vec::new();
    for now in &new.engines {
        let then = old.engines.iter().find(|then| then.engine == now.engine);
        for change in then.into_iter().flat_map(|then| changed(then, now)) {
            match changes.iter_mut().find(|(known, _)| *known == change) {
                Some((_, engines)) => engines.push(&now.engine),
                None => changes.push((change, vec![&now.engine])),
            }
        }
    }
    let told = changes.into_iter().filter_map(|(change, engines)| {
        let Change { name, then, now } = change;
        differing(&format!("{name} of {}", engines.join(", ")), then, now)
    });
    told.collect()
}

#[derive(PartialEq)]
struct Change<'r> {
    name: &'r str,
    then: &'r str,
    now: &'r str,
}

fn changed<'r>(old: &'r EngineFacts, new: &'r EngineFacts) -> Vec<Change<'r>> {
    let value = |of: &'r EngineFacts, name: &str| {
        let fact = of.facts.iter().find(|fact| fact.name == name);
        fact.map(|fact| fact.value.as_str())
    };
    let is_only_old = |name: &&str| value(new, name).is_none();
    let old_names = old.facts.iter().map(|fact| fact.name.as_str());
    let names = new.facts.iter().map(|fact| fact.name.as_str());
    let names = names.chain(old_names.filter(is_only_old));
    let changes = names.map(|name| Change {
        name,
        then: value(old, name).unwrap_or(ABSENT),
        now: value(new, name).unwrap_or(ABSENT),
    });
    changes.filter(|change| change.then != change.now).collect()
}
