//! What the thread that writes does.

use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, Table, TableDefinition, Value, WriteTransaction};
use runstore_core::Uuid;

use super::reads::task;
use super::{
    ATTEMPTS, AttemptRow, EVENTS, EventRow, Key, PLANNED, Planned, READY, RUNS, STATES, State, keys,
};
use crate::embedded::{IN_PROGRESS, PENDING, now};
use crate::group::Side;
use crate::rows::{
    Attempt, COMPLETED, Caught, Completion, DONE, Event, SOURCE, Scene, Write, Written,
};

pub(super) struct Writer {
    database: Arc<Database>,
    scene: Arc<Scene>,
}

impl Writer {
    /// Creates the tables and the runs.
    pub(super) fn new(database: Arc<Database>, scene: Arc<Scene>) -> Caught<Self> {
        let transaction = begin(&database)?;
        {
            let mut runs = transaction.open_table(RUNS)?;
            for (run, run_id) in scene.run_ids.iter().enumerate() {
                runs.insert(u64::try_from(run)?, run_id)?;
            }
            transaction.open_table(PLANNED)?;
            transaction.open_table(STATES)?;
            transaction.open_table(READY)?;
            transaction.open_table(ATTEMPTS)?;
            transaction.open_table(EVENTS)?;
        }
        transaction.commit()?;
        Ok(Self { database, scene })
    }
}

impl Side for Writer {
    type Ask = Write;
    type Answer = Written;

    fn carry_out(&mut self, writes: Vec<Write>) -> Caught<Vec<Written>> {
        let transaction = begin(&self.database)?;
        let mut batch = Batch {
            transaction: &transaction,
            scene: &self.scene,
            planned: None,
            states: None,
            ready: None,
            attempts: None,
            events: None,
        };
        let written = writes.into_iter().map(|write| batch.write(write));
        let written = written.collect::<Caught<Vec<_>>>()?;
        drop(batch);
        let is_nothing = |written: &Written| matches!(written, Written::Claimed(None));
        if written.iter().all(is_nothing) {
            transaction.abort()?;
        } else {
            transaction.commit()?;
        }
        Ok(written)
    }
}

fn begin(database: &Database) -> Caught<WriteTransaction> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    Ok(transaction)
}

/// The transaction that is under way, and the tables that it has used.
struct Batch<'w> {
    transaction: &'w WriteTransaction,
    scene: &'w Scene,
    planned: Option<Table<'w, Key, Planned>>,
    states: Option<Table<'w, Key, State>>,
    ready: Option<Table<'w, Key, ()>>,
    attempts: Option<Table<'w, Key, AttemptRow>>,
    events: Option<Table<'w, Key, EventRow>>,
}

/// The table, opened when it is first used: a transaction of one step uses one or two.
fn opened<'s, 'w, V: Value + 'static>(
    slot: &'s mut Option<Table<'w, Key, V>>,
    transaction: &'w WriteTransaction,
    definition: TableDefinition<'_, Key, V>,
) -> Caught<&'s mut Table<'w, Key, V>> {
    let table = match slot.take() {
        Some(table) => table,
        None => transaction.open_table(definition)?,
    };
    Ok(slot.insert(table))
}

