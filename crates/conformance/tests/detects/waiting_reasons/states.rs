//! In which state a task is said to be, and for which time it is said to wait.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::WaitingReason as Reason;
use runstore_core::*;
use runstore_memory::MemoryStore;

use super::{Tasks, is_pending, told};

faults! {
    what_is_pending_is_said_to_be_claimable [C9] {
        tells!(|reason, task, _beside| if is_pending(task.status) { Reason::Claimable } else { reason });
    }

    only_dependencies_are_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Until { .. } => Reason::Claimable,
            reason => reason,
        });
    }

    a_time_is_told_before_dependencies [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { until: Some(time), .. } => Reason::Until { time },
            reason => reason,
        });
    }

    no_time_is_told_beside_dependencies [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { tasks, .. } => Reason::Dependencies { tasks, until: None },
            reason => reason,
        });
    }

    a_time_that_has_come_is_told_beside_dependencies [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Dependencies { tasks, until } => Reason::Dependencies { tasks, until: until.or(task.not_before) },
            reason => reason,
        });
    }

    the_planned_time_is_told_beside_dependencies_in_place_of_the_delay [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Dependencies { tasks, until: Some(until) } => {
                Reason::Dependencies { tasks, until: task.not_before.or(Some(until)) }
            }
            reason => reason,
        });
    }

    the_planned_time_is_told_in_place_of_the_delay [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Until { time } => Reason::Until { time: task.not_before.unwrap_or(time) },
            reason => reason,
        });
    }

    the_delay_is_told_in_place_of_the_planned_time [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Until { time } => Reason::Until { time: task.delayed_until.unwrap_or(time) },
            reason => reason,
        });
    }

    a_time_is_told_in_milliseconds [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Until { time } => Reason::Until { time: time.saturating_add_micros(-time.as_micros().rem_euclid(1_000)) },
            reason => reason,
        });
    }

    /// At the very instant it is told to wait still.
    a_task_waits_at_its_time [C9] (Mutex<HashSet<TaskId>>) {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            let first = self.0.lock().unwrap().insert(task_id);
            Ok(match (&reason, task.not_before.max(task.delayed_until)) {
                (Reason::Until { .. }, _) => { self.0.lock().unwrap().remove(&task_id); reason }
                (Reason::Claimable, Some(time)) if first && task.status == TaskStatus::Pending => Reason::Until { time },
                _ => reason,
            })
        }
    }

    an_expired_claim_is_said_to_be_held [C9 C7] {
        tells!(|reason, task, _beside| match task.status {
            TaskStatus::InProgress => Reason::InProgress { worker: task.worker, lease_expires_at: task.lease_expires_at },
            _ => reason,
        });
    }

    a_claim_with_a_lease_is_said_to_be_claimable [C9 C7] {
        tells!(|reason, _task, _beside| match reason {
            Reason::InProgress { lease_expires_at: Some(_), .. } => Reason::Claimable,
            reason => reason,
        });
    }

    an_expired_claim_waits_for_nothing [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Dependencies { .. } | Reason::Until { .. } if task.status == TaskStatus::InProgress => Reason::Claimable,
            reason => reason,
        });
    }

    the_worker_is_not_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::InProgress { lease_expires_at, .. } => Reason::InProgress { worker: None, lease_expires_at },
            reason => reason,
        });
    }

    an_empty_worker_is_not_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::InProgress { worker, lease_expires_at } => {
                let worker = worker.filter(|worker| !worker.is_empty());
                Reason::InProgress { worker, lease_expires_at }
            }
            reason => reason,
        });
    }

    the_end_of_the_lease_is_not_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::InProgress { worker, .. } => Reason::InProgress { worker, lease_expires_at: None },
            reason => reason,
        });
    }

    /// Of a claim the time at which it was made is told.
    the_lease_is_told_without_its_heartbeats [C9] (Mutex<HashMap<ClaimToken, Timestamp>>) {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            if let Ok(Task { lease_expires_at: Some(end), .. }) = inner.get_task(beat.token.task_id).await {
                self.0.lock().unwrap().entry(beat.token).or_insert(end);
            }
            inner.heartbeat(beat).await
        }
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            let token = ClaimToken { task_id, attempt_number: task.attempt_count };
            let first = self.0.lock().unwrap().get(&token).copied();
            Ok(match reason {
                Reason::InProgress { worker, lease_expires_at } => {
                    Reason::InProgress { worker, lease_expires_at: first.or(lease_expires_at) }
                }
                reason => reason,
            })
        }
    }

    what_is_exhausted_is_said_to_be_claimable [C9 C8] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Exhausted => Reason::Claimable,
            reason => reason,
        });
    }

    what_is_exhausted_is_said_to_be_blocked [C9 C8] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Exhausted => Reason::Settled { status: TaskStatus::Blocked },
            reason => reason,
        });
    }

    the_last_attempt_is_said_to_be_exhausted [C9 C8] {
        tells!(|reason, task, _beside| match reason {
            Reason::InProgress { .. } if task.max_attempts == Some(task.attempt_count) => Reason::Exhausted,
            reason => reason,
        });
    }

    one_attempt_left_is_none [C9 C8] {
        tells!(|reason, task, _beside| match reason {
            Reason::Claimable if task.attempt_count > 0 && task.max_attempts == Some(task.attempt_count + 1) => Reason::Exhausted,
            reason => reason,
        });
    }

    /// The bound of the claim is kept with the task.
    the_bound_of_a_claim_is_told_of_the_task [C9 C8] (Mutex<HashMap<TaskId, u32>>) {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let bound = request.max_attempts;
            let claims = inner.claim_tasks(request, limit).await?;
            self.0.lock().unwrap().extend(claims.iter().filter_map(|claim| Some((claim.task.id, bound?))));
            Ok(claims)
        }
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            let bound = task.max_attempts.or(self.0.lock().unwrap().get(&task_id).copied());
            Ok(match reason {
                Reason::Claimable if bound.is_some_and(|bound| task.attempt_count >= bound) => Reason::Exhausted,
                reason => reason,
            })
        }
    }

    what_is_exhausted_is_told_before_its_dependencies [C9] {
        tells!(|reason, task, _beside| match reason {
            Reason::Dependencies { .. } if task.max_attempts == Some(task.attempt_count) => Reason::Exhausted,
            reason => reason,
        });
    }

    what_is_settled_is_said_to_be_completed [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Settled { .. } => Reason::Settled { status: TaskStatus::Completed },
            reason => reason,
        });
    }

    what_is_settled_waits_for_its_time [C9] {
        tells!(|reason, task, _beside| match (reason, task.not_before) {
            (Reason::Settled { .. }, Some(time)) => Reason::Until { time },
            (reason, _) => reason,
        });
    }

    what_is_settled_waits_for_its_dependencies [C9] {
        tells!(|reason, task, beside| match reason {
            Reason::Settled { .. } => beside.unmet(&task).unwrap_or(reason),
            reason => reason,
        });
    }

    what_is_in_progress_waits_for_its_dependencies [C9] {
        tells!(|reason, task, beside| match reason {
            Reason::InProgress { .. } => beside.unmet(&task).unwrap_or(reason),
            reason => reason,
        });
    }

    an_unknown_task_is_said_to_be_abandoned [G7] {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            match inner.waiting_reason(task_id).await {
                Err(Error::NotFound { .. }) => Ok(Reason::Settled { status: TaskStatus::Abandoned }),
                answer => answer,
            }
        }
    }

    asking_why_blocks_what_is_exhausted [C9] {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let reason = inner.waiting_reason(task_id).await?;
            if reason == Reason::Exhausted { inner.block_task(BlockTask::new(task_id)).await?; }
            Ok(reason)
        }
    }

    asking_why_takes_back_what_expired [C9] {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            if reason == Reason::Claimable && task.status == TaskStatus::InProgress {
                inner.requeue_expired_tasks(Some(task.run_id)).await?;
            }
            Ok(reason)
        }
    }

    what_is_behind_others_waits_for_them [C9] {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            let next = inner.fork()?.claim_next_task(ClaimRequest::of_run(task.run_id)).await?;
            Ok(match (reason, next) {
                (Reason::Claimable, Some(next)) if next.task.id != task_id && task.status == TaskStatus::Pending => {
                    let first = UnmetDependency { task_id: next.task.id, status: TaskStatus::Pending, can_complete: true };
                    Reason::Dependencies { tasks: vec![first], until: None }
                }
                (reason, _) => reason,
            })
        }
    }

    dependencies_are_not_told_after_a_reopen [C9] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            Ok(match inner.waiting_reason(task_id).await? {
                Reason::Dependencies { .. } if self.0.load(Ordering::SeqCst) => Reason::Claimable,
                reason => reason,
            })
        }
    }

    /// As last asked, and nothing forgets what it was.
    an_answer_is_kept_until_the_task_changes [C9] (Mutex<HashMap<(TaskId, Timestamp, TaskStatus), Reason>>) {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Reason> {
            let (reason, task) = told(inner, task_id).await?;
            let key = (task_id, task.updated_at, task.status);
            Ok(self.0.lock().unwrap().entry(key).or_insert(reason).clone())
        }
    }
}
