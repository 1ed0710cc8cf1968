//! Checks that the indexes of tasks say what the tasks say, and does so beside random calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use redb::Builder;
use redb::backends::InMemoryBackend;
use runstore_core::rules::schedule::Place;
use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, ClaimToken, Clock, CompleteTask, FinishReport, Heartbeat,
    ManualClock, NewRun, PageRequest, Result, RunId, Store, TaskDraft, TaskId, TaskPlan,
    TaskStatus, Timestamp, Uuid,
};

use crate::RedbStore;
use crate::schema::Tables;
use crate::table::Reading;

/// Pseudo-random numbers, the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        match choices.len() {
            0 => None,
            length => Some(choices[self.below(length)]),
        }
    }
}

/// Checks every task against every index, and the indexes for entries of no task.
pub(crate) fn audit(tables: &Tables<Reading<'_>>) -> Result<()> {
    let ids = tables.task_states.keys(.., TaskId::from)?;
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let mut states = BTreeMap::new();
    for id in ids {
        states.insert(id, tables.task_states.get(id.as_uuid())?);
    }
    let mut numbers = BTreeMap::new();
    let mut dependents = BTreeSet::new();
    let (mut ready, mut due) = (Vec::new(), Vec::new());
    for (id, state) in &states {
        assert!(tables.run_numbers.contains(state.run_id.as_uuid())?);
        let order = (state.run_id, state.position);
        assert_eq!(numbers.insert(state.number, order), None);
        let depends_on = tables.tasks.get(id.as_uuid())?.depends_on;
        let unmet = depends_on
            .iter()
            .filter(|on| states[on].status != TaskStatus::Completed);
        assert_eq!(unmet.count(), state.unmet as usize, "{state:?}");
        for on in depends_on {
            dependents.insert((on.as_uuid(), id.as_uuid()));
        }
        let was = tables.indexed(*id, state)?;
        match was.place {
            Place::Nowhere => {}
            Place::Ready => ready.push((-state.priority, state.number, *id)),
            Place::Due(at) => due.push((at, state.number, *id)),
        }
    }
    let last = numbers.keys().next_back().copied().unwrap_or(0);
    let counted = tables.meta.find(crate::schema::META_LAST_TASK_NUMBER)?;
    assert!(last <= counted.unwrap_or(0));
    let mut last_positions = BTreeMap::new();
    for (run_id, position) in numbers.into_values() {
        let last = last_positions.insert(run_id, position).unwrap_or(0);
        assert_eq!(position, last + 1);
    }
    let stored = tables.dependents.keys(.., |pair| pair)?;
    let stored = stored.collect::<Result<BTreeSet<(Uuid, Uuid)>>>()?;
    assert_eq!(stored, dependents);

    ready.sort_unstable();
    due.sort_unstable();
    let ready: Vec<TaskId> = ready.into_iter().map(|(.., id)| id).collect();
    let due: Vec<TaskId> = due.into_iter().map(|(.., id)| id).collect();
    let scopes = tables.run_ids()?.into_iter().map(Some).chain([None]);
    for scope in scopes {
        let of_scope = |ids: &[TaskId]| -> Vec<TaskId> {
            let of_scope = |id: &&TaskId| scope.is_none_or(|run_id| states[id].run_id == run_id);
            ids.iter().filter(of_scope).copied().collect()
        };
        let stored = tables.ready_tasks(scope)?.collect::<Result<Vec<_>>>()?;
        assert_eq!(stored, of_scope(&ready));
        let stored = tables.due_tasks(scope, Timestamp::MAX)?;
        let stored = stored.collect::<Result<Vec<_>>>()?;
        assert_eq!(stored, of_scope(&due));
    }
    for run_id in tables.run_ids()? {
        let found = tables.find_in_states(run_id, |_| true, PageRequest::all(), usize::MAX)?;
        for (position, status, id) in &found {
            let state = &states[id];
            assert_eq!((*position, *status), (state.position, state.status));
        }
        let of_run = states.values().filter(|state| state.run_id == run_id);
        assert_eq!(found.len(), of_run.count());
    }
    Ok(())
}

