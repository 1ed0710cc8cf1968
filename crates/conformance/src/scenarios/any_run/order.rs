//! In which order the tasks of all runs are claimed.

use std::time::Duration;

use runstore_core::{FinishReport, NewRun, RunId, TaskId, Uuid};

use super::{MICRO, runs};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{append, check_claims, check_next, draft, named, next_of, replace, titles};
use crate::tasks::check_task;

pub(crate) async fn the_task_planned_first_comes_first_whatever_its_run(
    c: &mut Context<'_>,
) -> Outcome {
    let store = &*c.store;
    // The clock runs back, so that what is planned later has an earlier time.
    let [one, two, three] = runs(store).await?;
    let plans: [(RunId, &[&str]); 7] = [
        (two, &["2.1", "2.2"]),
        (one, &["1.1"]),
        (three, &["3.1"]),
        (two, &["2.3"]),
        (one, &["1.2", "1.3"]),
        (three, &["3.2"]),
        (one, &["1.4"]),
    ];
    for (run_id, titles) in plans {
        c.clock.advance_micros(-10);
        append(store, run_id, titles.iter().copied().map(draft)).await?;
    }
    let expected = [
        "2.1", "2.2", "1.1", "3.1", "2.3", "1.2", "1.3", "3.2", "1.4",
    ];
    let claims = check_claims(store, None, &expected, "in the order of planning").await?;
    for claim in &claims {
        let planned = plans
            .iter()
            .find(|(_, titles)| titles.contains(&&*claim.task.title));
        check_eq!(
            Some(claim.task.run_id),
            planned.map(|(run_id, _)| *run_id),
            "the run of task {:?}, claimed from any",
            claim.task.title
        );
        check_task(store, &claim.task, "a task claimed from any run").await?;
    }
    Ok(())
}

pub(crate) async fn neither_ids_nor_runs_nor_positions_order_the_tasks_of_all_runs(
    c: &mut Context<'_>,
) -> Outcome {
    let base = RunId::generate().as_uuid().as_u128() & !0xffff;
    let store = &*c.store;
    // Runs and tasks get smaller and smaller ids.
    let run_id = |number: u128| RunId::from(Uuid::from_u128(base + 9 - number));
    for number in 0..4 {
        let new = NewRun::new("goal", "/repo").with_id(run_id(number));
        store.create_run(new).await?;
    }
    let mut expected = Vec::new();
    for round in 0..5_u128 {
        for number in [2, 0, 3, 1] {
            let title = format!("{round}.{number}");
            let id = TaskId::from(Uuid::from_u128(base + 0xff00 - (round * 16 + number)));
            append(store, run_id(number), [named(id, title.clone())]).await?;
            expected.push(title);
        }
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check_claims(store, None, &expected, "planned one by one").await?;
    Ok(())
}

pub(crate) async fn the_highest_priority_of_all_runs_comes_first(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two, three] = runs(store).await?;
    let task = |title: &str, priority| draft(title).with_priority(priority);
    append(
        store,
        one,
        [task("0 first", 0), task("-2", -2), task("5 second", 5)],
    )
    .await?;
    append(store, three, [task("min", i32::MIN), task("5 third", 5)]).await?;
    append(
        store,
        two,
        [task("max", i32::MAX), task("0 second", 0), task("-1", -1)],
    )
    .await?;
    append(store, one, [task("6", 6), task("0 third", 0)]).await?;
    let expected = [
        "max", "6", "5 second", "5 third", "0 first", "0 second", "0 third", "-1", "-2", "min",
    ];
    check_claims(store, None, &expected, "by priority over three runs").await?;
    Ok(())
}

