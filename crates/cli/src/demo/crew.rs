//! The workers: each claims, works and reports, until nothing of the run is open.

use std::sync::Arc;

use runstore::{
    AgentRole, ArtifactDraft, AttemptReport, AttemptStatus, Claim, ClaimRequest, Error,
    FinishOutcome, FinishReport, ListTasks, NewCheckpoint, NewEvent, PageRequest, RunStatus,
    SaveAgentState, Store, TaskStatus,
};
use serde_json::json;
use tokio::sync::{RwLock, Semaphore, watch};
use tokio::task::JoinSet;

use super::message::{Acknowledgement, Job, Message, Report};
use super::{agent, closing, journal, replan};
use crate::failure::{Context, Failure};

/// The signature of the block that the demo runs into.
const SIGNATURE: &str = "missing_prerequisite";

/// What the workers of one process share.
pub(crate) struct Crew {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) job: Job,
    pub(crate) report: Report,
    /// Held for writing by the planner, so that the tasks that it plans anew are those that it read;
    /// for reading around each claim and each finish, and not while a worker works.
    pub(crate) planning: RwLock<()>,
    /// One permit a task that may still be settled.
    settlements: Semaphore,
    /// Tells the idle that a task was finished or planned.
    changed: watch::Sender<()>,
}

/// Takes the run up and works until it is closed, or as far as the job goes.
pub(crate) async fn work(store: Arc<dyn Store>, job: Job, report: Report) -> Result<(), Failure> {
    let crew = Arc::new(Crew::new(store, job, report));
    crew.take_up().await?;
    let mut workers = JoinSet::new();
    for number in 1..=crew.job.workers {
        let crew = Arc::clone(&crew);
        workers.spawn(async move { Worker::new(crew, number).work().await });
    }
    // The first error drops the set, and with it the other workers.
    while let Some(ended) = workers.join_next().await {
        ended.or_fail("a worker panicked")??;
    }
    if crew.job.settle_at_most.is_some() {
        std::future::pending::<()>().await;
    }
    closing::close(&crew).await
}

impl Crew {
    pub(crate) fn new(store: Arc<dyn Store>, job: Job, report: Report) -> Self {
        let limit = job.settle_at_most.unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            store,
            job,
            report,
            planning: RwLock::new(()),
            settlements: Semaphore::new(limit),
            changed: watch::Sender::new(()),
        }
    }

    /// What a process does first that takes up a run: it cannot know who had it before, so it gives back
    /// what was in progress, and ends what was begun.
    async fn take_up(&self) -> Result<(), Failure> {
        let run_id = self.job.run_id;
        let resume = async {
            let requeued = self.store.requeue_in_progress_tasks(run_id).await?;
            let run = self.store.increment_cycle(run_id).await?;
            let state = json!({ "cycle": run.cycle_count, "requeued": requeued });
            let checkpoint = NewCheckpoint::new(run_id, RunStatus::Running, state);
            self.store.add_checkpoint(checkpoint).await?;
            Ok::<_, Error>(requeued)
        };
        let requeued = resume.await.or_fail("cannot take up the run")?;
        (self.report)(Message::Resumed {
            process_id: std::process::id(),
            requeued,
        })?;
        replan::replan_if_due(self).await
    }

    /// Whether a task is pending or in progress.
    async fn is_open(&self) -> Result<bool, Error> {
        let open = ListTasks::new(self.job.run_id)
            .with_statuses([TaskStatus::Pending, TaskStatus::InProgress])
            .with_page(PageRequest::first(1));
        Ok(!self.store.list_tasks(open).await?.items.is_empty())
    }
}

struct Worker {
    crew: Arc<Crew>,
    name: String,
    turns: u32,
}

impl Worker {
    fn new(crew: Arc<Crew>, number: u16) -> Self {
        Self {
            crew,
            name: format!("worker-{number}"),
            turns: 0,
        }
    }

