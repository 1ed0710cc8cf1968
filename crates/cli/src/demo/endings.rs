//! How each claim of a run ended, from what is in the store.

use std::collections::{HashMap, HashSet};

use runstore::rules::tasks::MAX_ATTEMPTS_SIGNATURE;
use runstore::{ClaimToken, Task, TaskStatus, Timestamp};

use super::journal::ClaimNote;
use super::records::Records;

/// How a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a report, which left an attempt.
    Reported,
    /// Its lease ran out, and the next claim took the task over.
    TakenOver,
    /// Its lease ran out, and the next claim found the attempts used up.
    Exhausted,
    /// A new plan abandoned the task.
    Replanned,
    /// In none of these ways.
    Unknown,
}

/// Every claim of the run with its ending.
pub(crate) fn endings(records: &Records) -> Vec<(ClaimToken, Ending)> {
    let reported: HashSet<ClaimToken> = records
        .attempts
        .iter()
        .map(|attempt| ClaimToken {
            task_id: attempt.task_id,
            attempt_number: attempt.attempt_number,
        })
        .collect();
    let of_task = |task: &Task| {
        let (id, last) = (task.id, task.attempt_count);
        let last_without_report = match task.status {
            TaskStatus::Abandoned => Ending::Replanned,
            TaskStatus::Blocked
                if task.blocker_signature.as_deref() == Some(MAX_ATTEMPTS_SIGNATURE) =>
            {
                Ending::Exhausted
            }
            _ => Ending::Unknown,
        };
        let reported = &reported;
        (1..=last).map(move |attempt_number| {
            let token = ClaimToken {
                task_id: id,
                attempt_number,
            };
            let ending = match reported.contains(&token) {
                true => Ending::Reported,
                false if attempt_number < last => Ending::TakenOver,
                false => last_without_report,
            };
            (token, ending)
        })
    };
    records.tasks.iter().flat_map(of_task).collect()
}

/// When claims were noted, and when they were to run out.
pub(crate) struct Leases(HashMap<ClaimToken, (Timestamp, Option<Timestamp>)>);

impl Leases {
    pub(crate) fn of(records: &Records) -> Self {
        let notes = records.events.iter().filter_map(|event| {
            let note = ClaimNote::read(event)?;
            Some((note.token, (event.ts, note.lease_expires_at)))
        });
        Self(notes.collect())
    }

    /// Whether the next claim of the task is noted to have come before this one ran out. What a killed
    /// process did not come to note, cannot be told.
    pub(crate) fn was_cut_short(&self, token: ClaimToken) -> bool {
        let next = ClaimToken {
            attempt_number: token.attempt_number.saturating_add(1),
            ..token
        };
        let expires = self.0.get(&token).and_then(|(_, expires)| *expires);
        let taken = self.0.get(&next).map(|(noted, _)| *noted);
        matches!((expires, taken), (Some(expires), Some(taken)) if taken < expires)
    }
}
