//! The replan: when a task is blocked, what remains is planned anew, once for each such task.
//!
//! Other processes go on working meanwhile, so what is planned anew must stand still first: an empty plan abandons all
//! that is open, and from then on nobody can report on it. Then a checkpoint tells the whole intent, ids included, and
//! the plan is carried out. A process can be killed between any two calls; whoever takes the run up can tell how far it
//! came, and ends it. One process of a run plans, the others never do.

use std::collections::{HashMap, HashSet};

use runstore::{
    AgentRole, Dependency, Error, EventId, ListCheckpoints, ListEvents, ListTasks, NewCheckpoint,
    NewEvent, RunStatus, SaveAgentState, Task, TaskDraft, TaskId, TaskPlan, TaskStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::crew::Crew;
use super::journal::{Replan, Succession};
use super::message::Message;
use crate::failure::{Context, Failure};

/// What is about to be done, in the payload of a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
    replan: Replan,
    drafts: Vec<TaskDraft>,
}

/// Plans anew for each blocked task for which that was not done yet; ends a replan that was begun.
pub(crate) async fn replan_if_due(crew: &Crew) -> Result<(), Failure> {
    if !crew.job.plans {
        return Ok(());
    }
    let _alone = crew.planning.write().await;
    while let Some(settlements) = crew.replan().await.or_fail("cannot plan anew")? {
        (crew.report)(Message::Replanned { settlements })?;
    }
    Ok(())
}

impl Crew {
    /// Whether a task is blocked and was not planned around.
    pub(crate) async fn is_replan_due(&self) -> Result<bool, Error> {
        Ok(self.due().await?.is_some())
    }

    /// The first blocked task that was not planned around, with the replans so far.
    async fn due(&self) -> Result<Option<(Task, Vec<Replan>)>, Error> {
        let run_id = self.job.run_id;
        let blocked = ListTasks::new(run_id).with_statuses([TaskStatus::Blocked]);
        let blocked = self.store.list_tasks(blocked).await?.items;
        let events = self.store.list_events(ListEvents::new(run_id)).await?.items;
        let replans: Vec<Replan> = events.iter().filter_map(Replan::of).collect();
        let done: HashSet<TaskId> = replans.iter().map(|replan| replan.blocked).collect();
        let mut due = blocked.into_iter().filter(|task| !done.contains(&task.id));
        Ok(due.next().map(|task| (task, replans)))
    }

    async fn replan(&self) -> Result<Option<u64>, Error> {
        let run_id = self.job.run_id;
        let Some((blocked, done)) = self.due().await? else {
            return Ok(None);
        };
        let intent = match self.intent_in_effect(&blocked).await? {
            Some(intent) => intent,
            None => self.put_into_effect(&blocked, &done).await?,
        };
        let replans = done.len() as u64;
        if u64::from(self.store.get_run(run_id).await?.replan_count) <= replans {
            self.store.increment_replan(run_id).await?;
        }
        let turns = u32::try_from(replans).unwrap_or(u32::MAX).saturating_add(2);
        let planner = SaveAgentState::new(run_id, AgentRole::Strategy).with_turns(turns);
        self.store.save_agent_state(planner).await?;
        let event = intent.replan.event();
        self.store.add_event(NewEvent::new(run_id, event)).await?;

        let settled = self.store.list_tasks(ListTasks::new(run_id)).await?.items;
        let planned: HashSet<Option<TaskId>> = intent.drafts.iter().map(|draft| draft.id).collect();
        let settled = settled
            .iter()
            .filter(|task| is_settled(task) && !planned.contains(&Some(task.id)));
        Ok(Some((settled.count() + planned.len()) as u64))
    }

    /// The intent of a replan that a killed process began, if its tasks are in the plan. One whose tasks
    /// are not never took effect.
    async fn intent_in_effect(&self, blocked: &Task) -> Result<Option<Intent>, Error> {
        let tasks = self.store.list_tasks(ListTasks::new(self.job.run_id));
        let tasks = tasks.await?.items;
        let checkpoints = ListCheckpoints::new(self.job.run_id);
        let checkpoints = self.store.list_checkpoints(checkpoints).await?.items;
        let mut intents = checkpoints
            .iter()
            .filter_map(|checkpoint| Intent::deserialize(&checkpoint.payload).ok());
        let planned: HashSet<TaskId> = tasks.iter().map(|task| task.id).collect();
        let is_planned = |draft: &TaskDraft| draft.id.is_some_and(|id| planned.contains(&id));
        Ok(intents.find(|intent| {
            intent.replan.blocked == blocked.id && intent.drafts.iter().any(is_planned)
        }))
    }

