//! The course of the workloads, over whatever carries out single writes and reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use runstore_bench::{Case, Failure, Result, Steps, Subject, Workload};
use runstore_core::{Durability, Task};
use serde_json::json;

use crate::rows::{
    Attempt, COMPLETED, Completion, DONE, Event, Found, Read, Scene, Tally, Write, Written,
};

/// How many tasks are added by one write while a case is filled.
const CHUNK: u64 = 10_000;

const PAGE: u32 = 1_000;

/// An engine without a store: what carries out the writes and reads.
#[async_trait]
pub(crate) trait Bare: Send + Sync {
    /// Carries out a write of this worker's; the one after the last is the case itself.
    async fn write(&self, worker: usize, write: Write) -> Result<Written>;

    async fn read(&self, worker: usize, read: Read) -> Result<Found>;

    fn durability(&self) -> Durability;

    fn files(&self) -> Vec<PathBuf>;

    fn is_in_process(&self) -> bool;

    async fn end(&self) -> Result<()>;
}

/// A bare engine at work on a case.
pub(crate) struct Course<B> {
    case: Case,
    scene: Arc<Scene>,
    bare: B,
    /// Whose turn it is among the runs.
    turn: AtomicUsize,
    /// The next position in each run.
    positions: Vec<AtomicU64>,
    done: Done,
}

/// What was answered, to be held against what there is in the end.
#[derive(Debug, Default)]
struct Done {
    claims: AtomicU64,
    completed: AtomicU64,
    attempts: AtomicU64,
    events: AtomicU64,
}

impl<B: Bare> Course<B> {
    /// Adds the tasks of the case.
    pub(crate) async fn filled(case: &Case, scene: Arc<Scene>, bare: B) -> Result<Self> {
        let runs = scene.run_ids.len();
        let course = Self {
            case: case.clone(),
            bare,
            turn: AtomicUsize::new(0),
            positions: (0..runs).map(|_| AtomicU64::new(1)).collect(),
            done: Done::default(),
            scene,
        };
        let each = match case.workload {
            // There is to be nothing to claim; or each operation brings its own.
            Workload::ClaimNothing | Workload::Plan => 0,
            Workload::Resume => case.tasks,
            _ => case.tasks.div_ceil(runs as u64),
        };
        course.add_tasks(each).await?;
        Ok(course)
    }

    /// Adds so many tasks to each run.
    async fn add_tasks(&self, each: u64) -> Result<()> {
        for run in 0..self.positions.len() {
            let mut left = each;
            while left > 0 {
                let count = left.min(CHUNK);
                left -= count;
                let first = self.take_positions(run, count)?;
                self.write(self.case.workers, Write::Add { run, first, count })
                    .await?;
            }
        }
        Ok(())
    }

    fn take_positions(&self, run: usize, count: u64) -> Result<u64> {
        let next = self.positions.get(run);
        let next = next.ok_or_else(|| Failure::Refused("a case needs a run".to_owned()))?;
        Ok(next.fetch_add(count, Ordering::Relaxed))
    }

