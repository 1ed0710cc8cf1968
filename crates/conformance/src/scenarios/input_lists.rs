//! The plans and reports that a call may give: how many entries, and what each must have (clause G8).

use runstore_core::limits::{MAX_PLAN_TASKS, MAX_REPORT_ITEMS};
use runstore_core::{
    ArtifactDraft, ArtifactId, AttemptId, AttemptReport, Clock, EventDraft, EventId, FinishReport,
    ListArtifacts, ListEvents, NewRun, RunId, Store, TaskDraft, TaskId, TaskPlan, Uuid,
};

use super::input::{Ids, check_bound};
use crate::calls::{Call, call, check_all_accepted, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::world;

fn report_items<'s>(store: &'s dyn Store, ids: Ids, count: usize) -> Vec<(&'static str, Call<'s>)> {
    let mut events = FinishReport::released("no");
    events.events = vec![EventDraft::new("s", "k", "m"); count];
    let mut artifacts = FinishReport::released("no");
    artifacts.artifacts = vec![ArtifactDraft::new("log", "a.log"); count];
    vec![
        ("events", call!(store, finish_task(ids.token, events))),
        ("artifacts", call!(store, finish_task(ids.token, artifacts))),
    ]
}

pub(crate) async fn a_report_has_at_most_1_000_events_and_artifacts(
    c: &mut Context<'_>,
) -> Outcome {
    check_bound(c, report_items, MAX_REPORT_ITEMS, &[MAX_REPORT_ITEMS + 1]).await?;
    let (run, claim) = world::claimed(&*c.store).await?;
    let mut report = FinishReport::completed("done");
    for number in 0..MAX_REPORT_ITEMS {
        report = report
            .with_event(EventDraft::new("s", "k", number.to_string()))
            .with_artifact(ArtifactDraft::new("log", number.to_string()));
    }
    c.store.finish_task(claim.token(), report).await?;
    let expected: Vec<String> = (0..MAX_REPORT_ITEMS).map(|n| n.to_string()).collect();
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let messages = events.into_iter().skip(1).map(|event| event.message);
    check_eq!(
        messages.collect::<Vec<_>>(),
        expected,
        "the messages of 1,000 events of one report"
    );
    let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    let paths = artifacts.items.into_iter().map(|artifact| artifact.path);
    check_eq!(
        paths.collect::<Vec<_>>(),
        expected,
        "the paths of 1,000 artifacts of one report"
    );
    Ok(())
}

pub(crate) async fn a_plan_has_at_most_100_000_tasks(c: &mut Context<'_>) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    for ids in [ids, Ids::unknown()] {
        let drafts = vec![TaskDraft::new("t", ""); MAX_PLAN_TASKS + 1];
        let plan = TaskPlan::new(ids.run_id, drafts);
        let replace = call!(c.store, replace_pending_tasks(plan.clone()));
        let append = call!(c.store, append_tasks(plan));
        let refused = || invalid("drafts", MAX_PLAN_TASKS);
        let calls = vec![(replace, refused()), (append, refused())];
        check_each_refused(&*c.store, calls).await?;
    }
    Ok(())
}

pub(crate) async fn goal_and_title_must_not_be_empty(c: &mut Context<'_>) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let mut calls = Vec::new();
    for new in [NewRun::new("", "/repo"), NewRun::new("", "")] {
        let with_id = new.clone().with_id(RunId::generate());
        calls.push((call!(c.store, create_run(new)), invalid("goal", "")));
        calls.push((call!(c.store, create_run(with_id)), invalid("goal", "")));
    }
    for ids in [ids, Ids::unknown()] {
        let mut drafts = world::drafts(3);
        drafts.push(TaskDraft::new("", "objective"));
        drafts.push(TaskDraft::new("", ""));
        let plan = TaskPlan::new(ids.run_id, drafts);
        let refused = || invalid("drafts[3].title", "");
        let replace = call!(c.store, replace_pending_tasks(plan.clone()));
        calls.push((replace, refused()));
        calls.push((call!(c.store, append_tasks(plan)), refused()));
    }
    check_each_refused(&*c.store, calls).await?;
    // A blank is not empty.
    let blank = NewRun::new(" ", "");
    let plan = TaskPlan::new(ids.run_id, [TaskDraft::new("\0", "")]);
    check_all_accepted(vec![
        call!(c.store, create_run(blank)),
        call!(c.store, append_tasks(plan)),
    ])
    .await
}

pub(crate) async fn an_id_stands_once_in_a_call(c: &mut Context<'_>) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let mut calls = Vec::new();
    let twice = Uuid::max();
    for ids in [ids, Ids::unknown()] {
        let mut drafts = world::drafts(4);
        for index in [1, 3] {
            if let Some(draft) = drafts.get_mut(index) {
                draft.id = Some(TaskId::from(twice));
            }
        }
        let plan = TaskPlan::new(ids.run_id, drafts);
        let refused = || invalid("drafts[3].id", "");
        let replace = call!(c.store, replace_pending_tasks(plan.clone()));
        calls.push((replace, refused()));
        calls.push((call!(c.store, append_tasks(plan)), refused()));
        let draft = TaskDraft::new("alike", "o").with_id(TaskId::from(twice));
        let plan = TaskPlan::new(ids.run_id, [draft.clone(), draft]);
        let refused = || invalid("drafts[1].id", "");
        let replace = call!(c.store, replace_pending_tasks(plan.clone()));
        calls.push((replace, refused()));
        calls.push((call!(c.store, append_tasks(plan)), refused()));
        let event = EventDraft::new("s", "k", "m").with_id(EventId::from(twice));
        let report = FinishReport::released("no")
            .with_event(event.clone())
            .with_event(EventDraft::new("s", "k", "m"))
            .with_event(event);
        let call = call!(c.store, finish_task(ids.token, report));
        calls.push((call, invalid("events[2].id", "")));
        let artifact = ArtifactDraft::new("log", "a.log").with_id(ArtifactId::from(twice));
        let report = FinishReport::released("no")
            .with_artifact(artifact.clone())
            .with_artifact(artifact);
        let call = call!(c.store, finish_task(ids.token, report));
        calls.push((call, invalid("artifacts[1].id", "")));
    }
    check_each_refused(&*c.store, calls).await?;
    // Under one id an attempt, an event and an artifact are three records.
    let event = EventDraft::new("s", "k", "m").with_id(EventId::from(twice));
    let artifact = ArtifactDraft::new("log", "a.log").with_id(ArtifactId::from(twice));
    let attempt = AttemptReport::new("failed", "no").with_id(AttemptId::from(twice));
    let report = FinishReport::released("no")
        .with_attempt(attempt)
        .with_event(event)
        .with_artifact(artifact);
    check_all_accepted(vec![call!(c.store, finish_task(ids.token, report))]).await?;
    check_eq!(
        c.store.get_task(ids.task_id).await?.updated_at,
        c.clock.now(),
        "the time of the finished task"
    );
    Ok(())
}