    async fn put_into_effect(&self, blocked: &Task, done: &[Replan]) -> Result<Intent, Error> {
        let run_id = self.job.run_id;
        let nothing = TaskPlan::new(run_id, []);
        self.store.replace_pending_tasks(nothing).await?;
        let tasks = self.store.list_tasks(ListTasks::new(run_id)).await?.items;
        let intent = self.intent(&tasks, blocked, done);
        let checkpoint = NewCheckpoint::new(run_id, RunStatus::Planning, json!(intent));
        self.store.add_checkpoint(checkpoint).await?;
        let plan = TaskPlan::new(run_id, intent.drafts.iter().cloned());
        self.store.append_tasks(plan).await?;
        Ok(intent)
    }

    /// The intent to plan anew what was abandoned for it.
    fn intent(&self, tasks: &[Task], blocked: &Task, done: &[Replan]) -> Intent {
        let substitutes = match done {
            [] => self.job.substitutes.clone(),
            _ => Vec::new(),
        };
        let successions = done.iter().flat_map(|replan| &replan.successions);
        let succeeded: HashSet<TaskId> = successions.map(|of| of.abandoned).collect();
        let open = tasks
            .iter()
            .filter(|task| task.status == TaskStatus::Abandoned && !succeeded.contains(&task.id));
        intent(&Vec::from_iter(open), blocked, substitutes)
    }
}

/// What stands in for the blocked task, then all that was open, with what was learned.
fn intent(open: &[&Task], blocked: &Task, substitutes: Vec<TaskDraft>) -> Intent {
    let mut drafts = substitutes;
    if drafts.is_empty() {
        let title = format!("Provide what {:?} needs", blocked.title);
        drafts.push(TaskDraft::new(title, &blocked.objective));
    }
    // Who waited for one of these, waits for what takes its place.
    let mut in_place_of: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
    for draft in &mut drafts {
        let id = *draft.id.get_or_insert_with(TaskId::generate);
        in_place_of.entry(blocked.id).or_default().push(id);
    }
    let successions: Vec<Succession> = open
        .iter()
        .map(|task| Succession {
            abandoned: task.id,
            successor: TaskId::generate(),
        })
        .collect();
    for succession in &successions {
        in_place_of.insert(succession.abandoned, vec![succession.successor]);
    }
    for (task, succession) in open.iter().zip(&successions) {
        let learned = format!("Do not build on {:?}, which is blocked.", blocked.title);
        let depends_on = task.depends_on.iter().flat_map(|id| {
            let instead = in_place_of.get(id).cloned();
            instead.unwrap_or_else(|| vec![*id])
        });
        let mut draft = TaskDraft::new(&task.title, format!("{}\n{learned}", task.objective))
            .with_id(succession.successor)
            .with_acceptance_criteria(&task.acceptance_criteria)
            .with_verification_steps(&task.verification_steps)
            .with_allowed_paths(&task.allowed_paths)
            .with_priority(task.priority)
            .with_depends_on(depends_on.map(Dependency::from));
        draft.not_before = task.not_before;
        draft.max_attempts = task.max_attempts;
        drafts.push(draft);
    }
    Intent {
        replan: Replan {
            event_id: EventId::generate(),
            blocked: blocked.id,
            successions,
        },
        drafts,
    }
}

