//! Whether a creating call repeats one that took effect (clause G9).

use uuid::Uuid;

use crate::{
    Approval, Artifact, Checkpoint, Error, Event, RecordKind, Result, Run, RunId, Task,
    TaskAttempt, TaskId, Timestamp,
};

/// A record that a caller may have named by an id of its own.
pub trait Created {
    /// Its kind.
    const KIND: RecordKind;

    /// The id that it is stored by; `None` for an event that its writer gave none.
    fn stored_id(&self) -> Option<Uuid>;

    /// Whether both were made of the same content: all that the caller gave, and where it belongs. What
    /// the store made (ids, times, numbers) and what changed since does not count.
    fn same_content(&self, other: &Self) -> bool;
}

/// Answers a creating call whose id is taken: `stored` if `new` has the same content.
///
/// # Errors
/// `AlreadyExists` otherwise.
pub fn answer<T: Created>(stored: T, new: &T) -> Result<T> {
    if stored.same_content(new) {
        Ok(stored)
    } else {
        let id = stored.stored_id().unwrap_or_default();
        Err(Error::already_exists(T::KIND, id))
    }
}

/// Answers a call that takes a plan: `new` are the tasks made of its drafts, `stored` what the store
/// holds under the ids of those drafts that name one, and `None` for the rest.
///
/// Returns the stored tasks if all drafts name one with the same content, `None` if the plan is new.
///
/// # Errors
/// `AlreadyExists` for the first draft whose id is taken, if other drafts are not stored, or if its
/// content differs.
pub fn answer_plan(stored: Vec<Option<Task>>, new: &[Task]) -> Result<Option<Vec<Task>>> {
    let mut repeated = Vec::with_capacity(stored.len());
    let whole = !stored.is_empty() && stored.iter().all(Option::is_some);
    for (stored, new) in stored.into_iter().zip(new) {
        match stored {
            None => {}
            Some(stored) if whole => repeated.push(answer(stored, new)?),
            Some(stored) => return Err(Error::already_exists(RecordKind::Task, stored.id)),
        }
    }
    Ok(whole.then_some(repeated))
}

macro_rules! created {
    ($record:ident, $id:expr, $same:expr) => {
        impl Created for $record {
            const KIND: RecordKind = RecordKind::$record;

            fn stored_id(&self) -> Option<Uuid> {
                let id: fn(&Self) -> Option<Uuid> = $id;
                id(self)
            }

            fn same_content(&self, other: &Self) -> bool {
                let same: fn(&Self, &Self) -> bool = $same;
                same(self, other)
            }
        }
    };
}

created!(Run, |run| Some(run.id.into()), |a, b| {
    (&a.goal, &a.repo_path) == (&b.goal, &b.repo_path)
});
created!(Task, |task| Some(task.id.into()), |a, b| {
    fn content(task: &Task) -> (RunId, &str, &str, [&[String]; 3]) {
        let lists = [
            &*task.acceptance_criteria,
            &*task.verification_steps,
            &*task.allowed_paths,
        ];
        (task.run_id, &task.title, &task.objective, lists)
    }
    fn schedule(task: &Task) -> (i32, Option<Timestamp>, Option<u32>, &[TaskId]) {
        let depends_on = &*task.depends_on;
        (
            task.priority,
            task.not_before,
            task.max_attempts,
            depends_on,
        )
    }
    content(a) == content(b) && schedule(a) == schedule(b)
});
created!(Event, |event| event.event_id.map(Into::into), |a, b| {
    (a.run_id, &a.source, &a.kind, &a.message) == (b.run_id, &b.source, &b.kind, &b.message)
        && same_json(&a.payload, &b.payload)
});
created!(Artifact, |artifact| Some(artifact.id.into()), |a, b| {
    (a.run_id, &a.role, &a.kind, &a.path) == (b.run_id, &b.role, &b.kind, &b.path)
        && same_json(&a.metadata, &b.metadata)
});
created!(Approval, |approval| Some(approval.id.into()), |a, b| {
    (a.run_id, &a.source, &a.verdict, &a.rationale)
        == (b.run_id, &b.source, &b.verdict, &b.rationale)
        && same_json(&a.payload, &b.payload)
});
created!(
    Checkpoint,
    |checkpoint| Some(checkpoint.id.into()),
    |a, b| { (a.run_id, &a.status) == (b.run_id, &b.status) && same_json(&a.payload, &b.payload) }
);

impl Created for TaskAttempt {
    const KIND: RecordKind = RecordKind::Attempt;

    fn stored_id(&self) -> Option<Uuid> {
        Some(self.id.into())
    }

    fn same_content(&self, other: &Self) -> bool {
        fn words(attempt: &TaskAttempt) -> (u32, &str, &str, Option<&str>) {
            let signature = attempt.blocker_signature.as_deref();
            (
                attempt.attempt_number,
                attempt.status.as_str(),
                &attempt.summary,
                signature,
            )
        }
        self.task_id == other.task_id
            && words(self) == words(other)
            && same_json(&self.result, &other.result)
    }
}

/// Whether two JSON values are written alike. `serde_json` itself takes objects with another order of
/// keys for equal, and clause G5 does not.
fn same_json(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    fn written(value: &serde_json::Value) -> String {
        value.to_string()
    }
    a == b && written(a) == written(b)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::create;
    use crate::{EventDraft, TaskDraft};

    fn tasks(run_id: RunId, titles: &[&str]) -> Vec<Task> {
        let task =
            |title: &&str| create::task(run_id, 1, TaskDraft::new(*title, "o"), Timestamp::MIN);
        titles.iter().map(task).collect()
    }

    #[test]
    fn a_plan_is_repeated_only_when_every_task_is_stored_alike() {
        let new = tasks(RunId::generate(), &["a", "b"]);
        let stored = |take: usize| (0..2).map(|i| (i < take).then(|| new[i].clone())).collect();
        assert_eq!(answer_plan(stored(0), &new).unwrap(), None);
        assert_eq!(answer_plan(stored(2), &new).unwrap(), Some(new.clone()));
        assert!(matches!(
            answer_plan(stored(1), &new),
            Err(Error::AlreadyExists { id, .. }) if id == new[0].id.as_uuid()
        ));
        let others = tasks(RunId::generate(), &["a", "other"]);
        assert!(answer_plan(stored(2), &others).is_err());
        assert_eq!(answer_plan(vec![], &[]).unwrap(), None);
    }

    #[test]
    fn the_order_of_keys_and_the_kind_of_number_are_content() {
        let run_id = RunId::generate();
        let event = |payload| {
            let draft = EventDraft::new("s", "k", "m").with_payload(payload);
            create::event(run_id, 1, draft, Timestamp::MIN)
        };
        let stored = event(json!({"a": 1, "b": 2}));
        assert!(stored.same_content(&event(json!({"a": 1, "b": 2}))));
        assert!(!stored.same_content(&event(json!({"b": 2, "a": 1}))));
        assert!(!stored.same_content(&event(json!({"a": 1.0, "b": 2}))));
    }
}
