//! Clauses J1 and J3 to J6.

use std::collections::HashMap;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

faults! {
    events_are_numbered_from_zero [J1] {
        fn view_event(&self, event: Event) -> Event {
            Event { seq: event.seq - 1, ..event }
        }
    }

    events_are_numbered_with_gaps [J1] {
        fn view_event(&self, event: Event) -> Event {
            Event { seq: event.seq * 2 - 1, ..event }
        }
    }

    events_are_numbered_across_runs [J1] (Mutex<HashMap<(RunId, u64), u64>>) {
        fn view_event(&self, event: Event) -> Event {
            let mut numbers = self.0.lock().unwrap();
            let next = numbers.len() as u64 + 1;
            let seq = *numbers.entry((event.run_id, event.seq)).or_insert(next);
            Event { seq, ..event }
        }
    }

    recent_events_come_newest_first [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            let mut events = inner.recent_events(run_id, limit).await?;
            events.reverse();
            Ok(events)
        }
    }

    recent_events_are_the_first_ones [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            let page = PageRequest::first(limit);
            inner.recent_events(run_id, limit).await?;
            Ok(inner.list_events(ListEvents::new(run_id).with_page(page)).await?.items)
        }
    }

    recent_events_are_one_more [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            rules::input::check_limit("limit", limit)?;
            inner.recent_events(run_id, (limit + 1).min(limits::MAX_PAGE)).await
        }
    }

    the_cursor_of_events_is_inclusive [J1] {
        async fn list_events(&self, inner: &MemoryStore, mut list: ListEvents) -> Result<Page<Event>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number().saturating_sub(1)));
            inner.list_events(list).await
        }
    }

    the_cursor_of_events_skips_one [J1] {
        async fn list_events(&self, inner: &MemoryStore, mut list: ListEvents) -> Result<Page<Event>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number().saturating_add(1)));
            inner.list_events(list).await
        }
    }

    /// Without an id, an event like the one before is taken for it.
    an_equal_event_is_swallowed [J1] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let last = inner.recent_events(new.run_id, 1).await.unwrap_or_default().pop();
            match last {
                Some(last) if new.fence.is_none()
                    && new.draft.id.is_none()
                    && (&last.source, &last.kind, &last.message) == (&new.draft.source, &new.draft.kind, &new.draft.message)
                    && last.payload == new.draft.payload => Ok(last),
                _ => inner.add_event(new).await,
            }
        }
    }

    source_and_kind_are_swapped [J1] {
        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            std::mem::swap(&mut new.draft.source, &mut new.draft.kind);
            inner.add_event(new).await
        }
    }

    adding_an_event_touches_the_run [J1] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let event = inner.add_event(new).await?;
            let status = inner.get_run(event.run_id).await?.status;
            inner.update_run(RunUpdate::new(event.run_id).with_status(status)).await?;
            Ok(event)
        }
    }

    the_latest_attempt_is_by_number [J3] {
        async fn latest_attempt(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Option<TaskAttempt>> {
            let run_id = inner.get_task(task_id).await?.run_id;
            let list = ListAttempts::new(run_id).with_task_id(task_id);
            let attempts = inner.list_attempts(list).await?.items;
            Ok(attempts.into_iter().max_by_key(|attempt| attempt.attempt_number))
        }
    }

    the_latest_attempt_is_the_runs [J3] {
        async fn latest_attempt(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Option<TaskAttempt>> {
            let run_id = inner.get_task(task_id).await?.run_id;
            Ok(inner.recent_attempts(run_id, 1).await?.pop())
        }
    }

    recent_attempts_come_newest_first [J3] {
        async fn recent_attempts(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
            let mut attempts = inner.recent_attempts(run_id, limit).await?;
            attempts.reverse();
            Ok(attempts)
        }
    }

    recent_attempts_are_never_more_than_twelve [J3] {
        async fn recent_attempts(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
            rules::input::check_limit("limit", limit)?;
            inner.recent_attempts(run_id, limit.min(12)).await
        }
    }

    the_task_of_a_list_of_attempts_is_ignored [J3] {
        async fn list_attempts(&self, inner: &MemoryStore, mut list: ListAttempts) -> Result<Page<TaskAttempt>> {
            inner.list_attempts(list.clone()).await?;
            list.task_id = None;
            inner.list_attempts(list).await
        }
    }

    only_tasks_in_progress_take_attempts [J3] {
        async fn add_attempt(&self, inner: &MemoryStore, new: NewAttempt) -> Result<TaskAttempt> {
            let task = inner.get_task(new.task_id).await?;
            if task.status != TaskStatus::InProgress && new.fence.is_none() {
                return Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::InProgress });
            }
            inner.add_attempt(new).await
        }
    }

    the_number_of_an_attempt_is_the_tasks [J3] {
        async fn add_attempt(&self, inner: &MemoryStore, mut new: NewAttempt) -> Result<TaskAttempt> {
            if let Ok(task) = inner.get_task(new.task_id).await {
                new.attempt_number = task.attempt_count;
            }
            inner.add_attempt(new).await
        }
    }

    an_attempt_blocks_its_task [J3] {
        async fn add_attempt(&self, inner: &MemoryStore, new: NewAttempt) -> Result<TaskAttempt> {
            let attempt = inner.add_attempt(new).await?;
            if attempt.status == AttemptStatus::Failed {
                let _ = inner.block_task(BlockTask::new(attempt.task_id)).await;
            }
            Ok(attempt)
        }
    }

    artifacts_are_listed_newest_first [J4] {
        async fn list_artifacts(&self, inner: &MemoryStore, list: ListArtifacts) -> Result<Page<Artifact>> {
            let mut page = inner.list_artifacts(list).await?;
            page.items.reverse();
            Ok(page)
        }
    }

    the_role_of_a_list_of_artifacts_is_ignored [J4] {
        async fn list_artifacts(&self, inner: &MemoryStore, mut list: ListArtifacts) -> Result<Page<Artifact>> {
            rules::input::Input::check(&list)?;
            list.role = None;
            inner.list_artifacts(list).await
        }
    }

    /// Those of no role are in every role's list.
    artifacts_of_nobody_are_everybodys [J4] {
        async fn list_artifacts(&self, inner: &MemoryStore, list: ListArtifacts) -> Result<Page<Artifact>> {
            inner.list_artifacts(list.clone()).await?;
            let all = inner.list_artifacts(ListArtifacts::new(list.run_id)).await?.items;
            let wanted = |artifact: &Artifact| list.role.is_none() || artifact.role.is_none() || artifact.role == list.role;
            let after = list.page.after.map_or(0, Cursor::number);
            let rows = (1..).zip(all).filter(|(number, artifact)| *number > after && wanted(artifact));
            Ok(Page::from_numbered(rows, list.page))
        }
    }

    an_artifact_of_the_same_path_is_replaced [J4] {
        async fn list_artifacts(&self, inner: &MemoryStore, list: ListArtifacts) -> Result<Page<Artifact>> {
            let mut page = inner.list_artifacts(list).await?;
            page.items.reverse();
            let mut paths = std::collections::HashSet::new();
            page.items.retain(|artifact| paths.insert(artifact.path.clone()));
            page.items.reverse();
            Ok(page)
        }
    }

    the_latest_approval_is_anybodys [J5] {
        async fn latest_approval(&self, inner: &MemoryStore, run_id: RunId, source: ApprovalSource) -> Result<Option<Approval>> {
            inner.latest_approval(run_id, source).await?;
            Ok(inner.list_approvals(ListApprovals::new(run_id)).await?.items.pop())
        }
    }

    the_latest_approval_is_the_first [J5] {
        async fn latest_approval(&self, inner: &MemoryStore, run_id: RunId, source: ApprovalSource) -> Result<Option<Approval>> {
            rules::input::check_word("source", source.as_str())?;
            let list = ListApprovals::new(run_id).with_source(source).with_page(PageRequest::first(1));
            Ok(inner.list_approvals(list).await?.items.pop())
        }
    }

    the_source_of_a_list_of_approvals_is_ignored [J5] {
        async fn list_approvals(&self, inner: &MemoryStore, mut list: ListApprovals) -> Result<Page<Approval>> {
            rules::input::Input::check(&list)?;
            list.source = None;
            inner.list_approvals(list).await
        }
    }

    the_latest_checkpoint_is_the_first [J6] {
        async fn latest_checkpoint(&self, inner: &MemoryStore, run_id: RunId) -> Result<Option<Checkpoint>> {
            let list = ListCheckpoints::new(run_id).with_page(PageRequest::first(1));
            Ok(inner.list_checkpoints(list).await?.items.pop())
        }
    }

    the_cursor_of_checkpoints_is_inclusive [J6] {
        async fn list_checkpoints(&self, inner: &MemoryStore, mut list: ListCheckpoints) -> Result<Page<Checkpoint>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number().saturating_sub(1)));
            inner.list_checkpoints(list).await
        }
    }

    a_checkpoint_moves_the_run [J6] {
        async fn add_checkpoint(&self, inner: &MemoryStore, new: NewCheckpoint) -> Result<Checkpoint> {
            let checkpoint = inner.add_checkpoint(new).await?;
            let update = RunUpdate::new(checkpoint.run_id).with_status(checkpoint.status.clone());
            inner.update_run(update).await?;
            Ok(checkpoint)
        }
    }
}
