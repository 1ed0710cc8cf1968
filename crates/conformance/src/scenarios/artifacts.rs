//! Artifacts (clause J4).

use runstore_core::{
    AgentRole, Artifact, ArtifactDraft, ArtifactId, Clock, ListArtifacts, NewArtifact, RunId,
    SnapshotRequest, Store,
};
use serde_json::json;

use crate::beside::Beside;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::lists::check_pages;
use crate::world;

/// Adds an artifact of that role, or of none.
async fn add(
    store: &dyn Store,
    run_id: RunId,
    role: Option<&str>,
    path: &str,
) -> Outcome<Artifact> {
    let mut draft = ArtifactDraft::new("file", path);
    draft.role = role.map(AgentRole::from);
    Ok(store.add_artifact(NewArtifact::new(run_id, draft)).await?)
}

pub(crate) async fn an_artifact_is_stored_as_it_was_given(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let full = ArtifactDraft::new("a kind", "a/path")
        .with_id(ArtifactId::generate())
        .with_role("a role of its own")
        .with_metadata(json!({"bytes": 12, "of": null}));
    let bare = ArtifactDraft::new("another kind", "another/path");
    let mut written = Vec::new();
    for (draft, fence) in [(full, None), (bare, Some(claim.token()))] {
        c.clock.advance_micros(7);
        let mut new = NewArtifact::new(run.id, draft.clone());
        new.fence = fence;
        let artifact = c.store.add_artifact(new).await?;
        let expected = Artifact {
            id: draft.id.unwrap_or(artifact.id),
            run_id: run.id,
            role: draft.role,
            kind: draft.kind,
            path: draft.path,
            created_at: c.clock.now(),
            metadata: draft.metadata,
        };
        check_eq!(
            artifact,
            expected,
            "the artifact that add_artifact returned"
        );
        written.push(artifact);
    }
    let listed = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(listed.items, written, "the artifacts listed");
    let of_role = ListArtifacts::new(run.id).with_role("a role of its own");
    let of_role = c.store.list_artifacts(of_role).await?.items;
    check_eq!(
        of_role.first(),
        written.first(),
        "the artifact listed by its role"
    );
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(snapshot.artifacts, written, "the artifacts in the snapshot");
    Ok(())
}

pub(crate) async fn artifacts_are_listed_oldest_first_in_pages(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    let mut written = Vec::new();
    for number in 0..6 {
        let path = format!("{}.md", 9 - number);
        written.push(add(&*c.store, run.id, Some("checker"), &path).await?);
        add(&*c.store, neighbour.id, Some("checker"), "beside").await?;
    }
    check_pages("the artifacts of a run", &written, |page| {
        let list = ListArtifacts::new(run.id).with_page(page);
        c.store.list_artifacts(list)
    })
    .await
}

pub(crate) async fn artifacts_are_listed_by_role_in_pages(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let roles = [
        Some("checker"),
        None,
        Some("Checker"),
        Some("strategy"),
        Some("check"),
        Some(""),
    ];
    let mut written = Vec::new();
    for turn in 0..3 {
        for role in roles {
            written.push(add(&*c.store, run.id, role, &turn.to_string()).await?);
        }
    }
    for role in roles.into_iter().flatten().chain(["implementation"]) {
        let role = AgentRole::from(role);
        let of_role = |artifact: &&Artifact| artifact.role.as_ref() == Some(&role);
        let expected: Vec<_> = written.iter().filter(of_role).cloned().collect();
        let list = ListArtifacts::new(run.id).with_role(role.clone());
        check_pages(
            &format!("the artifacts of role {:?}", role.as_str()),
            &expected,
            |page| c.store.list_artifacts(list.clone().with_page(page)),
        )
        .await?;
    }
    let all = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(
        all.items,
        written,
        "all artifacts, those without a role among them"
    );
    Ok(())
}

pub(crate) async fn an_artifact_without_an_id_is_given_one_of_its_own(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let one = add(&*c.store, run.id, None, "same").await?;
    let two = add(&*c.store, run.id, None, "same").await?;
    check!(
        one.id != two.id,
        "two equal artifacts that were added without ids must have ids of their own"
    );
    let listed = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(
        listed.items,
        vec![one, two],
        "the artifacts after two equal ones without ids"
    );
    Ok(())
}

pub(crate) async fn adding_an_artifact_touches_nothing_else(c: &mut Context<'_>) -> Outcome {
    let beside = Beside::new(c).await?;
    let list = ListArtifacts::new(beside.run.id);
    let mut expected = c.store.list_artifacts(list.clone()).await?.items;
    expected.push(add(&*c.store, beside.run.id, Some("checker"), "new").await?);
    beside
        .check_unchanged_but(&*c.store, &["artifacts"], "adding an artifact")
        .await?;
    check_eq!(
        c.store.list_artifacts(list).await?.items,
        expected,
        "the artifacts after one was added"
    );
    Ok(())
}

pub(crate) async fn a_run_without_artifacts_has_none(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let (neighbour, _) = world::populated(&*c.store).await?;
    let listed = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(
        (listed.items, listed.next),
        (vec![], None),
        "the artifacts of a run without any"
    );
    let list = ListArtifacts::new(neighbour.id).with_role("nobody");
    let listed = c.store.list_artifacts(list).await?;
    check_eq!(
        (listed.items, listed.next),
        (vec![], None),
        "the artifacts of a role without any"
    );
    Ok(())
}
