//! The beginning of a run: it is created, and given its plan.
//!
//! These are two calls, and a process can be killed between them. So before a demo creates a run, it looks
//! for one that was left without its plan, and takes that. The ids of a plan's tasks follow from that of
//! the run, so that giving the plan again changes nothing, and the last step, an event with an id that
//! follows from it too, takes effect for one demo only.

use runstore::{
    AgentRole, Error, EventDraft, EventId, ListRuns, ListTasks, NewEvent, PageRequest, Run, RunId,
    RunStatus, RunUpdate, SaveAgentState, Store, TaskId, TaskPlan, Uuid,
};
use serde_json::json;

use super::journal::PLANNED;
use crate::plan::Plan;

/// How many of the newest runs without a plan are looked at.
const LOOK_BACK: u32 = 100;

/// Begins a run with this plan, or takes one up that was left without.
pub(crate) async fn begin(store: &dyn Store, plan: &Plan) -> Result<RunId, Error> {
    for run in left_unplanned(store, plan).await? {
        match give_plan(store, &run, plan).await {
            Ok(true) => return Ok(run.id),
            // Another demo was faster, or had another plan for it.
            Ok(false) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        let run = store.create_run(plan.new_run()).await?;
        if give_plan(store, &run, plan).await? {
            return Ok(run.id);
        }
    }
}

/// The runs toward the plan's goal that have none but its tasks, and are not known to have all of them.
async fn left_unplanned(store: &dyn Store, plan: &Plan) -> Result<Vec<Run>, Error> {
    let list = ListRuns::all().with_status(RunStatus::Planning);
    let list = list.with_page(PageRequest::first(LOOK_BACK));
    let mut left = Vec::new();
    for run in store.list_runs(list).await?.items {
        if run.goal != plan.goal || run.repo_path != plan.repo_path {
            continue;
        }
        let tasks = store.list_tasks(ListTasks::new(run.id)).await?.items;
        let is_ours = |(index, id)| id == task_id(run.id, index);
        if tasks.iter().map(|task| task.id).enumerate().all(is_ours) {
            left.push(run);
        }
    }
    Ok(left)
}

/// Gives the plan to the run; `false` if another demo did.
async fn give_plan(store: &dyn Store, run: &Run, plan: &Plan) -> Result<bool, Error> {
    let drafts = plan.drafts().enumerate().map(|(index, mut draft)| {
        draft.id = draft.id.or_else(|| Some(task_id(run.id, index)));
        draft
    });
    let tasks = TaskPlan::new(run.id, drafts);
    let tasks = store.replace_pending_tasks(tasks).await?;
    let message = format!("The plan has {} tasks.", tasks.len());
    let event = EventDraft::new("planner", PLANNED, message)
        .with_id(EventId::from(Uuid::from(run.id)))
        .with_payload(json!({ "planner": Uuid::now_v7() }));
    match store.add_event(NewEvent::new(run.id, event)).await {
        Ok(_) => {}
        Err(Error::AlreadyExists { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    let planner = SaveAgentState::new(run.id, AgentRole::Strategy).with_turns(1);
    store.save_agent_state(planner).await?;
    let running = RunUpdate::new(run.id).with_status(RunStatus::Running);
    store.update_run(running).await?;
    Ok(true)
}

/// The id of the task at this index of the run's first plan.
fn task_id(run_id: RunId, index: usize) -> TaskId {
    let number = Uuid::from(run_id).as_u128().wrapping_add(1 + index as u128);
    Uuid::from_u128(number).into()
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::sync::Arc;

    use runstore::memory::MemoryStore;
    use runstore::{ListEvents, NewRun, TaskDraft};

    use super::*;

    fn plan() -> Plan {
        Plan::read(None).unwrap()
    }

    async fn assert_planned(store: &MemoryStore, run_id: RunId) {
        let run = store.get_run(run_id).await.unwrap();
        assert_eq!(run.status, RunStatus::Running);
        let tasks = store.list_tasks(ListTasks::new(run_id)).await.unwrap();
        assert_eq!(tasks.items.len(), plan().tasks.count());
        let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
        let planned = events.items.iter().filter(|event| event.kind == PLANNED);
        assert_eq!(planned.count(), 1);
    }

    async fn runs(store: &MemoryStore) -> usize {
        store.list_runs(ListRuns::all()).await.unwrap().items.len()
    }

    #[tokio::test]
    async fn a_run_that_was_left_without_its_plan_is_given_it() {
        let store = MemoryStore::new();
        let left = store.create_run(plan().new_run()).await.unwrap();
        assert_eq!(begin(&store, &plan()).await.unwrap(), left.id);
        assert_planned(&store, left.id).await;
        // The next one is of its own.
        assert_ne!(begin(&store, &plan()).await.unwrap(), left.id);
        assert_eq!(runs(&store).await, 2);
    }

    #[tokio::test]
    async fn a_run_that_was_left_right_after_its_plan_is_taken_up_with_the_tasks_that_it_has() {
        let store = MemoryStore::new();
        let plan = plan();
        let left = store.create_run(plan.new_run()).await.unwrap();
        let drafts = plan.drafts().enumerate().map(|(index, mut draft)| {
            draft.id = Some(task_id(left.id, index));
            draft
        });
        let drafts: Vec<TaskDraft> = drafts.collect();
        let tasks = TaskPlan::new(left.id, drafts);
        store.replace_pending_tasks(tasks).await.unwrap();
        assert_eq!(begin(&store, &plan).await.unwrap(), left.id);
        assert_planned(&store, left.id).await;
    }

    #[tokio::test]
    async fn a_run_that_is_anybody_elses_is_left_alone() {
        let store = MemoryStore::new();
        let other_goal = store.create_run(NewRun::new("other", "")).await.unwrap();
        let other_tasks = store.create_run(plan().new_run()).await.unwrap();
        let tasks = TaskPlan::new(other_tasks.id, [TaskDraft::new("t", "o")]);
        store.append_tasks(tasks).await.unwrap();
        let run_id = begin(&store, &plan()).await.unwrap();
        assert!(run_id != other_goal.id && run_id != other_tasks.id);
        assert_planned(&store, run_id).await;
        assert_eq!(runs(&store).await, 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn demos_that_begin_at_once_have_a_run_each() {
        let store = Arc::new(MemoryStore::new());
        store.create_run(plan().new_run()).await.unwrap();
        let demos = (0..8).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { begin(&*store, &plan()).await.unwrap() })
        });
        let mut begun = Vec::new();
        for demo in demos.collect::<Vec<_>>() {
            begun.push(demo.await.unwrap());
        }
        begun.sort_unstable();
        begun.dedup();
        assert_eq!(begun.len(), 8);
        for run_id in begun {
            assert_planned(&store, run_id).await;
        }
    }
}
