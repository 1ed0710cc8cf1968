//! How many claims a second one caller gets, and how many 64 callers get who share their commits; and
//! whether a claim costs more when more tasks wait.
//!
//! `cargo run --release --example claim_rate -- sqlite:FILE [CLAIMS]` (or `redb:FILE`). A figure says
//! something only on the disk and at the durability that you mean to use; both are printed.

use std::sync::Arc;
use std::time::Instant;

use runstore::{ClaimRequest, NewRun, Result, RunId, Store, TaskDraft, TaskPlan};

/// How many tasks are appended at once.
const CHUNK: usize = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let claims = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(200);

    let store = runstore::open(&url).await?;
    println!("{url}, durability {}", store.info().durability);
    for callers in [1, 64] {
        let run_id = planned(&*store, claims).await?;
        let rate = rate(&store, run_id, callers, claims).await;
        println!("{callers:>3} callers, {claims} claims: {rate:.0} claims a second");
    }
    for waiting in [claims * 5, claims * 50] {
        let run_id = planned(&*store, waiting).await?;
        let rate = rate(&store, run_id, 1, claims).await;
        println!(
            "  1 caller, {waiting} tasks waiting: {:.0} microseconds a claim",
            1e6 / rate
        );
    }
    store.close().await
}

async fn planned(store: &dyn Store, tasks: usize) -> Result<RunId> {
    let run = store
        .create_run(NewRun::new("measure claims", "/nowhere"))
        .await?;
    // One plan has a bound on its tasks (clause G8), and a run has none.
    for done in (0..tasks).step_by(CHUNK) {
        let numbers = done + 1..=tasks.min(done + CHUNK);
        let drafts = numbers.map(|number| TaskDraft::new(format!("task {number}"), "none"));
        store.append_tasks(TaskPlan::new(run.id, drafts)).await?;
    }
    Ok(run.id)
}

/// Claims a second, when that many callers make that many claims together.
async fn rate(store: &Arc<dyn Store>, run_id: RunId, callers: usize, claims: usize) -> f64 {
    let begin = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(store);
            let share = claims / callers + usize::from(caller < claims % callers);
            tokio::spawn(async move {
                for _ in 0..share {
                    let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await;
                    assert!(
                        claim.is_ok_and(|claim| claim.is_some()),
                        "a task was waiting"
                    );
                }
            })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.is_ok(), "every caller gets its claims");
    }
    claims as f64 / begin.elapsed().as_secs_f64()
}
