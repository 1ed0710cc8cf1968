//! What the index of claimable tasks costs: a claim and the requeue of its task, with more and more tasks in the
//! run. It is to cost the same. `cargo bench -p runstore-memory --bench claim_index`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use runstore_core::{ClaimRequest, NewRun, Result, RunId, Store, TaskDraft, TaskPlan};
use runstore_memory::{MemoryOptions, MemoryStore};
use tokio::runtime::Builder;

const CHUNK: usize = 10_000;

async fn filled(store: &MemoryStore, tasks: usize) -> Result<RunId> {
    let run_id = store.create_run(NewRun::new("bench", "/")).await?.id;
    for _ in 0..tasks.div_ceil(CHUNK) {
        let drafts = (0..CHUNK.min(tasks)).map(|_| TaskDraft::new("task", "objective"));
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    }
    Ok(run_id)
}

async fn claim_and_requeue(store: &MemoryStore, run_id: RunId) -> Result<()> {
    if let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run_id)).await? {
        store.requeue_task(claim.task.id).await?;
    }
    Ok(())
}

fn claim_index(criterion: &mut Criterion) {
    let Ok(runtime) = Builder::new_current_thread().build() else {
        return;
    };
    let mut group = criterion.benchmark_group("claim index");
    for tasks in [1_000, 10_000, 100_000] {
        let store = MemoryStore::open(MemoryOptions::default());
        let Ok(run_id) = runtime.block_on(filled(&store, tasks)) else {
            return;
        };
        group.bench_with_input(
            BenchmarkId::new("tasks", tasks),
            &run_id,
            |bencher, run_id| {
                bencher
                    .to_async(&runtime)
                    .iter(|| claim_and_requeue(&store, *run_id));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, claim_index);
criterion_main!(benches);
