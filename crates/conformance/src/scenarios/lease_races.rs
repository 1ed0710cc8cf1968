//! Claims with leases at the same time (clauses C2, C4, C7, C8 and T7).

use runstore_core::{
    ClaimRequest, Clock, Error, FinishReport, Heartbeat, ListAttempts, ListEvents, Result,
    TaskStatus,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::leased::{LEASE, leased, micros, request};
use crate::race::{Handles, both, together};
use crate::world;

pub(crate) async fn what_ran_out_is_taken_over_by_exactly_one(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 24;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, TASKS).await?;
    c.store.claim_tasks(request(run.id), 24).await?;
    c.clock.advance_micros(micros(LEASE));
    let claimers = (0..12).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut claims = Vec::new();
            while let Some(claim) = store.claim_next_task(request(run.id)).await? {
                claims.push((claim.task.position, claim.task.attempt_count));
            }
            Result::Ok(claims)
        }
    });
    let mut taken = Vec::new();
    for claims in together(claimers).await? {
        taken.extend(claims?);
    }
    taken.sort_unstable();
    check_eq!(
        taken,
        (1..=TASKS as u64)
            .map(|position| (position, 2))
            .collect::<Vec<_>>(),
        "positions and attempts of all that 12 callers took over, each task once"
    );
    Ok(())
}

pub(crate) async fn a_report_beside_a_takeover_is_kept_or_stale(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, held) = leased(&*c.store).await?;
        c.clock.advance_micros(micros(LEASE));
        let (holder, other) = (handles.of(round), handles.of(round + 1));
        let token = held.token();
        let reporting = async move {
            let report = FinishReport::completed("done");
            holder.finish_task(token, report).await
        };
        let taking = async move { other.claim_next_task(request(run.id)).await };
        let (reported, taken) = both(reporting, taking).await?;
        let taken = taken?;
        let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
        let task = c.store.get_task(token.task_id).await?;
        let (kept, stood) = match &reported {
            Ok(_) => (true, (TaskStatus::Completed, 1)),
            Err(Error::StaleClaim { .. }) => (false, (TaskStatus::InProgress, 2)),
            Err(other) => {
                check!(
                    false,
                    "a report beside a takeover was refused with {other:?}"
                );
                continue;
            }
        };
        check_eq!(
            (
                taken.is_none(),
                attempts.items.len(),
                (task.status, task.attempt_count)
            ),
            (kept, usize::from(kept), stood),
            "whether the takeover found nothing, the attempts written, and the task, where the report was \
             answered {reported:?}"
        );
    }
    Ok(())
}

pub(crate) async fn a_heartbeat_beside_another_claim_leaves_its_lease(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, held) = leased(&*c.store).await?;
        c.clock.advance_micros(1);
        let (holder, other) = (handles.of(round), handles.of(round + 1));
        let token = held.token();
        let beating = async move { holder.heartbeat(Heartbeat::new(token, LEASE * 9)).await };
        let claiming = async move {
            other.requeue_task(token.task_id).await?;
            other.claim_next_task(request(run.id)).await
        };
        let (extended, claimed) = both(beating, claiming).await?;
        let claimed = claimed?.map(|claim| claim.task);
        check!(
            matches!(extended, Ok(_) | Err(Error::StaleClaim { .. })),
            "a heartbeat beside another claim was answered {extended:?}"
        );
        check_eq!(
            Some(c.store.get_task(token.task_id).await?),
            claimed,
            "a task claimed again beside a heartbeat of its earlier holder"
        );
        let end = Some(c.clock.now().saturating_add(LEASE));
        check_eq!(
            claimed.and_then(|task| task.lease_expires_at),
            end,
            "the end of the lease of that claim"
        );
    }
    Ok(())
}

pub(crate) async fn a_heartbeat_beside_a_requeue_is_done_or_stale(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..12 {
        let (_, held) = leased(&*c.store).await?;
        c.clock.advance_micros(1);
        let (holder, operator) = (handles.of(round), handles.of(round + 1));
        let token = held.token();
        let beating = async move { holder.heartbeat(Heartbeat::new(token, LEASE)).await };
        let requeueing = async move { operator.requeue_task(token.task_id).await };
        let (extended, requeued) = both(beating, requeueing).await?;
        let requeued = requeued?;
        match extended {
            Ok(end) => {
                let expected = Some(c.clock.now().saturating_add(LEASE));
                check_eq!(end, expected, "the answer to a heartbeat beside a requeue");
            }
            Err(Error::StaleClaim { current, .. }) => {
                let expected = Some(requeued.standing());
                check_eq!(
                    current,
                    expected,
                    "what a heartbeat after a requeue is told"
                );
            }
            Err(other) => return Err(other.into()),
        }
        let task = c.store.get_task(token.task_id).await?;
        check_eq!(
            (task.status, task.lease_expires_at),
            (TaskStatus::Pending, None),
            "state and lease of a task requeued beside a heartbeat"
        );
    }
    Ok(())
}

pub(crate) async fn requeues_of_what_expired_share_the_tasks_among_them(
    c: &mut Context<'_>,
) -> Outcome {
    const TASKS: u64 = 24;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 24).await?;
    c.store.claim_tasks(request(run.id), 24).await?;
    c.clock.advance_micros(micros(LEASE));
    let callers = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            match caller % 2 {
                0 => store.requeue_expired_tasks(Some(run.id)).await,
                _ => store.requeue_expired_tasks(None).await,
            }
        }
    });
    let mut numbers = Vec::new();
    for number in together(callers).await? {
        numbers.push(number?);
    }
    check_eq!(
        numbers.iter().sum::<u64>(),
        TASKS,
        "the tasks that eight callers requeued at once, by their own numbers {numbers:?}"
    );
    numbers.retain(|number| *number > 0);
    numbers.sort_unstable();
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let mut told: Vec<u64> = events
        .iter()
        .filter_map(|event| event.payload.get("changes")?.as_u64())
        .collect();
    told.sort_unstable();
    check_eq!(
        told,
        numbers,
        "the numbers in the events, by those that the callers were given"
    );
    Ok(())
}

pub(crate) async fn used_up_attempts_are_found_once_by_claims_at_once(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..4 {
        let (run, _) = world::planned(&*c.store, 8).await?;
        c.store.claim_tasks(request(run.id), 4).await?;
        c.clock.advance_micros(micros(LEASE));
        let claimers = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            let bounded = ClaimRequest::of_run(run.id).with_max_attempts(1_u32);
            async move { store.claim_next_task(bounded).await }
        });
        let mut given = Vec::new();
        for claim in together(claimers).await? {
            given.extend(claim?.map(|claim| claim.task.position));
        }
        given.sort_unstable();
        check_eq!(
            given,
            [5, 6, 7, 8],
            "the positions given to eight claims at once where the attempts of 1 to 4 are used up"
        );
        let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
        let ends = events.iter().filter(|event| event.kind == "max_attempts");
        check_eq!(
            (ends.count(), events.len()),
            (4, 5),
            "the events max_attempts and all events after claims at once that found four tasks used up"
        );
        check!(
            events.iter().zip(1..).all(|(event, seq)| event.seq == seq),
            "the events must be numbered without gaps: {events:?}"
        );
    }
    Ok(())
}