pub(crate) async fn a_task_planned_later_or_in_a_later_run_is_seen(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one] = runs(store).await?;
    append(store, one, [draft("1.1"), draft("1.2")]).await?;
    check_next(store, None, Some("1.1"), "of the first run").await?;
    let [two] = runs(store).await?;
    append(store, two, [draft("2.1"), draft("2.2").with_priority(1)]).await?;
    check_next(
        store,
        None,
        Some("2.2"),
        "after a run with a higher priority came",
    )
    .await?;
    append(store, one, [draft("1.3").with_priority(2)]).await?;
    check_claims(store, None, &["1.3", "1.2", "2.1"], "of both runs").await?;
    let [three] = runs(store).await?;
    append(store, three, [draft("3.1")]).await?;
    check_claims(store, None, &["3.1"], "of a third run").await?;
    append(store, one, [draft("1.4")]).await?;
    check_claims(store, None, &["1.4"], "of the first run again").await?;
    Ok(())
}

pub(crate) async fn a_new_plan_is_planned_later_than_what_is_there(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two] = runs(store).await?;
    append(store, one, [draft("1.1"), draft("1.2")]).await?;
    append(store, two, [draft("2.1")]).await?;
    replace(store, one, [draft("1.3"), draft("1.4").with_priority(1)]).await?;
    append(store, two, [draft("2.2")]).await?;
    let expected = ["1.4", "2.1", "1.3", "2.2"];
    check_claims(store, None, &expected, "after the first run got a new plan").await?;
    Ok(())
}

pub(crate) async fn tasks_back_in_the_queue_keep_their_place_among_all_runs(
    c: &mut Context<'_>,
) -> Outcome {
    let store = &*c.store;
    let [one, two, three] = runs(store).await?;
    let plan = [
        (two, "requeued"),
        (one, "released"),
        (three, "expired"),
        (one, "resumed"),
        (two, "delayed"),
        (three, "late"),
    ];
    for (run_id, title) in plan {
        append(store, run_id, [draft(title)]).await?;
    }
    let all = plan.map(|(_, title)| title);
    let mut claims = Vec::new();
    for title in all {
        let lease = if title == "expired" { 10 } else { 1_000_000 };
        let request = next_of(None).with_lease(Duration::from_micros(lease));
        claims.extend(store.claim_next_task(request).await?);
    }
    check_eq!(titles(claims.clone()), all, "the tasks of all claims");
    c.clock.advance_micros(10);
    for claim in claims.iter().rev() {
        let report = match claim.task.title.as_str() {
            "requeued" | "late" => {
                store.requeue_task(claim.task.id).await?;
                continue;
            }
            "released" => FinishReport::released("no"),
            "delayed" => FinishReport::released_for(MICRO, "no"),
            _ => continue,
        };
        store.finish_task(claim.token(), report).await?;
    }
    check_eq!(
        store.requeue_in_progress_tasks(one).await?,
        1,
        "the number of tasks that a resume of the first run requeued"
    );
    c.clock.advance_micros(1);
    check_claims(store, None, &all, "each back in the queue in its own way").await?;
    Ok(())
}

pub(crate) async fn the_order_over_runs_is_known_at_another_handle_and_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let [one, two] = runs(&*c.store).await?;
    let second = c.second_handle().await?;
    // Planned in turns by two handles.
    append(&*c.store, two, [draft("2.1")]).await?;
    append(&*second, one, [draft("1.1")]).await?;
    append(&*c.store, two, [draft("2.2").with_priority(1)]).await?;
    append(&*second, one, [draft("1.2")]).await?;
    check_next(&*second, None, Some("2.2"), "at another handle").await?;
    drop(second);
    c.reopen().await?;
    check_next(&*c.store, None, Some("2.1"), "after a reopen").await?;
    append(&*c.store, two, [draft("2.3")]).await?;
    append(&*c.store, one, [draft("1.3")]).await?;
    let what = "of what was planned before and after a reopen";
    check_next(&*c.store, None, Some("1.1"), what).await?;
    c.reopen().await?;
    let expected = ["1.2", "2.3", "1.3"];
    check_claims(&*c.store, None, &expected, "after a second reopen").await?;
    Ok(())
}
