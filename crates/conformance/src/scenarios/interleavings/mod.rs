//! Two callers' steps in every order (clauses C1 to C9): each interleaving of two scripts is played on the
//! store and on the reference alike, by the same clock, and compared step by step.

mod play;
mod script;

use runstore_core::TaskDraft;

use self::play::{Scripts, play_all};
use self::script::Step::{self, *};
use crate::check::Outcome;
use crate::context::Context;

/// A run with one task, which both callers are after.
fn one() -> Vec<TaskDraft> {
    vec![TaskDraft::new("only", "o")]
}

/// A run with one task that may be claimed twice.
fn bounded() -> Vec<TaskDraft> {
    vec![TaskDraft::new("only", "o").with_max_attempts(2_u32)]
}

/// A run with two tasks, the second of which depends on the first.
fn chain() -> Vec<TaskDraft> {
    vec![
        TaskDraft::new("first", "o"),
        TaskDraft::new("second", "o")
            .with_priority(1)
            .with_depends_on([0_usize]),
    ]
}

async fn play<const PAIRS: usize>(
    c: &mut Context<'_>,
    drafts: fn() -> Vec<TaskDraft>,
    pairs: [[&[Step]; 2]; PAIRS],
) -> Outcome {
    let pairs = pairs.map(|[first, second]| Scripts {
        drafts,
        callers: [first.to_vec(), second.to_vec()],
    });
    play_all(c, pairs).await
}

pub(crate) async fn two_workers_after_one_task_are_answered_in_every_order_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let careful: &[Step] = &[Claim(Some(2)), Half, Heartbeat, Half, Complete];
    let late: &[Step] = &[Claim(Some(2)), Half, Event, Release, Complete];
    let unleased: &[Step] = &[Claim(None), Heartbeat, Release, Claim(Some(1)), Complete];
    let slow: &[Step] = &[Claim(Some(1)), Half, Heartbeat, Complete, Event];
    play(
        c,
        one,
        [
            [careful, late],
            [careful, unleased],
            [slow, slow],
            [late, unleased],
        ],
    )
    .await
}

pub(crate) async fn a_worker_beside_an_operator_is_answered_in_every_order_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(2)), Heartbeat, Half, Event, Complete];
    let giving_back: &[Step] = &[Claim(Some(1)), Half, ReleaseForHalf, Half, Claim(None)];
    let settling: &[Step] = &[OperatorBlock, Requeue, OperatorComplete, Requeue];
    let giving_up: &[Step] = &[Requeue, OperatorAbandon, Requeue, OperatorComplete];
    play(
        c,
        one,
        [
            [worker, settling],
            [giving_back, settling],
            [giving_back, giving_up],
        ],
    )
    .await
}

pub(crate) async fn workers_beside_requeues_are_answered_in_every_order_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(1)), Heartbeat, Half, Complete, Event];
    let failing: &[Step] = &[Claim(Some(2)), Half, Release, Claim(Some(1)), Complete];
    let resuming: &[Step] = &[RequeueExpired, RequeueInProgress, Half, RequeueExpired];
    play(c, one, [[worker, resuming], [failing, resuming]]).await?;
    play(c, bounded, [[failing, resuming]]).await
}

pub(crate) async fn attempts_end_in_every_order_as_with_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(1)), Half, Claim(Some(1)), Release, Complete];
    let other: &[Step] = &[Claim(Some(1)), Heartbeat, Half, Release, Claim(None)];
    let operator: &[Step] = &[Half, Requeue, RequeueExpired, Requeue];
    play(c, bounded, [[worker, other], [worker, operator]]).await?;
    let strict: &[Step] = &[ClaimOnce, Half, ClaimOnce, Release, Complete];
    play(c, one, [[strict, other]]).await
}

pub(crate) async fn a_worker_beside_new_plans_is_answered_in_every_order_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(1)), Heartbeat, Event, Complete, Claim(Some(1))];
    let planner: &[Step] = &[Replace, Half, RequeueExpired, Replace];
    let adding: &[Step] = &[Append, Requeue, Half, RequeueInProgress];
    play(c, one, [[worker, planner], [worker, adding]]).await
}

pub(crate) async fn a_worker_beside_a_deletion_is_answered_in_every_order_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(1)), Heartbeat, Event, Complete, Release];
    let deleting: &[Step] = &[Half, RequeueInProgress, Delete, RequeueExpired];
    play(c, one, [[worker, deleting]]).await
}

pub(crate) async fn tasks_that_wait_are_handed_out_in_every_order_as_by_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    let worker: &[Step] = &[Claim(Some(1)), Complete, Claim(Some(1)), Half, Complete];
    let other: &[Step] = &[ClaimTwo, Half, Complete, ClaimTwo];
    let operator: &[Step] = &[Requeue, OperatorComplete, Requeue, Half, OperatorAbandon];
    play(c, chain, [[worker, other], [worker, operator]]).await
}
