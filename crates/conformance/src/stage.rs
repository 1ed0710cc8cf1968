//! A run that is prepared for every call, with ids that follow from a number, so that two stages can be
//! compared.

use runstore_core::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, ClaimToken, EventDraft, FinishReport,
    ManualClock, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, RunId,
    RunUpdate, SaveAgentState, Store, TaskDraft, TaskId, TaskPlan, Uuid,
};
use serde_json::json;

use crate::check::{Outcome, check_eq};
use crate::context::start;
use crate::dump::Dump;
use crate::world;

/// A run with seven tasks and records of every kind, and another run beside it.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    seed: u64,
    /// The run.
    pub(crate) run_id: RunId,
    /// Another run, with pending tasks.
    pub(crate) bystander: RunId,
    /// The claim on the fourth task, which is held. So is one on the fifth.
    pub(crate) held: ClaimToken,
    /// The claim on the first task, which ended with the report [`Stage::report`].
    pub(crate) finished: ClaimToken,
}

impl Stage {
    /// Prepares a stage. Two stages with other seeds can stand in one store.
    pub(crate) async fn set(store: &dyn Store, clock: &ManualClock, seed: u64) -> Outcome<Self> {
        clock.set(start());
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
        for run_id in [stage.run_id, stage.bystander] {
            let new = NewRun::new("goal", "/repo").with_id(run_id);
            store.create_run(new).await?;
        }
        let plan = TaskPlan::new(stage.bystander, world::drafts(2));
        let plan = TaskPlan::new(stage.bystander, stage.named(plan.drafts, 101));
        store.append_tasks(plan).await?;
        let plan = TaskPlan::new(stage.run_id, stage.named(world::drafts(7), 11));
        store.append_tasks(plan).await?;
        stage.settle_and_claim(store).await?;
        stage.write_journal(store).await?;
        // What a call writes from here on shows by its time.
        clock.set(start().saturating_add_micros(1_000_000));
        Ok(stage)
    }

    /// The first task is completed by a report, the second blocked, the third abandoned; the fourth and
    /// the fifth are in progress, the rest pending.
    async fn settle_and_claim(&self, store: &dyn Store) -> Outcome {
        for number in 1..=5 {
            let claim = world::claim(store, self.run_id).await?;
            let id = self.task(number);
            check_eq!(claim.task.id, id, "the task of claim {number}");
            match number {
                1 => drop(store.finish_task(self.finished, self.report()).await?),
                2 => drop(
                    store
                        .block_task(BlockTask::new(id).with_blocker_signature("sig"))
                        .await?,
                ),
                3 => drop(
                    store
                        .abandon_task(AbandonTask::new(id).with_summary("no"))
                        .await?,
                ),
                _ => {}
            }
        }
        Ok(())
    }

    async fn write_journal(&self, store: &dyn Store) -> Outcome {
        let run_id = self.run_id;
        let update = RunUpdate::new(run_id)
            .with_status("running")
            .with_summary("under way")
            .with_current_task(self.task(4));
        store.update_run(update).await?;
        let save = SaveAgentState::new(run_id, "strategy")
            .with_session_id("s")
            .with_turns(3);
        store.save_agent_state(save).await?;
        let report = AttemptReport::new("failed", "first try").with_id(self.id(21));
        store
            .add_attempt(NewAttempt::of_claim(self.held, report))
            .await?;
        let draft = EventDraft::new("s", "k", "m").with_id(self.id(31));
        store.add_event(NewEvent::new(run_id, draft)).await?;
        let draft = ArtifactDraft::new("k", "p").with_id(self.id(41));
        store.add_artifact(NewArtifact::new(run_id, draft)).await?;
        let new = NewApproval::new(run_id, "human", "approved", "r").with_id(self.id(51));
        store.add_approval(new).await?;
        let new = NewCheckpoint::new(run_id, "running", json!({"n": 1})).with_id(self.id(61));
        store.add_checkpoint(new).await?;
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

    /// All that can be read of the stage, with the run that `create_run` makes there. The ids are told
    /// without the seed, so that the dumps of two stages compare.
    pub(crate) async fn dump(&self, store: &dyn Store) -> Outcome<Dump> {
        let runs = [self.run_id, self.bystander, self.id(200).into()];
        let prefix = |seed: u64| {
            let text = id(seed, 0).to_string();
            text.chars().take(19).collect::<String>()
        };
        let dump = Dump::of_runs(store, &runs).await?;
        Ok(dump.renamed(&prefix(self.seed), &prefix(0)))
    }
}

fn id(seed: u64, number: u16) -> Uuid {
    Uuid::from_u64_pair(seed, u64::from(number))
}
