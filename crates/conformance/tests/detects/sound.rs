//! Stores that keep the contract, wrapped like the broken ones: the suite must pass them.

use std::cmp::Reverse;

use async_trait::async_trait;
use runstore_conformance::{Clause, Filter, run_all};
use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::block_on;
use crate::fault::{Fault, Faulty};
use crate::look::{Look, Turns};

/// Changes nothing.
#[derive(Default)]
struct Unbroken;

impl Fault for Unbroken {}

/// Waits before and after the calls that race, as an engine with a disk does.
#[derive(Default)]
struct Waiting;

async fn waiting<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::task::yield_now().await;
    let answer = call.await;
    tokio::task::yield_now().await;
    answer
}

#[async_trait]
impl Fault for Waiting {
    async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
        waiting(inner.create_run(new)).await
    }

    async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
        waiting(inner.update_run(update)).await
    }

    async fn increment_cycle(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
        waiting(inner.increment_cycle(run_id)).await
    }

    async fn replace_pending_tasks(
        &self,
        inner: &MemoryStore,
        plan: TaskPlan,
    ) -> Result<Vec<Task>> {
        waiting(inner.replace_pending_tasks(plan)).await
    }

    async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
        waiting(inner.append_tasks(plan)).await
    }

    async fn claim_next_task(
        &self,
        inner: &MemoryStore,
        request: ClaimRequest,
    ) -> Result<Option<Claim>> {
        waiting(inner.claim_next_task(request)).await
    }

    async fn finish_task(
        &self,
        inner: &MemoryStore,
        token: ClaimToken,
        report: FinishReport,
    ) -> Result<Task> {
        waiting(inner.finish_task(token, report)).await
    }

    async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
        waiting(inner.add_event(new)).await
    }

    async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
        waiting(inner.list_events(list)).await
    }

    async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
        waiting(inner.snapshot(request)).await
    }
}

/// Chooses what to claim by a look at all tasks.
#[derive(Default)]
struct Looking;

impl Fault for Looking {
    fn turns(&self, look: &Look<'_>) -> Turns {
        look.ready_by(|task| Reverse(task.priority))
    }
}

/// Has a line of its own for those who wait.
#[derive(Default)]
struct InALine;

impl Fault for InALine {
    fn has_a_line(&self) -> bool {
        true
    }
}

fn must_pass<F: Fault + Default>() {
    let report = block_on(run_all(&Faulty::<F>::patient(), Filter::All));
    assert!(report.is_conformant(), "{report}");
}

#[test]
fn a_store_without_a_fault_passes_the_whole_suite() {
    must_pass::<Unbroken>();
}

#[test]
fn a_sound_store_whose_calls_wait_passes_the_whole_suite() {
    must_pass::<Waiting>();
}

#[test]
fn a_sound_store_that_looks_through_all_tasks_passes_the_whole_suite() {
    must_pass::<Looking>();
}

#[test]
fn a_sound_store_with_a_line_of_its_own_passes_what_is_said_of_waiting() {
    let of_waiting = Filter::Clause(Clause::C11);
    let report = block_on(run_all(&Faulty::<InALine>::patient(), of_waiting));
    assert!(report.failures().next().is_none(), "{report}");
}
