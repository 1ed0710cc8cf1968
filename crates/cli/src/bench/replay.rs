//! `runstore bench replay`: the calls of an application made again on any store.

use std::fs::File;
use std::io::BufReader;

use runstore_bench::{Replayed, read_trace, replay};

use super::args::ReplayArguments;
use crate::failure::{Context, Failure};
use crate::open::{open, runtime, shown};
use crate::output;

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
    output::print(&replayed.terminal())
}
