//! Clause C8, as releases and requeues keep it.

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, block, held, is_used_up, pending, tell};

/// The task of the claim as it stands, if the report would find its attempts used up.
async fn would_end(inner: &MemoryStore, token: ClaimToken, report: &FinishReport) -> Option<Task> {
    let is_release = matches!(report.outcome, FinishOutcome::Released { .. });
    held(inner, token)
        .await
        .filter(|task| is_release && is_used_up(task))
}

/// The report as one that blocks the task as a release of its last attempt does, but for the event.
fn blocking(mut report: FinishReport, task: &Task) -> FinishReport {
    report.outcome = FinishOutcome::Blocked {
        summary: task.implementation_summary.clone(),
        blocker_signature: Some(rules::tasks::MAX_ATTEMPTS_SIGNATURE.to_owned()),
    };
    report
}

/// Finishes, and shows what was found used up otherwise.
async fn ending(
    masks: &Masks,
    inner: &MemoryStore,
    token: ClaimToken,
    report: FinishReport,
    shown: impl FnOnce(Task, Task) -> Task + Send,
) -> Result<Task> {
    let before = would_end(inner, token, &report).await;
    let task = inner.finish_task(token, report).await?;
    if let Some(before) = before {
        masks.show(&task, shown(before, task.clone()));
    }
    Ok(task)
}

