//! Tasks that are back in the queue: released with a delay, or with their time still to come.

use std::time::Duration;

use runstore_core::{AbandonTask, BlockTask, Clock, FinishReport, Task, TaskStatus};

use super::{check_from, delayed, release_for};
use crate::check::{Outcome, check_eq};
use crate::context::{Context, start};
use crate::planning::{
    append, append_one, check_claims, check_nothing, check_reason, complete, draft, next_of, until,
};
use crate::tasks::check_task;
use crate::world;

pub(crate) async fn a_released_task_waits_until_its_delay_is_over(c: &mut Context<'_>) -> Outcome {
    for micros in [1, 999, 1_500_001] {
        let run_id = world::run(&*c.store).await?.id;
        append(&*c.store, run_id, [draft("released")]).await?;
        let claim = world::claim(&*c.store, run_id).await?;
        // Counted from the release, not from the claim.
        c.clock.advance_micros(777);
        let task = release_for(&*c.store, &claim, micros).await?;
        let time = c.clock.now().saturating_add(Duration::from_micros(micros));
        let expected = Task {
            status: TaskStatus::Pending,
            delayed_until: Some(time),
            updated_at: c.clock.now(),
            ..claim.task
        };
        check_eq!(task, expected, "a task released for {micros} microseconds");
        check_task(&*c.store, &expected, "a task released with a delay").await?;
        let what = format!("released for {micros} microseconds");
        let claims = check_from(c, run_id, time, &["released"], &what).await?;
        let claimed = world::first(claims)?.task;
        check_eq!(
            (claimed.attempt_count, claimed.delayed_until),
            (2, None),
            "attempts and delay of the task claimed again"
        );
    }
    Ok(())
}

pub(crate) async fn a_released_task_waits_for_the_later_of_both_times(
    c: &mut Context<'_>,
) -> Outcome {
    // The clock at the release and the delay, when it can be claimed at 100 as planned.
    for (at, delay, from) in [
        (100, 1, 101),
        (100, 0, 100),
        (60, 30, 100),
        (60, 40, 100),
        (60, 41, 101),
        (60, 0, 100),
    ] {
        c.clock.set(start());
        let run_id = world::run(&*c.store).await?.id;
        append(&*c.store, run_id, [delayed(c, "released", 100)]).await?;
        c.clock.advance_micros(100);
        let claim = world::claim(&*c.store, run_id).await?;
        c.clock.set(start().saturating_add_micros(at));
        release_for(&*c.store, &claim, delay).await?;
        let from = start().saturating_add_micros(from);
        let what = format!("not before 100 and released at {at} for {delay}");
        check_from(c, run_id, from, &["released"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_task_back_in_the_queue_still_waits_for_its_time(
    c: &mut Context<'_>,
) -> Outcome {
    for way in 0..6 {
        c.clock.set(start());
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        append(store, run_id, [delayed(c, "again", 50)]).await?;
        c.clock.advance_micros(50);
        let leased = next_of(run_id).with_lease(Duration::from_micros(1));
        let claim = crate::leased::claim(store, leased).await?;
        let task_id = claim.task.id;
        c.clock.advance_micros(1);
        if way == 5 {
            store.requeue_expired_tasks(Some(run_id)).await?;
        }
        // For the time of a task to come again, the clock has to run back.
        c.clock.set(start());
        let back = match way {
            0 => {
                store.requeue_in_progress_tasks(run_id).await?;
                "requeued on resume"
            }
            1 => {
                store.requeue_task(task_id).await?;
                "requeued"
            }
            2 => {
                store.block_task(BlockTask::new(task_id)).await?;
                store.requeue_task(task_id).await?;
                "requeued after a block"
            }
            5 => "requeued as expired",
            3 => {
                complete(store, task_id).await?;
                store.requeue_task(task_id).await?;
                "requeued after it was completed"
            }
            _ => {
                let report = FinishReport::released("not now");
                store.finish_task(claim.token(), report).await?;
                "released"
            }
        };
        let time = start().saturating_add_micros(50);
        check_reason(store, task_id, until(time), back).await?;
        check_from(c, run_id, time, &["again"], back).await?;
    }
    Ok(())
}

pub(crate) async fn a_delay_ends_with_the_state_it_belongs_to(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    for settled in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        let task = append_one(store, run_id, draft("delayed")).await?;
        let claim = world::claim(store, run_id).await?;
        release_for(store, &claim, 1_000_000).await?;
        match settled {
            TaskStatus::Completed => drop(complete(store, task.id).await?),
            TaskStatus::Blocked => drop(store.block_task(BlockTask::new(task.id)).await?),
            _ => drop(store.abandon_task(AbandonTask::new(task.id)).await?),
        }
        let shown = store.get_task(task.id).await?;
        check_eq!(
            (shown.status, shown.delayed_until),
            (settled, None),
            "state and delay of a delayed task that became {settled}"
        );
        check_nothing(store, run_id, "when it was settled").await?;
        store.requeue_task(task.id).await?;
        check_claims(store, run_id, &["delayed"], "when it was requeued").await?;
    }
    Ok(())
}
