//! What a group of calls has to know, read by a statement for each kind of it.

use std::collections::{HashMap, HashSet};

use runstore_core::{Event, Result, RunId, TaskAttempt, TaskId, TaskStanding, Uuid};

use super::Together;
use crate::changes::StoredTask;
use crate::codec::{Columns, Record, select};
use crate::driver::Connection;
use crate::keys::LastEntries;
use crate::statement::list_by_ids;
use crate::tasks;

/// What there was before the group.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The tasks that calls change. Taken out by the call that does.
    pub(super) tasks: HashMap<TaskId, StoredTask>,
    /// The tasks that calls name and do not change.
    standings: HashMap<TaskId, TaskStanding>,
    /// Up to where the runs have entries that get more of them; only of runs that there are.
    pub(super) last: HashMap<RunId, LastEntries>,
    /// The ids that calls gave to entries and that are taken: in the store, or by a call of the group.
    taken: HashSet<(&'static str, Uuid)>,
}

impl Look {
    pub(super) fn at(connection: &Connection, calls: &[Together]) -> Result<Self> {
        let mut wanted = Wanted::default();
        for call in calls {
            wanted.by(call);
        }
        let mut look = Self::default();
        let by_ids = select!(Task, "WHERE id IN (");
        for stored in list_by_ids::<StoredTask>(connection, by_ids, &wanted.tasks)? {
            look.standings
                .insert(stored.task.id, stored.task.standing());
            look.tasks.insert(stored.task.id, stored);
        }
        let known = |id: &Uuid| look.tasks.contains_key(&TaskId::from(*id));
        wanted.standings.retain(|id| !known(id));
        let ids = Vec::from_iter(wanted.standings);
        look.standings.extend(tasks::standings(connection, &ids)?);
        let named = look.standings.values();
        wanted.runs.extend(named.map(|task| task.run_id.as_uuid()));
        look.last = LastEntries::of_runs(connection, &Vec::from_iter(wanted.runs))?;
        for (table, sql, ids) in [
            (
                TaskAttempt::TABLE,
                "SELECT id FROM attempts WHERE id IN (",
                wanted.attempts,
            ),
            (
                Event::TABLE,
                "SELECT event_id AS id FROM events WHERE event_id IN (",
                wanted.events,
            ),
            (
                runstore_core::Artifact::TABLE,
                "SELECT id FROM artifacts WHERE id IN (",
                wanted.artifacts,
            ),
        ] {
            for Taken(id) in list_by_ids(connection, sql, &ids)? {
                look.taken.insert((table, id));
            }
        }
        Ok(look)
    }

    pub(super) fn standing(&self, task_id: TaskId) -> Option<TaskStanding> {
        self.standings.get(&task_id).copied()
    }

    /// Takes ids for entries of a table, if none of them is taken.
    pub(super) fn take_ids(&mut self, ids: &[(&'static str, Uuid)]) -> bool {
        let mut new = HashSet::new();
        if ids
            .iter()
            .any(|id| self.taken.contains(id) || !new.insert(*id))
        {
            return false;
        }
        self.taken.extend(new);
        true
    }
}

/// The ids to look for.
#[derive(Debug, Default)]
struct Wanted {
    tasks: Vec<Uuid>,
    standings: HashSet<Uuid>,
    runs: HashSet<Uuid>,
    attempts: Vec<Uuid>,
    events: Vec<Uuid>,
    artifacts: Vec<Uuid>,
}

impl Wanted {
    fn by(&mut self, call: &Together) {
        match call {
            Together::Attempt(new, _) => {
                self.standings.insert(new.task_id.as_uuid());
                self.attempts.extend(new.report.id.map(|id| id.as_uuid()));
            }
            Together::Event(new, _) => {
                self.runs.insert(new.run_id.as_uuid());
                let task_id = new.fence.map(|token| token.task_id.as_uuid());
                self.standings.extend(task_id);
                self.events.extend(new.draft.id.map(|id| id.as_uuid()));
            }
            Together::Settle(task_id, _, _) => self.tasks.push(task_id.as_uuid()),
            Together::Finish(token, report, _) => {
                self.tasks.push(token.task_id.as_uuid());
                self.attempts
                    .extend(report.attempt.id.map(|id| id.as_uuid()));
                let events = report.events.iter();
                let events = events.filter_map(|draft| draft.id.map(|id| id.as_uuid()));
                self.events.extend(events);
                let artifacts = report.artifacts.iter();
                let artifacts = artifacts.filter_map(|draft| draft.id.map(|id| id.as_uuid()));
                self.artifacts.extend(artifacts);
            }
        }
    }
}

/// An id that an entry has.
struct Taken(Uuid);

impl Record for Taken {
    const TABLE: &'static str = "the entries of runs";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        row.get("id").map(Self)
    }
}
