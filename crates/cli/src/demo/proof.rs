//! The proof that every task was completed exactly once, from what is in the store.

use std::collections::{HashMap, HashSet};

use runstore::rules::events::{REQUEUE_EXPIRED, REQUEUE_IN_PROGRESS, REQUEUE_TASK};
use runstore::{AttemptStatus, ClaimToken, Task, TaskAttempt, TaskId, TaskStatus};

use super::endings::{Ending, Leases, endings};
use super::journal::{Replan, TASK_COMPLETED, token_of};
use super::message::Acknowledgement;
use super::records::Records;
use crate::failure::Failure;

/// Proves it, or says what speaks against it.
pub(crate) fn prove(records: &Records, acknowledged: &[Acknowledgement]) -> Result<(), Failure> {
    match &*objections(records, acknowledged) {
        [] => Ok(()),
        objections => {
            let objections = objections.join("; ");
            Err(Failure::new(format!("the proof fails: {objections}")))
        }
    }
}

fn objections(records: &Records, acknowledged: &[Acknowledgement]) -> Vec<String> {
    let mut objections = Vec::new();
    numbers(records, &mut objections);
    completions(records, &mut objections);
    claims(records, &mut objections);
    successions(records, &mut objections);
    acknowledgements(records, acknowledged, &mut objections);
    objections
}

/// Events are numbered 1, 2, 3 … (clause J1).
fn numbers(records: &Records, objections: &mut Vec<String>) {
    for (expected, event) in (1..).zip(&records.events) {
        if event.seq != expected {
            objections.push(format!(
                "event {} stands where {expected} should",
                event.seq
            ));
            return;
        }
    }
}

/// A completed task has one completed attempt and one event of it, both of its last claim; any other
/// task has neither, and is blocked or abandoned.
fn completions(records: &Records, objections: &mut Vec<String>) {
    let events: Vec<ClaimToken> = records
        .events
        .iter()
        .filter(|event| event.kind == TASK_COMPLETED)
        .filter_map(token_of)
        .collect();
    let attempts: Vec<ClaimToken> = records
        .attempts
        .iter()
        .filter(|attempt| attempt.status == AttemptStatus::Completed)
        .map(token)
        .collect();
    let mut expected = Vec::new();
    for task in &records.tasks {
        match task.status {
            TaskStatus::Completed => expected.push(ClaimToken {
                task_id: task.id,
                attempt_number: task.attempt_count,
            }),
            TaskStatus::Blocked | TaskStatus::Abandoned => {}
            status => objections.push(format!("task {} is {status}", task.id)),
        }
    }
    for (kind, found) in [("attempts", attempts), ("events", events)] {
        if sorted(&found) == sorted(&expected) {
            continue;
        }
        for task in &records.tasks {
            let of_task = |tokens: &[ClaimToken]| {
                let of_task = tokens.iter().filter(|token| token.task_id == task.id);
                sorted(&of_task.copied().collect::<Vec<_>>())
            };
            if of_task(&found) != of_task(&expected) {
                let numbers = of_task(&found)
                    .into_iter()
                    .map(|token| token.attempt_number);
                objections.push(format!(
                    "task {} is {} after {} claims, and has {kind} of its completion for claims {:?}",
                    task.id,
                    task.status,
                    task.attempt_count,
                    numbers.collect::<Vec<_>>()
                ));
            }
        }
    }
}

/// No two attempts are of one claim, none is of a claim that there was not, and each claim without one
/// ended by its lease or by a new plan. Nobody gave a task back by hand, and none was taken over before
/// its lease had run out.
fn claims(records: &Records, objections: &mut Vec<String>) {
    let tasks: HashMap<TaskId, &Task> = records.tasks.iter().map(|task| (task.id, task)).collect();
    let mut seen = HashSet::new();
    for attempt in &records.attempts {
        let claimed = tasks
            .get(&attempt.task_id)
            .map_or(0, |task| task.attempt_count);
        let number = attempt.attempt_number;
        if number == 0 || number > claimed {
            objections.push(format!(
                "attempt {number} of task {} is of none of its {claimed} claims",
                attempt.task_id
            ));
        }
        if !seen.insert(token(attempt)) {
            objections.push(format!(
                "task {} has several attempts numbered {number}",
                attempt.task_id
            ));
        }
    }
    let leases = Leases::of(records);
    for (token, ending) in endings(records) {
        let objection = match ending {
            Ending::Unknown => "ended without a report, and nobody took the task over",
            Ending::TakenOver if leases.was_cut_short(token) => {
                "was taken over before its lease had run out"
            }
            _ => continue,
        };
        objections.push(format!(
            "claim {} of task {} {objection}",
            token.attempt_number, token.task_id
        ));
    }
    let requeues = [REQUEUE_TASK, REQUEUE_IN_PROGRESS, REQUEUE_EXPIRED];
    for event in &records.events {
        if requeues.contains(&&*event.kind) {
            objections.push(format!("event {} is a requeue", event.seq));
        }
    }
}

/// What a replan abandoned is carried on by one new task, which was planned later, and each blocked task
/// was planned around, so that no part of the plan was lost on the way.
fn successions(records: &Records, objections: &mut Vec<String>) {
    let position: HashMap<TaskId, u64> = records
        .tasks
        .iter()
        .map(|task| (task.id, task.position))
        .collect();
    let mut successors: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
    let mut planned_around = HashSet::new();
    for replan in records.events.iter().filter_map(Replan::of) {
        planned_around.insert(replan.blocked);
        for succession in replan.successions {
            successors
                .entry(succession.abandoned)
                .or_default()
                .push(succession.successor);
        }
    }
    for task in &records.tasks {
        let successors = successors.remove(&task.id).unwrap_or_default();
        let is_carried_on = match (task.status, &*successors) {
            (TaskStatus::Abandoned, [successor]) => position
                .get(successor)
                .is_some_and(|later| *later > task.position),
            (TaskStatus::Abandoned, _) => false,
            (_, successors) => successors.is_empty(),
        };
        if !is_carried_on {
            objections.push(format!(
                "task {} is {} and carried on by {successors:?}",
                task.id, task.status
            ));
        }
        if task.status == TaskStatus::Blocked && !planned_around.contains(&task.id) {
            objections.push(format!("task {} is blocked for good", task.id));
        }
    }
}

/// What a worker process was told of its reports is so, also if it was killed right after.
fn acknowledgements(
    records: &Records,
    acknowledged: &[Acknowledgement],
    objections: &mut Vec<String>,
) {
    let stored: HashMap<ClaimToken, &AttemptStatus> = records
        .attempts
        .iter()
        .map(|attempt| (token(attempt), &attempt.status))
        .collect();
    for told in acknowledged {
        let token = ClaimToken {
            task_id: told.task_id,
            attempt_number: told.attempt_number,
        };
        if stored.get(&token) != Some(&&told.status) {
            objections.push(format!(
                "attempt {} of task {} was acknowledged as {} and is not in the store as such",
                told.attempt_number, told.task_id, told.status
            ));
        }
    }
}

const fn token(attempt: &TaskAttempt) -> ClaimToken {
    ClaimToken {
        task_id: attempt.task_id,
        attempt_number: attempt.attempt_number,
    }
}

fn sorted(tokens: &[ClaimToken]) -> Vec<ClaimToken> {
    let mut sorted = tokens.to_vec();
    sorted.sort_unstable();
    sorted
}

#[cfg(test)]
mod tests;