    fn next_run(&self) -> usize {
        self.run_of(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    fn run_of(&self, worker: usize) -> usize {
        worker % self.positions.len().max(1)
    }

    async fn write(&self, worker: usize, write: Write) -> Result<Written> {
        let counts = match &write {
            Write::Attempt(_) => vec![&self.done.attempts],
            Write::Event(_) => vec![&self.done.events],
            Write::Complete(_) => vec![&self.done.completed],
            Write::Finish(..) => vec![&self.done.attempts, &self.done.events, &self.done.completed],
            _ => Vec::new(),
        };
        let written = self.bare.write(worker, write).await?;
        for count in counts {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(written)
    }

    async fn claim(&self, worker: usize, run: usize, steps: &mut Steps) -> Result<Box<Task>> {
        let write = Write::Claim {
            run,
            worker: format!("worker {worker}"),
        };
        match steps.time("claim", self.write(worker, write)).await? {
            Written::Claimed(Some(task)) => {
                self.done.claims.fetch_add(1, Ordering::Relaxed);
                Ok(task)
            }
            _ => Err(Failure::Refused("no task is left to claim".to_owned())),
        }
    }

    /// What a worker has to say of the task that it claimed. Written as JSON for each, as over a store.
    fn report(&self, run: usize, task: &Task) -> (Attempt, Event, Completion) {
        let attempt = Attempt {
            run,
            task_id: task.id.as_uuid(),
            number: task.attempt_count,
            result: self.payload(),
        };
        let event = Event {
            run,
            kind: COMPLETED,
            message: DONE,
            payload: self.payload(),
        };
        let completion = Completion {
            run,
            position: task.position,
            summary: self.scene.text.clone(),
        };
        (attempt, event, completion)
    }

    fn payload(&self) -> String {
        json!({ "text": self.scene.text }).to_string()
    }

    async fn cycle(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let run = self.next_run();
        let task = self.claim(worker, run, steps).await?;
        let (attempt, event, completion) = self.report(run, &task);
        let writes = [
            ("attempt", Write::Attempt(attempt)),
            ("event", Write::Event(event)),
            ("complete", Write::Complete(completion)),
        ];
        for (step, write) in writes {
            steps.time(step, self.write(worker, write)).await?;
        }
        Ok(())
    }

    async fn finish(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let run = self.next_run();
        let task = self.claim(worker, run, steps).await?;
        let (attempt, event, completion) = self.report(run, &task);
        let write = Write::Finish(attempt, event, completion);
        steps.time("finish", self.write(worker, write)).await?;
        Ok(())
    }

    async fn claim_nothing(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let read = Read::HasPending {
            run: self.next_run(),
        };
        match steps.time("claim", self.bare.read(worker, read)).await? {
            Found::HasPending(false) => Ok(()),
            _ => Err(Failure::Refused(
                "a task can be claimed where there is none".to_owned(),
            )),
        }
    }

    async fn append(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let event = Event {
            run: self.next_run(),
            kind: "progress",
            message: "a step is done",
            payload: self.payload(),
        };
        let append = self.write(worker, Write::Event(event));
        steps.time("append", append).await.map(drop)
    }

    async fn snapshot(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let read = Read::Tasks {
            run: self.next_run(),
        };
        let found = steps.time("snapshot", self.bare.read(worker, read));
        match found.await? {
            Found::Tasks(tasks) => self.check_tasks(tasks.len()),
            _ => self.check_tasks(0),
        }
    }

    async fn pages(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let run = self.next_run();
        let (mut after, mut count) = (0, 0);
        loop {
            // One more than a page, so that the last page is known as such.
            let read = Read::Page {
                run,
                after,
                limit: PAGE + 1,
            };
            let found = steps.time("page", self.bare.read(worker, read));
            let Found::Tasks(mut tasks) = found.await? else {
                return self.check_tasks(0);
            };
            let is_last = tasks.len() <= PAGE as usize;
            tasks.truncate(PAGE as usize);
            count += tasks.len();
            match tasks.last() {
                Some(last) if !is_last => after = last.position,
                _ => return self.check_tasks(count),
            }
        }
    }

    /// A read is to give all tasks of a run.
    fn check_tasks(&self, found: usize) -> Result<()> {
        let each = self.case.tasks.div_ceil(self.positions.len() as u64);
        if found as u64 == each {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "{found} of a run's {each} tasks were read"
        )))
    }

    async fn plan(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let (run, count) = (self.run_of(worker), self.case.tasks);
        let first = self.take_positions(run, count)?;
        let write = Write::Plan { run, first, count };
        steps
            .time("plan", self.write(worker, write))
            .await
            .map(drop)
    }

    async fn resume(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let run = self.run_of(worker);
        let all = |written: &Written| match written {
            Written::Changed(changed) if *changed == self.case.tasks => Ok(()),
            other => Err(Failure::Refused(format!(
                "of {} tasks there were {other:?}",
                self.case.tasks
            ))),
        };
        all(&self.write(worker, Write::ClaimAll { run }).await?)?;
        self.done
            .claims
            .fetch_add(self.case.tasks, Ordering::Relaxed);
        let requeue = self.write(worker, Write::Requeue { run });
        all(&steps.time("resume", requeue).await?)
    }

    /// A loop that loses or doubles a row would be no measure.
    async fn check(&self) -> Result<()> {
        let Found::Tally(found) = self.bare.read(self.case.workers, Read::Tally).await? else {
            return Err(Failure::Refused("the rows were not counted".to_owned()));
        };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let claims = read(&self.done.claims);
        let expected = Tally {
            claims,
            most_claims: match self.case.workload {
                // The same tasks are claimed time after time.
                Workload::Resume => found.most_claims,
                _ => claims.min(1),
            },
            completed: read(&self.done.completed),
            attempts: read(&self.done.attempts),
            events: read(&self.done.events),
        };
        if found == expected {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "there are {found:?} where {expected:?} were written"
        )))
    }
}

#[async_trait]
impl<B: Bare> Subject for Course<B> {
    async fn prepare(&self, operations: u64) -> Result<()> {
        match self.case.workload {
            Workload::Cycle | Workload::Finish | Workload::Claim => {
                let runs = self.positions.len() as u64;
                self.add_tasks(operations.div_ceil(runs)).await
            }
            _ => Ok(()),
        }
    }

    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        match self.case.workload {
            Workload::Cycle => self.cycle(worker, steps).await,
            Workload::Finish => self.finish(worker, steps).await,
            Workload::Claim => {
                let run = self.next_run();
                self.claim(worker, run, steps).await.map(drop)
            }
            Workload::ClaimNothing => self.claim_nothing(worker, steps).await,
            Workload::Append => self.append(worker, steps).await,
            Workload::Snapshot => self.snapshot(worker, steps).await,
            Workload::Pages => self.pages(worker, steps).await,
            Workload::Plan => self.plan(worker, steps).await,
            Workload::Resume => self.resume(worker, steps).await,
            // No scene is made for another.
            other => Err(Failure::Refused(format!("no bare loop does {other}"))),
        }
    }

    fn durability(&self) -> Durability {
        self.bare.durability()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.bare.files()
    }

    fn is_in_process(&self) -> bool {
        self.bare.is_in_process()
    }

    async fn end(&self) -> Result<()> {
        let checked = self.check().await;
        self.bare.end().await?;
        checked
    }
}
