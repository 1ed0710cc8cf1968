//! Clauses G2, G4 and S3, for what leases and bounds make a store write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

use crate::by_hand::{
    MICRO, block, bound_of, expired, held, is_used_up, tell, would_block, would_claim,
};

/// By how much the counts of a run are off: what it has in progress, and what it has blocked.
type Off = Mutex<HashMap<RunId, (i64, i64)>>;

fn miscount(off: &Off, run_id: RunId, in_progress: i64, blocked: i64) {
    let mut off = off.lock().unwrap();
    let of_run = off.entry(run_id).or_default();
    *of_run = (of_run.0 + in_progress, of_run.1 + blocked);
}

async fn miscounted(
    off: &Off,
    inner: &MemoryStore,
    request: SnapshotRequest,
) -> Result<RunSnapshot> {
    let mut snapshot = inner.snapshot(request).await?;
    let (in_progress, blocked) = {
        let off = off.lock().unwrap();
        off.get(&snapshot.run.id).copied().unwrap_or_default()
    };
    let counts = &mut snapshot.counts;
    counts.in_progress = counts.in_progress.saturating_add_signed(in_progress);
    counts.blocked = counts.blocked.saturating_add_signed(blocked);
    Ok(snapshot)
}

/// What the store held before a write that is not on disk yet.
type Unwritten = Mutex<Option<MemoryStore>>;

fn left(unwritten: &Unwritten, inner: &MemoryStore) -> MemoryStore {
    let before = unwritten.lock().unwrap().take();
    before.unwrap_or_else(|| inner.reopen())
}

faults! {
    /// Each claim counts one more in progress.
    a_takeover_is_counted_as_another_task [S3] (Off) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for (task, _) in would_claim(inner, &request, 1).await? {
                miscount(&self.0, task.run_id, i64::from(task.status == TaskStatus::InProgress), 0);
            }
            inner.claim_next_task(request).await
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            miscounted(&self.0, inner, request).await
        }
    }

    what_a_claim_blocks_is_not_counted [S3] (Off) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                miscount(&self.0, task.run_id, i64::from(task.status == TaskStatus::InProgress), -1);
            }
            inner.claim_next_task(request).await
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            miscounted(&self.0, inner, request).await
        }
    }

    what_a_release_blocks_is_not_counted [S3] (Off) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let is_release = matches!(report.outcome, FinishOutcome::Released { .. });
            let before = held(inner, token).await.filter(|task| is_release && is_used_up(task));
            let task = inner.finish_task(token, report).await?;
            if before.is_some() {
                miscount(&self.0, task.run_id, 0, -1);
            }
            Ok(task)
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            miscounted(&self.0, inner, request).await
        }
    }

    what_a_requeue_of_expired_blocks_is_not_counted [S3] (Off) {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired(inner, run_id).await.unwrap_or_default() {
                miscount(&self.0, task.run_id, 0, -i64::from(is_used_up(&task)));
            }
            inner.requeue_expired_tasks(run_id).await
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            miscounted(&self.0, inner, request).await
        }
    }

    /// For the next one comes soon.
    a_heartbeat_is_lost_with_a_kill [G2] (Unwritten) {
        fn killed(this: &Arc<Self>, inner: &MemoryStore) -> MemoryStore {
            left(&this.0, inner)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            *self.0.lock().unwrap() = Some(inner.fork()?);
            inner.heartbeat(beat).await
        }
    }

    /// For claims find it again.
    a_requeue_of_expired_is_lost_with_a_kill [G2] (Unwritten) {
        fn killed(this: &Arc<Self>, inner: &MemoryStore) -> MemoryStore {
            left(&this.0, inner)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            *self.0.lock().unwrap() = Some(inner.fork()?);
            inner.requeue_expired_tasks(run_id).await
        }
    }

    /// A claim that gives nothing has written nothing, so it is not waited for the disk.
    what_a_claim_blocked_in_vain_is_lost_with_a_kill [G2] (Unwritten) {
        fn killed(this: &Arc<Self>, inner: &MemoryStore) -> MemoryStore {
            left(&this.0, inner)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let before = inner.fork()?;
            let claim = inner.claim_next_task(request).await?;
            if claim.is_none() {
                *self.0.lock().unwrap() = Some(before);
            }
            Ok(claim)
        }
    }

    /// First the end is moved, then the change's time.
    a_dropped_heartbeat_is_done_by_half [G4] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let half: Duration = (beat.lease / 2).max(MICRO);
            inner.heartbeat(Heartbeat::new(beat.token, half)).await?;
            yield_now().await;
            inner.heartbeat(beat).await
        }
    }

    a_dropped_requeue_of_expired_is_done_by_half [G4] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired(inner, run_id).await.unwrap_or_default() {
                if is_used_up(&task) {
                    tell(inner, &task, task.max_attempts).await?;
                    block(inner, &task).await?;
                    yield_now().await;
                }
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }

    /// What is used up is blocked in a change of its own.
    a_dropped_claim_has_blocked_and_claimed_nothing [G4] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            for task in would_block(inner, &request, limit).await? {
                tell(inner, &task, bound_of(&task, &request)).await?;
                block(inner, &task).await?;
            }
            yield_now().await;
            inner.claim_tasks(request, limit).await
        }
    }
}
