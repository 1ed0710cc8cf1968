//! `runstore bench replay`: the calls of an application made again on any store.

use std::fs::File;
use std::io::BufReader;

use runstore_bench::{Replayed, Timing, Trace, read_trace, replay};

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
    let timing = arguments.timing.into();
    for word in beforehand(&trace, timing) {
        eprintln!("{file}: {word}");
    }
    let replayed = runtime()?.block_on(async {
        let store = open(&arguments.store).await?;
        let replayed = replay(&trace, store.clone(), timing).await;
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

/// What whoever waits for a replay wants to know before it.
fn beforehand(trace: &Trace, timing: Timing) -> Vec<String> {
    let mut words = Vec::new();
    if trace.is_cut_off() {
        words.push("the last line is cut off: its call is left out".to_owned());
    }
    let missing = trace.missing();
    if missing > 0 {
        words.push(format!(
            "{missing} of the beginnings and ends of calls are on no line: calls were under way when the recording \
             ended, or lines were lost"
        ));
    }
    if timing == Timing::AsRecorded {
        words.push(format!(
            "the recording lasted {:.1?}, and so does its replay",
            trace.duration()
        ));
    }
    words
}

fn tell(replayed: &Replayed, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::print_json(replayed);
    }
    output::print(&replayed.terminal())
}
