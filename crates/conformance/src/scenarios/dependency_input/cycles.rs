//! Plans that lead back to themselves, and plans that only look so.

use runstore_core::{Dependency, TaskDraft};

use super::{busy_run, check_invalid};
use crate::check::Outcome;
use crate::context::Context;
use crate::planning::{append, check_claims, draft, finish, ids, named};
use crate::world;

pub(crate) async fn a_cycle_is_refused_with_its_path(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let [a, b] = ids();
    let on = |on: &[usize]| draft("t").with_depends_on(on.iter().copied());
    let cases: Vec<(&str, Vec<TaskDraft>, &str, &str)> = vec![
        (
            "a draft that depends on itself",
            vec![draft("t"), on(&[0, 1])],
            "drafts[1].depends_on",
            "drafts[1] -> drafts[1]",
        ),
        (
            "a draft that depends on itself by its key",
            vec![draft("t").with_key("k").with_depends_on(["k"])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[0]",
        ),
        (
            "a draft that depends on itself by its id",
            vec![named(a, "t").with_depends_on([a])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[0]",
        ),
        (
            "two drafts that depend on each other",
            vec![on(&[1]), on(&[0])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[1] -> drafts[0]",
        ),
        (
            "a cycle of three, with drafts that lead to it and away",
            vec![on(&[3]), on(&[2, 4]), on(&[3]), on(&[1]), on(&[])],
            "drafts[3].depends_on",
            "drafts[3] -> drafts[1] -> drafts[2] -> drafts[3]",
        ),
        (
            "a cycle of an index, a key and an id",
            vec![
                named(a, "t").with_key("a").with_depends_on([1]),
                named(b, "t").with_depends_on([2]),
                draft("t")
                    .with_key("c")
                    .with_depends_on([Dependency::from(a)]),
                draft("t").with_depends_on(["c", "a"]),
            ],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[1] -> drafts[2] -> drafts[0]",
        ),
        (
            "a cycle behind a branch that has none",
            vec![on(&[1, 3]), on(&[2]), on(&[]), on(&[4]), on(&[2, 3])],
            "drafts[3].depends_on",
            "drafts[3] -> drafts[4] -> drafts[3]",
        ),
    ];
    for (what, drafts, field, path) in cases {
        check_invalid(&*c.store, run_id, &drafts, (field, path), what).await?;
    }
    let long: Vec<TaskDraft> = (0..500_usize)
        .map(|index| on(&[(index + 1) % 500]))
        .collect();
    let wrong = ("drafts[0].depends_on", "drafts[499] -> drafts[0]");
    check_invalid(&*c.store, run_id, &long, wrong, "a cycle of 500").await
}

pub(crate) async fn what_leads_back_to_no_draft_is_no_cycle(c: &mut Context<'_>) -> Outcome {
    const MANY: usize = 2_000;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let on = |title: &str, on: &[usize]| draft(title).with_depends_on(on.iter().copied());
    // Two ways to one task, in either direction.
    let drafts = [
        on("end", &[1, 2, 3]),
        on("left", &[3, 4]),
        on("right", &[4, 3]),
        on("middle", &[4]),
        on("start", &[]),
    ];
    append(store, run_id, drafts).await?;
    for titles in [&["start"][..], &["middle"], &["left", "right"], &["end"]] {
        for claim in check_claims(store, run_id, titles, "of a plan with two ways").await? {
            finish(store, &claim).await?;
        }
    }
    // A long chain, from the last draft to the first and back.
    let forward = (0..MANY).map(|index| match index + 1 {
        MANY => draft("end of the chain"),
        next => on("link", &[next]),
    });
    append(store, run_id, forward).await?;
    check_claims(store, run_id, &["end of the chain"], "of a chain of 2,000").await?;
    Ok(())
}
