//! Concurrent histories, each checked for linearizability (clause G3) against the reference.
//!
//! A round has a run of its own; its workers begin together, each on a handle of its own.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Union};
use runstore_core::{
    AbandonTask, AgentRole, ApprovalId, ApprovalSource, ArtifactDraft, ArtifactId, AttemptId,
    AttemptReport, BlockTask, CheckpointId, ClaimRequest, ClaimToken, CompleteTask, EventDraft,
    EventId, FinishReport, ListEvents, ListTasks, ManualClock, NewApproval, NewArtifact,
    NewAttempt, NewCheckpoint, NewEvent, NewRun, RunId, RunUpdate, SaveAgentState, SnapshotRequest,
    Store, TaskDraft, TaskId, TaskPlan, Uuid,
};
use runstore_memory::{MemoryOptions, MemoryStore};
use serde_json::json;
use tokio::sync::Barrier;

use crate::arbitrary::Seeded;
use crate::call::Call;
use crate::check::{Outcome, Stop, check};
use crate::context::{Context, start};
use crate::history::{Action, History, Stamps, work};

const ROUNDS: u128 = 24;
const WORKERS: usize = 4;
const MOST_ACTIONS: usize = 5;

pub(crate) async fn claims_and_reports_at_once_are_linearizable(c: &mut Context<'_>) -> Outcome {
    every_round_is_linearizable(c, claims_and_reports).await
}

pub(crate) async fn changes_of_the_plan_at_once_are_linearizable(c: &mut Context<'_>) -> Outcome {
    every_round_is_linearizable(c, changes_of_the_plan).await
}

pub(crate) async fn writes_to_the_journal_at_once_are_linearizable(c: &mut Context<'_>) -> Outcome {
    every_round_is_linearizable(c, writes_to_the_journal).await
}

/// What one round is about: a run, its first four tasks and a token on the first of them, which every
/// worker knows. The token is held at first.
#[derive(Debug, Clone, Copy)]
struct Round(u128);

impl Round {
    const FIRST_TASKS: u128 = 4;

    fn id<I: From<Uuid>>(self, number: u128) -> I {
        Uuid::from_u128(self.0 * 1_000 + number).into()
    }

    fn run_id(self) -> RunId {
        self.id(0)
    }

    fn shared_token(self) -> ClaimToken {
        ClaimToken {
            task_id: self.id(1),
            attempt_number: 1,
        }
    }

    fn drafts(self, numbers: impl IntoIterator<Item = u128>) -> TaskPlan {
        let draft = |number| {
            TaskDraft::new(format!("task {number}"), "objective").with_id(self.id::<TaskId>(number))
        };
        TaskPlan::new(self.run_id(), numbers.into_iter().map(draft))
    }

    async fn begin(self, store: &dyn Store) -> Outcome {
        let run = NewRun::new("goal", "/repo").with_id(self.run_id());
        store.create_run(run).await?;
        store
            .append_tasks(self.drafts(1..=Self::FIRST_TASKS))
            .await?;
        store
            .claim_next_task(ClaimRequest::of_run(self.run_id()))
            .await?;
        Ok(())
    }
}

type Actions = Vec<(u32, BoxedStrategy<Action>)>;

/// What the workers of each round do.
struct Program {
    rounds: Vec<(Round, Vec<Vec<Action>>)>,
    seed: String,
}

impl Program {
    fn draw(actions: fn(Round) -> Actions) -> Outcome<Self> {
        let mut seeded = Seeded::new(0)?;
        let mut rounds = Vec::new();
        for round in (1..=ROUNDS).map(Round) {
            let worker = vec(Union::new_weighted(actions(round)), 1..=MOST_ACTIONS);
            let workers = vec(worker, WORKERS);
            rounds.push((round, seeded.draw(&workers)?));
        }
        let seed = seeded.seed;
        Ok(Self { rounds, seed })
    }
}

async fn every_round_is_linearizable(
    c: &mut Context<'_>,
    actions: fn(Round) -> Actions,
) -> Outcome {
    let Program { rounds, seed } = Program::draw(actions)?;
    let handles = match c.handles(WORKERS).await {
        // The calls of one handle run beside each other too.
        Err(Stop::Skipped(_)) => vec![Arc::clone(&c.store); WORKERS],
        handles => handles?,
    };
    for (round, workers) in rounds {
        let clock = Arc::new(ManualClock::new(start()));
        let reference = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        round.begin(&reference).await?;
        round.begin(&*c.store).await?;
        let stamps = Arc::new(Stamps::default());
        let barrier = Arc::new(Barrier::new(WORKERS));
        let mut running = Vec::new();
        for (worker, (actions, store)) in workers.into_iter().zip(handles.clone()).enumerate() {
            let (stamps, barrier) = (Arc::clone(&stamps), Arc::clone(&barrier));
            running.push(tokio::spawn(async move {
                barrier.wait().await;
                work(worker, &*store, &stamps, actions).await
            }));
        }
        let mut operations = Vec::new();
        for worker in running {
            operations.extend(worker.await?);
        }
        let history = History::new(operations)?;
        check!(
            history.is_linearizable(&reference)?,
            "no order of these calls that agrees with when they began and ended explains their \
             answers (run {}, tasks 1 to {} pending but the first, which is claimed; {seed}):\n{history}",
            round.run_id(),
            Round::FIRST_TASKS,
        );
    }
    Ok(())
}

fn made(call: impl Strategy<Value = Call> + 'static) -> BoxedStrategy<Action> {
    call.prop_map(Action::Make).boxed()
}

fn just(call: Call) -> BoxedStrategy<Action> {
    Just(Action::Make(call)).boxed()
}

