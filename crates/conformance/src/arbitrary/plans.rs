//! Random plans, whose drafts wait for times and for each other.

use proptest::prelude::*;
use proptest::sample::select;
use runstore_core::{Dependency, TaskDraft, TaskPlan, Timestamp};

use super::values::{a_run, draft, run_id, task_id, text_with_content};
use crate::context::start;

/// A draft; mostly of the one content that its number has, so that an id comes again with the same
/// content and with another one.
fn some_draft() -> impl Strategy<Value = TaskDraft> {
    let number = select(vec![4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3]);
    let other = (
        text_with_content(),
        any::<i8>(),
        a_start(),
        proptest::option::of(0..=3_u32),
    );
    (number, other, 0..5).prop_map(|(number, other, which)| {
        let mut draft = scheduled(number);
        match which {
            0 => draft.title = other.0,
            1 => draft.priority = other.1.into(),
            2 => draft.not_before = other.2,
            3 => draft.max_attempts = other.3,
            _ => {}
        }
        draft
    })
}

/// The draft of the task of that number; from the fourth on each waits, ranks or ends in its own way.
fn scheduled(number: u128) -> TaskDraft {
    let draft = draft(number);
    match number {
        4 => draft.with_priority(1),
        5 => draft.with_max_attempts(1_u32),
        6 => draft.with_not_before(after_start(1_000)),
        7 => draft.with_priority(-1).with_max_attempts(2_u32),
        8 => draft
            .with_priority(i32::MAX)
            .with_not_before(after_start(60_000_000)),
        _ => draft,
    }
}

fn after_start(micros: i64) -> Timestamp {
    start().saturating_add_micros(micros)
}

/// A time near the beginning, or never set, or far off.
fn a_start() -> impl Strategy<Value = Option<Timestamp>> {
    let near = select(vec![-1, 0, 1, 1_000, 2_000, 60_000_000]);
    prop_oneof![
        6 => near.prop_map(|micros| Some(after_start(micros))),
        1 => select(vec![None, Some(Timestamp::MIN), Some(Timestamp::MAX)]),
    ]
}

/// How a draft is to depend on another.
#[derive(Debug, Clone, Copy)]
enum On {
    /// On one before it in the plan, by this way of naming it.
    Earlier(usize, Naming),
    /// On one of the plan at this index, which may be itself, one that leads back, or none.
    Any(usize),
    /// On the task of this number, which may be one of another run, or none.
    Task(u128),
    /// On a key that no draft has.
    UnknownKey,
}

#[derive(Debug, Clone, Copy)]
enum Naming {
    Index,
    Key,
    Id,
}

fn on() -> impl Strategy<Value = On> {
    let naming = select(vec![Naming::Index, Naming::Key, Naming::Id]);
    prop_oneof![
        10 => (0..3_usize, naming).prop_map(|(index, naming)| On::Earlier(index, naming)),
        8 => select(vec![1, 2, 3]).prop_map(On::Task),
        1 => select(vec![4, 5, 99]).prop_map(On::Task),
        1 => (0..4_usize).prop_map(On::Any),
        1 => Just(On::UnknownKey),
    ]
}

/// The first tasks of two runs, one of each kind of waiting.
pub(super) fn that_wait() -> Vec<TaskPlan> {
    let [first, second] = [1, 2].map(run_id);
    let urgent = draft(3).with_priority(2).with_depends_on([1_usize]);
    let timed = draft(5).with_not_before(after_start(2_000));
    let late = scheduled(6).with_depends_on([0_usize]);
    vec![
        TaskPlan::new(first, [draft(1), draft(2).with_priority(1), urgent]),
        TaskPlan::new(second, [scheduled(7), late, timed]),
    ]
}

fn key(index: usize) -> String {
    format!("draft {index}")
}

pub(super) fn plan() -> impl Strategy<Value = TaskPlan> {
    let ons = prop_oneof![3 => Just(Vec::new()), 4 => proptest::collection::vec(on(), 1..=2)];
    let drafts = proptest::collection::vec((some_draft(), ons), 0..=3);
    (a_run(), drafts).prop_map(|(run_id, drafts)| {
        let ids: Vec<_> = drafts.iter().map(|(draft, _)| draft.id).collect();
        let drafts = drafts.into_iter().enumerate().map(|(index, (draft, ons))| {
            let depends_on = ons.into_iter().filter_map(|on| match on {
                On::Earlier(earlier, _) if earlier >= index => None,
                On::Earlier(earlier, Naming::Index) => Some(earlier.into()),
                On::Earlier(earlier, Naming::Key) => Some(key(earlier).into()),
                On::Earlier(earlier, Naming::Id) => {
                    ids.get(earlier).copied()?.map(Dependency::from)
                }
                On::Any(other) => Some(other.into()),
                On::Task(number) => Some(task_id(number).into()),
                On::UnknownKey => Some("nobody".into()),
            });
            let depends_on: Vec<Dependency> = depends_on.collect();
            draft.with_key(key(index)).with_depends_on(depends_on)
        });
        TaskPlan::new(run_id, drafts)
    })
}
