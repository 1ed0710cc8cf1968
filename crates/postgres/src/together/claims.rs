//! Claims of the next tasks of runs, and of any run.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runstore_core::rules::schedule::{Place, available_from, place};
use runstore_core::{Claim, ClaimRequest, Result, RunId, Task};
use sqlx::query;

use super::{Together, Trip};
use crate::claims;
use crate::codec::{Columns, Record};
use crate::shared::Shared;
use crate::text::optional_text;
use crate::write::Turn;

/// The most that one claim wakes because they became due with what it took.
const MAX_WOKEN: u64 = 10_000;

/// Claims up to so many tasks of the request's run.
#[derive(Debug, Clone)]
pub(crate) struct OfRun(pub(crate) ClaimRequest, pub(crate) u32);

/// Claims up to so many tasks of any run.
#[derive(Debug, Clone)]
pub(crate) struct OfAnyRun(pub(crate) ClaimRequest, pub(crate) u32);

/// A row of the functions `claim` and `claim_of_any_run`.
struct Row {
    request: usize,
    taken_up: u64,
    task: Option<Task>,
}

impl Record for Row {
    const TABLE: &'static str = Task::TABLE;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            request: row.number("request")?,
            taken_up: row.number("taken_up")?,
            task: match row.get("done")? {
                true => Some(Task::from_row(row)?),
                false => None,
            },
        })
    }
}

/// What the requests of a group are, as arrays: each call stands for as many as it claims tasks.
struct Requests {
    /// The call of each.
    of_call: Vec<usize>,
    workers: Vec<Option<String>>,
    leases: Vec<Option<i64>>,
    bounds: Vec<Option<i64>>,
}

impl Requests {
    fn of<'r>(calls: impl Iterator<Item = (&'r ClaimRequest, u32)>) -> Self {
        let mut requests = Self {
            of_call: Vec::new(),
            workers: Vec::new(),
            leases: Vec::new(),
            bounds: Vec::new(),
        };
        for (call, (request, limit)) in calls.enumerate() {
            let worker = optional_text(request.worker.as_deref());
            let lease = request.lease.map(|lease| lease.as_micros());
            let lease = lease.map(|micros| i64::try_from(micros).unwrap_or(i64::MAX));
            let bound = request.max_attempts.map(i64::from);
            for _ in 0..limit {
                requests.of_call.push(call);
                requests.workers.push(worker.clone());
                requests.leases.push(lease);
                requests.bounds.push(bound);
            }
        }
        requests
    }
}

/// Gives each call its claims, in the order of its requests, and notes what they change for those who wait.
fn answers(
    mut rows: Vec<Row>,
    requests: &Requests,
    calls: usize,
    trip: &mut Trip<'_>,
) -> Vec<Option<Vec<Claim>>> {
    rows.sort_unstable_by_key(|row| row.request);
    let mut answers = vec![Some(Vec::new()); calls];
    let mut taken_up: HashMap<RunId, u64> = HashMap::new();
    for row in rows {
        let call = requests.of_call.get(row.request.saturating_sub(1));
        let Some(answer) = call.and_then(|call| answers.get_mut(*call)) else {
            continue;
        };
        match (row.task, &mut *answer) {
            (Some(task), Some(claims)) => {
                taken_up.insert(task.run_id, row.taken_up);
                let place = place(available_from(&task), 0, task.updated_at);
                trip.wakes.placed(task.run_id, place);
                claims.push(Claim { task });
            }
            _ => *answer = None,
        }
    }
    for (run_id, count) in taken_up {
        for _ in 0..count.min(MAX_WOKEN) {
            trip.wakes.placed(run_id, Place::Ready);
        }
    }
    answers
}

impl Together for OfRun {
    type Output = Vec<Claim>;

    const IS_FOR_ITS_CALLER: bool = true;

    fn calls(&self) -> usize {
        self.1 as usize
    }

    fn travel<'c>(
        calls: &'c [Self],
        mut trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<Vec<Claim>>>>> {
        async move {
            let requests = Requests::of(calls.iter().map(|Self(request, limit)| (request, *limit)));
            let run_ids = requests.of_call.iter().filter_map(|call| calls.get(*call));
            let run_ids = run_ids.map(|Self(request, _)| request.run_id.map(|id| id.as_uuid()));
            let claim = query("SELECT * FROM claim($1, $2, $3, $4, $5)")
                .bind(trip.clock())
                .bind(Vec::from_iter(run_ids))
                .bind(requests.workers.clone())
                .bind(requests.leases.clone())
                .bind(requests.bounds.clone());
            let rows = trip.run(claim).await?;
            Ok(answers(rows, &requests, calls.len(), &mut trip))
        }
        .boxed()
    }

    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<Vec<Claim>>> {
        let Self(request, limit) = self;
        alone(request, limit, shared)
    }
}

impl Together for OfAnyRun {
    type Output = Vec<Claim>;

    const IS_FOR_ITS_CALLER: bool = true;

    fn calls(&self) -> usize {
        self.1 as usize
    }

    fn travel<'c>(
        calls: &'c [Self],
        mut trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<Vec<Claim>>>>> {
        async move {
            let requests = Requests::of(calls.iter().map(|Self(request, limit)| (request, *limit)));
            let claim = query("SELECT * FROM claim_of_any_run($1, $2, $3, $4)")
                .bind(trip.clock())
                .bind(requests.workers.clone())
                .bind(requests.leases.clone())
                .bind(requests.bounds.clone());
            let rows = trip.run(claim).await?;
            Ok(answers(rows, &requests, calls.len(), &mut trip))
        }
        .boxed()
    }

    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<Vec<Claim>>> {
        let Self(request, limit) = self;
        alone(request, limit, shared)
    }
}

fn alone(
    request: ClaimRequest,
    limit: u32,
    shared: Arc<Shared>,
) -> BoxFuture<'static, Result<Vec<Claim>>> {
    async move {
        let turn = request.run_id;
        let turn = turn.map_or(Turn::Store, |run_id| Turn::InRun(run_id, claims::OF_CLAIMS));
        let input = (request, limit as usize);
        shared
            .write(turn, &input, |write, (request, limit)| {
                Box::pin(async move { claims::claim(write, &vec![&request; limit]).await })
            })
            .await
    }
    .boxed()
}
