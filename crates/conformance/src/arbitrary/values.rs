//! The pools that random calls are made of.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use runstore_core::{
    ArtifactDraft, ArtifactId, AttemptReport, AttemptStatus, ClaimRequest, ClaimToken, Cursor,
    EventDraft, FinishOutcome, FinishReport, PageRequest, RunId, TaskDraft, TaskId, Timestamp,
    Uuid, limits,
};
use serde_json::{Value, json};

pub(crate) fn run_id(number: u128) -> RunId {
    Uuid::from_u128(number).into()
}

pub(crate) fn task_id(number: u128) -> TaskId {
    Uuid::from_u128(number).into()
}

/// The draft of the task of that number, always with the same content.
pub(crate) fn draft(number: u128) -> TaskDraft {
    TaskDraft::new(format!("task {number}"), "objective")
        .with_id(task_id(number))
        .with_acceptance_criteria(["it builds", ""])
        .with_verification_steps(["cargo test"])
        .with_allowed_paths(["src/**"])
}

/// An id out of a few, so that some are taken.
pub(super) fn id<I: From<Uuid> + Debug>() -> impl Strategy<Value = I> {
    (1..=6_u128).prop_map(|number| Uuid::from_u128(number).into())
}

/// A run: the first one mostly, seldom one that is not there.
pub(super) fn a_run() -> impl Strategy<Value = RunId> + Clone {
    select(vec![1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 9]).prop_map(run_id)
}

/// A run, or any.
pub(super) fn a_scope() -> impl Strategy<Value = Option<RunId>> {
    prop_oneof![3 => a_run().prop_map(Some), 1 => Just(None)]
}

/// A task: one of the first three mostly, seldom one that is not there.
pub(super) fn a_task() -> impl Strategy<Value = TaskId> {
    select(vec![1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 99]).prop_map(task_id)
}

/// Some token, mostly one that is not held.
pub(super) fn a_token() -> impl Strategy<Value = ClaimToken> {
    let number = select(vec![1, 2, 3, 0, u32::MAX]);
    (a_task(), number).prop_map(|(task_id, attempt_number)| ClaimToken {
        task_id,
        attempt_number,
    })
}

/// A fence, set seldom: a step sets one on a real claim.
pub(super) fn a_fence() -> impl Strategy<Value = Option<ClaimToken>> {
    prop_oneof![4 => Just(None), 1 => a_token().prop_map(Some)]
}

pub(super) fn text() -> impl Strategy<Value = String> + Clone {
    let pool = [
        "plain",
        "",
        " blank around ",
        "caf\u{e9}",
        "cafe\u{301}",
        "a\0b",
        "it's \"quoted\" \\ %_",
        "two\r\nlines\n",
        "𝄞",
    ];
    select(pool.to_vec()).prop_map(str::to_owned)
}

/// A text that must not be empty, and seldom is.
pub(super) fn text_with_content() -> impl Strategy<Value = String> {
    prop_oneof![9 => text().prop_map(|text| format!("a{text}")), 1 => Just(String::new())]
}

pub(super) fn optional_text() -> impl Strategy<Value = Option<String>> + Clone {
    prop_oneof![Just(None), text().prop_map(Some)]
}

/// A word; seldom one that is too long.
pub(super) fn word<W: From<String> + Debug>(usual: &[&str]) -> impl Strategy<Value = W> + use<W> {
    let mut pool: Vec<String> = usual.iter().map(|word| (*word).to_owned()).collect();
    pool.extend(["", "odd word", "Checker", "caf\u{e9}"].map(str::to_owned));
    let odd = select(vec!["x".repeat(255), "x".repeat(256)]);
    prop_oneof![19 => select(pool), 1 => odd].prop_map(W::from)
}

pub(super) const RUN_WORDS: &[&str] = &["running", "planning", "completed"];
pub(super) const ROLE_WORDS: &[&str] = &["strategy", "implementation", "checker", "narrator"];
pub(super) const ATTEMPT_WORDS: &[&str] = &["completed", "failed"];
pub(super) const SOURCE_WORDS: &[&str] = &["strategy", "checker", "human"];
pub(super) const VERDICT_WORDS: &[&str] = &["approved", "rejected"];

pub(super) fn json_value() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!(1),
        json!(1.0),
        json!("text"),
        json!(""),
        json!({"b": 1, "a": [true, null, -0.5]}),
        json!({"a": [true, null, -0.5], "b": 1}),
        json!([{}, [], {"": "a\0b"}]),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1 + 0.2),
        json!(1.0e300),
    ])
}

pub(super) fn a_time() -> impl Strategy<Value = Option<Timestamp>> {
    let pool = [
        None,
        Some(Timestamp::MIN),
        Timestamp::from_micros(-1),
        Timestamp::from_micros(1_234_567),
        Some(Timestamp::MAX),
    ];
    select(pool.to_vec())
}

