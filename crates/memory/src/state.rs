//! What the store holds, and how records are found in it.

use std::collections::{BTreeMap, HashMap, HashSet};

use runstore_core::rules::retry::{self, Created};
use runstore_core::{
    AgentRole, AgentState, Approval, Artifact, Checkpoint, ClaimToken, Cursor, Error, Event, Page,
    PageRequest, RecordKind, Result, Run, RunId, Task, TaskAttempt, TaskId, TaskStanding,
    Timestamp, Uuid, Wakes,
};

use crate::schedule::{Queue, Scheduled};

/// All runs, in creation order.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    runs: BTreeMap<u64, RunState>,
    last_run_number: u64,
    run_numbers: HashMap<RunId, u64>,
    /// In which run, and at which index of its list, each record is that can be named by an id.
    places: HashMap<(RecordKind, Uuid), (RunId, usize)>,
    pub(crate) scheduled: HashMap<TaskId, Scheduled>,
    pub(crate) last_task_number: u64,
    /// Of all runs.
    pub(crate) queue: Queue,
    /// What the call in hand changed for those who wait for a claim.
    pub(crate) wakes: Wakes,
}

/// A run with everything below it. The lists are in creation order and only ever grow.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    pub(crate) run: Run,
    pub(crate) agents: BTreeMap<AgentRole, AgentState>,
    /// Ordered by position: the task at position `p` is at index `p - 1`.
    pub(crate) tasks: Vec<Task>,
    pub(crate) queue: Queue,
    /// The claims that ended with a report (clause C5).
    pub(crate) finished: HashSet<ClaimToken>,
    pub(crate) attempts: Vec<TaskAttempt>,
    pub(crate) events: Vec<Event>,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

impl State {
    pub(crate) fn run(&self, run_id: RunId) -> Result<&RunState> {
        self.find_run(run_id)
            .ok_or_else(|| Error::not_found(RecordKind::Run, run_id))
    }

    pub(crate) fn run_mut(&mut self, run_id: RunId) -> Result<&mut RunState> {
        let number = self.run_numbers.get(&run_id);
        number
            .and_then(|number| self.runs.get_mut(number))
            .ok_or_else(|| Error::not_found(RecordKind::Run, run_id))
    }

    pub(crate) fn find_run(&self, run_id: RunId) -> Option<&RunState> {
        self.runs.get(self.run_numbers.get(&run_id)?)
    }

    /// Runs with their numbers, newest first.
    pub(crate) fn runs_before(
        &self,
        cursor: Option<Cursor>,
    ) -> impl Iterator<Item = (u64, &RunState)> {
        let end = cursor.map_or(u64::MAX, Cursor::number);
        self.runs
            .range(..end)
            .rev()
            .map(|(number, run)| (*number, run))
    }

    /// In creation order.
    pub(crate) fn run_ids(&self) -> Vec<RunId> {
        self.runs.values().map(|state| state.run.id).collect()
    }

    pub(crate) fn insert_run(&mut self, run: Run) -> &mut RunState {
        self.last_run_number += 1;
        let number = self.last_run_number;
        self.run_numbers.insert(run.id, number);
        self.runs.entry(number).or_insert(RunState {
            run,
            agents: BTreeMap::new(),
            tasks: Vec::new(),
            queue: Queue::default(),
            finished: HashSet::new(),
            attempts: Vec::new(),
            events: Vec::new(),
            artifacts: Vec::new(),
            approvals: Vec::new(),
            checkpoints: Vec::new(),
        })
    }

    pub(crate) fn remove_run(&mut self, run_id: RunId) -> Result<()> {
        let number = self.run_numbers.remove(&run_id);
        let removed = number.and_then(|number| self.runs.remove(&number));
        let removed = removed.ok_or_else(|| Error::not_found(RecordKind::Run, run_id))?;
        for task in &removed.tasks {
            self.unschedule(task.id);
        }
        self.places.retain(|_, (of, _)| *of != run_id);
        self.wakes.gone(run_id);
        Ok(())
    }

    pub(crate) fn find_task(&self, task_id: TaskId) -> Option<&Task> {
        self.find_record(|run| &run.tasks, task_id)
    }

    pub(crate) fn task(&self, task_id: TaskId) -> Result<&Task> {
        self.find_task(task_id)
            .ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    /// The task, if it is one of that run (clause G7).
    pub(crate) fn task_of_run(&self, task_id: TaskId, run_id: RunId) -> Result<&Task> {
        self.find_task(task_id)
            .filter(|task| task.run_id == run_id)
            .ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    pub(crate) fn standing(&self, task_id: TaskId) -> Option<TaskStanding> {
        self.find_task(task_id).map(Task::standing)
    }

    /// Adds a task, with so many unmet dependencies, at the position after the run's last.
    pub(crate) fn push_task(&mut self, task: Task, unmet: u32, now: Timestamp) -> Result<()> {
        let task = self.push_record(task.run_id, |run| &mut run.tasks, task)?;
        self.schedule(&task, unmet, now)
    }

    /// Puts the changed task in its place and returns it.
    pub(crate) fn put_task(&mut self, task: Task, now: Timestamp) -> Result<Task> {
        let from = self.task(task.id)?.status;
        let run = self.run_mut(task.run_id)?;
        let place = index_of(task.position).and_then(|index| run.tasks.get_mut(index));
        if let Some(place) = place {
            place.clone_from(&task);
        }
        self.reschedule(task.id, from, task.status, now)?;
        Ok(task)
    }

    /// The record of that kind with this id, in whichever run it is.
    pub(crate) fn find_record<T: Created>(
        &self,
        list: fn(&RunState) -> &Vec<T>,
        id: impl Into<Uuid>,
    ) -> Option<&T> {
        let (run_id, index) = self.places.get(&(T::KIND, id.into()))?;
        list(self.find_run(*run_id)?).get(*index)
    }

    /// What the store answers if the record's id is taken (clause G9).
    pub(crate) fn find_repeated<T: Created + Clone>(
        &self,
        list: fn(&RunState) -> &Vec<T>,
        record: &T,
    ) -> Result<Option<T>> {
        let stored = record.stored_id().and_then(|id| self.find_record(list, id));
        stored
            .map(|stored| retry::answer(stored.clone(), record))
            .transpose()
    }

    /// Adds a record at the end of its list.
    pub(crate) fn push_record<T: Created + Clone>(
        &mut self,
        run_id: RunId,
        list: fn(&mut RunState) -> &mut Vec<T>,
        record: T,
    ) -> Result<T> {
        let records = list(self.run_mut(run_id)?);
        let index = records.len();
        records.push(record.clone());
        if let Some(id) = record.stored_id() {
            self.places.insert((T::KIND, id), (run_id, index));
        }
        Ok(record)
    }
}

fn index_of(position: u64) -> Option<usize> {
    usize::try_from(position.checked_sub(1)?).ok()
}

/// A page of a list in creation order whose entries are numbered 1, 2, 3 …
pub(crate) fn page<'a, T: Clone + 'a>(
    list: impl IntoIterator<Item = &'a T>,
    wanted: impl Fn(&T) -> bool,
    request: PageRequest,
) -> Page<T> {
    let after = request.after.map_or(0, Cursor::number);
    let rows = (1..)
        .zip(list)
        .filter(|(number, row)| *number > after && wanted(row))
        .map(|(number, row)| (number, row.clone()));
    Page::from_numbered(rows, request)
}

/// The last entries of a list, oldest first.
pub(crate) fn last<T: Clone>(list: &[T], count: u32) -> Vec<T> {
    let start = list.len().saturating_sub(count as usize);
    list.iter().skip(start).cloned().collect()
}
