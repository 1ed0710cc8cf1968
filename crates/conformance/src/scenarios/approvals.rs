//! Approvals (clause J5).

use runstore_core::{
    Approval, ApprovalId, ApprovalSource, Clock, ListApprovals, NewApproval, RunId,
    SnapshotRequest, Store,
};
use serde_json::json;

use crate::beside::Beside;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::lists::check_pages;
use crate::world;

/// Adds an approval of that source.
async fn add(store: &dyn Store, run_id: RunId, source: &str, rationale: &str) -> Outcome<Approval> {
    let new = NewApproval::new(run_id, source, "approved", rationale);
    Ok(store.add_approval(new).await?)
}

pub(crate) async fn an_approval_is_stored_as_it_was_given(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let full = NewApproval::new(run.id, "a source", "a verdict", "a rationale")
        .with_id(ApprovalId::generate())
        .with_payload(json!({"score": 0.5, "notes": []}));
    let bare = NewApproval::new(run.id, "human", "changes_requested", "another rationale");
    let mut written = Vec::new();
    for new in [full, bare] {
        c.clock.advance_micros(7);
        let approval = c.store.add_approval(new.clone()).await?;
        let expected = Approval {
            id: new.id.unwrap_or(approval.id),
            run_id: run.id,
            source: new.source.clone(),
            verdict: new.verdict,
            rationale: new.rationale,
            payload: new.payload,
            created_at: c.clock.now(),
        };
        check_eq!(
            approval,
            expected,
            "the approval that add_approval returned"
        );
        let latest = c.store.latest_approval(run.id, new.source.clone()).await?;
        check_eq!(latest, Some(expected), "the latest approval of its source");
        let of_source = ListApprovals::new(run.id).with_source(new.source);
        let of_source = c.store.list_approvals(of_source).await?;
        check_eq!(
            of_source.items.first(),
            Some(&approval),
            "the approval listed by its source"
        );
        written.push(approval);
    }
    let listed = c.store.list_approvals(ListApprovals::new(run.id)).await?;
    check_eq!(listed.items, written, "the approvals listed");
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(snapshot.approvals, written, "the approvals in the snapshot");
    Ok(())
}

pub(crate) async fn approvals_are_listed_oldest_first_in_pages(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    let mut written = Vec::new();
    for source in ["strategy", "checker", "human", "checker", "a bot", "human"] {
        written.push(add(&*c.store, run.id, source, "why").await?);
        add(&*c.store, neighbour.id, source, "beside").await?;
    }
    check_pages("the approvals of a run", &written, |page| {
        let list = ListApprovals::new(run.id).with_page(page);
        c.store.list_approvals(list)
    })
    .await
}

pub(crate) async fn approvals_are_listed_by_source_in_pages(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let sources = ["checker", "Checker", "human", "check", ""];
    let mut written = Vec::new();
    for turn in 0..3 {
        for source in sources {
            written.push(add(&*c.store, run.id, source, &turn.to_string()).await?);
        }
    }
    for source in sources.into_iter().chain(["strategy"]) {
        let source = ApprovalSource::from(source);
        let of_source = |approval: &&Approval| approval.source == source;
        let expected: Vec<_> = written.iter().filter(of_source).cloned().collect();
        let list = ListApprovals::new(run.id).with_source(source.clone());
        check_pages(
            &format!("the approvals of source {:?}", source.as_str()),
            &expected,
            |page| c.store.list_approvals(list.clone().with_page(page)),
        )
        .await?;
        check_eq!(
            c.store
                .latest_approval(run.id, source.clone())
                .await?
                .as_ref(),
            expected.last(),
            "the latest approval of source {:?}",
            source.as_str()
        );
    }
    Ok(())
}

pub(crate) async fn the_latest_approval_of_a_source_is_the_one_given_last(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    let mut latest = [None, None];
    for turn in 0..6_usize {
        c.clock.advance_micros(-1_000);
        for (index, source) in ["checker", "human"].into_iter().enumerate() {
            if turn % (index + 1) == 0 {
                let approval = add(&*c.store, run.id, source, &turn.to_string()).await?;
                if let Some(place) = latest.get_mut(index) {
                    *place = Some(approval);
                }
            }
            add(&*c.store, neighbour.id, source, "beside").await?;
        }
        for (source, latest) in ["checker", "human"].into_iter().zip(&latest) {
            check_eq!(
                c.store.latest_approval(run.id, source.into()).await?,
                *latest,
                "the latest approval of {source} after turn {turn} of two sources"
            );
        }
    }
    let none = c.store.latest_approval(run.id, "strategy".into()).await?;
    check_eq!(none, None, "the latest approval of a source that gave none");
    Ok(())
}

pub(crate) async fn an_approval_without_an_id_is_given_one_of_its_own(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let one = add(&*c.store, run.id, "human", "same").await?;
    let two = add(&*c.store, run.id, "human", "same").await?;
    check!(
        one.id != two.id,
        "two equal approvals that were added without ids must have ids of their own"
    );
    let listed = c.store.list_approvals(ListApprovals::new(run.id)).await?;
    check_eq!(
        listed.items,
        vec![one, two],
        "the approvals after two equal ones without ids"
    );
    Ok(())
}

pub(crate) async fn adding_an_approval_touches_nothing_else(c: &mut Context<'_>) -> Outcome {
    let beside = Beside::new(c).await?;
    let list = ListApprovals::new(beside.run.id);
    let mut expected = c.store.list_approvals(list.clone()).await?.items;
    // A verdict is kept and acted on by nobody: run and tasks stay as they are.
    let new = NewApproval::new(beside.run.id, "human", "rejected", "no");
    expected.push(c.store.add_approval(new).await?);
    let fields = &["approvals", "latestApprovals"];
    beside
        .check_unchanged_but(&*c.store, fields, "adding an approval")
        .await?;
    check_eq!(
        c.store.list_approvals(list).await?.items,
        expected,
        "the approvals after one was added"
    );
    Ok(())
}

pub(crate) async fn a_run_without_approvals_has_none(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    world::populated(&*c.store).await?;
    let listed = c.store.list_approvals(ListApprovals::new(run.id)).await?;
    check_eq!(
        (listed.items, listed.next),
        (vec![], None),
        "the approvals of a run without any"
    );
    let latest = c.store.latest_approval(run.id, "checker".into()).await?;
    check_eq!(latest, None, "the latest approval of a run without any");
    Ok(())
}
