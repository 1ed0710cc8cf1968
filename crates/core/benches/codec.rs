//! What it costs to write records as JSON and to read them back: a part of every call of a backend that keeps
//! them so, and of a trace that is recorded. `cargo bench -p runstore-core --bench codec`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use runstore_core::rules::create;
use runstore_core::{Event, EventDraft, RunId, Task, TaskDraft, Timestamp};
use serde_json::{from_slice, json, to_vec};

const TEXT: &str =
    "the agent read the file, changed the \"test\" so that it fails first, and\nran it again";

fn task() -> Task {
    let draft = TaskDraft::new(TEXT, TEXT)
        .with_acceptance_criteria([TEXT, TEXT])
        .with_verification_steps([TEXT])
        .with_allowed_paths(["/srv/a", "/srv/b"]);
    create::task(RunId::generate(), 1, draft, Timestamp::MIN)
}

fn event() -> Event {
    let payload = json!({ "text": TEXT, "number": 1.5, "list": [1, 2, 3], "deep": { "er": null } });
    let draft = EventDraft::new("worker", "progress", TEXT).with_payload(payload);
    create::event(RunId::generate(), 1, draft, Timestamp::MIN)
}

fn codec(criterion: &mut Criterion) {
    let (task, event) = (task(), event());
    let (Ok(task_bytes), Ok(event_bytes)) = (to_vec(&task), to_vec(&event)) else {
        return;
    };
    let mut group = criterion.benchmark_group("codec");
    group.bench_function("write a task", |bencher| {
        bencher.iter(|| to_vec(black_box(&task)));
    });
    group.bench_function("read a task", |bencher| {
        bencher.iter(|| from_slice::<Task>(black_box(&task_bytes)));
    });
    group.bench_function("write an event", |bencher| {
        bencher.iter(|| to_vec(black_box(&event)));
    });
    group.bench_function("read an event", |bencher| {
        bencher.iter(|| from_slice::<Event>(black_box(&event_bytes)));
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