/// A report whose record has an id out of many, so that few are repeated.
fn report(round: Round) -> BoxedStrategy<FinishReport> {
    let ends = [
        FinishReport::completed("done"),
        FinishReport::released("again"),
    ];
    (select(ends.to_vec()), 100..900_u128)
        .prop_map(move |(report, number)| {
            let attempt = report
                .attempt
                .clone()
                .with_id(round.id::<AttemptId>(number));
            report
                .with_attempt(attempt)
                .with_event(EventDraft::new("worker", "finished", "through"))
        })
        .boxed()
}

fn reads_of_tasks(round: Round) -> Actions {
    vec![
        (1, just(Call::ListTasks(ListTasks::new(round.run_id())))),
        (1, just(Call::GetTask(round.id(1)))),
        (
            1,
            just(Call::Snapshot(SnapshotRequest::of_run(round.run_id()))),
        ),
    ]
}

fn claims_and_reports(round: Round) -> Actions {
    let shared =
        report(round).prop_map(move |report| Call::FinishTask(round.shared_token(), report));
    let mut actions = vec![
        (
            6,
            just(Call::ClaimNextTask(ClaimRequest::of_run(round.run_id()))),
        ),
        (5, report(round).prop_map(Action::FinishOwn).boxed()),
        (3, made(shared)),
        (
            2,
            made((1..=2_u128).prop_map(move |number| Call::RequeueTask(round.id(number)))),
        ),
        (1, just(Call::RequeueInProgressTasks(round.run_id()))),
    ];
    actions.extend(reads_of_tasks(round));
    actions
}

fn changes_of_the_plan(round: Round) -> Actions {
    // Few plans with few ids, so that some are given twice, also by two workers at once.
    let plan = move || {
        let first = select(vec![10_u128, 20, 30, 40]);
        first.prop_map(move |first| round.drafts(first..first + 2))
    };
    let task = move || (1..=3_u128).prop_map(move |number| round.id::<TaskId>(number));
    let mut actions = vec![
        (3, made(plan().prop_map(Call::ReplacePendingTasks))),
        (2, made(plan().prop_map(Call::AppendTasks))),
        (
            3,
            just(Call::ClaimNextTask(ClaimRequest::of_run(round.run_id()))),
        ),
        (2, report(round).prop_map(Action::FinishOwn).boxed()),
        (
            1,
            made(task().prop_map(|id| Call::CompleteTask(CompleteTask::new(id, "by hand")))),
        ),
        (
            1,
            made(task().prop_map(|id| Call::BlockTask(BlockTask::new(id)))),
        ),
        (
            1,
            made(task().prop_map(|id| Call::AbandonTask(AbandonTask::new(id)))),
        ),
        (2, made(task().prop_map(Call::RequeueTask))),
    ];
    actions.extend(reads_of_tasks(round));
    actions
}

fn writes_to_the_journal(round: Round) -> Actions {
    let run_id = round.run_id();
    let token = round.shared_token();
    let id = || 1..=3_u128;
    let event = id().prop_map(move |number| {
        let draft = EventDraft::new("worker", "note", "hello");
        let draft = draft.with_id(round.id::<EventId>(number));
        Call::AddEvent(NewEvent::new(run_id, draft))
    });
    let fenced =
        NewEvent::new(run_id, EventDraft::new("worker", "fenced", "hello")).with_fence(token);
    let attempt = id().prop_map(move |number| {
        let report = AttemptReport::new("failed", "no").with_id(round.id::<AttemptId>(number));
        Call::AddAttempt(NewAttempt::of_claim(token, report))
    });
    let artifact = id().prop_map(move |number| {
        let draft = ArtifactDraft::new("file", "a.md").with_id(round.id::<ArtifactId>(number));
        Call::AddArtifact(NewArtifact::new(run_id, draft).with_fence(token))
    });
    let approval = id().prop_map(move |number| {
        let new = NewApproval::new(run_id, ApprovalSource::Checker, "approved", "why");
        Call::AddApproval(new.with_id(round.id::<ApprovalId>(number)))
    });
    let checkpoint = id().prop_map(move |number| {
        let new = NewCheckpoint::new(run_id, "running", json!({ "step": number }));
        Call::AddCheckpoint(new.with_id(round.id::<CheckpointId>(number)))
    });
    let save = (1..=3_u32).prop_map(move |turns| {
        Call::SaveAgentState(SaveAgentState::new(run_id, AgentRole::Checker).with_turns(turns))
    });
    let updates = [
        RunUpdate::new(run_id).with_status("running"),
        RunUpdate::new(run_id).with_summary("under way"),
        RunUpdate::new(run_id).clear_summary(),
        RunUpdate::new(run_id).with_current_task(round.id(1)),
    ];
    vec![
        (4, made(event)),
        (2, just(Call::AddEvent(fenced))),
        (2, made(attempt)),
        (1, made(artifact)),
        (1, made(approval)),
        (1, made(checkpoint)),
        (1, made(save)),
        (2, made(select(updates.to_vec()).prop_map(Call::UpdateRun))),
        (2, just(Call::IncrementCycle(run_id))),
        (1, just(Call::IncrementReplan(run_id))),
        (1, just(Call::RequeueTask(token.task_id))),
        (1, just(Call::ListEvents(ListEvents::new(run_id)))),
        (1, just(Call::RecentEvents(run_id, 2))),
        (1, just(Call::LatestCheckpoint(run_id))),
        (1, just(Call::LatestAttempt(token.task_id))),
        (2, just(Call::Snapshot(SnapshotRequest::of_run(run_id)))),
        (1, just(Call::GetRun(run_id))),
    ]
}
