use runstore::rules::{create, events};
use runstore::{AttemptId, AttemptReport, Claim, Event, EventDraft, RunId, TaskDraft, Timestamp};
use serde_json::json;

use super::*;
use crate::demo::journal::{ClaimNote, REPLANNED, Succession, TASK_CLAIMED};

/// Four claims on three tasks: the first was abandoned in progress and is carried on by the last,
/// which was taken over once, at the very instant; the second is blocked.
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
        successions: vec![Succession {
            abandoned: tasks[0].id,
            successor: tasks[2].id,
        }],
    };
    let completed = EventDraft::new("worker-1", TASK_COMPLETED, "");
    let lease_ends = Timestamp::MIN.saturating_add_micros(7);
    let note = |attempt_count| {
        let task = Task {
            attempt_count,
            lease_expires_at: Some(lease_ends),
            ..tasks[2].clone()
        };
        ClaimNote::of(&Claim { task }).event("worker-1")
    };
    let drafts = [
        (replan.event(), Timestamp::MIN),
        (note(1), Timestamp::MIN),
        (note(2), lease_ends),
        (
            completed.with_payload(json!(token(&attempts[1]))),
            Timestamp::MIN,
        ),
    ];
    let events = (1..)
        .zip(drafts)
        .map(|(seq, (draft, at))| create::event(run_id, seq, draft, at))
        .collect();
    let acknowledged = attempts
        .iter()
        .map(|attempt| Acknowledgement {
            task_id: attempt.task_id,
            attempt_number: attempt.attempt_number,
            status: attempt.status.clone(),
            task_status: TaskStatus::Completed,
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
            seq: 5,
            ..records.events[3].clone()
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
    assert!(unexplained.contains("claim 2 of task"), "{unexplained}");
    assert!(unexplained.contains("ended without a report"));
    let unclaimed = objection(|records, _| records.attempts[0].attempt_number = 9);
    assert!(unclaimed.contains("of none of its 1 claims"), "{unclaimed}");
}

#[test]
fn attempts_that_are_used_up_explain_a_claim_without_a_report() {
    let (mut records, acknowledged) = sound();
    records.tasks[1].attempt_count = 2;
    records.tasks[1].blocker_signature = Some("max_attempts".to_owned());
    prove(&records, &acknowledged).unwrap();
}

#[test]
fn a_task_that_was_taken_over_before_its_lease_had_run_out_speaks_against_it() {
    let told = objection(|records, _| {
        let second = event_of(records, TASK_CLAIMED) + 1;
        let event = &mut records.events[second];
        event.ts = event.ts.saturating_add_micros(-1);
    });
    assert!(told.contains("claim 1 of task"), "{told}");
    assert!(told.contains("before its lease had run out"), "{told}");
}

#[test]
fn a_requeue_speaks_against_it() {
    let told = objection(|records, _| {
        let draft = events::requeue_in_progress(1);
        let run_id = records.tasks[0].run_id;
        let event = create::event(run_id, 5, draft, Timestamp::MIN);
        records.events.push(event);
    });
    assert!(told.contains("event 5 is a requeue"), "{told}");
}

#[test]
fn a_blocked_task_that_nobody_planned_around_speaks_against_it() {
    let told = objection(|records, _| {
        let replan = event_of(records, REPLANNED);
        let other = json!(records.tasks[2].id);
        records.events[replan].payload["blocked"] = other;
    });
    assert!(told.contains("is blocked for good"), "{told}");
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
