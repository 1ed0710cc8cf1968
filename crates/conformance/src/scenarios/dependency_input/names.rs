//! What a draft may name as a dependency.

use runstore_core::limits::MAX_WORD_BYTES;
use runstore_core::{Dependency, Error, RecordKind, TaskId, Uuid};

use super::{busy_run, check_invalid, check_plan_refused};
use crate::check::Outcome;
use crate::context::Context;
use crate::planning::{append, append_one, check_claims, complete, draft, finish};
use crate::world;

pub(crate) async fn an_index_that_no_draft_has_is_refused(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    for index in [2, 3, 4, 5, 1_000_000, usize::MAX] {
        // The run has more tasks than the plan has drafts: an index is one of the plan.
        let drafts = [draft("a"), draft("b").with_depends_on([0, index])];
        let problem = index.to_string();
        let wrong = ("drafts[1].depends_on[1]", &*problem);
        let what = format!("a plan of two drafts that names the one at index {index}");
        check_invalid(&*c.store, run_id, &drafts, wrong, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_that_no_draft_has_is_refused(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let earlier = draft("earlier").with_key("earlier");
    append(&*c.store, run_id, [earlier]).await?;
    // Neither another case, a part, an index nor a title is the key; nor is one of another plan.
    for key in [
        "Build",
        "buil",
        "build ",
        "",
        "0",
        "a",
        "earlier",
        "b\u{fc}ild",
    ] {
        let drafts = [
            draft("a").with_key("build"),
            draft("b"),
            draft("c").with_depends_on([Dependency::from("build"), Dependency::from(key)]),
        ];
        let wrong = ("drafts[2].depends_on[1]", key);
        let what = format!("a plan that names key {key:?}, where only \"build\" is one");
        check_invalid(&*c.store, run_id, &drafts, wrong, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_stands_once_in_a_plan(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let key = |key: &str| draft("t").with_key(key);
    for (drafts, field) in [
        (vec![key("a"), key("b"), key("a")], "drafts[2].key"),
        (vec![key("a"), key("a")], "drafts[1].key"),
        (vec![key(""), draft("t"), key("")], "drafts[2].key"),
        (
            vec![key("a"), key("a"), draft("t").with_depends_on(["a"])],
            "drafts[1].key",
        ),
    ] {
        let what = "a plan in which two drafts have one key";
        check_invalid(&*c.store, run_id, &drafts, (field, ""), what).await?;
    }
    // Keys are compared to the byte, and are not kept for the next plan.
    for _ in 0..2 {
        let drafts = [
            key("a"),
            key("A"),
            key("a "),
            key(""),
            key("e\u{301}"),
            key("\u{e9}"),
        ];
        append(&*c.store, run_id, drafts).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_has_at_most_255_bytes(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let bound = MAX_WORD_BYTES.to_string();
    for long in ["k".repeat(MAX_WORD_BYTES + 1), "\u{e9}".repeat(128)] {
        let drafts = [draft("a"), draft("b").with_key(long)];
        let wrong = ("drafts[1].key", &*bound);
        let what = "a plan with a key of 256 bytes";
        check_invalid(&*c.store, run_id, &drafts, wrong, what).await?;
    }
    let run_id = world::run(&*c.store).await?.id;
    // Any text is a key.
    let keys = [
        "k".repeat(MAX_WORD_BYTES),
        String::new(),
        "\0'\"\\%".to_owned(),
        "0".to_owned(),
    ];
    let drafts = keys
        .iter()
        .zip(1..)
        .map(|(key, number)| draft(number.to_string()).with_key(key));
    let last = draft("last").with_depends_on(keys.clone());
    append(&*c.store, run_id, [last].into_iter().chain(drafts)).await?;
    let claims = check_claims(
        &*c.store,
        run_id,
        &["1", "2", "3", "4"],
        "named by their keys",
    );
    for claim in claims.await? {
        finish(&*c.store, &claim).await?;
    }
    check_claims(
        &*c.store,
        run_id,
        &["last"],
        "which names them by their keys",
    )
    .await?;
    Ok(())
}

pub(crate) async fn a_dependency_on_an_unknown_task_is_refused(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, busy_run(c).await?);
    let known = append_one(store, run_id, draft("known")).await?.id;
    complete(store, known).await?;
    let other = world::run(store).await?.id;
    let of_other = append_one(store, other, draft("of another run")).await?.id;
    let done = append_one(store, other, draft("done in another run"))
        .await?
        .id;
    complete(store, done).await?;
    let deleted = world::run(store).await?.id;
    let of_deleted = append_one(store, deleted, draft("of a deleted run"))
        .await?
        .id;
    store.delete_run(deleted).await?;
    let cases = [
        ("a task that never was", TaskId::generate()),
        ("the nil id", TaskId::from(Uuid::nil())),
        ("a pending task of another run", of_other),
        ("a completed task of another run", done),
        ("a task of a deleted run", of_deleted),
        ("the run", TaskId::from(run_id.as_uuid())),
    ];
    for (what, unknown) in cases {
        let refused = Error::not_found(RecordKind::Task, unknown);
        let what = format!("a plan that depends on {what}");
        let drafts = [
            draft("a"),
            draft("b").with_depends_on([Dependency::from(0), known.into(), unknown.into()]),
        ];
        check_plan_refused(store, run_id, &drafts, &refused, &what).await?;
        let alone = [draft("alone").with_depends_on([unknown])];
        check_plan_refused(store, run_id, &alone, &refused, &what).await?;
    }
    Ok(())
}
