//! What the threads that read do, each time in a transaction that sees one instant.

use std::ops::RangeBounds;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use runstore_core::{Task, TaskId, Timestamp, Uuid};

use super::{ATTEMPTS, EVENTS, Key, PLANNED, READY, STATES, keys};
use crate::group::Side;
use crate::rows::{COMPLETED, Caught, Found, Read, Scene, Tally};

pub(super) struct Reader {
    database: Arc<Database>,
    scene: Arc<Scene>,
}

impl Reader {
    pub(super) const fn new(database: Arc<Database>, scene: Arc<Scene>) -> Self {
        Self { database, scene }
    }

    fn read(&self, read: Read) -> Caught<Found> {
        let transaction = self.database.begin_read()?;
        match read {
            Read::HasPending { run } => {
                let ready = transaction.open_table(READY)?;
                let first = ready.range(keys(run)?)?.next().transpose()?;
                Ok(Found::HasPending(first.is_some()))
            }
            Read::Tasks { run } => self.tasks(&transaction, run, keys(run)?, usize::MAX),
            Read::Page { run, after, limit } => {
                let (_, last) = keys(run)?.into_inner();
                let page = (u64::try_from(run)?, after + 1)..=last;
                self.tasks(&transaction, run, page, limit as usize)
            }
            Read::Tally => tally(&transaction),
        }
    }

    fn tasks(
        &self,
        transaction: &ReadTransaction,
        run: usize,
        keys: impl RangeBounds<Key> + Clone,
        limit: usize,
    ) -> Caught<Found> {
        let run_id = self.scene.run_id(run)?;
        let (planned, states) = (
            transaction.open_table(PLANNED)?,
            transaction.open_table(STATES)?,
        );
        // Both have the same keys: they are read side by side.
        let both = planned.range(keys.clone())?.zip(states.range(keys)?);
        let tasks = both.take(limit).map(|(planned, state)| {
            let ((key, planned), (_, state)) = (planned?, state?);
            let (_, position) = key.value();
            task(run_id, position, planned.value(), state.value())
        });
        Ok(Found::Tasks(tasks.collect::<Caught<_>>()?))
    }
}

impl Side for Reader {
    type Ask = Read;
    type Answer = Found;

    fn carry_out(&mut self, reads: Vec<Read>) -> Caught<Vec<Found>> {
        reads.into_iter().map(|read| self.read(read)).collect()
    }
}

/// The two parts of a task as the record that a store gives.
pub(super) fn task(
    run_id: Uuid,
    position: u64,
    planned: <super::Planned as redb::Value>::SelfType<'_>,
    state: <super::State as redb::Value>::SelfType<'_>,
) -> Caught<Task> {
    let (id, created_at, priority, not_before, max_attempts, title, objective, ..) = planned;
    let (.., criteria, steps, paths, depends_on) = planned;
    let (status, attempt_count, updated_at, delayed_until, lease, worker, summary, blocker) = state;
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let moment_if_set = |micros: Option<i64>| micros.map(moment).transpose();
    Ok(Task {
        id: id.into(),
        run_id: run_id.into(),
        position,
        title: title.to_owned(),
        objective: objective.to_owned(),
        acceptance_criteria: owned(criteria),
        verification_steps: owned(steps),
        allowed_paths: owned(paths),
        status: status.parse()?,
        attempt_count,
        implementation_summary: summary.map(str::to_owned),
        blocker_signature: blocker.map(str::to_owned),
        priority,
        not_before: moment_if_set(not_before)?,
        depends_on: depends_on.into_iter().map(TaskId::from).collect(),
        max_attempts,
        delayed_until: moment_if_set(delayed_until)?,
        worker: worker.map(str::to_owned),
        lease_expires_at: moment_if_set(lease)?,
        created_at: moment(created_at)?,
        updated_at: moment(updated_at)?,
    })
}

fn moment(micros: i64) -> Caught<Timestamp> {
    let moment = Timestamp::from_micros(micros);
    moment.ok_or_else(|| format!("{micros} is no time").into())
}

fn tally(transaction: &ReadTransaction) -> Caught<Found> {
    let mut tally = Tally {
        attempts: transaction.open_table(ATTEMPTS)?.len()?,
        events: transaction.open_table(EVENTS)?.len()?,
        ..Tally::default()
    };
    for state in transaction.open_table(STATES)?.iter()? {
        let (_, state) = state?;
        let (status, claims, ..) = state.value();
        tally.claims += u64::from(claims);
        tally.most_claims = tally.most_claims.max(claims.into());
        tally.completed += u64::from(status == COMPLETED);
    }
    Ok(Found::Tally(tally))
}
