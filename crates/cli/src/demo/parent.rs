//! The demo from the outside: it plans, has the work done, kills and resumes, and proves.

use std::sync::Arc;
use std::time::Instant;

use runstore::{Durability, Error, RunId, RunSnapshot, SnapshotRequest, Store, StoreUrl};
use tokio::runtime::Runtime;

use super::message::Job;
use super::observer::Observer;
use super::records::Records;
use super::shift::{Heard, Shift};
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
    let processes = processes(arguments.processes, &url)?;
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
        first_seat: 1,
        plans: true,
    };
    let began = Instant::now();
    let (store, crash) = match info.durability {
        Durability::Volatile => (
            work_here(&runtime, store, job, &observer)?,
            "left out: what is kept in memory is gone with the process".to_owned(),
        ),
        _ => {
            let worked = work_in_processes(
                &runtime,
                store,
                (&job, processes),
                plan.tasks.count(),
                &observer,
            );
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

/// Over how many processes the work is spread.
fn processes(wanted: Option<u16>, url: &str) -> Result<u16, Failure> {
    let scheme = url.parse::<StoreUrl>();
    // What is wrong with the URL is left for its opening to say.
    let scheme = scheme.as_ref().map_or("", |url| url.scheme());
    match (scheme, wanted) {
        ("memory" | "redb", Some(2..)) => Err(Failure::new(format!(
            "--processes is more than 1: a {scheme} store is open in one process at a time"
        ))),
        ("postgres" | "postgresql", None) => Ok(3),
        _ => Ok(wanted.unwrap_or(1)),
    }
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

/// Has processes work until they are killed with half of the tasks settled, and others end the work. The
/// store is closed meanwhile: an engine may let in one process only. Returns it as it was opened again,
/// and how the crash went.
fn work_in_processes(
    runtime: &Runtime,
    store: Arc<dyn Store>,
    (job, processes): (&Job, u16),
    tasks: usize,
    observer: &Observer,
) -> Result<(Arc<dyn Store>, String), Failure> {
    let closed = runtime.block_on(store.close());
    closed.or_fail("cannot close the store")?;
    drop(store);

    let half = (tasks / 2).max(1);
    let mut doomed = spread(job, processes.min(u16::try_from(half).unwrap_or(u16::MAX)));
    let shares = doomed.len();
    for (number, job) in doomed.iter_mut().enumerate() {
        let of_rest = usize::from(number < half % shares);
        job.settle_at_most = Some(half / shares + of_rest);
    }
    let mut shift = Shift::start(&doomed)?;
    // They have to die with a task in their hands, if there is another one.
    let has_more = tasks > half;
    let is_half_way = || match shares {
        1 => observer.settled() >= half as u64 && (!has_more || observer.kept() > 0),
        // One that has settled its share may keep what the others would have to wait for.
        _ => observer.kept() > 0,
    };
    while !is_half_way() {
        match shift.listen()? {
            Some(Heard::Message(message)) => observer.hear(message)?,
            Some(Heard::Gone(status)) => {
                let problem = "the worker process ended before it was killed";
                return Err(Failure::new(format!("{problem}: {status}")));
            }
            None => return Err(Failure::new("the worker processes are gone")),
        }
    }
    shift.kill()?;
    while let Some(heard) = shift.listen()? {
        if let Heard::Message(message) = heard {
            observer.hear(message)?;
        }
    }
    let crash = format!(
        "worker process{} {} killed with {} tasks settled{}",
        if shares == 1 { "" } else { "es" },
        match shares {
            1 => format!("{} was", shift.ids()),
            _ => format!("{} were", shift.ids()),
        },
        observer.settled(),
        match (has_more, shares) {
            (false, _) => "",
            (true, 1) => " and others in its hands",
            (true, _) => " and others in their hands",
        },
    );
    observer.say(&crash)?;

    let mut shift = Shift::start(&spread(job, processes))?;
    while let Some(heard) = shift.listen()? {
        match heard {
            Heard::Message(message) => observer.hear(message)?,
            Heard::Gone(status) if status.success() => {}
            Heard::Gone(status) => {
                return Err(Failure::new(format!("the worker process ended: {status}")));
            }
        }
    }
    Ok((runtime.block_on(open(&job.store))?, crash))
}

/// The jobs of so many processes, which share the workers; the first of them plans.
fn spread(job: &Job, processes: u16) -> Vec<Job> {
    let processes = processes.clamp(1, job.workers);
    let mut first_seat = 1;
    let of_process = |number: u16| {
        let workers = job.workers / processes + u16::from(number < job.workers % processes);
        let job = Job {
            workers,
            first_seat,
            plans: number == 0,
            ..job.clone()
        };
        first_seat += workers;
        job
    };
    (0..processes).map(of_process).collect()
}
