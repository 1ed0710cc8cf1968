//! Clauses S1 to S3.

use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::sync::RwLock;
use tokio::task::yield_now;

faults! {
    /// The forerunner's way: a read a list.
    it_is_several_reads [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let tasks = inner.snapshot(request.clone()).await?;
            yield_now().await;
            let settled = inner.snapshot(request.clone()).await?;
            yield_now().await;
            let journal = inner.snapshot(request).await?;
            Ok(RunSnapshot {
                pending_tasks: tasks.pending_tasks,
                in_progress_tasks: tasks.in_progress_tasks,
                completed_tasks: settled.completed_tasks,
                blocked_tasks: settled.blocked_tasks,
                ..journal
            })
        }
    }

    /// The counts are read on their own.
    its_counts_are_of_another_instant [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let counts = inner.snapshot(request.clone()).await?.counts;
            yield_now().await;
            Ok(RunSnapshot { counts, ..inner.snapshot(request).await? })
        }
    }

    /// It is taken once and shown until the run's own record changes.
    it_is_cached [S1] (Mutex<Option<RunSnapshot>>) {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let now = inner.snapshot(request.clone()).await?;
            if request.max_per_list.is_some() {
                return Ok(now);
            }
            let mut cached = self.0.lock().unwrap();
            match &*cached {
                Some(before) if before.run == now.run => Ok(before.clone()),
                _ => {
                    *cached = Some(now.clone());
                    Ok(now)
                }
            }
        }
    }

    it_omits_abandoned_tasks [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.blocked_tasks.retain(|task| task.status == TaskStatus::Blocked);
            Ok(snapshot)
        }
    }

    it_shows_a_claimed_task_as_pending_too [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.pending_tasks.extend(snapshot.in_progress_tasks.iter().cloned());
            snapshot.pending_tasks.sort_by_key(|task| task.position);
            Ok(snapshot)
        }
    }

    /// It locks out the writers of events from its beginning to its end.
    it_holds_a_lock_over_all_writers [S2] (Arc<RwLock<()>>) {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let _alone = self.0.write().await;
            yield_now().await;
            inner.snapshot(request).await
        }

        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let _beside_reads = self.0.read().await;
            inner.append_tasks(plan).await
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let _beside_reads = self.0.read().await;
            inner.claim_next_task(request).await
        }

        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let _beside_reads = self.0.read().await;
            inner.add_event(new).await
        }
    }

    the_cap_is_ignored [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            rules::input::Input::check(&request)?;
            request.max_per_list = None;
            inner.snapshot(request).await
        }
    }

    the_cap_is_one_more [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            rules::input::Input::check(&request)?;
            request.max_per_list = request.max_per_list.map(|cap| (cap + 1).min(limits::MAX_PAGE));
            inner.snapshot(request).await
        }
    }

    the_counts_are_of_the_capped_lists [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.pending = snapshot.pending_tasks.len() as u64;
            snapshot.counts.artifacts = snapshot.artifacts.len() as u64;
            Ok(snapshot)
        }
    }

    the_count_of_events_is_of_those_shown [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.events = snapshot.recent_events.len() as u64;
            Ok(snapshot)
        }
    }

    abandoned_tasks_are_counted_as_blocked [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.blocked += snapshot.counts.abandoned;
            Ok(snapshot)
        }
    }

    a_capped_list_shows_the_last_tasks [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request.clone()).await?;
            let cap = request.max_per_list.take().unwrap_or(u32::MAX) as usize;
            let all = inner.snapshot(request).await?.pending_tasks;
            let skipped = all.len().saturating_sub(cap);
            snapshot.pending_tasks = all.into_iter().skip(skipped).collect();
            Ok(snapshot)
        }
    }

    a_capped_list_shows_the_first_artifacts [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request.clone()).await?;
            let cap = request.max_per_list.take().unwrap_or(u32::MAX) as usize;
            snapshot.artifacts = inner.snapshot(request).await?.artifacts.into_iter().take(cap).collect();
            Ok(snapshot)
        }
    }

    it_shows_one_event_more [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let (run_id, cap) = (request.run_id, request.max_per_list);
            let mut snapshot = inner.snapshot(request).await?;
            if cap.is_none() {
                snapshot.recent_events = inner.recent_events(run_id, limits::SNAPSHOT_EVENTS + 1).await?;
            }
            Ok(snapshot)
        }
    }

    it_shows_one_attempt_more [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let (run_id, cap) = (request.run_id, request.max_per_list);
            let mut snapshot = inner.snapshot(request).await?;
            if cap.is_none_or(|cap| cap > limits::SNAPSHOT_ATTEMPTS) {
                snapshot.recent_attempts = inner.recent_attempts(run_id, limits::SNAPSHOT_ATTEMPTS + 1).await?;
            }
            Ok(snapshot)
        }
    }

    its_events_come_newest_first [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.recent_events.reverse();
            Ok(snapshot)
        }
    }

    its_checkpoint_is_the_first [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let list = ListCheckpoints::new(request.run_id);
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.latest_checkpoint = inner.list_checkpoints(list).await?.items.into_iter().next();
            Ok(snapshot)
        }
    }
}
