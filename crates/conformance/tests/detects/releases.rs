//! Clauses C5 and T4, where a worker gives a task back, and when it is claimed after that.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, held, is_release, micros_to, now, releasing, tasks_of, would_claim};
use crate::fault::shifted;

/// The report with another delay, where it has one.
fn delayed(
    mut report: FinishReport,
    change: impl FnOnce(Duration) -> Option<Duration>,
) -> FinishReport {
    if let FinishOutcome::Released {
        delay: delay @ Some(_),
    } = &mut report.outcome
    {
        *delay = delay
            .and_then(change)
            .map(|delay| delay.min(limits::MAX_DURATION));
    }
    report
}

/// Makes the claim as if the delay of a task that would come first then were over, if it may be over early.
async fn claim_early(
    inner: &MemoryStore,
    request: ClaimRequest,
    may_be_early: impl Fn(&Task) -> bool,
) -> Result<Option<Claim>> {
    let now = now(inner).await?;
    for task in tasks_of(inner, request.run_id).await.unwrap_or_default() {
        if let Some(until) = task.delayed_until
            && may_be_early(&task)
        {
            let later = micros_to(until, now).max(0);
            let first = shifted(later, would_claim(inner, &request, 1)).await?;
            if first.iter().any(|(first, _)| first.id == task.id) {
                return shifted(later, inner.claim_next_task(request)).await;
            }
        }
    }
    inner.claim_next_task(request).await
}

