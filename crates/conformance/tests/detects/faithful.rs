//! Clause G5: what is read is not what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runstore_core::*;
use runstore_memory::MemoryStore;
use serde_json::{Map, Value};

fn cut_to_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_micros().div_euclid(1_000) * 1_000).unwrap()
}

/// The value with every number, object and array in it changed.
fn mapped(value: Value, change: &dyn Fn(Value) -> Value) -> Value {
    change(match value {
        Value::Array(items) => items.into_iter().map(|item| mapped(item, change)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(key, value)| (key, mapped(value, change)))
                    .collect(),
            )
        }
        other => other,
    })
}

fn whole_floats_as_integers(value: Value) -> Value {
    match value.as_f64() {
        Some(float) if value.is_f64() && float.fract() == 0.0 && float.abs() < 1.0e15 => {
            Value::from(float as i64)
        }
        _ => value,
    }
}

fn with_sorted_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(fields))
        }
        other => other,
    }
}

fn in_single_precision(value: Value) -> Value {
    match value.as_f64() {
        Some(float) if value.is_f64() => Value::from(f64::from(float as f32)),
        _ => value,
    }
}

fn large_integers_as_floats(value: Value) -> Value {
    match value.as_u64() {
        Some(integer) if integer > 1 << 53 => Value::from(integer as f64),
        _ => value,
    }
}

faults! {
    texts_are_trimmed [G5] {
        fn view_task(&self, task: Task) -> Task {
            Task { objective: task.objective.trim().to_owned(), ..task }
        }
    }

    texts_end_at_nul [G5] {
        fn view_event(&self, event: Event) -> Event {
            Event { message: event.message.split('\0').next().unwrap_or_default().to_owned(), ..event }
        }
    }

    texts_are_composed [G5] {
        fn view_artifact(&self, artifact: Artifact) -> Artifact {
            Artifact { path: artifact.path.replace("e\u{301}", "\u{e9}"), ..artifact }
        }
    }

    ends_of_lines_are_unified [G5] {
        fn view_approval(&self, approval: Approval) -> Approval {
            Approval { rationale: approval.rationale.replace("\r\n", "\n"), ..approval }
        }
    }

    an_empty_summary_is_read_as_unset [G5] {
        fn view_run(&self, run: Run) -> Run {
            Run { summary: run.summary.filter(|summary| !summary.is_empty()), ..run }
        }
    }

    an_empty_signature_is_read_as_unset [G5] {
        fn view_task(&self, task: Task) -> Task {
            Task { blocker_signature: task.blocker_signature.filter(|text| !text.is_empty()), ..task }
        }
    }

    an_unset_session_is_read_as_empty [G5] {
        fn view_agent(&self, agent: AgentState) -> AgentState {
            AgentState { session_id: Some(agent.session_id.unwrap_or_default()), ..agent }
        }
    }

    an_empty_role_is_read_as_unset [G5] {
        fn view_artifact(&self, artifact: Artifact) -> Artifact {
            Artifact { role: artifact.role.filter(|role| !role.as_str().is_empty()), ..artifact }
        }
    }

    empty_entries_of_a_list_are_dropped [G5] {
        fn view_task(&self, mut task: Task) -> Task {
            task.acceptance_criteria.retain(|criterion| !criterion.is_empty());
            task
        }
    }

    /// Verification steps and allowed paths are swapped.
    two_fields_are_swapped [G5] {
        fn view_task(&self, task: Task) -> Task {
            Task { verification_steps: task.allowed_paths, allowed_paths: task.verification_steps, ..task }
        }
    }

    a_whole_float_becomes_an_integer [G5] {
        fn view_event(&self, event: Event) -> Event {
            Event { payload: mapped(event.payload, &whole_floats_as_integers), ..event }
        }
    }

    keys_are_sorted [G5] {
        fn view_checkpoint(&self, checkpoint: Checkpoint) -> Checkpoint {
            Checkpoint { payload: mapped(checkpoint.payload, &with_sorted_keys), ..checkpoint }
        }
    }

    floats_are_rounded [G5] {
        fn view_attempt(&self, attempt: TaskAttempt) -> TaskAttempt {
            TaskAttempt { result: mapped(attempt.result, &in_single_precision), ..attempt }
        }
    }

    large_integers_are_rounded [G5] {
        fn view_artifact(&self, artifact: Artifact) -> Artifact {
            Artifact { metadata: mapped(artifact.metadata, &large_integers_as_floats), ..artifact }
        }
    }

    times_are_cut_to_milliseconds [G5] {
        fn view_run(&self, run: Run) -> Run {
            Run { created_at: cut_to_milliseconds(run.created_at), ..run }
        }
    }

    times_of_agents_are_cut_to_milliseconds [G5] {
        fn view_agent(&self, agent: AgentState) -> AgentState {
            AgentState { updated_at: cut_to_milliseconds(agent.updated_at), ..agent }
        }
    }

    odd_words_are_written_in_lower_case [G5] {
        fn view_checkpoint(&self, checkpoint: Checkpoint) -> Checkpoint {
            Checkpoint { status: checkpoint.status.as_str().to_lowercase().into(), ..checkpoint }
        }
    }

    /// The id that an event was given is in what the write returned, and in no read.
    the_id_of_an_event_is_not_read [G5] {
        async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
            let mut page = inner.list_events(list).await?;
            for event in &mut page.items {
                event.event_id = None;
            }
            Ok(page)
        }
    }

    /// What is cached reads right until the store is opened again.
    texts_are_trimmed_on_reopen [G5] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(AtomicBool::new(true)))
        }

        fn view_attempt(&self, attempt: TaskAttempt) -> TaskAttempt {
            if self.0.load(Ordering::SeqCst) {
                return TaskAttempt { summary: attempt.summary.trim().to_owned(), ..attempt };
            }
            attempt
        }
    }

    /// The snapshot reads fewer fields than the other calls do.
    a_snapshot_drops_a_field [G5] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            for attempt in &mut snapshot.recent_attempts {
                attempt.blocker_signature = None;
            }
            Ok(snapshot)
        }
    }
}
