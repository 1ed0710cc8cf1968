//! What holds for a claim holds for each kind: of one run and of any, alone, in a batch, and by who would
//! wait (clauses C7 to C10).

use runstore_core::{
    Claim, ClaimRequest, Clock, Result, RunId, Store, Task, TaskDraft, TaskPlan, TaskStatus,
};

use super::releases::{DELAY, release};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::leased::{LEASE, Way, micros, request};
use crate::tasks::{check_task, tasks_of};
use crate::used_up::{check_new_events, count_events, end_of, used_up};
use crate::world;

/// A kind of claim, in a store in which only one run has tasks that can be claimed.
#[derive(Debug, Clone, Copy)]
struct Kind {
    way: Way,
    of_any_run: bool,
}

impl Kind {
    fn all() -> impl Iterator<Item = Self> {
        let ways = Way::ALL.into_iter();
        ways.flat_map(|way| [false, true].map(|of_any_run| Self { way, of_any_run }))
    }

    /// A claim by another worker, for longer than the one before.
    fn request(self, run_id: RunId) -> ClaimRequest {
        let request = match self.of_any_run {
            true => ClaimRequest::of_any_run(),
            false => ClaimRequest::of_run(run_id),
        };
        request.with_worker("another").with_lease(LEASE * 2)
    }

    async fn claim(self, store: &dyn Store, run_id: RunId) -> Result<Option<Claim>> {
        self.way.claim(store, self.request(run_id)).await
    }
}

/// The task as [`Kind::request`] leaves it.
fn claimed(task: &Task, c: &Context<'_>) -> Task {
    let now = c.clock.now();
    Task {
        status: TaskStatus::InProgress,
        attempt_count: task.attempt_count + 1,
        delayed_until: None,
        worker: Some("another".to_owned()),
        lease_expires_at: Some(now.saturating_add(LEASE * 2)),
        updated_at: now,
        ..task.clone()
    }
}

/// Checks that the two tasks of the run can be claimed so from a time on that is so many microseconds away,
/// the second one also when the clock went back from there and came again.
async fn check_from(c: &Context<'_>, kind: Kind, run_id: RunId, left: i64, what: &str) -> Outcome {
    let store = &*c.store;
    let check_none = async |when: &str| {
        let before = Dump::of(store).await?;
        let none = kind.claim(store, run_id).await?;
        check_eq!(none, None, "{kind:?} a microsecond before {what}, {when}");
        check_unchanged(store, &before, &format!("{kind:?} before {what}")).await
    };
    c.clock.advance_micros(left - 1);
    check_none("for the first time").await?;
    c.clock.advance_micros(1);
    for (task, is_last) in tasks_of(store, run_id).await?.iter().zip([false, true]) {
        let expected = claimed(task, c);
        let taken = kind.claim(store, run_id).await?;
        check_eq!(
            taken.map(|claim| claim.task),
            Some(expected.clone()),
            "what {kind:?} gives at the very instant of {what}"
        );
        check_task(store, &expected, "a task that was claimed then").await?;
        if !is_last {
            c.clock.advance_micros(-1);
            check_none("once it had been claimed then and the clock went back").await?;
            c.clock.advance_micros(1);
        }
    }
    Ok(())
}

pub(crate) async fn a_lease_ends_alike_for_every_kind(c: &mut Context<'_>) -> Outcome {
    for kind in Kind::all() {
        let (run, _) = world::planned(&*c.store, 2).await?;
        c.store.claim_tasks(request(run.id), 2).await?;
        check_from(c, kind, run.id, micros(LEASE), "the end of a lease").await?;
        c.store.delete_run(run.id).await?;
    }
    Ok(())
}

pub(crate) async fn a_delay_is_over_alike_for_every_kind(c: &mut Context<'_>) -> Outcome {
    for kind in Kind::all() {
        let (run, _) = world::planned(&*c.store, 2).await?;
        for held in c.store.claim_tasks(request(run.id), 2).await? {
            release(&*c.store, &held, DELAY).await?;
        }
        check_from(c, kind, run.id, micros(DELAY), "the end of a delay").await?;
        c.store.delete_run(run.id).await?;
    }
    Ok(())
}

/// A run of five tasks, three of which a claim with a bound of 2 finds used up. The second comes first, by its
/// priority, and was claimed three times; the first and the fifth have reached a bound of their own. The
/// fourth and the fifth come behind the third, which is the one to be claimed.
async fn three_used_up(c: &Context<'_>) -> Outcome<RunId> {
    let store = &*c.store;
    let run_id = world::run(store).await?.id;
    let draft = |title: &str| TaskDraft::new(title, "o");
    let drafts = [
        draft("of its own bound").with_max_attempts(1_u32),
        draft("of the claim's bound").with_priority(1),
        draft("free"),
        draft("free too"),
        draft("behind").with_max_attempts(1_u32),
    ];
    let tasks = store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    for _ in 0..2 {
        let first = store.claim_next_task(request(run_id)).await?;
        if let Some(first) = first {
            store.requeue_task(first.task.id).await?;
        }
    }
    store.claim_tasks(request(run_id), 5).await?;
    for free in tasks.iter().filter(|task| task.title.contains("free")) {
        store.requeue_task(free.id).await?;
    }
    c.clock.advance_micros(micros(LEASE));
    Ok(run_id)
}

pub(crate) async fn attempts_end_alike_for_every_kind(c: &mut Context<'_>) -> Outcome {
    for kind in Kind::all() {
        let run_id = three_used_up(c).await?;
        let before = tasks_of(&*c.store, run_id).await?;
        let events = count_events(&*c.store, run_id).await?;
        let bound = kind.request(run_id).with_max_attempts(2);
        let taken = kind.way.claim(&*c.store, bound).await?;
        let expected: Vec<_> = before
            .iter()
            .map(|task| match task.position {
                1 | 2 => used_up(task, c.clock.now()),
                3 => claimed(task, c),
                _ => task.clone(),
            })
            .collect();
        check_eq!(
            taken.map(|claim| claim.task.position),
            Some(3),
            "the position that {kind:?} gives behind two tasks whose attempts are used up"
        );
        check_eq!(
            tasks_of(&*c.store, run_id).await?,
            expected,
            "the tasks after {kind:?} that came to used up attempts"
        );
        // In the order of claims, not of positions; what comes behind the claimed task is not come to.
        let mut found: Vec<_> = before.iter().take(2).zip([1, 2]).collect();
        found.reverse();
        let ends = found.into_iter().map(|(task, bound)| end_of(task, bound));
        check_new_events(c, run_id, events, ends.collect(), &format!("{kind:?}")).await?;
        c.store.delete_run(run_id).await?;
    }
    Ok(())
}