faults! {
    a_release_forgets_its_delay [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            inner.finish_task(token, delayed(report, |_| None)).await
        }
    }

    /// It is shown, and the task claimed all the same.
    a_delay_is_not_kept_to [C5] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            claim_early(inner, request, |_| true).await
        }
    }

    a_delay_is_not_kept_to_after_a_reopen [C5] (Mutex<HashSet<TaskId>>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(task.id);
            Ok(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let known = self.0.lock().unwrap().clone();
            claim_early(inner, request, |task| !known.contains(&task.id)).await
        }
    }

    /// As where the process that was told of it waits.
    a_delay_is_not_kept_to_at_another_handle [C9 G3] (Mutex<HashSet<TaskId>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(task.id);
            Ok(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let known = self.0.lock().unwrap().clone();
            claim_early(inner, request, |task| !known.contains(&task.id)).await
        }
    }

    a_delay_is_lost_after_a_reopen [C5 G5] (Mutex<bool>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(Mutex::new(true)))
        }

        fn view_task(&self, task: Task) -> Task {
            match *self.0.lock().unwrap() {
                true => Task { delayed_until: None, ..task },
                false => task,
            }
        }
    }

    a_delay_counts_from_the_claim [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let now = now(inner).await?;
            let age = held(inner, token).await.map_or(Duration::ZERO, |task| now.saturating_since(task.updated_at));
            inner.finish_task(token, delayed(report, |delay| Some(delay.saturating_sub(age)))).await
        }
    }

    a_delay_counts_from_the_end_of_the_lease [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let now = now(inner).await?;
            let end = held(inner, token).await.and_then(|task| task.lease_expires_at);
            let left = end.map_or(Duration::ZERO, |end| end.saturating_since(now));
            inner.finish_task(token, delayed(report, |delay| Some(delay + left))).await
        }
    }

    a_delay_is_counted_in_milliseconds [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let millis = |delay: Duration| Some(Duration::from_millis(delay.as_millis().try_into().unwrap()));
            inner.finish_task(token, delayed(report, millis)).await
        }
    }

    /// Each release of a task doubles what was asked for.
    a_delay_grows_with_the_attempts [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let factor = token.attempt_number.clamp(1, 9);
            inner.finish_task(token, delayed(report, |delay| Some(delay.saturating_mul(factor)))).await
        }
    }

    a_repeated_release_begins_its_delay_anew [C5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let FinishOutcome::Released { delay: Some(delay) } = report.outcome else {
                return inner.finish_task(token, report).await;
            };
            let is_repeat = held(inner, token).await.is_none();
            let task = inner.finish_task(token, report).await?;
            let until = now(inner).await?.saturating_add(delay);
            if is_repeat && task.delayed_until.is_some() {
                self.0.show(&task, Task { delayed_until: Some(until), ..task.clone() });
            }
            Ok(task)
        }
    }

    a_release_without_a_delay_keeps_the_one_before [C5] (Mutex<Vec<(TaskId, Timestamp)>>, Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.1.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let is_release = is_release(&report);
            let task = inner.finish_task(token, report).await?;
            if is_release {
                self.0.lock().unwrap().extend(task.delayed_until.map(|until| (task.id, until)));
            }
            let before = self.0.lock().unwrap().iter().rev().find(|(id, _)| *id == task.id).map(|(_, until)| *until);
            if task.status == TaskStatus::Pending && task.delayed_until.is_none() {
                self.1.show(&task, Task { delayed_until: before, ..task.clone() });
            }
            Ok(task)
        }
    }

    a_release_gives_the_attempt_back [C5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let less = |before: Task, task| Task { attempt_count: before.attempt_count - 1, ..task };
            releasing(&self.0, inner, token, report, less).await
        }
    }

    a_delayed_release_counts_its_attempts_from_zero [C5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let anew = |_, task: Task| Task { attempt_count: if task.delayed_until.is_some() { 0 } else { task.attempt_count }, ..task };
            releasing(&self.0, inner, token, report, anew).await
        }
    }

    a_release_clears_summary_and_signature [C5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let bare = |_, task| Task { implementation_summary: None, blocker_signature: None, ..task };
            releasing(&self.0, inner, token, report, bare).await
        }
    }

    /// The attempt's own summary is its.
    a_release_sets_the_summary [C5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let summary = Some(report.attempt.summary.clone());
            releasing(&self.0, inner, token, report, |_, task| Task { implementation_summary: summary, ..task }).await
        }
    }

    /// For the task is not settled.
    a_delayed_release_records_no_attempt [C5] (Mutex<HashSet<ClaimToken>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let is_delayed = matches!(report.outcome, FinishOutcome::Released { delay: Some(_) });
            let task = inner.finish_task(token, report).await?;
            if is_delayed {
                self.0.lock().unwrap().insert(token);
            }
            Ok(task)
        }

        async fn latest_attempt(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Option<TaskAttempt>> {
            let hidden = self.0.lock().unwrap().clone();
            let attempts = inner.list_attempts(ListAttempts::new(inner.get_task(task_id).await?.run_id)).await?.items;
            let is_shown = |attempt: &TaskAttempt| {
                let token = ClaimToken { task_id, attempt_number: attempt.attempt_number };
                attempt.task_id == task_id && !hidden.contains(&token)
            };
            Ok(attempts.into_iter().rev().find(is_shown))
        }
    }

    a_release_is_told_as_a_requeue [R6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let before = held(inner, token).await.filter(|_| is_release(&report));
            let task = inner.finish_task(token, report).await?;
            if let Some(before) = before.filter(|_| task.status == TaskStatus::Pending) {
                let event = rules::events::requeue_task(&task, before.status);
                inner.add_event(NewEvent::new(task.run_id, event)).await?;
            }
            Ok(task)
        }
    }

    /// It is held back in another state until its time has come.
    what_is_delayed_is_shown_as_blocked [C5] {
        fn view_task(&self, task: Task) -> Task {
            match task.delayed_until {
                Some(_) => Task { status: TaskStatus::Blocked, ..task },
                None => task,
            }
        }
    }

    /// As if it were not pending yet.
    what_is_delayed_can_be_requeued [T4 T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.get_task(task_id).await {
                Ok(task) if task.delayed_until.is_some() => Ok(Task { delayed_until: None, ..task }),
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    /// A delay of nothing is taken for one without an end.
    a_delay_of_nothing_never_ends [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            let report = delayed(report, |delay| Some(if delay.is_zero() { limits::MAX_DURATION } else { delay }));
            inner.finish_task(token, report).await
        }
    }
}
