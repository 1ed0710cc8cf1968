//! Clause C10: claims of many tasks that differ from as many claims one after the other.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use runstore_core::rules::input::{Input, check_claims};
use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

use crate::look::{Look, Turns};

/// That many claims, each with the request as it is for its number.
async fn one_by_one(
    inner: &MemoryStore,
    limit: u32,
    request: ClaimRequest,
    of: impl Fn(&mut ClaimRequest, u32),
) -> Result<Vec<Claim>> {
    request.check()?;
    check_claims(limit)?;
    let mut claims = Vec::new();
    for number in 0..limit {
        let mut request = request.clone();
        of(&mut request, number);
        match inner.claim_next_task(request).await? {
            Some(claim) => claims.push(claim),
            None => break,
        }
    }
    Ok(claims)
}

/// What was asked for before, and what was given.
type Known = (ClaimRequest, u32, Vec<Claim>);

faults! {
    a_batch_has_all_there_is [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            check_claims(limit)?;
            inner.claim_tasks(request, limits::MAX_CLAIMS).await
        }
    }

    a_batch_has_one_task_more [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            check_claims(limit)?;
            inner.claim_tasks(request, (limit + 1).min(limits::MAX_CLAIMS)).await
        }
    }

    a_batch_has_one_task [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            check_claims(limit)?;
            inner.claim_tasks(request, 1).await
        }
    }

    a_batch_leaves_the_last_task [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let found = inner.fork()?.claim_tasks(request.clone(), limit).await?.len() as u32;
            inner.claim_tasks(request, if found == limit { limit } else { found.saturating_sub(1).max(1) }).await
        }
    }

    a_batch_has_at_most_100 [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            check_claims(limit)?;
            inner.claim_tasks(request, limit.min(100)).await
        }
    }

    a_batch_has_at_most_999 [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            check_claims(limit)?;
            inner.claim_tasks(request, limit.min(999)).await
        }
    }

    a_batch_is_full_or_empty [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            if inner.fork()?.claim_tasks(request.clone(), limit).await?.len() < limit as usize { return Ok(Vec::new()); }
            inner.claim_tasks(request, limit).await
        }
    }

    a_batch_of_none_is_empty [G8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            request.check()?;
            if limit == 0 { return Ok(Vec::new()); }
            inner.claim_tasks(request, limit).await
        }
    }

    a_batch_of_more_than_1000_is_cut [G8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            inner.claim_tasks(request, limit.min(limits::MAX_CLAIMS)).await
        }
    }

    a_batch_of_1000_is_refused [G8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            if limit == limits::MAX_CLAIMS { return Err(Error::invalid_input("limit", "is too large")); }
            inner.claim_tasks(request, limit).await
        }
    }

    the_limit_of_a_batch_is_that_of_a_page [G8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            rules::input::check_limit("limit", limit)?;
            inner.claim_tasks(request, limit.min(limits::MAX_CLAIMS)).await
        }
    }

    a_batch_looks_at_no_bound_of_its_claim [G8] {
        async fn claim_tasks(&self, inner: &MemoryStore, mut request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            request.worker = request.worker.filter(|worker| worker.len() <= limits::MAX_WORD_BYTES);
            inner.claim_tasks(request, limit).await
        }
    }

    a_batch_of_an_unknown_run_is_empty [G7] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            match inner.claim_tasks(request, limit).await {
                Err(Error::NotFound { .. }) => Ok(Vec::new()),
                answer => answer,
            }
        }
    }

    a_batch_is_given_backwards [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut claims = inner.claim_tasks(request, limit).await?;
            claims.reverse();
            Ok(claims)
        }
    }

    /// As an update gives its rows.
    a_batch_is_given_in_the_order_of_positions [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut claims = inner.claim_tasks(request, limit).await?;
            claims.sort_by_key(|claim| claim.task.position);
            Ok(claims)
        }
    }

    a_batch_is_given_in_the_order_of_ids [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut claims = inner.claim_tasks(request, limit).await?;
            claims.sort_by_key(|claim| claim.task.id);
            Ok(claims)
        }
    }

    a_batch_is_taken_from_the_end [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            look.ready_by(|task| (Reverse(task.priority), Reverse(task.position)))
        }
    }

    a_batch_is_taken_without_regard_to_priority [C10 C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            look.ready_by(|_| ())
        }
    }

    a_batch_has_tasks_of_one_priority [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let highest = look.tasks().iter().filter(|task| look.is_ready(task)).map(|task| task.priority).max();
            look.by_priority(|task| look.is_ready(task) && highest == Some(task.priority))
        }
    }

    /// It skips what cannot be claimed by ending there.
    a_batch_ends_at_what_waits [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let all = look.by_priority(|task| matches!(task.status, TaskStatus::Pending))?;
            let ready = |id: &TaskId| look.find(*id).is_some_and(|task| look.is_ready(task));
            let run: Vec<TaskId> = all.into_iter().skip_while(|id| !ready(id)).take_while(ready).collect();
            if run.is_empty() { look.ready_by(|task| Reverse(task.priority)) } else { Some(run) }
        }
    }

    a_batch_takes_pending_tasks_only [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            look.by_priority(|task| look.is_ready(task) && task.status == TaskStatus::Pending)
        }
    }

    a_batch_takes_no_task_a_second_time [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            look.by_priority(|task| look.is_ready(task) && task.attempt_count == 0)
        }
    }

    a_batch_releases_the_dependents_of_its_tasks [C10 C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let mut turns = look.ready_by(|task| Reverse(task.priority))?;
            let met = |id: &TaskId| look.is_completed(*id) || turns.contains(id);
            let waits = |task: &&Task| look.is_due(task) && !turns.contains(&task.id);
            let dependents = look.tasks().iter().filter(waits).filter(|task| task.depends_on.iter().all(met));
            let dependents: Vec<TaskId> = dependents.map(|task| task.id).collect();
            turns.extend(dependents);
            Some(turns)
        }
    }

    a_batch_of_any_run_is_of_one_run [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let mut turns = look.ready_by(|task| Reverse(task.priority))?;
            let run = |id: &TaskId| look.find(*id).map(|task| task.run_id);
            let first = turns.first().and_then(run);
            turns.retain(|id| run(id) == first);
            Some(turns)
        }
    }

    a_batch_of_any_run_is_ordered_run_by_run [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let turns = look.ready_by(|task| Reverse(task.priority))?;
            let runs: Vec<RunId> = turns.iter().filter_map(|id| Some(look.find(*id)?.run_id)).collect();
            look.ready_by(|task| (runs.iter().position(|run_id| *run_id == task.run_id), Reverse(task.priority)))
        }
    }

    a_batch_of_any_run_has_a_task_of_each [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            if look.limit.is_none() || look.scope.is_some() { return None; }
            let (mut runs, mut turns) = (HashSet::new(), look.ready_by(|task| Reverse(task.priority))?);
            turns.retain(|id| look.find(*id).is_some_and(|task| runs.insert(task.run_id)));
            Some(turns)
        }
    }

    a_used_up_task_ends_the_batch [C10 C8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let first = |look: &Look<'_>| {
                let mut turns = look.ready_by(|task| Reverse(task.priority))?;
                let bound = |task: &Task| task.max_attempts.or(request.max_attempts);
                let used_up = |task: &Task| bound(task).is_some_and(|most| task.attempt_count >= most);
                let used_up = |id: &TaskId| look.find(*id).is_some_and(used_up);
                if let Some(end) = turns.iter().position(used_up) { turns.truncate(end + 1); }
                Some(turns)
            };
            let scope = request.run_id;
            inner.claim_out_of_turn(&request, limit, |tasks, now| first(&Look::new(scope, Some(limit), now, tasks)))
        }
    }

    used_up_tasks_count_for_the_limit [C10 C8] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let mut turns = look.ready_by(|task| Reverse(task.priority))?;
            turns.truncate(look.limit? as usize);
            Some(turns)
        }
    }

    used_up_tasks_are_passed_over [C10 C8] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            look.by_priority(|task| look.is_ready(task) && task.max_attempts.is_none_or(|most| task.attempt_count < most))
        }
    }

    /// What is used up far behind the last task of the batch is blocked all the same.
    all_used_up_tasks_are_blocked_by_a_batch [C10 C8] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.limit?;
            let used_up = |task: &Task| task.max_attempts.is_some_and(|most| task.attempt_count >= most);
            look.ready_by(|task| (!used_up(task), Reverse(task.priority)))
        }
    }

    a_batch_is_several_changes [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut claims = Vec::new();
            check_claims(limit)?;
            while claims.len() < limit as usize && let Some(claim) = inner.claim_next_task(request.clone()).await? {
                claims.push(claim);
                yield_now().await;
            }
            Ok(claims)
        }
    }

    a_batch_reads_the_clock_for_each_task [C10 G6] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            one_by_one(inner, limit, request, |_, _| {}).await
        }
    }

    a_batch_shares_a_task_with_a_claim_beside_it [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let planned = inner.fork()?.claim_tasks(request.clone(), limit).await?;
            for _ in 0..50 { yield_now().await; }
            inner.claim_tasks(request, limit).await?;
            Ok(planned)
        }
    }

    only_the_first_of_a_batch_has_a_lease [C10 C7] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            one_by_one(inner, limit, request, |request, number| if number > 0 { request.lease = None }).await
        }
    }

    only_the_first_of_a_batch_has_a_worker [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            one_by_one(inner, limit, request, |request, number| if number > 0 { request.worker = None }).await
        }
    }

    the_workers_of_a_batch_are_numbered [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            one_by_one(inner, limit, request, |request, number| {
                request.worker = request.worker.take().map(|worker| format!("{worker}-{number}"));
            }).await
        }
    }

    only_the_first_of_a_batch_is_bounded_by_the_claim [C10 C8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            one_by_one(inner, limit, request, |request, number| if number > 0 { request.max_attempts = None }).await
        }
    }

    the_tasks_of_a_batch_are_returned_as_they_were [C10 C1] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let claims = inner.claim_tasks(request, limit).await?;
            let before = |claim: Claim| Claim { task: Task { status: TaskStatus::Pending, ..claim.task } };
            Ok(claims.into_iter().map(before).collect())
        }
    }

    the_tasks_of_a_batch_have_one_number [C10 C3] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut claims = inner.claim_tasks(request, limit).await?;
            let first = claims.first().map_or(0, |claim| claim.task.attempt_count);
            for claim in &mut claims { claim.task.attempt_count = first; }
            Ok(claims)
        }
    }

    a_batch_is_told_as_an_event [C10] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let claims = inner.claim_tasks(request, limit).await?;
            if let Some(claim) = claims.first() {
                inner.add_event(NewEvent::new(claim.task.run_id, EventDraft::new("system", "claimed", ""))).await?;
            }
            Ok(claims)
        }
    }

    /// A caller who asked for the same before is given the same again.
    a_batch_given_again_is_the_same [C10] (Mutex<Vec<Known>>) {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let given = |known: &&Known| (&known.0, known.1) == (&request, limit) && !known.2.is_empty();
            if let Some(known) = self.0.lock().unwrap().iter().find(given) { return Ok(known.2.clone()); }
            let claims = inner.claim_tasks(request.clone(), limit).await?;
            self.0.lock().unwrap().push((request, limit, claims.clone()));
            Ok(claims)
        }
    }

    a_batch_is_empty_after_a_reopen [C10] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            if self.0.load(Ordering::SeqCst) { return Ok(Vec::new()); }
            inner.claim_tasks(request, limit).await
        }
    }
}
