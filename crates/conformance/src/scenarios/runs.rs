//! Runs (clauses R1 to R5).

use runstore_core::{NewRun, RunStatus};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::{Context, start};
use crate::world;

pub(crate) async fn a_new_run_is_planning_with_zero_counters(c: &mut Context<'_>) -> Outcome {
    let run = c.store.create_run(NewRun::new("a goal", "/a/path")).await?;
    check_eq!(run.goal, "a goal", "the goal of a new run");
    check_eq!(run.repo_path, "/a/path", "the path of a new run");
    check_eq!(run.status, RunStatus::Planning, "the status of a new run");
    check_eq!(
        (run.cycle_count, run.replan_count),
        (0, 0),
        "the counters of a new run"
    );
    check_eq!(
        (&run.summary, run.current_task_id),
        (&None, None),
        "what is unset in a new run"
    );
    check_eq!(
        (run.created_at, run.updated_at),
        (start(), start()),
        "the times of a new run"
    );
    check_eq!(
        c.store.get_run(run.id).await?,
        run,
        "the run read after it was created"
    );
    Ok(())
}

pub(crate) async fn creating_a_run_writes_its_first_event(c: &mut Context<'_>) -> Outcome {
    let run = c.store.create_run(NewRun::new("a goal", "/a/path")).await?;
    let events = c.store.recent_events(run.id, 10).await?;
    check_eq!(events.len(), 1, "the number of events of a new run");
    let event = world::first(events)?;
    check_eq!(
        (event.seq, event.run_id),
        (1, run.id),
        "number and run of the first event"
    );
    check_eq!(event.kind, "run_created", "the kind of the first event");
    check_eq!(
        event.payload,
        json!({"goal": "a goal", "repoPath": "/a/path"}),
        "the payload of the first event"
    );
    check!(
        event.ts == start(),
        "the first event has the time of the store's clock"
    );
    Ok(())
}
