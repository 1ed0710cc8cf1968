//! The demo from the outside: it plans, has the work done, kills and resumes, and proves.

use std::sync::Arc;
use std::time::Instant;

use runstore::{
    AgentRole, Durability, Error, EventDraft, NewEvent, RunId, RunSnapshot, RunStatus, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskPlan,
};
use tokio::runtime::Runtime;

use super::child::WorkerProcess;
use super::message::Job;
use super::observer::Observer;
use super::records::Records;
use super::summary::Figures;
use super::{crew, journal, proof};
use crate::args::DemoArguments;
use crate::failure::{Context, Failure};
use crate::open::{fresh_url, open, runtime};
use crate::output::{print, print_json};
use crate::plan::{Plan, PlannedTask};
use crate::shell::show_command;
use crate::table;

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
        .block_on(start(&*store, &plan))
        .or_fail("cannot plan the run")?;

    let tasks = plan.tasks.count() as u64;
    let observer = Arc::new(Observer::new(arguments.json, tasks));
    observer.say(&format!("run {run_id} of {tasks} tasks in {url}"))?;
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
            let half = (plan.tasks.count() / 2).max(1);
            let worked = work_in_processes(&runtime, store, &job, half, &observer);
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
        print(&table::snapshot(&snapshot))?;
    }
    let figures = Figures::of(&records);
    for line in figures.lines(took) {
        observer.say(&line)?;
    }
    observer.say(&format!("durability  {}", info.durability))?;
    observer.say(&format!("store       {url}"))?;
    observer.say(&format!("crash       {crash}"))?;
    proof::prove(&records, &observer.acknowledged())?;
    observer.say(&format!(
        "proved      tasks completed: {}, each exactly once; no acknowledged report is lost",
        figures.completed
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

/// Creates the run and gives it its plan.
async fn start(store: &dyn Store, plan: &Plan) -> Result<RunId, Error> {
    let run_id = store.create_run(plan.new_run()).await?.id;
    let tasks = TaskPlan::new(run_id, plan.drafts());
    let tasks = store.replace_pending_tasks(tasks).await?;
    let message = format!("The plan has {} tasks.", tasks.len());
    let event = EventDraft::new("planner", journal::PLANNED, message);
    store.add_event(NewEvent::new(run_id, event)).await?;
    let planner = SaveAgentState::new(run_id, AgentRole::Strategy).with_turns(1);
    store.save_agent_state(planner).await?;
    let running = RunUpdate::new(run_id).with_status(RunStatus::Running);
    store.update_run(running).await?;
    Ok(run_id)
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
    half: usize,
    observer: &Observer,
) -> Result<(Arc<dyn Store>, String), Failure> {
    let closed = runtime.block_on(store.close());
    closed.or_fail("cannot close the store")?;
    drop(store);

    let doomed = Job {
        settle_at_most: Some(half),
        ..job.clone()
    };
    let mut process = WorkerProcess::start(&doomed)?;
    while observer.settled() < half as u64 {
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
        "worker process {process_id} was killed with {} tasks settled",
        observer.settled()
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
