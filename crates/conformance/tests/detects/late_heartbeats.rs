//! Clauses C4 and C7, as heartbeats keep them that come at the end of a lease, or after that of a claim.

use std::collections::HashSet;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, Others, has_run_out, held, now, revive, stale};
use crate::fault::shifted;

faults! {
    a_heartbeat_at_the_very_end_is_in_time [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            match held(inner, beat.token).await {
                Some(task) if task.lease_expires_at == Some(now) => {
                    revive(inner, &task, beat.lease).await?;
                    Ok(Some(now.saturating_add(beat.lease)))
                }
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    a_heartbeat_a_microsecond_before_the_end_is_late [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let next = shifted(1, now(inner)).await?;
            match held(inner, beat.token).await {
                Some(task) if task.lease_expires_at == Some(next) => stale(beat.token, &task),
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    a_heartbeat_brings_an_ended_lease_back [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            match held(inner, beat.token).await {
                Some(task) if has_run_out(&task, now) => {
                    revive(inner, &task, beat.lease).await?;
                    Ok(Some(now.saturating_add(beat.lease)))
                }
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    /// Only the task is looked at, not whose attempt it is in.
    a_heartbeat_of_the_old_holder_extends_the_new_ones_lease [C4 C7] {
        async fn heartbeat(&self, inner: &MemoryStore, mut beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            if let Ok(task) = inner.get_task(beat.token.task_id).await {
                beat.token.attempt_number = beat.token.attempt_number.max(task.attempt_count);
            }
            inner.heartbeat(beat).await
        }
    }

    /// Only the number is looked at, not whether the task is still in progress.
    a_heartbeat_of_a_task_back_in_the_queue_is_answered [C4 C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await {
                Err(Error::StaleClaim { current: Some(TaskStanding { status: TaskStatus::Pending, attempt_count, .. }), .. })
                    if attempt_count == beat.token.attempt_number =>
                {
                    Ok(Some(now(inner).await?.saturating_add(beat.lease)))
                }
                answer => answer,
            }
        }
    }

    /// Whether there is a lease is asked before whether the token is held.
    a_heartbeat_of_a_settled_task_is_answered [C4 C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await {
                Err(Error::StaleClaim { current: Some(TaskStanding { lease_expires_at: None, .. }), .. }) => Ok(None),
                answer => answer,
            }
        }
    }

    a_heartbeat_is_refused_after_the_clock_ran_back [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            match held(inner, beat.token).await {
                Some(task) if now < task.updated_at => stale(beat.token, &task),
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    /// It has run out, so the store remembers, whatever the clock shows now.
    a_lease_that_was_seen_to_end_is_not_extended_when_the_clock_runs_back [C7] (Mutex<HashSet<ClaimToken>>) {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match (inner.heartbeat(beat).await, held(inner, beat.token).await) {
                (Err(error @ Error::StaleClaim { .. }), Some(_)) => {
                    self.0.lock().unwrap().insert(beat.token);
                    Err(error)
                }
                (Ok(_), Some(task)) if self.0.lock().unwrap().contains(&beat.token) => stale(beat.token, &task),
                (answer, _) => answer,
            }
        }
    }

    /// As above, but it was a claim that saw it, and gave another task.
    a_lease_that_a_claim_saw_end_is_not_extended_when_the_clock_runs_back [C7] (Mutex<Option<Timestamp>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let now = now(inner).await?;
            {
                let mut latest = self.0.lock().unwrap();
                *latest = Some(latest.map_or(now, |latest| latest.max(now)));
            }
            inner.claim_next_task(request).await
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let latest = *self.0.lock().unwrap();
            match (held(inner, beat.token).await, latest) {
                (Some(task), Some(latest)) if has_run_out(&task, latest) => stale(beat.token, &task),
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    a_late_heartbeat_ends_the_claim [C4 C7] (Mutex<HashSet<ClaimToken>>) {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let answer = inner.heartbeat(beat).await;
            if let Err(Error::StaleClaim { token, .. }) = answer {
                self.0.lock().unwrap().insert(token);
            }
            answer
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            match held(inner, token).await {
                Some(task) if self.0.lock().unwrap().contains(&token) => stale(token, &task),
                _ => inner.finish_task(token, report).await,
            }
        }
    }

    a_late_heartbeat_puts_the_task_back [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let answer = inner.heartbeat(beat).await;
            if answer.is_err() && let Some(task) = held(inner, beat.token).await {
                let pending = Task { status: TaskStatus::Pending, worker: None, lease_expires_at: None, ..task.clone() };
                self.0.show(&task, pending);
            }
            answer
        }
    }

    a_late_heartbeat_is_an_invalid_transition [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match (inner.heartbeat(beat).await, held(inner, beat.token).await) {
                (Err(_), Some(task)) => {
                    let status = task.status;
                    Err(Error::InvalidTransition { task_id: task.id, from: status, to: status })
                }
                (answer, _) => answer,
            }
        }
    }

    /// It tells how the task stands, but for the lease.
    a_late_heartbeat_is_not_told_when_the_lease_ended [C4 C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await {
                Err(Error::StaleClaim { token, current: Some(standing) }) => {
                    Err(Error::StaleClaim { token, current: Some(TaskStanding { lease_expires_at: None, ..standing }) })
                }
                answer => answer,
            }
        }
    }

    a_heartbeat_of_nothing_is_unknown [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await {
                Err(Error::StaleClaim { current: None, token }) => Err(Error::not_found(RecordKind::Task, token.task_id)),
                answer => answer,
            }
        }
    }

    /// It is read whether the claim is held, then written whoever holds the task by then.
    a_heartbeat_is_two_steps [C4] (Others) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request).await;
            self.0.came();
            claim
        }

        async fn heartbeat(&self, inner: &MemoryStore, mut beat: Heartbeat) -> Result<Option<Timestamp>> {
            let was_held = held(inner, beat.token).await.is_some();
            self.0.let_one_come().await;
            if let Ok(task) = inner.get_task(beat.token.task_id).await && was_held && task.attempt_count > 0 {
                beat.token = Claim { task }.token();
            }
            inner.heartbeat(beat).await
        }
    }
}
