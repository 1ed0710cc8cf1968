//! Checkpoints (clause J6).

use runstore_core::{
    Checkpoint, CheckpointId, Clock, ListCheckpoints, NewCheckpoint, RunId, RunStatus,
    SnapshotRequest, Store,
};
use serde_json::json;

use crate::beside::Beside;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::lists::check_pages;
use crate::world;

/// Adds a checkpoint of that step.
async fn add(store: &dyn Store, run_id: RunId, step: u32) -> Outcome<Checkpoint> {
    let new = NewCheckpoint::new(run_id, "running", json!({ "step": step }));
    Ok(store.add_checkpoint(new).await?)
}

pub(crate) async fn a_checkpoint_is_stored_as_it_was_given(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let full = NewCheckpoint::new(run.id, "a status", json!({"plan": [1, 2], "of": null}))
        .with_id(CheckpointId::generate());
    let bare = NewCheckpoint::new(run.id, RunStatus::Paused, json!(null)).with_fence(claim.token());
    let mut written = Vec::new();
    for new in [full, bare] {
        c.clock.advance_micros(7);
        let checkpoint = c.store.add_checkpoint(new.clone()).await?;
        let expected = Checkpoint {
            id: new.id.unwrap_or(checkpoint.id),
            run_id: run.id,
            status: new.status,
            payload: new.payload,
            created_at: c.clock.now(),
        };
        check_eq!(
            checkpoint,
            expected,
            "the checkpoint that add_checkpoint returned"
        );
        let latest = c.store.latest_checkpoint(run.id).await?;
        check_eq!(latest.as_ref(), Some(&expected), "the latest checkpoint");
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        check_eq!(
            snapshot.latest_checkpoint,
            latest,
            "the checkpoint in the snapshot"
        );
        written.push(checkpoint);
    }
    let listed = c
        .store
        .list_checkpoints(ListCheckpoints::new(run.id))
        .await?;
    check_eq!(listed.items, written, "the checkpoints listed");
    Ok(())
}

pub(crate) async fn checkpoints_are_listed_oldest_first_in_pages(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    let mut written = Vec::new();
    for step in 0..6 {
        written.push(add(&*c.store, run.id, 9 - step).await?);
        add(&*c.store, neighbour.id, step).await?;
    }
    check_pages("the checkpoints of a run", &written, |page| {
        let list = ListCheckpoints::new(run.id).with_page(page);
        c.store.list_checkpoints(list)
    })
    .await
}

pub(crate) async fn the_latest_checkpoint_is_the_one_written_last(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    check_eq!(
        c.store.latest_checkpoint(run.id).await?,
        None,
        "the latest checkpoint of a run without any"
    );
    for step in [5, 3, 4, 1] {
        c.clock.advance_micros(-1_000);
        let checkpoint = add(&*c.store, run.id, step).await?;
        add(&*c.store, neighbour.id, 100).await?;
        check_eq!(
            c.store.latest_checkpoint(run.id).await?,
            Some(checkpoint),
            "the latest checkpoint after one of step {step}, another run's written since"
        );
    }
    Ok(())
}

pub(crate) async fn a_checkpoint_without_an_id_is_given_one_of_its_own(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let one = add(&*c.store, run.id, 1).await?;
    let two = add(&*c.store, run.id, 1).await?;
    check!(
        one.id != two.id,
        "two equal checkpoints that were added without ids must have ids of their own"
    );
    let listed = c
        .store
        .list_checkpoints(ListCheckpoints::new(run.id))
        .await?;
    check_eq!(
        listed.items,
        vec![one, two],
        "the checkpoints after two equal ones without ids"
    );
    Ok(())
}

pub(crate) async fn adding_a_checkpoint_touches_nothing_else(c: &mut Context<'_>) -> Outcome {
    let beside = Beside::new(c).await?;
    let list = ListCheckpoints::new(beside.run.id);
    let mut expected = c.store.list_checkpoints(list.clone()).await?.items;
    // Its status is a note of where the run stood, and not the run's.
    let new = NewCheckpoint::new(beside.run.id, "failed", json!({"step": 3}));
    expected.push(c.store.add_checkpoint(new).await?);
    let fields = &["checkpoints", "latestCheckpoint"];
    beside
        .check_unchanged_but(&*c.store, fields, "adding a checkpoint")
        .await?;
    check_eq!(
        c.store.list_checkpoints(list).await?.items,
        expected,
        "the checkpoints after one was added"
    );
    Ok(())
}
