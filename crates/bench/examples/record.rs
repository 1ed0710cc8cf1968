//! Records what a small agent application asks of its store, and makes the same calls again on another one.
//!
//! ```text
//! cargo run -p runstore-bench --example record -- trace.jsonl
//! ```
//!
//! To record an application of your own, wrap its store as it is done here: it may be any that implements `Store`.

#[path = "record/application.rs"]
mod application;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use runstore_bench::{Recorded, Timing, Trace, replay};
use runstore_memory::MemoryStore;

/// How long a worker works on a task: a call of a model would take far longer.
const WORK: Duration = Duration::from_millis(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().nth(1) else {
        return Err("name the file for the trace: record trace.jsonl".into());
    };

    let recorded = Arc::new(Recorded::to_file(MemoryStore::new(), &path)?);
    application::run(recorded.clone(), WORK).await?;
    let calls = recorded.finish()?;
    println!("{path}: {calls} calls");

    let trace = Trace::from_file(&path)?;
    for timing in [Timing::AsRecorded, Timing::AsFastAsPossible] {
        let again = Arc::new(MemoryStore::new());
        let replayed = replay(&trace, again, timing).await?;
        println!(
            "{timing:?}: {:.3} s (recorded: {:.3} s); {} answers differ, {} more as the order of calls may have it",
            replayed.seconds,
            replayed.recorded_seconds,
            replayed.differences.count,
            replayed.overlapped.count,
        );
        for difference in &replayed.differences.first {
            println!("{difference:?}");
        }
    }
    Ok(())
}
