//! Every statement finds what it needs by an index, however much there is, and whenever its plan was made.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod plans;
mod rounds;
mod scene;

use plans::Watched;
use rounds::{Checks, round};

/// So many calls of a kind that the server has made up its mind about a plan for whatever is asked: it thinks of
/// a new one for the first five.
const ROUNDS: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_goes_by_an_index_in_a_large_store() {
    let mut watched = Watched::open().await;
    let large = scene::fill(&watched).await;
    scene::sql(&watched, "ANALYZE").await;
    // What a claim tells those who wait is looked up too.
    let _waiting = scene::somebody_waits(&watched).await;
    for _ in 0..ROUNDS {
        round(&mut watched, large[1], Checks::Indexes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_does_not_look_at_what_is_due_in_another_run() {
    let mut watched = Watched::open().await;
    let large = scene::fill(&watched).await;
    let due = "UPDATE task_states SET available_from = now() - interval '1 hour' WHERE place = 2";
    let own = large[1];
    scene::sql(&watched, &format!("{due} AND run_id <> '{own}'")).await;
    scene::sql(&watched, "ANALYZE").await;
    for _ in 0..ROUNDS {
        rounds::claims_of_run(&mut watched, own).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_goes_by_an_index_in_a_store_that_was_never_analyzed() {
    let mut watched = Watched::open().await;
    let large = scene::fill(&watched).await;
    for _ in 0..ROUNDS {
        round(&mut watched, large[1], Checks::Indexes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_empty_store_serves_a_large_one() {
    let mut watched = Watched::open().await;
    let small = scene::run(&watched.store, 900).await;
    for _ in 0..ROUNDS {
        round(&mut watched, small, Checks::Nothing).await;
    }
    let large = scene::fill(&watched).await;
    round(&mut watched, large[1], Checks::FewRows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_analyzed_small_store_serves_a_large_one() {
    let mut watched = Watched::open().await;
    let small = scene::run(&watched.store, 900).await;
    scene::sql(&watched, "ANALYZE").await;
    for _ in 0..ROUNDS {
        round(&mut watched, small, Checks::Nothing).await;
    }
    let large = scene::fill(&watched).await;
    round(&mut watched, large[1], Checks::FewRows).await;
}
