//! `runstore bench replay`: the calls of an application made again on any store.

use std::fs::File;
use std::io::BufReader;

use comfy_table::{CellAlignment, Table};
use runstore_bench::{Differences, Replayed, read_trace, replay};

use super::args::ReplayArguments;
use crate::failure::{Context, Failure};
use crate::open::{open, runtime, shown};
use crate::output::{self, printable};
use crate::table;

pub(super) fn run(arguments: &ReplayArguments) -> Result<(), Failure> {
    let file = arguments.trace.display();
    let opened = File::open(&arguments.trace);
    let opened = opened.or_fail(format!("cannot open the trace {file}"))?;
    let trace = read_trace(BufReader::new(opened));
    let trace = trace.or_fail(format!("cannot read the trace {file}"))?;
    if trace.is_cut_off() {
        eprintln!("the last line of {file} is cut off: its call is left out");
    }
    let replayed = runtime()?.block_on(async {
        let store = open(&arguments.store).await?;
        let replayed = replay(&trace, store.clone(), arguments.timing.into()).await;
        let replayed = replayed.or_fail(format!("the replay of {file} was broken off"))?;
        store.close().await.or_fail(format!(
            "cannot close the store {}",
            shown(&arguments.store)
        ))?;
        Ok(replayed)
    })?;
    let told = tell(&replayed, arguments.json);
    match replayed.differences.count {
        0 => told,
        // Also if nobody reads on.
        count => {
            let calls = if count == 1 { "call was" } else { "calls were" };
            Err(Failure::new(format!(
                "{count} {calls} answered otherwise than in the recording"
            )))
        }
    }
}

fn tell(replayed: &Replayed, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::print_json(replayed);
    }
    output::print(&methods(replayed).to_string())?;
    for line in lines(replayed) {
        output::print(&line)?;
    }
    Ok(())
}

fn methods(replayed: &Replayed) -> Table {
    let mut table = table::table([
        "method",
        "calls",
        "recorded p50",
        "p99",
        "replayed p50",
        "p99",
    ]);
    let micros = |micros: f64| format!("{micros:.0} µs");
    for method in &replayed.methods {
        table.add_row([
            method.method.clone(),
            method.calls.to_string(),
            micros(method.recorded.p50),
            micros(method.recorded.p99),
            micros(method.replayed.p50),
            micros(method.replayed.p99),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn lines(replayed: &Replayed) -> Vec<String> {
    let mut lines = vec![format!(
        "{} calls in {:.3} s on {} ({}); recorded in {:.3} s on {} ({})",
        replayed.calls,
        replayed.seconds,
        replayed.replayed_on.backend,
        replayed.replayed_on.durability,
        replayed.recorded_seconds,
        replayed.recorded_on.backend,
        replayed.recorded_on.durability,
    )];
    if replayed.dropped > 0 {
        lines.push(format!(
            "{} of them had been dropped: there is no answer to compare theirs with",
            replayed.dropped
        ));
    }
    if replayed.left_out > 0 {
        lines.push(format!(
            "{} more were left out, for the trace does not hold what they were given",
            replayed.left_out
        ));
    }
    lines.push(format!(
        "answered otherwise: {}; and {} that overlapped others, or follow from such, as the contract lets them",
        replayed.differences.count, replayed.overlapped.count
    ));
    lines.extend(shown_differences(&replayed.differences));
    lines
}

fn shown_differences(differences: &Differences) -> impl Iterator<Item = String> + '_ {
    differences.first.iter().map(|difference| {
        printable(&format!(
            "line {}: {}, {}: {} in place of {}",
            difference.line,
            difference.method,
            difference.path,
            difference.replayed,
            difference.recorded
        ))
    })
}
