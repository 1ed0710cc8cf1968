//! Clauses C1 to C6.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

async fn first_pending(inner: &MemoryStore, run_id: RunId) -> Result<Option<Task>> {
    let list = ListTasks::new(run_id).with_statuses([TaskStatus::Pending]);
    Ok(inner.list_tasks(list).await?.items.into_iter().next())
}

/// What a finish without a fence does: settles the task whoever holds it.
async fn settle(inner: &MemoryStore, task: Task, report: FinishReport) -> Result<Task> {
    let attempt = NewAttempt::new(task.id, task.attempt_count, report.attempt);
    inner.add_attempt(attempt).await?;
    match report.outcome {
        FinishOutcome::Completed { summary } => {
            inner
                .complete_task(CompleteTask::new(task.id, summary))
                .await
        }
        FinishOutcome::Released { .. } => inner.requeue_task(task.id).await,
        _ => inner.block_task(BlockTask::new(task.id)).await,
    }
}

faults! {
    /// The next task is passed over.
    a_claim_takes_the_second_task [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(first) = inner.claim_next_task(request.clone()).await? else {
                return Ok(None);
            };
            match inner.claim_next_task(request).await? {
                Some(second) => {
                    inner.finish_task(first.token(), FinishReport::released("")).await?;
                    Ok(Some(second))
                }
                None => Ok(Some(first)),
            }
        }
    }

    a_claim_takes_blocked_tasks_too [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            if let Some(claim) = inner.claim_next_task(request.clone()).await? {
                return Ok(Some(claim));
            }
            let list = ListTasks::new(run_id).with_statuses([TaskStatus::Blocked]);
            match inner.list_tasks(list).await?.items.first() {
                Some(task) => {
                    inner.requeue_task(task.id).await?;
                    inner.claim_next_task(request).await
                }
                None => Ok(None),
            }
        }
    }

    a_claim_takes_a_task_of_any_run [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if let Some(claim) = inner.claim_next_task(request).await? {
                return Ok(Some(claim));
            }
            for run in inner.list_runs(ListRuns::all()).await?.items {
                if let Some(claim) = inner.claim_next_task(ClaimRequest::of_run(run.id)).await? {
                    return Ok(Some(claim));
                }
            }
            Ok(None)
        }
    }

    a_claim_writes_an_event [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let claim = inner.claim_next_task(request).await?;
            if claim.is_some() {
                let draft = EventDraft::new("system", "claimed", "");
                inner.add_event(NewEvent::new(run_id, draft)).await?;
            }
            Ok(claim)
        }
    }

    /// The forerunner's way: select, then update whatever the task has become.
    a_claim_is_two_steps [C2 G3] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let Some(first) = first_pending(inner, run_id).await? else {
                return Ok(None);
            };
            yield_now().await;
            let task = inner.get_task(first.id).await?;
            match task.status {
                TaskStatus::Pending => inner.claim_next_task(request).await,
                _ => Ok(Some(Claim { task })),
            }
        }
    }

    /// Who is overtaken is told that there is nothing.
    a_lost_race_is_none [C2] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let first = first_pending(inner, run_id).await?;
            yield_now().await;
            if first.map(|task| task.id) != first_pending(inner, run_id).await?.map(|task| task.id) {
                return Ok(None);
            }
            inner.claim_next_task(request).await
        }
    }

    a_fence_is_ignored [C3] {
        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            new.fence = None;
            inner.add_event(new).await
        }
    }

    a_fence_of_a_checkpoint_is_ignored [C3] {
        async fn add_checkpoint(&self, inner: &MemoryStore, mut new: NewCheckpoint) -> Result<Checkpoint> {
            new.fence = None;
            inner.add_checkpoint(new).await
        }
    }

    /// Only the state of the task is looked at, not whose attempt it is in.
    the_number_of_a_token_is_ignored [C3] {
        async fn finish_task(&self, inner: &MemoryStore, mut token: ClaimToken, report: FinishReport) -> Result<Task> {
            if let Ok(task) = inner.get_task(token.task_id).await
                && task.status == TaskStatus::InProgress
            {
                token.attempt_number = task.attempt_count;
            }
            inner.finish_task(token, report).await
        }
    }

    /// A later number than the task's counts as held.
    a_token_from_the_future_is_held [C3] {
        async fn finish_task(&self, inner: &MemoryStore, mut token: ClaimToken, report: FinishReport) -> Result<Task> {
            if let Ok(task) = inner.get_task(token.task_id).await
                && task.status == TaskStatus::InProgress
            {
                token.attempt_number = token.attempt_number.min(task.attempt_count);
            }
            inner.finish_task(token, report).await
        }
    }

    a_fence_of_another_run_is_stale [C3] {
        async fn add_artifact(&self, inner: &MemoryStore, new: NewArtifact) -> Result<Artifact> {
            let fence = new.fence;
            match (inner.add_artifact(new).await, fence) {
                (Err(Error::InvalidInput { field, .. }), Some(token)) if field == "fence" => {
                    let current = inner.get_task(token.task_id).await.ok().map(|task| task.standing());
                    Err(Error::StaleClaim { token, current })
                }
                (answer, _) => answer,
            }
        }
    }

    /// The forerunner's way: who finishes last wins.
    a_stale_report_is_accepted [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(Error::StaleClaim { current: Some(_), .. }) => {
                    let task = inner.get_task(token.task_id).await?;
                    settle(inner, task, report).await
                }
                answer => answer,
            }
        }
    }

    a_stale_claim_says_the_wrong_state [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report).await {
                Err(Error::StaleClaim { token, current: Some(standing) }) => {
                    let current = Some(TaskStanding { status: TaskStatus::Pending, ..standing });
                    Err(Error::StaleClaim { token, current })
                }
                answer => answer,
            }
        }
    }

    a_claim_on_a_deleted_run_is_unknown [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report).await {
                Err(Error::StaleClaim { current: None, .. }) => Err(Error::not_found(RecordKind::Task, token.task_id)),
                answer => answer,
            }
        }
    }

    a_stale_report_leaves_an_event [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let answer = inner.finish_task(token, report).await;
            if let Err(Error::StaleClaim { current: Some(standing), .. }) = &answer {
                let draft = EventDraft::new("system", "stale", "");
                inner.add_event(NewEvent::new(standing.run_id, draft)).await?;
            }
            answer
        }
    }

    /// A newer plan leaves the claims on the old one good.
    a_claim_outlives_its_plan [C4 T1] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report).await {
                Err(Error::StaleClaim { current: Some(TaskStanding { status: TaskStatus::Abandoned, .. }), .. }) => {
                    inner.get_task(token.task_id).await
                }
                answer => answer,
            }
        }
    }

    /// The report is written in three changes.
    a_report_is_several_changes [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            let finished = inner.fork()?.finish_task(token, report.clone()).await?;
            for event in std::mem::take(&mut report.events) {
                inner.add_event(NewEvent::new(finished.run_id, event).with_fence(token)).await?;
                yield_now().await;
            }
            inner.finish_task(token, report).await
        }
    }

    a_repeated_report_counts_twice [C5] (Mutex<HashSet<ClaimToken>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report.clone()).await?;
            if !self.0.lock().unwrap().insert(token) {
                report.attempt.id = None;
                let again = NewAttempt::new(token.task_id, token.attempt_number, report.attempt);
                inner.add_attempt(again).await?;
            }
            Ok(task)
        }
    }

    a_repeated_report_is_stale [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let task = inner.get_task(token.task_id).await.ok();
            rules::claims::check_held(token, task.map(|task| task.standing()))?;
            inner.finish_task(token, report).await
        }
    }

    /// A report that was finished is forgotten when the task is claimed again.
    a_repeated_report_is_stale_after_the_next_claim [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if let Ok(task) = inner.get_task(token.task_id).await
                && task.attempt_count > token.attempt_number
            {
                return Err(Error::StaleClaim { token, current: Some(task.standing()) });
            }
            inner.finish_task(token, report).await
        }
    }

    a_repeated_report_is_stale_after_a_reopen [C5] (Mutex<HashSet<ClaimToken>>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if !self.0.lock().unwrap().contains(&token)
                && let Ok(task) = inner.get_task(token.task_id).await
            {
                rules::input::Input::check(&report)?;
                rules::claims::check_held(token, Some(task.standing()))?;
            }
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(token);
            Ok(task)
        }
    }

    the_events_of_a_report_are_dropped [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            report.events.clear();
            inner.finish_task(token, report).await
        }
    }

    the_artifacts_of_a_report_come_backwards [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            report.artifacts.reverse();
            inner.finish_task(token, report).await
        }
    }

    a_report_that_gives_up_blocks [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            report.outcome = match report.outcome {
                FinishOutcome::Abandoned { summary, blocker_signature } => FinishOutcome::Blocked { summary, blocker_signature },
                other => other,
            };
            inner.finish_task(token, report).await
        }
    }

    a_report_counts_its_attempt_from_zero [C5] (Mutex<HashSet<AttemptId>>) {
        fn view_attempt(&self, attempt: TaskAttempt) -> TaskAttempt {
            let shift = u32::from(self.0.lock().unwrap().contains(&attempt.id));
            TaskAttempt { attempt_number: attempt.attempt_number - shift, ..attempt }
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let before = inner.latest_attempt(token.task_id).await.unwrap_or_default();
            let task = inner.finish_task(token, report).await?;
            let after = inner.latest_attempt(token.task_id).await?;
            let of_the_report = after.filter(|after| before.is_none_or(|before| before.id != after.id));
            self.0.lock().unwrap().extend(of_the_report.map(|attempt| attempt.id));
            Ok(task)
        }
    }

    /// What an operator settled can still be finished.
    an_operator_leaves_the_token_valid [C6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(Error::StaleClaim { current: Some(TaskStanding { status: TaskStatus::Blocked, .. }), .. }) => {
                    let task = inner.get_task(token.task_id).await?;
                    settle(inner, task, report).await
                }
                answer => answer,
            }
        }
    }

    an_operator_cannot_settle_what_is_held [C6] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task = inner.get_task(complete.task_id).await?;
            if task.status == TaskStatus::InProgress {
                return Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::Completed });
            }
            inner.complete_task(complete).await
        }
    }
}
