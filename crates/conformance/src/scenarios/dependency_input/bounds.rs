//! How many dependencies and attempts a draft may have.

use runstore_core::limits::{MAX_DEPENDENCIES, MAX_RECORD_BYTES};
use runstore_core::{TaskDraft, TaskId};

use super::{busy_run, check_invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{append, draft};
use crate::world;

pub(crate) async fn a_task_depends_on_at_most_10_000(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let many = |count: usize| {
        let draft = draft("waiting").with_depends_on(std::iter::repeat_n(0, count));
        [TaskDraft::new("a", "o"), draft]
    };
    let bound = MAX_DEPENDENCIES.to_string();
    let wrong = ("drafts[1].depends_on", &*bound);
    let what = "a plan with one dependency more than the bound";
    check_invalid(&*c.store, run_id, &many(MAX_DEPENDENCIES + 1), wrong, what).await?;
    append(&*c.store, run_id, many(MAX_DEPENDENCIES)).await?;
    Ok(())
}

pub(crate) async fn a_task_that_depends_on_10_000_keeps_and_awaits_them_all(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let before = (0..MAX_DEPENDENCIES).map(|number| draft(number.to_string()));
    let waiting = draft("waiting").with_depends_on((0..MAX_DEPENDENCIES).rev());
    let tasks = append(&*c.store, run_id, before.chain([waiting])).await?;
    let ids = tasks.iter().rev().skip(1).map(|task| task.id);
    let expected: Vec<TaskId> = ids.collect();
    let waiting = world::last(tasks)?;
    c.reopen().await?;
    let shown = c.store.get_task(waiting.id).await?;
    crate::check::check!(
        shown.depends_on == expected && waiting.depends_on == expected,
        "a task that depends on 10,000 must keep them in the order given, as returned and after a \
         reopen, but keeps {} and {}",
        waiting.depends_on.len(),
        shown.depends_on.len()
    );
    match c.store.waiting_reason(waiting.id).await? {
        runstore_core::WaitingReason::Dependencies { tasks, .. } => {
            check_eq!(
                tasks.len(),
                MAX_DEPENDENCIES,
                "the number of tasks that it waits for"
            );
        }
        other => {
            let other = format!("{other:?}");
            check_eq!(other, "Dependencies", "why it waits");
        }
    }
    Ok(())
}

pub(crate) async fn dependencies_count_for_the_size_of_a_record(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let with_objective = |bytes: usize| {
        let draft = TaskDraft::new("t", "o".repeat(bytes)).with_depends_on([1, 2]);
        [draft, TaskDraft::new("a", ""), TaskDraft::new("b", "")]
    };
    // Each id has 16 bytes, and the title one.
    let most = MAX_RECORD_BYTES - 2 * 16 - 1;
    let bound = MAX_RECORD_BYTES.to_string();
    let wrong = ("drafts[0].depends_on", &*bound);
    let what = "a draft whose two dependencies take it over the bound";
    check_invalid(&*c.store, run_id, &with_objective(most + 1), wrong, what).await?;
    append(&*c.store, run_id, with_objective(most)).await?;
    Ok(())
}

pub(crate) async fn a_bound_on_attempts_is_at_least_1(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let drafts = [
        draft("a").with_max_attempts(1_u32),
        draft("b").with_max_attempts(0_u32),
    ];
    let wrong = ("drafts[1].max_attempts", "1");
    let what = "a plan with a task that may be claimed 0 times";
    check_invalid(&*c.store, run_id, &drafts, wrong, what).await
}
