//! Calls that wait at the same time travel together.

use futures_util::future::{join, join_all};
use runstore_core::{Claim, FinishReport, NewEvent, Result, Run, Store};

use super::{Counted, event, leased, report};

const CALLS: usize = 64;

/// The trips of so many calls that all came while the first of them was under way.
async fn trips<T>(
    counted: &Counted,
    run: &Run,
    calls: impl Future<Output = Vec<Result<T>>>,
) -> usize {
    let before = counted.proxy.trips();
    counted.proxy.hold();
    let held_back = async {
        // One of the two connections is that of the first trip. The other one is taken by this look, which comes
        // after the calls, or by a second trip of theirs.
        let look = counted.store.get_run(run.id);
        let let_go = async {
            counted.proxy.holds(2).await;
            counted.proxy.let_go();
        };
        join(look, let_go).await.0.unwrap();
    };
    let (answers, ()) = join(calls, held_back).await;
    assert_eq!(answers.into_iter().filter(Result::is_ok).count(), CALLS);
    counted.proxy.trips() - before
}

async fn claims(counted: &Counted, run: &Run) -> Vec<Claim> {
    let claims = counted.store.claim_tasks(leased(run), CALLS as u32).await;
    claims.unwrap()
}

#[tokio::test]
async fn claims_at_the_same_time_share_trips() {
    let counted = Counted::open(2, true).await;
    let run = counted.run(CALLS).await;
    let calls = join_all((0..CALLS).map(|_| counted.store.claim_next_task(leased(&run))));
    let trips = trips(&counted, &run, calls).await;
    assert!(trips < CALLS / 2, "{trips}");
    let left = counted.store.claim_next_task(leased(&run)).await.unwrap();
    assert_eq!(left, None, "each call took a task");
}

#[tokio::test]
async fn reports_at_the_same_time_share_trips() {
    let counted = Counted::open(2, true).await;
    let run = counted.run(CALLS).await;
    let claims = claims(&counted, &run).await;
    let finish = |claim: &Claim| counted.store.finish_task(claim.token(), report());
    let calls = join_all(claims.iter().map(finish));
    let trips = trips(&counted, &run, calls).await;
    assert!(trips < CALLS / 2, "{trips}");
}

#[tokio::test]
async fn events_at_the_same_time_share_trips() {
    let counted = Counted::open(2, true).await;
    let run = counted.run(0).await;
    let add = |_| counted.store.add_event(NewEvent::new(run.id, event()));
    let calls = join_all((0..CALLS).map(add));
    let trips = trips(&counted, &run, calls).await;
    assert!(trips < CALLS / 2, "{trips}");
    let events = counted.store.recent_events(run.id, CALLS as u32).await;
    let numbers: Vec<u64> = events.unwrap().iter().map(|event| event.seq).collect();
    let first = *numbers.first().unwrap();
    assert_eq!(numbers, Vec::from_iter(first..first + CALLS as u64));
}

#[tokio::test]
async fn calls_that_travel_alone_make_a_trip_each() {
    let counted = Counted::open(1, false).await;
    let store = &counted.store;
    let run = counted.run(2 * CALLS + 1).await;
    let token = counted.claim(&run).await;
    store
        .finish_task(token, FinishReport::completed("done"))
        .await
        .unwrap();
    let prepared = NewEvent::new(run.id, event());
    store.add_event(prepared).await.unwrap();

    let before = counted.proxy.trips();
    let claims = join_all((0..CALLS).map(|_| store.claim_next_task(leased(&run)))).await;
    let claims = claims.into_iter().map(|claim| claim.unwrap().unwrap());
    let claims: Vec<Claim> = claims.collect();
    assert_eq!(counted.proxy.trips() - before, CALLS, "claims");

    let before = counted.proxy.trips();
    let finish = |claim: &Claim| store.finish_task(claim.token(), report());
    let finished = join_all(claims.iter().map(finish)).await;
    assert!(finished.iter().all(Result::is_ok));
    assert_eq!(counted.proxy.trips() - before, CALLS, "reports");

    let before = counted.proxy.trips();
    let add = |_| store.add_event(NewEvent::new(run.id, event()));
    let added = join_all((0..CALLS).map(add)).await;
    assert!(added.iter().all(Result::is_ok));
    assert_eq!(counted.proxy.trips() - before, CALLS, "events");
}
