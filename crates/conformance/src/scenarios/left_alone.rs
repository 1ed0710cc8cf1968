//! What the store does not do of itself: nothing runs out with time, and no word of a run means anything.

use runstore_core::{
    ApprovalSource, Clock, Cursor, Error, EventDraft, EventId, FinishReport, ListApprovals,
    ListArtifacts, ListEvents, ListRuns, ListTasks, NewEvent, NewRun, PageRequest, RunUpdate,
    TaskPlan, TaskStatus,
};

use super::tokens::fenced_calls;
use crate::calls::check_all_accepted;
use crate::check::{Outcome, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::tasks::tasks_of;
use crate::world;

/// A hundred years and a bit.
const LONG: i64 = 3_200_000_000_000_000;

pub(crate) async fn no_claim_and_no_id_runs_out_with_time(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let done = world::claim(&*c.store, run.id).await?.token();
    let report = FinishReport::completed("done");
    let completed = c.store.finish_task(done, report.clone()).await?;
    let held = world::claim(&*c.store, run.id).await?;
    let draft = EventDraft::new("s", "k", "m").with_id(EventId::generate());
    let new = NewEvent::new(run.id, draft);
    let event = c.store.add_event(new.clone()).await?;
    let before = Dump::of(&*c.store).await?;
    for jump in [LONG, -2 * LONG] {
        c.clock.advance_micros(jump);
        let of_run = runstore_core::ClaimRequest::of_run(run.id);
        check_eq!(
            c.store.claim_next_task(of_run).await?,
            None,
            "a claim where the only task was claimed {jump} µs ago and is held"
        );
        check_eq!(
            c.store.add_event(new.clone()).await?,
            event,
            "an event added again after {jump} µs"
        );
        check_eq!(
            c.store.finish_task(done, report.clone()).await?,
            completed,
            "a report repeated after {jump} µs"
        );
        check_unchanged(&*c.store, &before, "what has no effect after a long time").await?;
    }
    let calls = fenced_calls(&*c.store, run.id, held.token());
    check_all_accepted(calls).await?;
    let task = c.store.finish_task(held.token(), report).await?;
    check_eq!(
        task.status,
        TaskStatus::Completed,
        "a task whose claim was held for a long time"
    );
    Ok(())
}

pub(crate) async fn the_status_of_a_run_means_nothing_to_the_store(c: &mut Context<'_>) -> Outcome {
    for status in [
        "planning",
        "running",
        "paused",
        "blocked",
        "completed",
        "failed",
        "cancelled",
        "archived",
        "deleted",
    ] {
        let (run, _) = world::planned(&*c.store, 2).await?;
        let before = tasks_of(&*c.store, run.id).await?;
        let held = world::claim(&*c.store, run.id).await?;
        let update = RunUpdate::new(run.id)
            .with_status(status)
            .with_current_task(held.task.id);
        let run = c.store.update_run(update).await?;
        c.clock.advance_micros(1);
        let next = world::claim(&*c.store, run.id).await?;
        check_eq!(
            Some(next.task.id),
            before.get(1).map(|task| task.id),
            "the task claimed next in a run that is {status}"
        );
        let calls = fenced_calls(&*c.store, run.id, held.token());
        check_all_accepted(calls).await?;
        let plan = TaskPlan::new(run.id, world::drafts(1));
        c.store.append_tasks(plan).await?;
        for claim in [held, next] {
            let report = FinishReport::completed("done");
            c.store.finish_task(claim.token(), report).await?;
        }
        let last = world::claim(&*c.store, run.id).await?.task.id;
        let complete = runstore_core::CompleteTask::new(last, "done");
        c.store.complete_task(complete).await?;
        let plan = TaskPlan::new(run.id, world::drafts(1));
        c.store.append_tasks(plan).await?;
        let last = world::claim(&*c.store, run.id).await?.token();
        let report = FinishReport::completed("done");
        c.store.finish_task(last, report).await?;
        check_eq!(
            c.store.get_run(run.id).await?,
            run,
            "a run that is {status}, after all its tasks were completed, the current one too"
        );
        let plan = TaskPlan::new(run.id, world::drafts(1));
        let task = world::first(c.store.append_tasks(plan).await?)?;
        let update = RunUpdate::new(run.id).with_current_task(task.id);
        let run = c.store.update_run(update).await?;
        let plan = TaskPlan::new(run.id, []);
        c.store.replace_pending_tasks(plan).await?;
        check_eq!(
            c.store.get_run(run.id).await?,
            run,
            "a run that is {status}, after a plan that leaves out the current task"
        );
        let listed = c.store.list_runs(ListRuns::all()).await?.items;
        check_eq!(
            listed.first(),
            Some(&run),
            "the newest of all runs, which is {status}"
        );
        let update = RunUpdate::new(run.id).with_summary("goes on");
        let summary = c.store.update_run(update).await?.summary;
        check_eq!(
            summary.as_deref(),
            Some("goes on"),
            "the summary set of a run that is {status}"
        );
    }
    Ok(())
}

pub(crate) async fn nothing_of_a_deleted_run_shows_in_one_of_its_id(
    c: &mut Context<'_>,
) -> Outcome {
    let (gone, _) = world::populated(&*c.store).await?;
    let roles = ["strategy", "implementation", "narrator"];
    c.store.delete_run(gone.id).await?;
    let run = c
        .store
        .create_run(NewRun::new("goal", "/repo").with_id(gone.id))
        .await?;
    for role in roles {
        check_eq!(
            c.store.get_agent_state(run.id, role.into()).await?,
            None,
            "the agent of role {role} in a run created under the id of a deleted one"
        );
        let list = ListArtifacts::new(run.id).with_role(role);
        check_eq!(
            c.store.list_artifacts(list).await?.items,
            [],
            "the artifacts of role {role} in it"
        );
    }
    let source = ApprovalSource::Checker;
    let list = ListApprovals::new(run.id).with_source(source.clone());
    check_eq!(
        c.store.list_approvals(list).await?.items,
        [],
        "the checker's approvals in it"
    );
    check_eq!(
        c.store.latest_approval(run.id, source).await?,
        None,
        "the checker's latest approval in it"
    );
    check_eq!(
        c.store.latest_checkpoint(run.id).await?,
        None,
        "the latest checkpoint in it"
    );
    check_eq!(
        c.store.recent_attempts(run.id, 12).await?,
        [],
        "the last attempts in it"
    );
    let list = ListRuns::all().with_status(gone.status);
    check_eq!(
        c.store.list_runs(list).await?.items,
        [],
        "the runs of the status that the deleted one had"
    );
    Ok(())
}

pub(crate) async fn nothing_comes_after_a_cursor_beyond_the_end(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let ends = [
        3,
        4,
        255,
        256,
        u64::from(u32::MAX),
        u64::from(u32::MAX) + 1,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        u64::MAX,
    ];
    for end in ends {
        for page in [PageRequest::all(), PageRequest::first(2)] {
            let page = page.after(Cursor::new(end));
            let tasks = ListTasks::new(run.id).with_page(page);
            let tasks = c.store.list_tasks(tasks).await?;
            check_eq!(
                (tasks.items, tasks.next),
                (vec![], None),
                "the tasks after position {end}, of three"
            );
            let events = ListEvents::new(run.id).with_page(page);
            let events = c.store.list_events(events).await?;
            check_eq!(
                (events.items, events.next),
                (vec![], None),
                "the events after number {end}, of one"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_word_that_was_not_given_is_not_found(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    for word in [
        "_hecker",
        "check__",
        "%",
        "chec%",
        "CHECKER",
        "checker ",
        "checker\0",
        "check",
        "",
        "*",
        "running ",
        "r%",
        "runnin_",
        "narrator%",
        "_arrator",
    ] {
        check_eq!(
            c.store.get_agent_state(run.id, word.into()).await?,
            None,
            "the agent of role {word:?}, which was never saved"
        );
        let source = ApprovalSource::from(word);
        check_eq!(
            c.store.latest_approval(run.id, source.clone()).await?,
            None,
            "the latest approval of source {word:?}, which gave none"
        );
        let list = ListApprovals::new(run.id).with_source(source);
        check_eq!(
            c.store.list_approvals(list).await?.items,
            [],
            "the approvals of source {word:?}, which gave none"
        );
        let list = ListArtifacts::new(run.id).with_role(word);
        check_eq!(
            c.store.list_artifacts(list).await?.items,
            [],
            "the artifacts of role {word:?}, which made none"
        );
        let list = ListRuns::all().with_status(word);
        check_eq!(
            c.store.list_runs(list).await?.items,
            [],
            "the runs of status {word:?}, of which there is none"
        );
    }
    Ok(())
}

pub(crate) async fn a_closed_handle_refuses_bad_input_and_empty_updates(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    c.store.close().await?;
    check_refused!(
        c.store.update_run(RunUpdate::new(run.id)).await,
        Error::Unavailable { .. },
        "an update that names nothing, on a closed store"
    );
    check_refused!(
        c.store.append_tasks(TaskPlan::new(run.id, [])).await,
        Error::Unavailable { .. },
        "a plan without tasks, on a closed store"
    );
    check_refused!(
        c.store.recent_events(run.id, 0).await,
        Error::InvalidInput { .. },
        "a limit of 0, on a closed store"
    );
    let untitled = runstore_core::TaskDraft::new("", "o");
    check_refused!(
        c.store
            .append_tasks(TaskPlan::new(run.id, [untitled]))
            .await,
        Error::InvalidInput { .. },
        "a plan with an empty title, on a closed store"
    );
    Ok(())
}

pub(crate) async fn what_a_second_handle_wrote_is_there_after_a_kill(
    c: &mut Context<'_>,
) -> Outcome {
    let other = c.second_handle().await?;
    let (run, _) = world::populated(&*other).await?;
    let draft = EventDraft::new("s", "k", "the last");
    let event = other.add_event(NewEvent::new(run.id, draft)).await?;
    let before = Dump::of(&*other).await?;
    c.kill().await?;
    check_eq!(
        c.store.recent_events(run.id, 1).await?,
        [event],
        "the last event, written by a second handle, after the process was killed"
    );
    check_unchanged(&*c.store, &before, "a kill after a second handle's writes").await
}

pub(crate) async fn an_update_to_what_is_there_sets_the_time(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task_id = world::first(tasks)?.id;
    let update = || RunUpdate::new(run.id);
    let updates = [
        ("the same status", update().with_status(run.status.clone())),
        ("no summary over none", update().clear_summary()),
        ("no current task over none", update().clear_current_task()),
        ("a summary", update().with_summary("s")),
        ("the same summary", update().with_summary("s")),
        ("a current task", update().with_current_task(task_id)),
        ("the same task", update().with_current_task(task_id)),
    ];
    for (what, update) in updates {
        c.clock.advance_micros(1);
        let updated = c.store.update_run(update).await?.updated_at;
        let read = c.store.get_run(run.id).await?.updated_at;
        check_eq!(
            [updated, read],
            [c.clock.now(); 2],
            "the time of the last change after an update to {what}"
        );
    }
    Ok(())
}
