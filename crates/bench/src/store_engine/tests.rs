//! The rows that the operations of a case leave are counted in its end.

use runstore_core::{ClaimRequest, EventDraft, ListRuns, NewEvent, RunId, TaskDraft, TaskPlan};
use runstore_memory::MemoryStore;

use super::*;
use crate::testing::Shared;

/// A case under way, with what others can do to its store meanwhile.
struct Course {
    store: Arc<dyn Store>,
    run_id: RunId,
    subject: Box<dyn Subject>,
}

impl Course {
    async fn begun(workload: Workload, batch: bool) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = StoreEngine::new(
            "memory",
            Shared {
                store: Arc::clone(&store),
                is_removed: Arc::default(),
            },
        );
        let engine = match batch {
            true => engine.in_batches(3.try_into().unwrap()),
            false => engine,
        };
        let case = Case {
            workload,
            workers: 2,
            tasks: 4,
            runs: 1,
            payload_bytes: 40,
            rate: None,
            durability: Durability::Full,
        };
        let subject = engine.begin(&case).await.unwrap().unwrap();
        let runs = store.list_runs(ListRuns::default()).await.unwrap();
        Self {
            run_id: runs.items.first().unwrap().id,
            store,
            subject,
        }
    }

    async fn round(&self) -> Result<()> {
        let mut steps = Steps::new()?;
        self.subject.prepare(5).await?;
        for number in 0..5 {
            self.subject.operate(number % 2, &mut steps).await?;
        }
        self.subject.settle().await
    }
}

#[tokio::test]
async fn a_case_ends_well_if_its_rows_are_those_that_its_operations_leave() {
    let workloads = [
        (Workload::Cycle, true),
        (Workload::Finish, true),
        (Workload::Cycle, false),
        (Workload::Finish, false),
        (Workload::Claim, false),
        (Workload::Append, false),
        (Workload::AppendBesideSnapshots, false),
        (Workload::Snapshot, false),
        (Workload::Pages, false),
    ];
    for (workload, batch) in workloads {
        let course = Course::begun(workload, batch).await;
        for _ in 0..2 {
            course.round().await.unwrap();
        }
        course.subject.end().await.unwrap();
    }
}

#[tokio::test]
async fn a_row_too_many_or_too_few_fails_the_case() {
    for workload in [Workload::Cycle, Workload::Finish, Workload::Claim] {
        let course = Course::begun(workload, false).await;
        course.round().await.unwrap();
        let claim = ClaimRequest::of_run(course.run_id);
        course.store.claim_next_task(claim).await.unwrap().unwrap();
        let told = course.subject.end().await.unwrap_err().to_string();
        assert!(told.contains("were to be"), "{workload}: {told}");
    }
    // An event of another source is none of the case's; the same once more is.
    for (source, is_counted) in [("somebody", false), ("worker", true)] {
        let course = Course::begun(Workload::Append, false).await;
        course.round().await.unwrap();
        let events = course.store.recent_events(course.run_id, 1).await.unwrap();
        let payload = events.first().unwrap().payload.clone();
        let event = EventDraft::new(source, "completed", "done").with_payload(payload);
        let event = NewEvent::new(course.run_id, event);
        course.store.add_event(event).await.unwrap();
        assert_eq!(course.subject.end().await.is_err(), is_counted);
    }
}

#[tokio::test]
async fn a_read_that_gives_too_few_or_too_many_tasks_fails() {
    for workload in [Workload::Snapshot, Workload::Pages] {
        let course = Course::begun(workload, false).await;
        let plan = TaskPlan::new(course.run_id, [TaskDraft::new("one", "more")]);
        course.store.append_tasks(plan).await.unwrap();
        let told = course.round().await.unwrap_err().to_string();
        assert!(told.contains("5 tasks were read"), "{workload}: {told}");
    }
}
