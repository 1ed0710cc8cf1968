//! A look into a store.

use runstore::{ListRuns, PageRequest, Run, RunId, SnapshotRequest, Store};

use crate::args::{RunsArguments, ShowArguments};
use crate::failure::{Context, Failure};
use crate::open::{open_existing, runtime};
use crate::output::{print, print_json};
use crate::table;

/// Prints a run.
pub(crate) fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let snapshot = runtime()?.block_on(async {
        let store = open_existing(&arguments.look.store).await?;
        let run_id = find(&*store, &arguments.run).await?;
        let snapshot = store.snapshot(SnapshotRequest::of_run(run_id)).await;
        let snapshot = snapshot.or_fail(format!("cannot read run {run_id}"))?;
        store.close().await.or_fail("cannot close the store")?;
        Ok(snapshot)
    })?;
    if arguments.look.json {
        print_json(&snapshot)
    } else {
        print(&table::snapshot(&snapshot))
    }
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
