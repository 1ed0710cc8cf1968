//! What a group of calls changes.

use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::{claims, create, tasks};
use runstore_core::{
    Applied, Artifact, ClaimToken, Event, FinishReport, NewAttempt, NewEvent, Reply, Result, Task,
    TaskAttempt, Timestamp, Uuid,
};

use super::Together;
use super::look::Look;
use crate::changes::{StoredTask, TaskChange, save_settled};
use crate::codec::Record;
use crate::journal::{insert_all, insert_ends, keyed, next};
use crate::write::Write;

/// What the calls change, in the order in which they take effect: entries before the ends of tasks.
pub(super) struct Group {
    look: Look,
    now: Timestamp,
    attempts: Vec<(TaskAttempt, Reply<TaskAttempt>)>,
    events: Vec<(Event, Reply<Event>)>,
    settled: Vec<TaskChange>,
    settled_by: Vec<Reply<Task>>,
    /// What comes with the reports of finished tasks.
    reported: Reported,
    refused: Vec<Applied>,
    /// The calls that are to be carried out by themselves.
    left: Vec<Together>,
    /// The ends of tasks, which are decided once all entries are.
    ends: Vec<Together>,
}

#[derive(Default)]
struct Reported {
    attempts: Vec<TaskAttempt>,
    events: Vec<Event>,
    artifacts: Vec<Artifact>,
}

