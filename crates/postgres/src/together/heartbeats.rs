//! Heartbeats.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runstore_core::rules::schedule::Place;
use runstore_core::{Heartbeat, Result, RunId, TaskId, Timestamp};
use sqlx::query;

use super::{Together, Trip};
use crate::claims;
use crate::codec::{Columns, Record};
use crate::shared::Shared;
use crate::write::Turn;

/// A row of the function `heartbeat`.
struct Row {
    request: usize,
    run_id: RunId,
    expires: Option<Timestamp>,
    extended: bool,
}

impl Record for Row {
    const TABLE: &'static str = "task_states";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            request: row.number("request")?,
            run_id: row.id("run_id")?,
            expires: row.optional_time("expires")?,
            extended: row.get("extended")?,
        })
    }
}

impl Together for Heartbeat {
    type Output = Option<Timestamp>;

    fn task(&self) -> Option<TaskId> {
        Some(self.token.task_id)
    }

    fn travel<'c>(
        calls: &'c [Self],
        mut trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<Option<Timestamp>>>>> {
        async move {
            let micros = |beat: &Self| i64::try_from(beat.lease.as_micros()).unwrap_or(i64::MAX);
            let task = |beat: &Self| beat.token.task_id.as_uuid();
            let number = |beat: &Self| i64::from(beat.token.attempt_number);
            let heartbeat = query("SELECT * FROM heartbeat($1, $2, $3, $4)")
                .bind(trip.clock())
                .bind(Vec::from_iter(calls.iter().map(task)))
                .bind(Vec::from_iter(calls.iter().map(number)))
                .bind(Vec::from_iter(calls.iter().map(micros)));
            let rows: Vec<Row> = trip.run(heartbeat).await?;
            let mut answers = vec![None; calls.len()];
            for row in rows {
                if let (true, Some(expires)) = (row.extended, row.expires) {
                    trip.wakes.placed(row.run_id, Place::Due(expires));
                }
                if let Some(answer) = answers.get_mut(row.request.saturating_sub(1)) {
                    *answer = Some(row.expires);
                }
            }
            Ok(answers)
        }
        .boxed()
    }

    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<Option<Timestamp>>> {
        async move {
            let turn = Turn::Task(self.token.task_id);
            shared
                .write(turn, &self, |write, beat| {
                    Box::pin(claims::heartbeat(write, beat))
                })
                .await
        }
        .boxed()
    }
}