/// A store in memory with what the calls so far have made.
struct Scene {
    store: RedbStore,
    clock: ManualClock,
    random: Random,
    runs: Vec<RunId>,
    tasks: Vec<TaskId>,
    tokens: Vec<ClaimToken>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let backend = InMemoryBackend::new();
        let database = Builder::new().create_with_backend(backend).unwrap();
        crate::schema::prepare("memory".as_ref(), &database).unwrap();
        let clock = ManualClock::new(Timestamp::from_micros(1_000_000).unwrap());
        Self {
            store: RedbStore::start(database, Arc::new(clock.clone())).unwrap(),
            clock,
            random: Random(seed),
            runs: Vec::new(),
            tasks: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn short(&mut self) -> Duration {
        Duration::from_micros(1 + self.random.next() % 20)
    }

    fn plan(&mut self, run_id: RunId) -> TaskPlan {
        let drafts = (0..self.random.below(4)).map(|index| {
            let priority = i32::try_from(self.random.below(3)).unwrap() - 1;
            let mut draft = TaskDraft::new("t", "o").with_priority(priority);
            if self.random.below(3) == 0 {
                draft = draft.with_not_before(self.clock.now().saturating_add(self.short()));
            }
            if self.random.below(3) == 0 {
                draft = draft.with_max_attempts(2_u32);
            }
            if index > 0 && self.random.below(2) == 0 {
                draft = draft.with_depends_on([self.random.below(index)]);
            } else if let Some(task_id) = self.random.one_of(&self.tasks)
                && self.random.below(2) == 0
            {
                draft = draft.with_depends_on([task_id]);
            }
            draft
        });
        TaskPlan::new(run_id, drafts.collect::<Vec<_>>())
    }

    async fn claim(&mut self) -> Result<()> {
        let mut request = match self.random.one_of(&self.runs) {
            Some(run_id) if self.random.below(2) == 0 => ClaimRequest::of_run(run_id),
            _ => ClaimRequest::of_any_run(),
        };
        if self.random.below(2) == 0 {
            request = request.with_lease(self.short());
        }
        if self.random.below(4) == 0 {
            request = request.with_max_attempts(1_u32);
        }
        let limit = 1 + u32::try_from(self.random.below(3)).unwrap();
        let claims = self.store.claim_tasks(request, limit).await?;
        self.tokens.extend(claims.iter().map(|claim| claim.token()));
        Ok(())
    }

    /// Makes a call, which may be refused.
    async fn step(&mut self) -> Result<()> {
        if self.random.below(4) == 0 {
            let micros = i64::try_from(self.random.below(16)).unwrap() - 4;
            self.clock.advance_micros(micros);
        }
        let (Some(run_id), choice) = (self.random.one_of(&self.runs), self.random.below(24)) else {
            let run = self.store.create_run(NewRun::new("g", "r")).await?;
            self.runs.push(run.id);
            return Ok(());
        };
        let task_id = self.random.one_of(&self.tasks);
        let token = self.random.one_of(&self.tokens);
        match (choice, task_id, token) {
            (0..=3, ..) => {
                let plan = self.plan(run_id);
                let new = self.store.append_tasks(plan).await?;
                self.tasks.extend(new.iter().map(|task| task.id));
            }
            (4, ..) => {
                let plan = self.plan(run_id);
                let new = self.store.replace_pending_tasks(plan).await?;
                self.tasks.extend(new.iter().map(|task| task.id));
            }
            (5..=10, ..) => self.claim().await?,
            (11, ..) => drop(self.store.requeue_in_progress_tasks(run_id).await?),
            (12, ..) => drop(self.store.requeue_expired_tasks(Some(run_id)).await?),
            (13, ..) => drop(self.store.requeue_expired_tasks(None).await?),
            (14, ..) if self.random.below(8) == 0 => self.store.delete_run(run_id).await?,
            (14, ..) if self.runs.len() < 4 => {
                let run = self.store.create_run(NewRun::new("g", "r")).await?;
                self.runs.push(run.id);
            }
            (15, Some(task_id), _) => {
                let complete = CompleteTask::new(task_id, "s");
                self.store.complete_task(complete).await?;
            }
            (16, Some(task_id), _) => {
                self.store.block_task(BlockTask::new(task_id)).await?;
            }
            (17, Some(task_id), _) => {
                self.store.abandon_task(AbandonTask::new(task_id)).await?;
            }
            (18, Some(task_id), _) => drop(self.store.requeue_task(task_id).await?),
            (19 | 20, _, Some(token)) => {
                let beat = Heartbeat::new(token, self.short());
                self.store.heartbeat(beat).await?;
            }
            (21, _, Some(token)) => {
                let report = FinishReport::released_for(self.short(), "later");
                self.store.finish_task(token, report).await?;
            }
            (_, _, Some(token)) => {
                let report = FinishReport::completed("done");
                self.store.finish_task(token, report).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn whatever_is_called_the_indexes_say_what_the_tasks_say() {
    let mut claims = 0;
    for seed in 1..=20 {
        let mut scene = Scene::new(0x2026_1122 * seed);
        for _ in 0..150 {
            match scene.step().await {
                Err(error) if !error.is_refusal() => panic!("{error:?}"),
                _ => scene.store.read(audit).unwrap(),
            }
        }
        claims += scene.tokens.len();
    }
    // Enough came about for the test to mean something.
    assert!(claims > 200, "{claims}");
}