impl Group {
    pub(super) fn new(look: Look, now: Timestamp) -> Self {
        Self {
            look,
            now,
            attempts: Vec::new(),
            events: Vec::new(),
            settled: Vec::new(),
            settled_by: Vec::new(),
            reported: Reported::default(),
            refused: Vec::new(),
            left: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Takes a call up, if it is an ordinary one.
    pub(super) fn take(&mut self, call: Together) {
        match call {
            Together::Attempt(new, reply) => self.attempt(new, reply),
            Together::Event(new, reply) => self.event(new, reply),
            end => self.ends.push(end),
        }
    }

    fn attempt(&mut self, new: NewAttempt, reply: Reply<TaskAttempt>) {
        let standing = self.look.standing(new.task_id);
        let id = named(TaskAttempt::TABLE, new.report.id.map(|id| id.as_uuid()));
        let is_held = |token| claims::check_held(token, standing).is_ok();
        match standing {
            Some(standing) if new.fence.is_none_or(is_held) && self.look.take_ids(&id) => {
                let (run_id, number) = (standing.run_id, new.attempt_number);
                let attempt = create::attempt(run_id, new.task_id, number, new.report, self.now);
                self.attempts.push((attempt, reply));
            }
            _ => self.left.push(Together::Attempt(new, reply)),
        }
    }

    fn event(&mut self, new: NewEvent, reply: Reply<Event>) {
        let is_held = |token: ClaimToken| {
            let standing = self.look.standing(token.task_id);
            claims::check_fence(token, standing, new.run_id).is_ok()
        };
        let may = self.look.last.contains_key(&new.run_id) && new.fence.is_none_or(is_held);
        let id = named(Event::TABLE, new.draft.id.map(|id| id.as_uuid()));
        if may && self.look.take_ids(&id) {
            let event = create::event(new.run_id, 0, new.draft, self.now);
            self.events.push((event, reply));
        } else {
            self.left.push(Together::Event(new, reply));
        }
    }

    fn end(&mut self, end: Together) {
        let (ended, reply) = match end {
            Together::Settle(task_id, settlement, reply) => {
                // Another call of the group may have taken the task.
                let Some(stored) = self.look.tasks.remove(&task_id) else {
                    self.left.push(Together::Settle(task_id, settlement, reply));
                    return;
                };
                (self.settled(stored, settlement), reply)
            }
            Together::Finish(token, report, reply) => {
                let Some(stored) = self.reported_on(token, &report) else {
                    self.left.push(Together::Finish(token, report, reply));
                    return;
                };
                (self.finished(stored, token, *report), reply)
            }
            other => {
                self.left.push(other);
                return;
            }
        };
        match ended {
            Ok(change) => {
                self.settled.push(change);
                self.settled_by.push(reply);
            }
            Err(refusal) => self.refused.push(reply.hold(Err(refusal))),
        }
    }

    fn settled(&self, stored: StoredTask, settlement: Settlement) -> Result<TaskChange> {
        let settled = tasks::settled(stored.task, settlement, self.now)?;
        Ok((stored.before, settled))
    }

    /// The task of a report that is an ordinary one.
    fn reported_on(&mut self, token: ClaimToken, report: &FinishReport) -> Option<StoredTask> {
        let stored = self.look.tasks.get(&token.task_id)?;
        claims::check_held(token, Some(stored.task.standing())).ok()?;
        let mut ids = named(TaskAttempt::TABLE, report.attempt.id.map(|id| id.as_uuid()));
        for draft in &report.events {
            ids.extend(named(Event::TABLE, draft.id.map(|id| id.as_uuid())));
        }
        for draft in &report.artifacts {
            ids.extend(named(Artifact::TABLE, draft.id.map(|id| id.as_uuid())));
        }
        match self.look.take_ids(&ids) {
            true => self.look.tasks.remove(&token.task_id),
            false => None,
        }
    }

    fn finished(
        &mut self,
        stored: StoredTask,
        token: ClaimToken,
        report: FinishReport,
    ) -> Result<TaskChange> {
        let (now, run_id) = (self.now, stored.task.run_id);
        let Changed { task, event } = tasks::finished(stored.task, report.outcome, now)?;
        let reported = &mut self.reported;
        let number = token.attempt_number;
        let attempt = create::attempt(run_id, token.task_id, number, report.attempt, now);
        reported.attempts.push(attempt);
        let events = report.events.into_iter().chain(event);
        let events = events.map(|draft| create::event(run_id, 0, draft, now));
        reported.events.extend(events);
        let artifacts = report.artifacts.into_iter();
        let artifacts = artifacts.map(|draft| create::artifact(run_id, draft, now));
        reported.artifacts.extend(artifacts);
        Ok((stored.before, task))
    }

    /// Writes what the calls change, holds their answers back, and gives the calls that are left.
    pub(super) fn write(
        mut self,
        write: &mut Write<'_>,
        applied: &mut Vec<Applied>,
    ) -> Vec<Together> {
        for end in std::mem::take(&mut self.ends) {
            self.end(end);
        }
        let written = self.written(write);
        applied.append(&mut self.refused);
        for (attempt, reply) in self.attempts {
            applied.push(reply.hold(written.clone().map(|()| attempt)));
        }
        for (event, reply) in self.events {
            applied.push(reply.hold(written.clone().map(|()| event)));
        }
        for ((_, task), reply) in self.settled.into_iter().zip(self.settled_by) {
            applied.push(reply.hold(written.clone().map(|()| task)));
        }
        self.left
    }

    fn written(&mut self, write: &mut Write<'_>) -> Result<()> {
        let (connection, last) = (write.connection, &mut self.look.last);
        let reported = &mut self.reported;
        let attempts = self.attempts.iter().map(|(attempt, _)| attempt);
        let attempts = keyed(last, attempts, |last| &mut last.attempt)?;
        insert_all(connection, &attempts)?;
        let ends = keyed(last, &reported.attempts, |last| &mut last.attempt)?;
        insert_ends(connection, &ends)?;
        let events = self.events.iter_mut().map(|(event, _)| event);
        let mut events = Vec::from_iter(events.chain(&mut reported.events));
        let mut keys = Vec::with_capacity(events.len());
        for event in &mut events {
            let (seq, key) = next(last, event.run_id, |last| &mut last.event)?;
            event.seq = seq;
            keys.push(key);
        }
        let events = keys.into_iter().zip(events.iter().map(|event| &**event));
        insert_all(connection, &Vec::from_iter(events))?;
        let artifacts = keyed(last, &reported.artifacts, |last| &mut last.artifact)?;
        insert_all(connection, &artifacts)?;
        save_settled(write, &self.settled)
    }
}

/// The id of an entry that its caller named, with its table.
fn named(table: &'static str, id: Option<Uuid>) -> Vec<(&'static str, Uuid)> {
    id.map(|id| (table, id)).into_iter().collect()
}
