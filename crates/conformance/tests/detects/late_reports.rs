//! Clauses C4 and C5, where a holder comes back after its lease ran out, or after another took over.

use std::collections::HashSet;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Others, has_run_out, held, now, stale};

/// Whether the claim is held though its lease has run out.
async fn is_late(inner: &MemoryStore, token: ClaimToken) -> Result<Option<Task>> {
    let now = now(inner).await?;
    Ok(held(inner, token)
        .await
        .filter(|task| has_run_out(task, now)))
}

/// Whether all that the token lacks is that its task is back in the queue.
fn is_pending_in(error: &Error, token: ClaimToken) -> bool {
    let Error::StaleClaim {
        current: Some(standing),
        ..
    } = error
    else {
        return false;
    };
    standing.status == TaskStatus::Pending && standing.attempt_count == token.attempt_number
}

/// Whether the task of the token is in progress for another.
fn is_taken_over(error: &Error) -> bool {
    matches!(
        error,
        Error::StaleClaim {
            current: Some(TaskStanding {
                status: TaskStatus::InProgress,
                ..
            }),
            ..
        }
    )
}

faults! {
    a_report_after_the_lease_ran_out_is_stale [C4 C7] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            match is_late(inner, token).await? {
                Some(task) => stale(token, &task),
                None => inner.finish_task(token, report).await,
            }
        }
    }

    a_release_after_the_lease_ran_out_is_stale [C4 C7] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            match is_late(inner, token).await? {
                Some(task) if matches!(report.outcome, FinishOutcome::Released { .. }) => stale(token, &task),
                _ => inner.finish_task(token, report).await,
            }
        }
    }

    /// For it is as good as pending.
    a_report_after_the_lease_ran_out_is_an_invalid_transition [C4 C7] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            match is_late(inner, token).await? {
                Some(task) => Err(Error::InvalidTransition { task_id: task.id, from: TaskStatus::Pending, to: TaskStatus::Completed }),
                None => inner.finish_task(token, report).await,
            }
        }
    }

    an_attempt_after_the_lease_ran_out_is_stale [C4] {
        async fn add_attempt(&self, inner: &MemoryStore, new: NewAttempt) -> Result<TaskAttempt> {
            rules::input::Input::check(&new)?;
            if let Some(token) = new.fence && let Some(task) = is_late(inner, token).await? {
                return stale(token, &task);
            }
            inner.add_attempt(new).await
        }
    }

    an_event_after_the_lease_ran_out_is_stale [C4] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            rules::input::Input::check(&new)?;
            if let Some(token) = new.fence && let Some(task) = is_late(inner, token).await? {
                return stale(token, &task);
            }
            inner.add_event(new).await
        }
    }

    an_artifact_after_the_lease_ran_out_is_stale [C4] {
        async fn add_artifact(&self, inner: &MemoryStore, new: NewArtifact) -> Result<Artifact> {
            rules::input::Input::check(&new)?;
            if let Some(token) = new.fence && let Some(task) = is_late(inner, token).await? {
                return stale(token, &task);
            }
            inner.add_artifact(new).await
        }
    }

    a_checkpoint_after_the_lease_ran_out_is_stale [C4] {
        async fn add_checkpoint(&self, inner: &MemoryStore, new: NewCheckpoint) -> Result<Checkpoint> {
            rules::input::Input::check(&new)?;
            if let Some(token) = new.fence && let Some(task) = is_late(inner, token).await? {
                return stale(token, &task);
            }
            inner.add_checkpoint(new).await
        }
    }

    a_repeat_after_the_lease_would_have_ended_is_stale [C5] (Mutex<HashSet<(ClaimToken, Timestamp)>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let now = now(inner).await?;
            let before = held(inner, token).await;
            let task = inner.finish_task(token, report).await?;
            let end = before.and_then(|task| task.lease_expires_at);
            self.0.lock().unwrap().extend(end.map(|end| (token, end)));
            match self.0.lock().unwrap().iter().any(|(of, end)| *of == token && *end <= now) && end.is_none() {
                true => stale(token, &task),
                false => Ok(task),
            }
        }
    }

    a_report_after_a_takeover_is_accepted [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(error) if is_taken_over(&error) => {
                    let task = inner.get_task(token.task_id).await?;
                    inner.finish_task(Claim { task }.token(), report).await
                }
                answer => answer,
            }
        }
    }

    /// Refused, but written to the journal all the same.
    the_events_of_a_report_after_a_takeover_are_kept [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let answer = inner.finish_task(token, report.clone()).await;
            if let Err(error) = &answer && is_taken_over(error) {
                let run_id = inner.get_task(token.task_id).await?.run_id;
                for event in report.events {
                    inner.add_event(NewEvent::new(run_id, event)).await?;
                }
            }
            answer
        }
    }

    /// The number agrees, so it is held.
    a_report_on_a_task_back_in_the_queue_is_accepted [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(error) if is_pending_in(&error, token) => {
                    let attempt = NewAttempt::new(token.task_id, token.attempt_number, report.attempt);
                    inner.add_attempt(attempt).await?;
                    inner.complete_task(CompleteTask::new(token.task_id, "done")).await
                }
                answer => answer,
            }
        }
    }

    a_fence_of_an_attempt_on_a_task_back_in_the_queue_is_held [C4] {
        async fn add_attempt(&self, inner: &MemoryStore, mut new: NewAttempt) -> Result<TaskAttempt> {
            match (inner.add_attempt(new.clone()).await, new.fence.take()) {
                (Err(error), Some(token)) if is_pending_in(&error, token) => inner.add_attempt(new).await,
                (answer, _) => answer,
            }
        }
    }

    a_fence_of_an_artifact_on_a_task_back_in_the_queue_is_held [C4] {
        async fn add_artifact(&self, inner: &MemoryStore, mut new: NewArtifact) -> Result<Artifact> {
            match (inner.add_artifact(new.clone()).await, new.fence.take()) {
                (Err(error), Some(token)) if is_pending_in(&error, token) => inner.add_artifact(new).await,
                (answer, _) => answer,
            }
        }
    }

    a_fence_of_an_attempt_is_held_after_a_takeover [C4] {
        async fn add_attempt(&self, inner: &MemoryStore, mut new: NewAttempt) -> Result<TaskAttempt> {
            match (inner.add_attempt(new.clone()).await, new.fence.take()) {
                (Err(error), Some(_)) if is_taken_over(&error) => inner.add_attempt(new).await,
                (answer, _) => answer,
            }
        }
    }

    a_fence_of_a_checkpoint_is_held_after_a_takeover [C4] {
        async fn add_checkpoint(&self, inner: &MemoryStore, mut new: NewCheckpoint) -> Result<Checkpoint> {
            match (inner.add_checkpoint(new.clone()).await, new.fence.take()) {
                (Err(error), Some(_)) if is_taken_over(&error) => inner.add_checkpoint(new).await,
                (answer, _) => answer,
            }
        }
    }

    /// Of the two leases, the refused one's is told.
    a_stale_report_is_told_no_lease [C4] {
        fn view_error(&self, error: Error) -> Error {
            match error {
                Error::StaleClaim { token, current: Some(standing) } => {
                    Error::StaleClaim { token, current: Some(TaskStanding { lease_expires_at: None, ..standing }) }
                }
                other => other,
            }
        }
    }

    /// It is read whether the claim is held, then written whatever the task has become.
    a_report_beside_a_takeover_is_two_steps [C4] (Others) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request).await;
            self.0.came();
            claim
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let was_held = held(inner, token).await.is_some();
            self.0.let_one_come().await;
            match inner.finish_task(token, report.clone()).await {
                Err(error) if was_held && is_taken_over(&error) => {
                    let task = inner.get_task(token.task_id).await?;
                    inner.finish_task(Claim { task }.token(), report).await
                }
                answer => answer,
            }
        }
    }
}