const fn is_settled(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Completed | TaskStatus::Blocked)
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::sync::Arc;

    use runstore::memory::MemoryStore;
    use runstore::{ClaimRequest, NewRun, Run, SnapshotCounts, SnapshotRequest, Store};

    use super::*;
    use crate::demo::message::Job;

    /// A run with one blocked task, one in progress and one pending.
    async fn blocked() -> (Crew, Run) {
        let store = MemoryStore::new();
        let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
        let drafts = ["a", "b", "c"].map(|title| TaskDraft::new(title, "objective"));
        let plan = TaskPlan::new(run.id, drafts);
        let tasks = store.append_tasks(plan).await.unwrap();
        let block = runstore::BlockTask::new(tasks[0].id);
        store.block_task(block).await.unwrap();
        let request = ClaimRequest::of_run(run.id);
        store.claim_next_task(request).await.unwrap().unwrap();
        let job = Job {
            store: "memory:".to_owned(),
            run_id: run.id,
            workers: 1,
            seed: 1,
            blocked_position: None,
            substitutes: Vec::new(),
            settle_at_most: None,
            first_seat: 1,
            plans: true,
        };
        (Crew::new(Arc::new(store), job, Box::new(|_| Ok(()))).0, run)
    }

    async fn counts(crew: &Crew, run: &Run) -> SnapshotCounts {
        let request = SnapshotRequest::of_run(run.id);
        crew.store.snapshot(request).await.unwrap().counts
    }

    async fn tasks(crew: &Crew, run: &Run) -> Vec<Task> {
        let list = ListTasks::new(run.id);
        crew.store.list_tasks(list).await.unwrap().items
    }

    async fn assert_replanned_once(crew: &Crew, run: &Run) {
        let counts = counts(crew, run).await;
        assert_eq!((counts.pending, counts.abandoned), (3, 2));
        let run = crew.store.get_run(run.id).await.unwrap();
        assert_eq!(run.replan_count, 1);
        let events = ListEvents::new(run.id);
        let events = crew.store.list_events(events).await.unwrap().items;
        let replans: Vec<Replan> = events.iter().filter_map(Replan::of).collect();
        assert_eq!(replans.len(), 1);
        assert_eq!(replans[0].successions.len(), 2);
    }

    #[tokio::test]
    async fn what_is_open_is_planned_anew_once() {
        let (crew, run) = blocked().await;
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
    }

    #[tokio::test]
    async fn a_replan_that_was_killed_after_its_plan_is_ended_and_not_repeated() {
        let (crew, run) = blocked().await;
        let tasks = tasks(&crew, &run).await;
        crew.put_into_effect(&tasks[0], &[]).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
    }

    #[tokio::test]
    async fn a_replan_that_was_killed_after_its_count_counts_once() {
        let (crew, run) = blocked().await;
        let tasks = tasks(&crew, &run).await;
        crew.put_into_effect(&tasks[0], &[]).await.unwrap();
        crew.store.increment_replan(run.id).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
    }

    #[tokio::test]
    async fn an_intent_that_never_took_effect_is_made_anew() {
        let (crew, run) = blocked().await;
        let tasks = tasks(&crew, &run).await;
        let nothing = TaskPlan::new(run.id, []);
        crew.store.replace_pending_tasks(nothing).await.unwrap();
        let abandoned = self::tasks(&crew, &run).await;
        let intent = crew.intent(&abandoned, &tasks[0], &[]);
        assert_eq!(intent.replan.successions.len(), 2);
        let checkpoint = NewCheckpoint::new(run.id, RunStatus::Planning, json!(intent));
        crew.store.add_checkpoint(checkpoint).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
        let stale = intent.drafts[0].id.unwrap();
        assert!(crew.store.get_task(stale).await.is_err());
    }

    #[tokio::test]
    async fn a_replan_that_was_killed_before_its_plan_loses_no_task() {
        let (crew, run) = blocked().await;
        let nothing = TaskPlan::new(run.id, []);
        crew.store.replace_pending_tasks(nothing).await.unwrap();
        assert!(crew.is_replan_due().await.unwrap());
        replan_if_due(&crew).await.unwrap();
        assert_replanned_once(&crew, &run).await;
    }

    #[tokio::test]
    async fn a_process_that_does_not_plan_leaves_it_to_the_one_that_does() {
        let (mut crew, run) = blocked().await;
        crew.job.plans = false;
        replan_if_due(&crew).await.unwrap();
        assert!(crew.is_replan_due().await.unwrap());
        assert_eq!(counts(&crew, &run).await.abandoned, 0);
    }

    #[tokio::test]
    async fn what_waited_for_a_task_waits_for_what_takes_its_place() {
        let (crew, run) = blocked().await;
        let [a, b, c] = tasks(&crew, &run).await.try_into().unwrap();
        let drafts = [TaskDraft::new("d", "objective")
            .with_depends_on([a.id, b.id])
            .with_priority(3)
            .with_max_attempts(4_u32)];
        let plan = TaskPlan::new(run.id, drafts);
        crew.store.append_tasks(plan).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        let tasks = tasks(&crew, &run).await;
        let titles: Vec<&str> = tasks[4..].iter().map(|task| &*task.title).collect();
        assert_eq!(titles, ["Provide what \"a\" needs", "b", "c", "d"]);
        let carried_on = &tasks[7];
        assert_eq!(carried_on.depends_on, [tasks[4].id, tasks[5].id]);
        assert_eq!((carried_on.priority, carried_on.max_attempts), (3, Some(4)));
        assert_eq!(tasks[2].id, c.id);
    }

    #[tokio::test]
    async fn each_blocked_task_is_planned_around_once() {
        let (crew, run) = blocked().await;
        let [_, b, _] = tasks(&crew, &run).await.try_into().unwrap();
        let block = runstore::BlockTask::new(b.id);
        crew.store.block_task(block).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        replan_if_due(&crew).await.unwrap();
        assert_eq!(crew.store.get_run(run.id).await.unwrap().replan_count, 2);
        // c was planned anew twice, and so was what stands in for a once.
        let counts = counts(&crew, &run).await;
        assert_eq!(
            (counts.pending, counts.blocked, counts.abandoned),
            (3, 2, 3)
        );
    }
}
