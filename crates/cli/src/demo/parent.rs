//! The demo from the outside: it plans, has the work done, kills and resumes, and proves.

use std::sync::Arc;
use std::time::Instant;

use runstore::{Durability, Error, RunId, RunSnapshot, SnapshotRequest, Store};
use tokio::runtime::Runtime;

use super::child::WorkerProcess;
use super::message::Job;
use super::observer::Observer;
use super::records::Records;
use super::summary::Figures;
use super::{crew, planning, proof};
use crate::args::DemoArguments;
use crate::failure::{Context, Failure};
use crate::open::{fresh_url, open, runtime, shown};
use crate::output::{print, print_json};
use crate::plan::{Plan, PlannedTask};
use crate::shell::show_command;
use crate::table::{self, Reasons};

/// Runs the demo.
pub(crate) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    // All of the plan is checked before a store is touched.
    let plan = Plan::read(arguments.plan.as_deref())?;
    let url = match &arguments.store {
        Some(url) => url.clone(),
        None => fresh_url()?,
    };
    let runtime = runtime()?;
    let store = runtime.block_on(open(&url))?;
    let info = store.info();
    let run_id = runtime
        .block_on(planning::begin(&*store, &plan))
        .or_fail("cannot plan the run")?;

    let tasks = plan.tasks.count() as u64;
    let observer = Arc::new(Observer::new(arguments.json, tasks));
    observer.say(&format!("run {run_id} of {tasks} tasks in {}", shown(&url)))?;
    let job = Job {
        store: url.clone(),
        run_id,
        workers: arguments.workers,
        seed: arguments.seed,
        blocked_position: (tasks > 1).then(|| tasks / 4 + 1),
        substitutes: plan.replan.iter().map(PlannedTask::draft).collect(),
        settle_at_most: None,
    };
    let began = Instant::now();
    let (store, crash) = match info.durability {
        Durability::Volatile => (
            work_here(&runtime, store, job, &observer)?,
            "left out: what is kept in memory is gone with the process".to_owned(),
        ),
        _ => {
            let worked = work_in_processes(&runtime, store, &job, plan.tasks.count(), &observer);
            // Whatever became of the processes, the run stands where they left it.
            worked.map_err(|failure| {
                let look = show_command(run_id, &url);
                failure.with_advice(format!("to see the run as it stands: {look}"))
            })?
        }
    };
    let took = began.elapsed();
    observer.rest();

    let (records, snapshot) = runtime
        .block_on(read_back(&*store, run_id))
        .or_fail("cannot read the run back")?;
    if !arguments.json {
        print(&table::snapshot(&snapshot, &Reasons::new()))?;
    }
    let figures = Figures::of(&records);
    for line in figures.lines(took) {
        observer.say(&line)?;
    }
    observer.say(&format!("durability  {}", info.durability))?;
    observer.say(&format!("store       {}", shown(&url)))?;
    observer.say(&format!("crash       {crash}"))?;
    proof::prove(&records, &observer.acknowledged())?;
    observer.say(&format!(
        "proved      tasks completed: {}, each exactly once; no acknowledged report is lost",
        figures.completed
    ))?;
    observer.say(&format!(
        "            claims that ran out: {}, each with its lease and not before, none by a requeue",
        figures.taken_over
    ))?;
    if info.durability != Durability::Volatile {
        observer.say(&format!("look again  {}", show_command(run_id, &url)))?;
    }
    // Last, for its reader may take no more than the beginning.
    if arguments.json {
        print_json(&snapshot)?;
    }
    Ok(())
}

async fn read_back(store: &dyn Store, run_id: RunId) -> Result<(Records, RunSnapshot), Error> {
    let records = Records::read(store, run_id).await?;
    let request = SnapshotRequest::of_run(run_id);
    let snapshot = store.snapshot(request).await?;
    store.close().await?;
    Ok((records, snapshot))
}

/// Works in this process, for a store that no other can open.
fn work_here(
    runtime: &Runtime,
    store: Arc<dyn Store>,
    job: Job,
    observer: &Arc<Observer>,
) -> Result<Arc<dyn Store>, Failure> {
    let hearer = Arc::clone(observer);
    let report = Box::new(move |message| hearer.hear(message));
    runtime.block_on(crew::work(Arc::clone(&store), job, report))?;
    Ok(store)
}

/// Has one process work until it is killed with half of the tasks settled, and another end the work. The
/// store is closed meanwhile: an engine may let in one process only. Returns it as it was opened again,
/// and how the crash went.
fn work_in_processes(
    runtime: &Runtime,
    store: Arc<dyn Store>,
    job: &Job,
    tasks: usize,
    observer: &Observer,
) -> Result<(Arc<dyn Store>, String), Failure> {
    let closed = runtime.block_on(store.close());
    closed.or_fail("cannot close the store")?;
    drop(store);

    let half = (tasks / 2).max(1);
    let doomed = Job {
        settle_at_most: Some(half),
        ..job.clone()
    };
    let mut process = WorkerProcess::start(&doomed)?;
    // It has to die with a task in its hands, if there is another one.
    let has_more = tasks > half;
    while observer.settled() < half as u64 || (has_more && observer.kept() == 0) {
        match process.listen()? {
            Some(message) => observer.hear(message)?,
            None => {
                let status = process.wait()?;
                let problem = "the worker process ended before it was killed";
                return Err(Failure::new(format!("{problem}: {status}")));
            }
        }
    }
    process.kill()?;
    let process_id = process.id();
    while let Some(message) = process.listen()? {
        observer.hear(message)?;
    }
    process.wait()?;
    let crash = format!(
        "worker process {process_id} was killed with {} tasks settled{}",
        observer.settled(),
        if has_more {
            " and others in its hands"
        } else {
            ""
        },
    );
    observer.say(&crash)?;

    let mut process = WorkerProcess::start(job)?;
    while let Some(message) = process.listen()? {
        observer.hear(message)?;
    }
    let status = process.wait()?;
    if !status.success() {
        return Err(Failure::new(format!("the worker process ended: {status}")));
    }
    Ok((runtime.block_on(open(&job.store))?, crash))
}