impl Batch<'_> {
    fn write(&mut self, write: Write) -> Caught<Written> {
        match write {
            Write::Add { run, first, count } => self.add(run, first, count),
            Write::Plan { run, first, count } => {
                self.remove_pending(run)?;
                self.add(run, first, count)
            }
            Write::Claim { run, worker } => self.claim(run, &worker),
            Write::ClaimAll { run } => self.change(run, PENDING, IN_PROGRESS, 1),
            Write::Requeue { run } => self.change(run, IN_PROGRESS, PENDING, 0),
            Write::Attempt(attempt) => self.attempt(&attempt),
            Write::Event(event) => self.event(&event),
            Write::Complete(completion) => self.complete(&completion),
            Write::Finish(attempt, event, completion) => {
                self.attempt(&attempt)?;
                self.event(&event)?;
                self.complete(&completion)
            }
        }
    }

    fn add(&mut self, run: usize, first: u64, count: u64) -> Caught<Written> {
        let planned = opened(&mut self.planned, self.transaction, PLANNED)?;
        let states = opened(&mut self.states, self.transaction, STATES)?;
        let ready = opened(&mut self.ready, self.transaction, READY)?;
        let (run, now) = (u64::try_from(run)?, now());
        for number in 0..count {
            let key = (run, first + number);
            let title = format!("task {number}");
            let (title, text) = (title.as_str(), self.scene.text.as_str());
            let none = Vec::<&str>::new;
            planned.insert(
                key,
                (
                    Uuid::now_v7(),
                    now,
                    0,
                    None,
                    None,
                    title,
                    text,
                    none(),
                    none(),
                    none(),
                    Vec::<Uuid>::new(),
                ),
            )?;
            states.insert(key, (PENDING, 0, now, None, None, None, None, None))?;
            ready.insert(key, ())?;
        }
        Ok(Written::Nothing)
    }

    fn remove_pending(&mut self, run: usize) -> Caught<()> {
        let planned = opened(&mut self.planned, self.transaction, PLANNED)?;
        let states = opened(&mut self.states, self.transaction, STATES)?;
        let ready = opened(&mut self.ready, self.transaction, READY)?;
        for removed in ready.extract_from_if(keys(run)?, |_, ()| true)? {
            let (key, _) = removed?;
            planned.remove(key.value())?;
            states.remove(key.value())?;
        }
        Ok(())
    }

    fn claim(&mut self, run: usize, worker: &str) -> Caught<Written> {
        let ready = opened(&mut self.ready, self.transaction, READY)?;
        let first = ready.range(keys(run)?)?.next().transpose()?;
        let Some(key) = first.map(|(key, _)| key.value()) else {
            return Ok(Written::Claimed(None));
        };
        ready.remove(key)?;
        let missing = || format!("there is no task {key:?}");
        let states = opened(&mut self.states, self.transaction, STATES)?;
        let planned = opened(&mut self.planned, self.transaction, PLANNED)?;
        let claims = states.get(key)?.map(|state| state.value().1);
        let claims = claims.ok_or_else(missing)? + 1;
        let state = (
            IN_PROGRESS,
            claims,
            now(),
            None,
            None,
            Some(worker),
            None,
            None,
        );
        states.insert(key, state)?;
        let planned = planned.get(key)?.ok_or_else(missing)?;
        let run_id = self.scene.run_id(run)?;
        let task = task(run_id, key.1, planned.value(), state)?;
        Ok(Written::Claimed(Some(Box::new(task))))
    }

    /// Changes all tasks of a run that are in one state.
    fn change(&mut self, run: usize, from: &str, to: &str, claims: u32) -> Caught<Written> {
        let states = opened(&mut self.states, self.transaction, STATES)?;
        let ready = opened(&mut self.ready, self.transaction, READY)?;
        let mut found = Vec::new();
        for state in states.range(keys(run)?)? {
            let (key, state) = state?;
            let (status, count, ..) = state.value();
            if status == from {
                found.push((key.value(), count + claims));
            }
        }
        let now = now();
        for (key, count) in &found {
            states.insert(*key, (to, *count, now, None, None, None, None, None))?;
            if to == PENDING {
                ready.insert(*key, ())?;
            } else {
                ready.remove(*key)?;
            }
        }
        Ok(Written::Changed(found.len() as u64))
    }

    fn attempt(&mut self, attempt: &Attempt) -> Caught<Written> {
        let attempts = opened(&mut self.attempts, self.transaction, ATTEMPTS)?;
        let row = (
            Uuid::now_v7(),
            attempt.task_id,
            attempt.number,
            now(),
            COMPLETED,
            None,
            DONE,
            attempt.result.as_str(),
        );
        let key = next(attempts, attempt.run)?;
        attempts.insert(key, row)?;
        Ok(Written::Nothing)
    }

    fn event(&mut self, event: &Event) -> Caught<Written> {
        let events = opened(&mut self.events, self.transaction, EVENTS)?;
        let row = (
            now(),
            SOURCE,
            event.kind,
            event.message,
            event.payload.as_str(),
        );
        let key = next(events, event.run)?;
        events.insert(key, row)?;
        Ok(Written::Nothing)
    }

    fn complete(&mut self, completion: &Completion) -> Caught<Written> {
        let key = (u64::try_from(completion.run)?, completion.position);
        let states = opened(&mut self.states, self.transaction, STATES)?;
        let claims = states.get(key)?.and_then(|state| {
            let (status, claims, ..) = state.value();
            (status == IN_PROGRESS).then_some(claims)
        });
        let claims = claims.ok_or("the task to complete is not in progress")?;
        let summary = Some(completion.summary.as_str());
        states.insert(
            key,
            (COMPLETED, claims, now(), None, None, None, summary, None),
        )?;
        Ok(Written::Nothing)
    }
}

/// The key after the last one of a run.
fn next<V: Value + 'static>(table: &Table<'_, Key, V>, run: usize) -> Caught<Key> {
    let last = table.range(keys(run)?)?.next_back().transpose()?;
    let last = last.map_or(0, |(key, _)| key.value().1);
    Ok((u64::try_from(run)?, last + 1))
}
