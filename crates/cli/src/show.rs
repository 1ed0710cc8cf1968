//! A look into a store.

use runstore::{ListRuns, PageRequest, Run, RunId, RunSnapshot, SnapshotRequest, Store};

use crate::args::{RunsArguments, ShowArguments};
use crate::failure::{Context, Failure};
use crate::open::{open_existing, runtime};
use crate::output::{print, print_json};
use crate::table::{self, Reasons};

/// How many tasks are asked why they wait; a call each.
const MAX_REASONS: usize = 1_000;

/// Prints a run.
pub(crate) fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let (snapshot, reasons) = runtime()?.block_on(async {
        let store = open_existing(&arguments.look.store).await?;
        let run_id = find(&*store, &arguments.run).await?;
        let snapshot = store.snapshot(SnapshotRequest::of_run(run_id)).await;
        let snapshot = snapshot.or_fail(format!("cannot read run {run_id}"))?;
        let reasons = match arguments.look.json {
            true => Reasons::new(),
            false => reasons(&*store, &snapshot).await?,
        };
        store.close().await.or_fail("cannot close the store")?;
        Ok::<_, Failure>((snapshot, reasons))
    })?;
    if arguments.look.json {
        print_json(&snapshot)
    } else {
        print(&table::snapshot(&snapshot, &reasons))
    }
}

/// Why the open tasks of the snapshot wait, right after it.
async fn reasons(store: &dyn Store, snapshot: &RunSnapshot) -> Result<Reasons, Failure> {
    let open = snapshot
        .in_progress_tasks
        .iter()
        .chain(&snapshot.pending_tasks);
    let mut reasons = Reasons::new();
    for task in open.take(MAX_REASONS) {
        let reason = store.waiting_reason(task.id).await;
        let reason = reason.or_fail(format!("cannot ask why task {} waits", task.id))?;
        reasons.insert(task.id, reason);
    }
    Ok(reasons)
}

/// Prints the list of runs.
pub(crate) fn runs(arguments: &RunsArguments) -> Result<(), Failure> {
    let runs = runtime()?.block_on(async {
        let store = open_existing(&arguments.look.store).await?;
        let runs = list(&*store, PageRequest::all()).await?;
        store.close().await.or_fail("cannot close the store")?;
        Ok::<_, Failure>(runs)
    })?;
    if arguments.look.json {
        print_json(&runs)
    } else {
        print(&table::runs(&runs))
    }
}

/// The run that `name` means: an id, the beginning of one, or `latest`.
async fn find(store: &dyn Store, name: &str) -> Result<RunId, Failure> {
    if let Ok(run_id) = name.parse() {
        return Ok(run_id);
    }
    if name == "latest" {
        let newest = list(store, PageRequest::first(1)).await?;
        let newest = newest.first().map(|run| run.id);
        return newest.ok_or_else(|| Failure::new("the store has no runs"));
    }
    let mut matching = list(store, PageRequest::all()).await?;
    matching.retain(|run| run.id.to_string().starts_with(name));
    match *matching {
        [ref run] => Ok(run.id),
        [] => Err(Failure::new(format!("there is no run {name:?}"))),
        _ => Err(Failure::new(format!("{name:?} begins several ids of runs"))),
    }
}

async fn list(store: &dyn Store, page: PageRequest) -> Result<Vec<Run>, Failure> {
    let runs = store.list_runs(ListRuns::all().with_page(page)).await;
    Ok(runs.or_fail("cannot list the runs")?.items)
}