    async fn work(mut self) -> Result<(), Failure> {
        let request = ClaimRequest::of_run(self.crew.job.run_id);
        loop {
            // From before the claim, so that no change after it is missed.
            let mut changed = self.crew.changed.subscribe();
            let claim = {
                let _plan_stands = self.crew.planning.read().await;
                self.crew.store.claim_next_task(request.clone()).await
            };
            match claim.or_fail("cannot claim a task")? {
                Some(claim) => self.carry_out(claim).await?,
                None if self.crew.is_open().await.or_fail("cannot list tasks")? => {
                    // What others have in progress may come back.
                    let _ = changed.changed().await;
                }
                None => return Ok(()),
            }
        }
    }

    async fn carry_out(&mut self, claim: Claim) -> Result<(), Failure> {
        self.turns = self.turns.saturating_add(1);
        let token = claim.token();
        let message = match self.attempt(&claim).await {
            Ok(status) => Message::Acknowledged(Acknowledgement {
                task_id: token.task_id,
                attempt_number: token.attempt_number,
                status,
                title: claim.task.title,
            }),
            Err(Error::StaleClaim { .. }) => Message::Overtaken {
                task_id: token.task_id,
            },
            Err(error) => return Err(error).or_fail("cannot report on a task"),
        };
        let is_blocked = matches!(
            &message,
            Message::Acknowledged(told) if told.status == AttemptStatus::Blocked
        );
        (self.crew.report)(message)?;
        if is_blocked {
            replan::replan_if_due(&self.crew).await?;
        }
        self.crew.changed.send_replace(());
        let state = SaveAgentState::new(self.crew.job.run_id, self.role())
            .with_session_id(format!("{}-of-{}", self.name, std::process::id()))
            .with_turns(self.turns);
        let saved = self.crew.store.save_agent_state(state).await;
        saved.map(drop).or_fail("cannot save the state of a worker")
    }

    /// Works on a claimed task and reports, in one change; returns how the attempt ended.
    async fn attempt(&self, claim: &Claim) -> Result<AttemptStatus, Error> {
        let Crew { store, job, .. } = &*self.crew;
        let (token, task) = (claim.token(), &claim.task);
        let event = |kind, message: &str| journal::task_event(&self.name, kind, token, message);
        let claimed = event(journal::TASK_CLAIMED, &task.title);
        let claimed = NewEvent::new(job.run_id, claimed).with_fence(token);
        store.add_event(claimed).await?;

        let blocked_position = job.blocked_position;
        let work = tokio::task::block_in_place(|| agent::work(job.seed, task, blocked_position));
        let result = json!({ "digest": work.digest, "worker": self.name });
        let report = match work.status {
            AttemptStatus::Failed => FinishReport::released("The verification steps fail.")
                .with_event(event(journal::TASK_FAILED, &task.title)),
            AttemptStatus::Blocked => FinishReport::new(
                FinishOutcome::Blocked {
                    summary: Some("It needs what the plan does not provide.".to_owned()),
                    blocker_signature: Some(SIGNATURE.to_owned()),
                },
                AttemptReport::new(AttemptStatus::Blocked, "A prerequisite is missing.")
                    .with_blocker_signature(SIGNATURE),
            )
            .with_event(event(journal::TASK_BLOCKED, &task.title)),
            _ => {
                let patch = format!("patches/{:03}-{}.patch", task.position, task.attempt_count);
                let artifact = ArtifactDraft::new("patch", patch)
                    .with_role(self.role())
                    .with_metadata(result.clone());
                FinishReport::completed(format!("Done, digest {}.", work.digest))
                    .with_event(event(journal::TASK_COMPLETED, &task.title))
                    .with_artifact(artifact)
            }
        };
        let attempt = report.attempt.clone().with_result(result);
        let report = report.with_attempt(attempt);

        let is_settlement = work.status != AttemptStatus::Failed;
        // Waited for before the plan is held: a planner must not wait for a permit that never comes.
        let permit = if is_settlement {
            self.crew.settlements.acquire().await.ok()
        } else {
            None
        };
        let _plan_stands = self.crew.planning.read().await;
        store.finish_task(token, report).await?;
        // A report that was refused gives its permit back; one that took effect uses it up.
        if let Some(permit) = permit {
            permit.forget();
        }
        Ok(work.status)
    }

    fn role(&self) -> AgentRole {
        AgentRole::from(&*self.name)
    }
}
