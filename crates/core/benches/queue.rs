//! What the queue before a writer costs, without an engine: from a call to its answer, alone and with others.
//! `cargo bench -p runstore-core --bench queue`.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use runstore_core::{Reply, WriteQueue};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

type Job = Reply<u64>;

/// A writer that has nothing to write.
fn answer(batch: Vec<Job>) {
    let applied = Vec::from_iter(batch.into_iter().map(|reply| reply.hold(Ok(1))));
    for write in applied {
        write.answer(Ok(()));
    }
}

fn queue(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    let (Ok(runtime), Ok(queue)) = (runtime, WriteQueue::<Job>::start("bench", answer)) else {
        return;
    };
    let queue = Arc::new(queue);
    let mut group = criterion.benchmark_group("queue");
    for callers in [1, 16, 64, 256] {
        group.throughput(Throughput::Elements(callers));
        let id = BenchmarkId::new("callers", callers);
        group.bench_with_input(id, &callers, |bencher, callers| {
            bencher.to_async(&runtime).iter(|| async {
                let mut calls = JoinSet::new();
                for _ in 0..*callers {
                    let queue = Arc::clone(&queue);
                    calls.spawn(async move { queue.submit(|reply| reply).await });
                }
                calls.join_all().await
            });
        });
    }
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
