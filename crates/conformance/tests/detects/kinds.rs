//! Clauses C5, C7, C8 and C9, each broken for one kind of claim alone, as where every kind has a statement of
//! its own.

use std::sync::Mutex;
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{block, expired, micros_to, now, tell, would_block, would_claim};
use crate::fault::shifted;

/// For each entry a store whose claims of the one kind are made by this function, and so for each kind.
macro_rules! faults_of_each_kind {
    ($($(#[$doc:meta])* $module:ident [$($clause:ident)+] $claims:ident($state:ty);)+) => {
        /// The names of the faults and the clauses that they break.
        pub(crate) const FAULTS: &[&[(&str, &[runstore_conformance::Clause])]] = &[$($module::FAULTS),+];

        $(
            $(#[$doc])*
            pub(crate) mod $module {
                use super::*;

                faults! {
                    a_claim_of_a_run [$($clause)+] ($state) {
                        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
                            match request.run_id {
                                Some(_) => Ok($claims(&self.0, inner, request, 1).await?.pop()),
                                None => inner.claim_next_task(request).await,
                            }
                        }
                    }

                    a_claim_of_any_run [$($clause)+] ($state) {
                        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
                            match request.run_id {
                                None => Ok($claims(&self.0, inner, request, 1).await?.pop()),
                                Some(_) => inner.claim_next_task(request).await,
                            }
                        }
                    }

                    a_batch_of_a_run [$($clause)+] ($state) {
                        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
                            match request.run_id {
                                Some(_) => $claims(&self.0, inner, request, limit).await,
                                None => inner.claim_tasks(request, limit).await,
                            }
                        }
                    }

                    a_batch_of_any_run [$($clause)+] ($state) {
                        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
                            match request.run_id {
                                None => $claims(&self.0, inner, request, limit).await,
                                Some(_) => inner.claim_tasks(request, limit).await,
                            }
                        }
                    }

                    a_look_of_a_wait_for_a_run [$($clause)+] ($state) {
                        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
                            match (request.run_id, timeout) {
                                (Some(_), Duration::ZERO) => Ok($claims(&self.0, inner, request, 1).await?.pop()),
                                _ => inner.claim_or_wait(request, timeout).await,
                            }
                        }
                    }

                    a_look_of_a_wait_for_any_run [$($clause)+] ($state) {
                        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
                            match (request.run_id, timeout) {
                                (None, Duration::ZERO) => Ok($claims(&self.0, inner, request, 1).await?.pop()),
                                _ => inner.claim_or_wait(request, timeout).await,
                            }
                        }
                    }
                }
            }
        )+
    };
}

faults_of_each_kind! {
    /// At the very instant at which a lease has run out, it has not.
    a_lease_ends_late [C7] with_leases_late(());
    /// A microsecond before a lease has run out, it has.
    a_lease_ends_early [C7] with_leases_early(());
    a_lease_never_ends [C7] without_takeover(());
    /// What was once seen to have run out stays so when the clock runs back.
    a_lease_stays_ended [C7] with_the_latest_time(Mutex<Option<Timestamp>>);
    the_lease_is_not_written [C7] without_lease(());
    the_worker_is_not_written [C1] without_worker(());
    a_delay_ends_late [C9] with_delays_late(());
    a_delay_ends_early [C9] with_delays_early(());
    the_claims_bound_is_ignored [C8] without_bound(());
    /// What is used up ends the claim, as it is the first and cannot be taken.
    used_up_attempts_end_it [C8] ended_by_what_is_used_up(());
    used_up_attempts_are_not_told [C8] without_events(());
}

async fn with_leases_late(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let first = would_claim(inner, &request, limit).await?;
    let now = now(inner).await?;
    let is_late = first
        .iter()
        .any(|(task, _)| task.lease_expires_at == Some(now));
    let claims = inner.claim_tasks(request, limit);
    shifted(-i64::from(is_late), claims).await
}