faults! {
    /// Only claims look at the bound.
    a_release_does_not_look_at_the_bound [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            ending(&self.0, inner, token, report, |before, task| pending(before, task.updated_at)).await
        }
    }

    a_delayed_release_does_not_look_at_the_bound [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let FinishOutcome::Released { delay: Some(delay) } = report.outcome else {
                return inner.finish_task(token, report).await;
            };
            let back = |before, task: Task| Task {
                delayed_until: Some(task.updated_at.saturating_add(delay)),
                ..pending(before, task.updated_at)
            };
            ending(&self.0, inner, token, report, back).await
        }
    }

    a_requeue_does_not_look_at_the_bound [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await.ok().filter(is_used_up);
            let task = inner.requeue_task(task_id).await?;
            if let Some(before) = before {
                self.0.show(&task, pending(before, task.updated_at));
            }
            Ok(task)
        }
    }

    a_release_of_the_last_attempt_is_not_told [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match would_end(inner, token, &report).await {
                Some(task) => inner.finish_task(token, blocking(report, &task)).await,
                None => inner.finish_task(token, report).await,
            }
        }
    }

    a_release_of_the_last_attempt_is_told_before_its_report [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match would_end(inner, token, &report).await {
                Some(task) if inner.fork()?.finish_task(token, report.clone()).await.is_ok() => {
                    tell(inner, &task, task.max_attempts).await?;
                    inner.finish_task(token, blocking(report, &task)).await
                }
                _ => inner.finish_task(token, report).await,
            }
        }
    }

    a_release_of_the_last_attempt_is_told_again_when_repeated [C8 C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let is_repeat = held(inner, token).await.is_none();
            let is_release = matches!(report.outcome, FinishOutcome::Released { .. });
            let task = inner.finish_task(token, report).await?;
            if is_repeat && is_release && is_used_up(&task) {
                tell(inner, &Task { status: TaskStatus::InProgress, ..task.clone() }, task.max_attempts).await?;
            }
            Ok(task)
        }
    }

    a_release_of_the_last_attempt_is_told_twice [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let before = would_end(inner, token, &report).await;
            let task = inner.finish_task(token, report).await?;
            if let Some(before) = before {
                tell(inner, &before, before.max_attempts).await?;
            }
            Ok(task)
        }
    }

    a_release_of_the_last_attempt_is_refused [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            match would_end(inner, token, &report).await {
                Some(task) => Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::Pending }),
                None => inner.finish_task(token, report).await,
            }
        }
    }

    /// The task is blocked before the ids of the report are looked at.
    a_refused_release_of_the_last_attempt_blocks_all_the_same [C8 C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let before = would_end(inner, token, &report).await;
            let answer = inner.finish_task(token, report).await;
            if let (Some(task), Err(Error::AlreadyExists { .. })) = (before, &answer) {
                tell(inner, &task, task.max_attempts).await?;
                block(inner, &task).await?;
            }
            answer
        }
    }

    a_release_of_the_last_attempt_is_stale_when_repeated [C8 C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let is_repeat = held(inner, token).await.is_none();
            let task = inner.finish_task(token, report).await?;
            match is_repeat && task.blocker_signature.as_deref() == Some("max_attempts") {
                true => crate::by_hand::stale(token, &task),
                false => Ok(task),
            }
        }
    }

    a_release_of_the_last_attempt_keeps_its_delay [C8 T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let FinishOutcome::Released { delay: Some(delay) } = report.outcome else {
                return inner.finish_task(token, report).await;
            };
            let until = |task: &Task| Some(task.updated_at.saturating_add(delay));
            ending(&self.0, inner, token, report, |_, task| Task { delayed_until: until(&task), ..task }).await
        }
    }

    a_release_of_the_last_attempt_clears_the_summary [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            ending(&self.0, inner, token, report, |_, task| Task { implementation_summary: None, ..task }).await
        }
    }

    a_release_of_the_last_attempt_says_what_the_attempt_met [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let met = report.attempt.blocker_signature.clone();
            let shown = |_, task: Task| Task { blocker_signature: met.or(task.blocker_signature.clone()), ..task };
            ending(&self.0, inner, token, report, shown).await
        }
    }

    /// The record of the attempt tells what became of the task.
    a_release_of_the_last_attempt_is_recorded_as_blocked [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if would_end(inner, token, &report).await.is_some() {
                report.attempt.status = AttemptStatus::Blocked;
            }
            inner.finish_task(token, report).await
        }
    }

    the_artifacts_of_the_last_attempt_are_dropped [C8 C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if would_end(inner, token, &report).await.is_some() {
                report.artifacts.clear();
            }
            inner.finish_task(token, report).await
        }
    }

    /// For whoever completes a last attempt has used it up.
    the_last_attempt_cannot_be_completed [C8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let is_release = matches!(report.outcome, FinishOutcome::Released { .. });
            if let Some(task) = held(inner, token).await.filter(|task| !is_release && is_used_up(task)) {
                report = blocking(report, &task);
            }
            inner.finish_task(token, report).await
        }
    }

    a_requeue_of_the_last_attempt_is_refused [C8] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.get_task(task_id).await {
                Ok(task) if is_used_up(&task) => {
                    Err(Error::InvalidTransition { task_id, from: task.status, to: TaskStatus::Pending })
                }
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    /// It stays as it is.
    a_requeue_of_what_is_blocked_already_changes_nothing [C8] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.get_task(task_id).await {
                Ok(task) if is_used_up(&task) && task.status == TaskStatus::Blocked => Ok(task),
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    /// What was completed is not blocked any more.
    a_requeue_of_what_was_completed_at_the_bound_is_refused [C8] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.get_task(task_id).await {
                Ok(task) if is_used_up(&task) && task.status == TaskStatus::Completed => {
                    Err(Error::InvalidTransition { task_id, from: task.status, to: TaskStatus::Blocked })
                }
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    a_requeue_of_used_up_attempts_is_told_as_a_requeue_too [C8] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await.ok();
            let task = inner.requeue_task(task_id).await?;
            if let Some(before) = before.filter(|_| task.status == TaskStatus::Blocked) {
                let event = rules::events::requeue_task(&task, before.status);
                inner.add_event(NewEvent::new(task.run_id, event)).await?;
            }
            Ok(task)
        }
    }

    a_requeue_of_used_up_attempts_is_told_as_a_requeue [C8] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.get_task(task_id).await {
                Ok(task) if is_used_up(&task) && task.status == TaskStatus::InProgress => {
                    let event = rules::events::requeue_task(&task, task.status);
                    inner.add_event(NewEvent::new(task.run_id, event)).await?;
                    block(inner, &task).await
                }
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    /// One for each road: the attempts begin anew when an operator requeues.
    an_operator_gives_new_attempts [C8 T6] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await.ok().filter(is_used_up);
            let task = inner.requeue_task(task_id).await?;
            if let Some(before) = before {
                self.0.show(&task, Task { attempt_count: 0, ..pending(before, task.updated_at) });
            }
            Ok(task)
        }
    }
}
