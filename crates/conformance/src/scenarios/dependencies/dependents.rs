//! Many that wait for one, and one that waits for many, released in one change.

use runstore_core::Result;

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::planning::{
    append, check_claims, check_nothing, complete, draft, finish, next_of, titles, waits_for_one,
};
use crate::race::{Handles, both, together};
use crate::world;

pub(crate) async fn all_dependents_of_a_task_are_released_together(c: &mut Context<'_>) -> Outcome {
    const DEPENDENTS: usize = 300;
    let handles = Handles::four(c).await?;
    for by_report in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let dependents =
            (0..DEPENDENTS).map(|number| draft(number.to_string()).with_depends_on([0]));
        append(store, run_id, [draft("a")].into_iter().chain(dependents)).await?;
        let claim = world::claim(store, run_id).await?;
        check_nothing(store, run_id, "while what all wait for is in progress").await?;
        let (completer, claimer) = (handles.of(0), handles.of(1));
        let completing = async move {
            match by_report {
                true => finish(&*completer, &claim).await,
                false => complete(&*completer, claim.task.id).await,
            }
        };
        let claiming = async move {
            let mut batches = Vec::new();
            for _ in 0..20 {
                let batch = claimer.claim_tasks(next_of(run_id), 1_000).await?;
                if !batch.is_empty() {
                    batches.push(titles(batch));
                }
                tokio::task::yield_now().await;
            }
            Result::Ok(batches)
        };
        let (completed, batches) = both(completing, claiming).await?;
        completed?;
        let mut batches = batches?;
        let rest = store.claim_tasks(next_of(run_id), 1_000).await?;
        if !rest.is_empty() {
            batches.push(titles(rest));
        }
        let expected: Vec<String> = (0..DEPENDENTS).map(|number| number.to_string()).collect();
        check_eq!(
            batches,
            [expected],
            "the batches of all {DEPENDENTS} dependents, claimed beside the completion of what they \
             wait for: one change releases them all"
        );
    }
    Ok(())
}

pub(crate) async fn thousands_of_dependents_are_released(c: &mut Context<'_>) -> Outcome {
    const DEPENDENTS: usize = 2_100;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let dependents = (0..DEPENDENTS).map(|number| draft(number.to_string()).with_depends_on([0]));
    append(store, run_id, [draft("a")].into_iter().chain(dependents)).await?;
    let claim = world::claim(store, run_id).await?;
    check_nothing(store, run_id, "while what all wait for is in progress").await?;
    finish(store, &claim).await?;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(store.claim_tasks(next_of(run_id), 1_000).await?);
    }
    let positions: Vec<u64> = claimed.iter().map(|claim| claim.task.position).collect();
    check!(
        positions == Vec::from_iter(2..=DEPENDENTS as u64 + 1),
        "all of {DEPENDENTS} dependents must be claimed in order once what they wait for is \
         completed, but {} were",
        positions.len()
    );
    Ok(())
}

pub(crate) async fn hundreds_of_dependencies_are_all_waited_for(c: &mut Context<'_>) -> Outcome {
    const DEPENDENCIES: usize = 300;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let before = (0..DEPENDENCIES).map(|number| draft(number.to_string()));
    let waiting = draft("waiting").with_depends_on(0..DEPENDENCIES);
    append(store, run_id, before.chain([waiting])).await?;
    let claims = store.claim_tasks(next_of(run_id), 1_000).await?;
    check_eq!(
        claims.len(),
        DEPENDENCIES,
        "the number of tasks that wait for nothing"
    );
    for (claim, done) in claims.iter().zip(0..) {
        if done % 50 == 0 || done == DEPENDENCIES - 1 {
            let what = format!("after {done} of {DEPENDENCIES} dependencies were completed");
            check_nothing(store, run_id, &what).await?;
        }
        finish(store, claim).await?;
    }
    check_claims(store, run_id, &["waiting"], "once all were completed").await?;
    Ok(())
}

pub(crate) async fn dependents_of_every_plan_are_released(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, _] = waits_for_one(store, run_id).await?;
    append(store, run_id, [draft("c").with_depends_on([a])]).await?;
    let drafts = [
        draft("d").with_depends_on([1]),
        draft("e").with_depends_on([a]),
    ];
    append(store, run_id, drafts).await?;
    let claim = check_claims(store, run_id, &["a"], "before it is completed").await?;
    append(store, run_id, [draft("f").with_depends_on([a])]).await?;
    finish(store, &world::first(claim)?).await?;
    let what = "that were planned to wait for it by four plans";
    let claims = check_claims(store, run_id, &["b", "c", "e", "f"], what).await?;
    for claim in claims.iter().filter(|claim| claim.task.title == "e") {
        finish(store, claim).await?;
    }
    check_claims(store, run_id, &["d"], "once e was completed").await?;
    Ok(())
}

pub(crate) async fn dependencies_completed_at_once_release_their_dependent_once(
    c: &mut Context<'_>,
) -> Outcome {
    const DEPENDENCIES: usize = 8;
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let before = (0..DEPENDENCIES).map(|number| draft(number.to_string()));
        let waiting = draft("waiting").with_depends_on(0..DEPENDENCIES);
        append(store, run_id, before.chain([waiting])).await?;
        let claims = store.claim_tasks(next_of(run_id), 100).await?;
        check_eq!(
            claims.len(),
            DEPENDENCIES,
            "the number of tasks that wait for nothing"
        );
        let finishing = claims.into_iter().zip(0..).map(|(claim, caller)| {
            let store = handles.of(caller + round);
            async move {
                finish(&*store, &claim).await?;
                // Whoever completes the last of them leaves the dependent claimable.
                let batch = store.claim_tasks(next_of(run_id), 10).await?;
                Outcome::Ok(titles(batch))
            }
        });
        let mut claimed = Vec::new();
        for batch in together(finishing).await? {
            claimed.extend(batch?);
        }
        check_eq!(
            claimed,
            ["waiting"],
            "what was claimed by those who completed {DEPENDENCIES} dependencies at once"
        );
    }
    Ok(())
}