async fn with_leases_early(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let first = shifted(1, would_claim(inner, &request, limit)).await?;
    let next = shifted(1, now(inner)).await?;
    let is_early = first
        .iter()
        .any(|(task, _)| task.lease_expires_at == Some(next));
    shifted(i64::from(is_early), inner.claim_tasks(request, limit)).await
}

async fn without_takeover(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let first = would_claim(inner, &request, limit).await?;
    let takes_over = first
        .iter()
        .any(|(task, _)| task.lease_expires_at.is_some());
    let expired = expired(inner, request.run_id).await?;
    let ends = expired.iter().filter_map(|task| task.lease_expires_at);
    let shift = match ends.min().filter(|_| takes_over) {
        Some(end) => micros_to(end, now(inner).await?) - 1,
        None => 0,
    };
    shifted(shift, inner.claim_tasks(request, limit)).await
}

async fn with_the_latest_time(
    latest: &Mutex<Option<Timestamp>>,
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let now = now(inner).await?;
    let latest = {
        let mut latest = latest.lock().unwrap();
        let later = latest.map_or(now, |latest| latest.max(now));
        *latest.insert(later)
    };
    let later = micros_to(latest, now);
    let first = shifted(later, would_claim(inner, &request, limit)).await?;
    let takes_over = first
        .iter()
        .any(|(task, _)| task.lease_expires_at.is_some());
    let shift = if takes_over { later } else { 0 };
    shifted(shift, inner.claim_tasks(request, limit)).await
}

async fn without_lease(
    (): &(),
    inner: &MemoryStore,
    mut request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    rules::input::Input::check(&request)?;
    request.lease = None;
    inner.claim_tasks(request, limit).await
}

async fn without_worker(
    (): &(),
    inner: &MemoryStore,
    mut request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    rules::input::Input::check(&request)?;
    request.worker = None;
    inner.claim_tasks(request, limit).await
}

async fn with_delays_late(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let first = would_claim(inner, &request, limit).await?;
    let now = now(inner).await?;
    let is_late = first
        .iter()
        .any(|(task, _)| task.delayed_until == Some(now));
    let claims = inner.claim_tasks(request, limit);
    shifted(-i64::from(is_late), claims).await
}

async fn with_delays_early(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    let first = shifted(1, would_claim(inner, &request, limit)).await?;
    let next = shifted(1, now(inner)).await?;
    let is_early = first
        .iter()
        .any(|(task, _)| task.delayed_until == Some(next));
    shifted(i64::from(is_early), inner.claim_tasks(request, limit)).await
}

async fn without_bound(
    (): &(),
    inner: &MemoryStore,
    mut request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    rules::input::Input::check(&request)?;
    request.max_attempts = None;
    inner.claim_tasks(request, limit).await
}

async fn ended_by_what_is_used_up(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    if would_block(inner, &request, limit).await?.is_empty() {
        return inner.claim_tasks(request, limit).await;
    }
    // As many as come before the first that is used up.
    let mut most = 0;
    for number in 1..=limit {
        if !would_block(inner, &request, number).await?.is_empty() {
            break;
        }
        most = number;
        if would_claim(inner, &request, number).await?.len() < number as usize {
            break;
        }
    }
    let mut claims = Vec::new();
    if most > 0 {
        claims = inner.claim_tasks(request.clone(), most).await?;
    }
    if most < limit {
        for task in would_block(inner, &request, 1).await?.iter().take(1) {
            block(inner, task).await?;
            tell(inner, task, task.max_attempts.or(request.max_attempts)).await?;
        }
    }
    Ok(claims)
}

async fn without_events(
    (): &(),
    inner: &MemoryStore,
    request: ClaimRequest,
    limit: u32,
) -> Result<Vec<Claim>> {
    for task in would_block(inner, &request, limit).await? {
        block(inner, &task).await?;
    }
    inner.claim_tasks(request, limit).await
}
