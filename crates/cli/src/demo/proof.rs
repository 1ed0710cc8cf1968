//! The proof that every task was completed exactly once, from what is in the store.

use std::collections::{HashMap, HashSet};

use runstore::{AttemptStatus, ClaimToken, Task, TaskAttempt, TaskId, TaskStatus};

use super::journal::{Replan, TASK_COMPLETED, token_of};
use super::message::Acknowledgement;
use super::records::Records;
use super::summary::Figures;
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
/// ended with its process or by a new plan.
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
    let figures = Figures::of(records);
    let ended = figures.attempts + figures.requeued + figures.overtaken;
    if figures.claims != ended {
        objections.push(format!(
            "of {} claims {} ended: {} with an attempt, {} requeued, {} by the replan",
            figures.claims, ended, figures.attempts, figures.requeued, figures.overtaken
        ));
    }
}

/// What a replan abandoned is carried on by one new task, which is completed, so that no part of the
/// plan was lost on the way.
fn successions(records: &Records, objections: &mut Vec<String>) {
    let status: HashMap<TaskId, TaskStatus> = records
        .tasks
        .iter()
        .map(|task| (task.id, task.status))
        .collect();
    let mut successors: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
    for replan in records.events.iter().filter_map(Replan::of) {
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
            (TaskStatus::Abandoned, [successor]) => {
                status.get(successor) == Some(&TaskStatus::Completed)
            }
            (TaskStatus::Abandoned, _) => false,
            (_, successors) => successors.is_empty(),
        };
        if !is_carried_on {
            objections.push(format!(
                "task {} is {} and carried on by {successors:?}",
                task.id, task.status
            ));
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
mod tests {
    use runstore::rules::{create, events};
    use runstore::{AttemptId, AttemptReport, Event, EventDraft, RunId, TaskDraft, Timestamp};
    use serde_json::json;

    use super::super::journal::{REPLANNED, Succession};
    use super::*;

    /// Four claims on three tasks: the first was abandoned in progress and is carried on by the last,
    /// which was requeued once; the second is blocked.
    fn sound() -> (Records, Vec<Acknowledgement>) {
        let run_id = RunId::generate();
        let task = |position, status, attempt_count| Task {
            status,
            attempt_count,
            ..create::task(run_id, position, TaskDraft::new("t", "o"), Timestamp::MIN)
        };
        let tasks = vec![
            task(1, TaskStatus::Abandoned, 1),
            task(2, TaskStatus::Blocked, 1),
            task(3, TaskStatus::Completed, 2),
        ];
        let attempt = |task: &Task, status: AttemptStatus| {
            let report = AttemptReport::new(status, "");
            create::attempt(run_id, task.id, task.attempt_count, report, Timestamp::MIN)
        };
        let attempts = vec![
            attempt(&tasks[1], AttemptStatus::Blocked),
            attempt(&tasks[2], AttemptStatus::Completed),
        ];
        let replan = Replan {
            event_id: runstore::EventId::generate(),
            blocked: tasks[1].id,
            overtaken: 1,
            successions: vec![Succession {
                abandoned: tasks[0].id,
                successor: tasks[2].id,
            }],
        };
        let completed = EventDraft::new("worker-1", TASK_COMPLETED, "");
        let drafts = [
            replan.event(),
            events::requeue_in_progress(1),
            completed.with_payload(json!(token(&attempts[1]))),
        ];
        let events = (1..)
            .zip(drafts)
            .map(|(seq, draft)| create::event(run_id, seq, draft, Timestamp::MIN))
            .collect();
        let acknowledged = attempts
            .iter()
            .map(|attempt| Acknowledgement {
                task_id: attempt.task_id,
                attempt_number: attempt.attempt_number,
                status: attempt.status.clone(),
                title: String::new(),
            })
            .collect();
        let records = Records {
            tasks,
            attempts,
            events,
        };
        (records, acknowledged)
    }

    fn objection(spoil: impl FnOnce(&mut Records, &mut Vec<Acknowledgement>)) -> String {
        let (mut records, mut acknowledged) = sound();
        spoil(&mut records, &mut acknowledged);
        match prove(&records, &acknowledged) {
            Ok(()) => panic!("it is taken for proved"),
            Err(failure) => failure.line(),
        }
    }

    fn event_of(records: &mut Records, kind: &str) -> usize {
        let is_it = |event: &Event| event.kind == kind;
        records.events.iter().position(is_it).unwrap()
    }

    #[test]
    fn sound_records_prove_it() {
        let (records, acknowledged) = sound();
        prove(&records, &acknowledged).unwrap();
    }

    #[test]
    fn a_gap_in_the_numbers_of_events_speaks_against_it() {
        let told = objection(|records, _| records.events[2].seq = 4);
        assert!(told.contains("event 4 stands where 3 should"), "{told}");
    }

    #[test]
    fn a_task_completed_twice_or_without_a_record_speaks_against_it() {
        let twice = objection(|records, _| {
            let again = TaskAttempt {
                id: AttemptId::generate(),
                attempt_number: 1,
                ..records.attempts[1].clone()
            };
            records.attempts.push(again);
        });
        assert!(twice.contains("claims [1, 2]"), "{twice}");
        let event_twice = objection(|records, _| {
            let again = Event {
                seq: 4,
                ..records.events[2].clone()
            };
            records.events.push(again);
        });
        assert!(event_twice.contains("claims [2, 2]"), "{event_twice}");
        let without_attempt = objection(|records, _| drop(records.attempts.pop()));
        assert!(without_attempt.contains("attempts of its completion"));
        let without_event = objection(|records, _| drop(records.events.pop()));
        assert!(without_event.contains("events of its completion"));
    }

    #[test]
    fn a_completed_attempt_of_a_task_that_is_not_completed_speaks_against_it() {
        for abandoned_or_blocked in [0, 1] {
            let told = objection(|records, _| {
                let late = TaskAttempt {
                    id: AttemptId::generate(),
                    task_id: records.tasks[abandoned_or_blocked].id,
                    attempt_number: 1,
                    ..records.attempts[1].clone()
                };
                records.attempts.push(late);
            });
            assert!(told.contains("attempts of its completion"), "{told}");
        }
    }

    #[test]
    fn an_open_task_speaks_against_it() {
        for status in [TaskStatus::Pending, TaskStatus::InProgress] {
            let told = objection(|records, _| records.tasks[1].status = status);
            assert!(told.contains(&format!("is {status}")), "{told}");
        }
    }

    #[test]
    fn claims_and_attempts_that_do_not_add_up_speak_against_it() {
        let unexplained = objection(|records, _| records.tasks[1].attempt_count = 2);
        assert!(unexplained.contains("of 5 claims 4 ended"), "{unexplained}");
        let unclaimed = objection(|records, _| records.attempts[0].attempt_number = 9);
        assert!(unclaimed.contains("of none of its 1 claims"), "{unclaimed}");
    }

    #[test]
    fn an_abandoned_task_that_nobody_carries_on_speaks_against_it() {
        let told = objection(|records, _| {
            let replan = event_of(records, REPLANNED);
            records.events[replan].payload["successions"] = json!([]);
        });
        assert!(told.contains("carried on by []"), "{told}");
    }

    #[test]
    fn an_acknowledged_report_that_is_not_in_the_store_speaks_against_it() {
        let missing = objection(|_, acknowledged| acknowledged[0].attempt_number = 7);
        assert!(missing.contains("was acknowledged as blocked"), "{missing}");
        let other = objection(|_, acknowledged| acknowledged[0].status = AttemptStatus::Completed);
        assert!(other.contains("was acknowledged as completed"), "{other}");
    }
}