/// A number of rows; seldom one out of bounds.
pub(super) fn limit() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![18 => select(vec![1, 2, 3, 5, 50, 10_000]), 1 => Just(0), 1 => Just(10_001)]
}

/// The whole list, or pages of it.
pub(super) fn page() -> impl Strategy<Value = PageRequest> {
    let first = limit().prop_map(PageRequest::first);
    prop_oneof![Just(PageRequest::all()), first]
}

/// As [`page`], and from some number on: of the lists whose cursors are positions or numbers of events.
pub(super) fn numbered_page() -> impl Strategy<Value = PageRequest> {
    let after = select(vec![0, 1, 2, 3, 4, 100, u64::MAX]);
    let later = (page(), after).prop_map(|(page, after)| page.after(Cursor::new(after)));
    prop_oneof![page(), later]
}

pub(super) fn event_draft() -> impl Strategy<Value = EventDraft> {
    let id = proptest::option::of(id());
    (id, text(), json_value()).prop_map(|(id, message, payload)| {
        let mut draft = EventDraft::new("worker", "note", message).with_payload(payload);
        draft.id = id;
        draft
    })
}

pub(super) fn artifact_draft() -> impl Strategy<Value = ArtifactDraft> {
    let role = proptest::option::of(word(ROLE_WORDS));
    (id::<ArtifactId>(), role, text(), json_value()).prop_map(|(id, role, path, metadata)| {
        let mut draft = ArtifactDraft::new("file", path)
            .with_id(id)
            .with_metadata(metadata);
        draft.role = role;
        draft
    })
}

pub(super) fn attempt_report() -> impl Strategy<Value = AttemptReport> {
    let id = (1..=20_u128).prop_map(|number| Uuid::from_u128(number).into());
    let words = (
        word::<AttemptStatus>(ATTEMPT_WORDS),
        text(),
        optional_text(),
    );
    (id, words, json_value()).prop_map(|(id, (status, summary, signature), result)| {
        let mut report = AttemptReport::new(status, summary);
        report.id = Some(id);
        report.blocker_signature = signature;
        report.result = result;
        report
    })
}

/// A lease, mostly one that ends with a tick of the clock; seldom one out of bounds.
pub(super) fn a_lease() -> impl Strategy<Value = Duration> + Clone {
    let micros = |micros: &[u64]| select(micros.to_vec()).prop_map(Duration::from_micros);
    let most = limits::MAX_DURATION;
    let odd = select(vec![
        Duration::ZERO,
        most,
        most + Duration::from_micros(1),
        // Counted in whole microseconds.
        Duration::from_nanos(1_999),
    ]);
    prop_oneof![16 => micros(&[1, 999, 1_000, 1_001, 2_000, 60_000_000]), 1 => odd]
}

pub(super) fn claim_request() -> impl Strategy<Value = ClaimRequest> {
    let worker = prop_oneof![
        4 => select(vec!["w1", "w2", ""]).prop_map(str::to_owned),
        1 => text(),
    ];
    let worker = proptest::option::of(worker);
    let lease = prop_oneof![1 => Just(None), 4 => a_lease().prop_map(Some)];
    let bound = select(vec![
        None,
        None,
        None,
        None,
        None,
        Some(1),
        Some(2),
        Some(3),
    ]);
    let bound = prop_oneof![24 => bound, 1 => Just(Some(0))];
    (a_scope(), worker, lease, bound).prop_map(|(scope, worker, lease, bound)| {
        let mut request = ClaimRequest::of_any_run();
        request.run_id = scope;
        request.worker = worker;
        request.lease = lease;
        request.max_attempts = bound;
        request
    })
}

/// How long what is released is not to be claimed.
fn a_delay() -> impl Strategy<Value = Option<Duration>> {
    let delay = prop_oneof![1 => Just(Duration::ZERO), 6 => a_lease()];
    proptest::option::of(delay)
}

fn outcome() -> BoxedStrategy<FinishOutcome> {
    let settled = (optional_text(), optional_text());
    prop_oneof![
        4 => text().prop_map(|summary| FinishOutcome::Completed { summary }),
        1 => settled
            .clone()
            .prop_map(|(summary, blocker_signature)| FinishOutcome::Blocked {
                summary,
                blocker_signature,
            }),
        1 => settled.prop_map(|(summary, blocker_signature)| FinishOutcome::Abandoned {
            summary,
            blocker_signature,
        }),
        3 => a_delay().prop_map(|delay| FinishOutcome::Released { delay }),
    ]
    .boxed()
}

pub(super) fn finish_report() -> impl Strategy<Value = FinishReport> {
    let events = proptest::collection::vec(event_draft(), 0..=2);
    let artifacts = proptest::collection::vec(artifact_draft(), 0..=2);
    (outcome(), attempt_report(), events, artifacts).prop_map(
        |(outcome, attempt, events, artifacts)| {
            let mut report = FinishReport::new(outcome, attempt);
            report.events = events;
            report.artifacts = artifacts;
            report
        },
    )
}
