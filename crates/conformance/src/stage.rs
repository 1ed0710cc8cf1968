//! A run that is prepared for every call, with ids that follow from a number, so that two stages can be
//! compared.

use std::time::Duration;

use futures_util::future::try_join_all;
use runstore_core::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, ClaimRequest, ClaimToken, EventDraft,
    FinishReport, ManualClock, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, RunId, RunUpdate, SaveAgentState, Store, TaskDraft, TaskId, TaskPlan, Timestamp, Uuid,
};
use serde_json::json;
use tokio::try_join;

use crate::check::{Outcome, check_eq};
use crate::context::start;
use crate::dump::Dump;
use crate::world;

/// A run with seven tasks and records of every kind, and a run beside it whose tasks wait.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    seed: u64,
    /// The run.
    pub(crate) run_id: RunId,
    /// The other run. Of its tasks the first is claimed with a lease that holds; the second and third
    /// with one that has run out, and the third may not be claimed again; the fourth is pending, and the
    /// sixth depends on it. The fifth is the first of the whole store for a claim: no stage before has
    /// one of that priority, and those after it are not due before their instants.
    pub(crate) bystander: RunId,
    /// The claim on the fourth task, which is held. So is one on the fifth.
    pub(crate) held: ClaimToken,
    /// The claim on the first task, which ended with the report [`Stage::report`].
    pub(crate) finished: ClaimToken,
}

/// As many stages of one store as are asked for.
pub(crate) struct Stages<'a> {
    store: &'a dyn Store,
    clock: &'a ManualClock,
    last_seed: u64,
    ready: Vec<Stage>,
}

impl<'a> Stages<'a> {
    /// How many are prepared at once, so that they share commits.
    const BATCH: u64 = 12;

    pub(crate) const fn of(store: &'a dyn Store, clock: &'a ManualClock) -> Self {
        Self {
            store,
            clock,
            last_seed: 0,
            ready: Vec::new(),
        }
    }

    /// A stage that nobody has used.
    pub(crate) async fn take(&mut self) -> Outcome<Stage> {
        if self.ready.is_empty() {
            let seeds = self.last_seed + 1..=self.last_seed + Self::BATCH;
            self.last_seed += Self::BATCH;
            self.clock.set(start());
            self.ready = try_join_all(seeds.map(|seed| Stage::prepare(self.store, seed))).await?;
        }
        let stage = world::first(self.ready.split_off(self.ready.len().saturating_sub(1)))?;
        stage.begin(self.clock);
        Ok(stage)
    }
}

impl Stage {
    /// Prepares a stage on a store that has none.
    pub(crate) async fn set(store: &dyn Store, clock: &ManualClock) -> Outcome<Self> {
        clock.set(start());
        let stage = Self::prepare(store, 1).await?;
        stage.begin(clock);
        Ok(stage)
    }

    /// Puts the clock at the instant of the stage, at which its calls are made: what they write shows by
    /// its time.
    pub(crate) fn begin(&self, clock: &ManualClock) {
        clock.set(self.instant());
    }

    fn instant(&self) -> Timestamp {
        instant(self.seed)
    }

    /// Long after its instant.
    pub(crate) fn later(&self) -> Timestamp {
        self.instant().saturating_add(LONG)
    }

    async fn prepare(store: &dyn Store, seed: u64) -> Outcome<Self> {
        let token = |number| ClaimToken {
            task_id: id(seed, number).into(),
            attempt_number: 1,
        };
        let stage = Self {
            seed,
            run_id: id(seed, 1).into(),
            bystander: id(seed, 2).into(),
            held: token(14),
            finished: token(11),
        };
        // What has no order of its own is written at once.
        let new = |run_id| NewRun::new("goal", "/repo").with_id(run_id);
        try_join!(
            store.create_run(new(stage.run_id)),
            store.create_run(new(stage.bystander)),
        )?;
        let plan =
            |run_id, count, first| TaskPlan::new(run_id, stage.named(world::drafts(count), first));
        try_join!(
            store.append_tasks(plan(stage.run_id, 7, 11)),
            store.append_tasks(TaskPlan::new(stage.bystander, stage.waiting_drafts())),
        )?;
        stage.claim_and_settle(store).await?;
        stage.claim_with_leases(store).await?;
        stage.write_journal(store).await?;
        Ok(stage)
    }

    fn waiting_drafts(&self) -> Vec<TaskDraft> {
        let drafts = (1..).zip(self.named(world::drafts(6), 101));
        let drafts = drafts.map(|(position, draft)| match position {
            3 => draft.with_max_attempts(1_u32),
            5 => draft
                .with_priority(first_priority(self.seed))
                .with_not_before(self.instant()),
            6 => draft.with_depends_on([self.waiting(4)]),
            _ => draft,
        });
        drafts.collect()
    }

    /// The first three tasks of the other run are claimed; the leases of the last two run out before any
    /// stage's instant.
    async fn claim_with_leases(&self, store: &dyn Store) -> Outcome {
        let short = Duration::from_millis(1);
        for (position, lease) in [(1, LONG / 2), (2, short), (3, short)] {
            let request = ClaimRequest::of_run(self.bystander)
                .with_worker("w")
                .with_lease(lease);
            let claim = store.claim_next_task(request).await?;
            check_eq!(
                claim.map(|claim| claim.token()),
                Some(self.leased(position)),
                "the token of claim {position} with a lease"
            );
        }
        Ok(())
    }

