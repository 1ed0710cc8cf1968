//! Checks that the indexes of tasks say what the tasks say, and does so beside random calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use redb::Builder;
use redb::backends::InMemoryBackend;
use runstore_core::rules::schedule::Place;
use runstore_core::{
    AbandonTask, AttemptReport, BlockTask, ClaimRequest, ClaimToken, Clock, CompleteTask,
    FinishReport, Heartbeat, ManualClock, NewAttempt, NewRun, Result, RunId, Store, TaskDraft,
    TaskId, TaskPlan, TaskStatus, Timestamp,
};

use crate::RedbStore;
use crate::parts::TaskPlanned;
use crate::schema::{META_LAST_TASK_NUMBER, Tables};
use crate::states::{Found, RunKey, TaskKey};
use crate::table::Reading;
use crate::tasks::tasks_of;

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
    let runs = tables.run_keys()?;
    let mut ids = BTreeMap::new();
    for run in &runs {
        for row in tables.tasks.rows(tasks_of(*run))? {
            let (position, planned) = row?;
            let key = run.task(position);
            assert_eq!(tables.task_ids.get(planned.id.as_uuid())?, key);
            ids.insert(key, planned);
        }
    }
    assert_eq!(tables.task_ids.count(..)?, ids.len() as u64);
    assert_eq!(tables.tasks.count(..)?, ids.len() as u64);

    let mut states = BTreeMap::new();
    for status in TaskStatus::ALL {
        for key in tables.states.of(status).keys(.., |key| key)? {
            let (number, position) = key?;
            let run = tables.run_numbered(number, None)?;
            let found = tables.state_at(run, position, status)?;
            // In this table, and in no other.
            assert_eq!(found.status, status);
            assert!(states.insert(found.key(), found).is_none());
        }
    }
    assert!(states.keys().eq(ids.keys()));

    let mut numbers = BTreeMap::new();
    let mut dependents = BTreeSet::new();
    let (mut ready, mut due) = (Vec::new(), Vec::new());
    for (key, found) in &states {
        let kept = found.state.kept;
        assert_eq!(numbers.insert(kept.number, *key), None);
        let depends_on = &ids[key].depends_on;
        let mut unmet = 0;
        for on in depends_on {
            let (run, position) = tables.task_ids.get(on.as_uuid())?;
            dependents.insert((run, position, found.position));
            let on = &states[&(run, position)];
            unmet += u32::from(on.status != TaskStatus::Completed);
        }
        assert_eq!(unmet, kept.unmet, "{found:?}");
        match tables.indexed(found)?.place {
            Place::Nowhere => {}
            Place::Ready => ready.push((-found.state.priority, kept.number, *key)),
            Place::Due(at) => due.push((at, kept.number, *key)),
        }
    }
    let last = numbers.keys().next_back().copied().unwrap_or(0);
    let counted = tables.meta.find(META_LAST_TASK_NUMBER)?;
    assert!(last <= counted.unwrap_or(0));
    let mut last_positions = BTreeMap::new();
    for (run, position) in numbers.into_values() {
        let last = last_positions.insert(run, position).unwrap_or(0);
        assert_eq!(position, last + 1);
    }
    let stored = tables.dependents.keys(.., |keys| keys)?;
    let stored = stored.collect::<Result<BTreeSet<(u64, u64, u64)>>>()?;
    assert_eq!(stored, dependents);

    ready.sort_unstable();
    due.sort_unstable();
    let ready: Vec<TaskKey> = ready.into_iter().map(|(.., key)| key).collect();
    let due: Vec<TaskKey> = due.into_iter().map(|(.., key)| key).collect();
    let scopes = runs.iter().map(|run| Some(run.number)).chain([None]);
    for scope in scopes {
        let of_scope = |keys: &[TaskKey]| -> Vec<TaskKey> {
            let of_scope = |key: &&TaskKey| scope.is_none_or(|run| key.0 == run);
            keys.iter().filter(of_scope).copied().collect()
        };
        let stored = tables.ready.tasks(scope, i64::MAX)?;
        assert_eq!(stored.collect::<Result<Vec<_>>>()?, of_scope(&ready));
        let stored = tables.due.tasks(scope, i64::MAX)?;
        assert_eq!(stored.collect::<Result<Vec<_>>>()?, of_scope(&due));
    }
    tables.ready.audit()?;
    tables.due.audit()?;
    audit_attempts(tables, &runs, &ids, &states)
}

/// Checks what is kept of the attempts of tasks against the attempts.
fn audit_attempts(
    tables: &Tables<Reading<'_>>,
    runs: &[RunKey],
    ids: &BTreeMap<TaskKey, TaskPlanned>,
    states: &BTreeMap<TaskKey, Found>,
) -> Result<()> {
    let mut attempts = BTreeMap::new();
    for run in runs {
        for (index, attempt) in tables.attempts.recent(*run, u32::MAX)?.iter().enumerate() {
            let key = tables.task_ids.get(attempt.task_id.as_uuid())?;
            assert_eq!(ids[&key].id, attempt.task_id);
            let numbers: &mut Vec<u64> = attempts.entry(key).or_default();
            numbers.push(index as u64 + 1);
        }
    }
    let mut earlier = BTreeSet::new();
    for (key, found) in states {
        let numbers = attempts.remove(key).unwrap_or_default();
        let last = numbers.last().copied().unwrap_or(0);
        assert_eq!(found.state.kept.last_attempt, last);
        let before = numbers.iter().filter(|number| **number != last);
        earlier.extend(before.map(|number| (key.0, key.1, *number)));
    }
    assert!(attempts.is_empty());
    let stored = tables.earlier_attempts.keys(.., |keys| keys)?;
    let stored = stored.collect::<Result<BTreeSet<(u64, u64, u64)>>>()?;
    assert_eq!(stored, earlier);
    for claim in tables.finished_claims.keys(.., |keys| keys)? {
        let (run, position, number) = claim?;
        assert!(number < states[&(run, position)].state.attempt_count);
    }
    Ok(())
}

/// A store in memory with what the calls so far have made.
pub(crate) struct Scene {
    pub(crate) store: RedbStore,
    clock: ManualClock,
    random: Random,
    pub(crate) runs: Vec<RunId>,
    pub(crate) tasks: Vec<TaskId>,
    tokens: Vec<ClaimToken>,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
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
            (22, Some(task_id), _) => {
                let attempt = NewAttempt::new(task_id, 1_u32, AttemptReport::new("failed", "s"));
                self.store.add_attempt(attempt).await?;
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

impl Scene {
    /// Makes a call that may be refused, but not fail.
    pub(crate) async fn random_call(&mut self) {
        match self.step().await {
            Err(error) if !error.is_refusal() => panic!("{error:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn whatever_is_called_the_indexes_say_what_the_tasks_say() {
    let mut claims = 0;
    for seed in 1..=20 {
        let mut scene = Scene::new(0x2026_1122 * seed);
        for _ in 0..150 {
            scene.random_call().await;
            scene.store.read(audit).unwrap();
        }
        claims += scene.tokens.len();
    }
    // Enough came about for the test to mean something.
    assert!(claims > 200, "{claims}");
}
