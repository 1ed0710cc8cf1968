//! Every call of the trait that writes, as it is made on a [`Stage`].

use std::time::Duration;

use futures_util::future::BoxFuture;
use runstore_core::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, ClaimRequest, CompleteTask, Dependency,
    EventDraft, FinishOutcome, FinishReport, Heartbeat, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, Result, RunUpdate, SaveAgentState, Store, TaskDraft, TaskPlan,
};
use serde_json::json;

use crate::stage::{LONG, Stage};
use crate::world::drafts;

/// A call that writes. Each changes what can be read of its stage.
pub(crate) struct Write {
    /// The call, and what is special about it.
    pub(crate) name: &'static str,
    run: for<'a> fn(&'a dyn Store, &'a Stage) -> BoxFuture<'a, Result<()>>,
}

impl Write {
    /// Makes the call.
    pub(crate) fn run<'a>(
        &self,
        store: &'a dyn Store,
        stage: &'a Stage,
    ) -> BoxFuture<'a, Result<()>> {
        (self.run)(store, stage)
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        [RUNS, TASKS, CLAIMS, JOURNAL].into_iter().flatten()
    }
}

macro_rules! writes {
    ($($(#[$doc:meta])* $list:ident { $($name:literal: |$store:ident, $stage:ident| $call:expr;)+ })+) => {
        $(
            $(#[$doc])*
            pub(crate) const $list: &[Write] = &[$(Write {
                name: $name,
                run: |$store, $stage| Box::pin(async move {
                    $call.await?;
                    Ok(())
                }),
            }),+];
        )+
    };
}

writes! {
    /// On runs and agents.
    RUNS {
        "create_run": |store, stage| store.create_run(NewRun::new("new", "/n").with_id(stage.id(200)));
        "update_run, setting fields": |store, stage| store.update_run(
            RunUpdate::new(stage.run_id)
                .with_status("paused")
                .with_summary("new")
                .with_current_task(stage.task(5)),
        );
        "update_run, clearing fields": |store, stage| {
            store.update_run(RunUpdate::new(stage.run_id).clear_summary().clear_current_task())
        };
        "increment_cycle": |store, stage| store.increment_cycle(stage.run_id);
        "increment_replan": |store, stage| store.increment_replan(stage.run_id);
        "delete_run": |store, stage| store.delete_run(stage.run_id);
        "save_agent_state of a new role": |store, stage| {
            store.save_agent_state(SaveAgentState::new(stage.run_id, "checker").with_turns(1))
        };
        "save_agent_state over another": |store, stage| {
            store.save_agent_state(SaveAgentState::new(stage.run_id, "strategy").with_turns(4))
        };
    }
    /// On tasks, without a token.
    TASKS {
        "replace_pending_tasks": |store, stage| store.replace_pending_tasks(TaskPlan::new(
            stage.run_id,
            stage.named(drafts(3), 201),
        ));
        "replace_pending_tasks by no tasks": |store, stage| {
            store.replace_pending_tasks(TaskPlan::new(stage.run_id, []))
        };
        "append_tasks": |store, stage| store.append_tasks(TaskPlan::new(
            stage.run_id,
            stage.named(drafts(3), 201),
        ));
        "replace_pending_tasks by tasks that wait": |store, stage| {
            store.replace_pending_tasks(TaskPlan::new(stage.run_id, that_wait(stage)))
        };
        "append_tasks that wait": |store, stage| {
            store.append_tasks(TaskPlan::new(stage.run_id, that_wait(stage)))
        };
        "complete_task": |store, stage| store.complete_task(CompleteTask::new(stage.task(4), "new"));
        "complete_task that another waits for": |store, stage| {
            store.complete_task(CompleteTask::new(stage.waiting(4), "new"))
        };
        "block_task": |store, stage| {
            store.block_task(BlockTask::new(stage.task(6)).with_blocker_signature("new"))
        };
        "abandon_task": |store, stage| store.abandon_task(AbandonTask::new(stage.task(2)));
        "requeue_task": |store, stage| store.requeue_task(stage.task(1));
        "requeue_in_progress_tasks": |store, stage| store.requeue_in_progress_tasks(stage.run_id);
        "requeue_in_progress_tasks, one of them used up": |store, stage| {
            store.requeue_in_progress_tasks(stage.bystander)
        };
        "requeue_expired_tasks": |store, stage| store.requeue_expired_tasks(Some(stage.bystander));
    }
    /// Claims and their ends.
    CLAIMS {
        "claim_next_task": |store, stage| store.claim_next_task(ClaimRequest::of_run(stage.run_id));
        "claim_next_task with a lease": |store, stage| {
            store.claim_next_task(with_lease(ClaimRequest::of_run(stage.bystander)))
        };
        "claim_next_task of any run": |store, _stage| {
            store.claim_next_task(with_lease(ClaimRequest::of_any_run()))
        };
        "claim_tasks": |store, stage| store.claim_tasks(ClaimRequest::of_run(stage.run_id), 2);
        "claim_tasks, new, expired and used up": |store, stage| {
            store.claim_tasks(with_lease(ClaimRequest::of_run(stage.bystander)), 5)
        };
        "claim_or_wait": |store, stage| {
            store.claim_or_wait(ClaimRequest::of_run(stage.run_id), Duration::ZERO)
        };
        "claim_or_wait for any run": |store, _stage| {
            store.claim_or_wait(with_lease(ClaimRequest::of_any_run()), LONG)
        };
        "heartbeat": |store, stage| store.heartbeat(Heartbeat::new(stage.leased(1), LONG));
        "finish_task, completed": |store, stage| {
            store.finish_task(stage.held, report(stage, FinishOutcome::Completed {
                summary: "new".to_owned(),
            }))
        };
        "finish_task, blocked": |store, stage| {
            store.finish_task(stage.held, report(stage, FinishOutcome::Blocked {
                summary: None,
                blocker_signature: Some("new".to_owned()),
            }))
        };
        "finish_task, abandoned": |store, stage| {
            store.finish_task(stage.held, report(stage, FinishOutcome::Abandoned {
                summary: Some("new".to_owned()),
                blocker_signature: None,
            }))
        };
        "finish_task, released": |store, stage| {
            store.finish_task(stage.held, report(stage, FinishOutcome::Released { delay: None }))
        };
        "finish_task, released with a delay": |store, stage| {
            store.finish_task(stage.leased(1), report(stage, FinishOutcome::Released {
                delay: Some(LONG),
            }))
        };
        "finish_task, released and used up": |store, stage| {
            store.finish_task(stage.leased(3), report(stage, FinishOutcome::Released {
                delay: None,
            }))
        };
    }
    /// On the journal, without a fence and with one.
    JOURNAL {
        "add_attempt": |store, stage| {
            store.add_attempt(NewAttempt::new(stage.task(1), 5, attempt(stage)))
        };
        "add_attempt with a fence": |store, stage| {
            store.add_attempt(NewAttempt::of_claim(stage.held, attempt(stage)))
        };
        "add_event": |store, stage| store.add_event(NewEvent::new(stage.run_id, event(stage, 231)));
        "add_event with a fence": |store, stage| {
            store.add_event(NewEvent::new(stage.run_id, event(stage, 231)).with_fence(stage.held))
        };
        "add_artifact": |store, stage| {
            store.add_artifact(NewArtifact::new(stage.run_id, artifact(stage, 241)))
        };
        "add_artifact with a fence": |store, stage| store.add_artifact(
            NewArtifact::new(stage.run_id, artifact(stage, 241)).with_fence(stage.held),
        );
        "add_approval": |store, stage| store.add_approval(
            NewApproval::new(stage.run_id, "human", "rejected", "new")
                .with_id(stage.id(251)),
        );
        "add_checkpoint": |store, stage| store.add_checkpoint(
            NewCheckpoint::new(stage.run_id, "paused", json!({"n": 2}))
                .with_id(stage.id(261)),
        );
        "add_checkpoint with a fence": |store, stage| store.add_checkpoint(
            NewCheckpoint::new(stage.run_id, "paused", json!({"n": 2}))
                .with_id(stage.id(261))
                .with_fence(stage.held),
        );
    }
}

/// Three drafts that wait: for each other, for a completed task, for a time; of several priorities.
fn that_wait(stage: &Stage) -> Vec<TaskDraft> {
    let drafts = (0_u16..).zip(stage.named(drafts(3), 201));
    let drafts = drafts.map(|(index, draft)| match index {
        0 => draft
            .with_priority(-1)
            .with_not_before(stage.later())
            .with_key("first")
            .with_depends_on([Dependency::from(stage.task(1)), Dependency::from(2)]),
        1 => draft.with_max_attempts(3_u32).with_depends_on(["first"]),
        _ => draft.with_priority(7),
    });
    drafts.collect()
}

fn with_lease(request: ClaimRequest) -> ClaimRequest {
    request.with_worker("new").with_lease(LONG)
}

fn attempt(stage: &Stage) -> AttemptReport {
    AttemptReport::new("interrupted", "new").with_id(stage.id(221))
}

fn event(stage: &Stage, number: u16) -> EventDraft {
    EventDraft::new("worker", "new", "m").with_id(stage.id(number))
}

fn artifact(stage: &Stage, number: u16) -> ArtifactDraft {
    ArtifactDraft::new("new", "p").with_id(stage.id(number))
}

/// A report with two events and two artifacts.
fn report(stage: &Stage, outcome: FinishOutcome) -> FinishReport {
    FinishReport::new(outcome, attempt(stage))
        .with_event(event(stage, 231))
        .with_event(event(stage, 232))
        .with_artifact(artifact(stage, 241))
        .with_artifact(artifact(stage, 242))
}