    /// The first task is completed by a report, the second blocked, the third abandoned; the fourth and
    /// the fifth are in progress, the rest pending.
    async fn claim_and_settle(&self, store: &dyn Store) -> Outcome {
        for position in 1..=5 {
            let claim = world::claim(store, self.run_id).await?;
            check_eq!(
                claim.task.id,
                self.task(position),
                "the task of claim {position}"
            );
        }
        let block = BlockTask::new(self.task(2)).with_blocker_signature("sig");
        let abandon = AbandonTask::new(self.task(3)).with_summary("no");
        try_join!(
            store.finish_task(self.finished, self.report()),
            store.block_task(block),
            store.abandon_task(abandon),
        )?;
        Ok(())
    }

    async fn write_journal(&self, store: &dyn Store) -> Outcome {
        let run_id = self.run_id;
        let update = RunUpdate::new(run_id)
            .with_status("running")
            .with_summary("under way")
            .with_current_task(self.task(4));
        let save = SaveAgentState::new(run_id, "strategy")
            .with_session_id("s")
            .with_turns(3);
        let report = AttemptReport::new("failed", "first try").with_id(self.id(21));
        let event = EventDraft::new("s", "k", "m").with_id(self.id(31));
        let artifact = ArtifactDraft::new("k", "p").with_id(self.id(41));
        let approval = NewApproval::new(run_id, "human", "approved", "r").with_id(self.id(51));
        let payload = json!({"n": 1});
        let checkpoint = NewCheckpoint::new(run_id, "running", payload).with_id(self.id(61));
        try_join!(
            store.update_run(update),
            store.save_agent_state(save),
            store.add_attempt(NewAttempt::of_claim(self.held, report)),
            store.add_event(NewEvent::new(run_id, event)),
            store.add_artifact(NewArtifact::new(run_id, artifact)),
            store.add_approval(approval),
            store.add_checkpoint(checkpoint),
        )?;
        Ok(())
    }

    /// The report by which the first task was completed.
    pub(crate) fn report(&self) -> FinishReport {
        FinishReport::completed("done")
            .with_attempt(AttemptReport::new("completed", "did it").with_id(self.id(20)))
            .with_event(EventDraft::new("w", "reported", "m").with_id(self.id(30)))
            .with_artifact(ArtifactDraft::new("k", "reported").with_id(self.id(40)))
    }

    /// The id of the task at that position of the run.
    pub(crate) fn task(&self, position: u16) -> TaskId {
        self.id(10 + position).into()
    }

    /// The id of the task at that position of the other run.
    pub(crate) fn waiting(&self, position: u16) -> TaskId {
        self.id(100 + position).into()
    }

    /// The claim on the task at that position of the other run, for the first three.
    pub(crate) fn leased(&self, position: u16) -> ClaimToken {
        ClaimToken {
            task_id: self.waiting(position),
            attempt_number: 1,
        }
    }

    /// The id of that number. Numbers below 200 are the stage's own.
    pub(crate) fn id(&self, number: u16) -> Uuid {
        id(self.seed, number)
    }

    /// Drafts with ids from `first` on.
    pub(crate) fn named(&self, drafts: Vec<TaskDraft>, first: u16) -> Vec<TaskDraft> {
        let numbers = (first..).zip(drafts);
        numbers
            .map(|(number, draft)| draft.with_id(self.id(number)))
            .collect()
    }

    /// A write that concerns nobody: once it has returned, a writer that takes calls in turn is through
    /// with those before it.
    pub(crate) async fn flush(&self, store: &dyn Store) -> Outcome {
        let save = SaveAgentState::new(self.bystander, "flush");
        store.save_agent_state(save).await?;
        Ok(())
    }

    /// All that can be read of the stage, with the run that `create_run` makes there. Ids, times and
    /// priorities are told without the seed, so that the dumps of two stages compare.
    pub(crate) async fn dump(&self, store: &dyn Store) -> Outcome<Dump> {
        let runs = [self.run_id, self.bystander, self.id(200).into()];
        let prefix = |seed: u64| {
            let text = id(seed, 0).to_string();
            text.chars().take(19).collect::<String>()
        };
        let names = |seed| {
            let at = instant(seed);
            let (at, later) = (at.to_string(), at.saturating_add(LONG).to_string());
            [prefix(seed), at, later, first_priority(seed).to_string()]
        };
        let dump = Dump::of_runs(store, &runs).await?;
        let pairs = names(self.seed).into_iter().zip(names(0));
        Ok(pairs.fold(dump, |dump, (own, common)| dump.renamed(&own, &common)))
    }
}

/// How long the leases and delays last that stages and their calls name.
pub(crate) const LONG: Duration = Duration::from_secs(100 * 24 * 60 * 60);

/// The instant of the stage: each has one of its own.
fn instant(seed: u64) -> Timestamp {
    start().saturating_add(Duration::from_secs(1 + seed))
}

/// The priority of the task that comes first in the store at the instant of the stage.
fn first_priority(seed: u64) -> i32 {
    // Of a form of its own, so that it can be found in the text of a dump.
    1_234_000_000 + i32::try_from(seed).unwrap_or(i32::MAX - 1_234_000_000)
}

fn id(seed: u64, number: u16) -> Uuid {
    Uuid::from_u64_pair(seed, u64::from(number))
}
