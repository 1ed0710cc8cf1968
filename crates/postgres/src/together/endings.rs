//! The ends of claims, and tasks that an operator settles.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runstore_core::rules::create;
use runstore_core::rules::schedule::{Place, available_from, place};
use runstore_core::{
    AbandonTask, Artifact, BlockTask, ClaimToken, CompleteTask, Event, FinishOutcome, FinishReport,
    Result, RunId, Task, TaskAttempt, TaskId, TaskStatus, Timestamp, Uuid,
};
use sqlx::query;

use super::{Together, Trip, size_of};
use crate::codec::{Columns, Query, Record};
use crate::shared::Shared;
use crate::text::{optional_text, text};
use crate::write::{Kind, Turn};
use crate::{claims, tasks};

/// What brings a task to an end, or back into the queue.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Report(ClaimToken, Box<FinishReport>),
    Complete(CompleteTask),
    Block(BlockTask),
    Abandon(AbandonTask),
}

/// A row of the function `settle`.
struct Row {
    request: usize,
    /// How many tasks of the run that waited for one of those that were settled can be claimed now.
    ready: usize,
    due: Option<Timestamp>,
    unmet: u32,
    task: Task,
}

impl Record for Row {
    const TABLE: &'static str = Task::TABLE;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            request: row.number("request")?,
            ready: row.number("ready")?,
            due: row.optional_time("due")?,
            unmet: row.number("unmet")?,
            task: Task::from_row(row)?,
        })
    }
}

/// A value of each.
fn each<T, U>(list: &[T], value: impl Fn(&T) -> U) -> Vec<U> {
    list.iter().map(value).collect()
}

/// What becomes of a task, in the columns of the function.
struct Outcome {
    status: TaskStatus,
    summary: Option<String>,
    signature: Option<String>,
    delay: Option<i64>,
}

impl Ending {
    fn task_id(&self) -> TaskId {
        match self {
            Self::Report(token, _) => token.task_id,
            Self::Complete(complete) => complete.task_id,
            Self::Block(block) => block.task_id,
            Self::Abandon(abandon) => abandon.task_id,
        }
    }

    fn report(&self) -> Option<(ClaimToken, &FinishReport)> {
        match self {
            Self::Report(token, report) => Some((*token, &**report)),
            _ => None,
        }
    }

    /// `None` for an outcome that the function does not know.
    fn outcome(&self) -> Option<Outcome> {
        let settled = |status, summary: Option<&str>, signature: Option<&str>| Outcome {
            status,
            summary: optional_text(summary),
            signature: optional_text(signature),
            delay: None,
        };
        Some(match self {
            Self::Complete(complete) => {
                settled(TaskStatus::Completed, Some(&complete.summary), None)
            }
            Self::Block(block) => settled(
                TaskStatus::Blocked,
                block.summary.as_deref(),
                block.blocker_signature.as_deref(),
            ),
            Self::Abandon(abandon) => settled(
                TaskStatus::Abandoned,
                abandon.summary.as_deref(),
                abandon.blocker_signature.as_deref(),
            ),
            Self::Report(_, report) => match &report.outcome {
                FinishOutcome::Completed { summary } => {
                    settled(TaskStatus::Completed, Some(summary), None)
                }
                FinishOutcome::Blocked {
                    summary,
                    blocker_signature,
                } => settled(
                    TaskStatus::Blocked,
                    summary.as_deref(),
                    blocker_signature.as_deref(),
                ),
                FinishOutcome::Abandoned {
                    summary,
                    blocker_signature,
                } => settled(
                    TaskStatus::Abandoned,
                    summary.as_deref(),
                    blocker_signature.as_deref(),
                ),
                FinishOutcome::Released { delay } => Outcome {
                    delay: delay.map(|delay| i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)),
                    ..settled(TaskStatus::Pending, None, None)
                },
                _ => return None,
            },
        })
    }
}

/// The statement for one call without a report. A report has entries too, which the function adds.
fn statement_of_one(call: &Ending, trip: &Trip<'_>) -> Option<Query> {
    if call.report().is_some() {
        return None;
    }
    let outcome = call.outcome()?;
    let settle = query(include_str!("../statements/settle_one.sql"))
        .bind(trip.clock())
        .bind(call.task_id().as_uuid())
        .bind(outcome.status.as_str().to_owned())
        .bind(outcome.summary)
        .bind(outcome.signature);
    Some(settle)
}

/// The statement for a group. What the reports hold is numbered by the reports, from 1.
fn statement(calls: &[Ending], trip: &Trip<'_>) -> Option<Query> {
    let outcomes: Vec<Outcome> = calls.iter().map(Ending::outcome).collect::<Option<_>>()?;
    let run_id = RunId::from(Uuid::nil());
    let attempts: Vec<Option<TaskAttempt>> = each(calls, |call| {
        let (token, report) = call.report()?;
        let number = token.attempt_number;
        let attempt = report.attempt.clone();
        let now = Timestamp::MIN;
        Some(create::attempt(run_id, token.task_id, number, attempt, now))
    });
    let mut events: Vec<(i64, Event)> = Vec::new();
    let mut artifacts: Vec<(i64, Artifact)> = Vec::new();
    for (number, call) in (1..).zip(calls) {
        let Some((_, report)) = call.report() else {
            continue;
        };
        for draft in report.events.iter().cloned() {
            events.push((number, create::event(run_id, 0, draft, Timestamp::MIN)));
        }
        for draft in report.artifacts.iter().cloned() {
            artifacts.push((number, create::artifact(run_id, draft, Timestamp::MIN)));
        }
    }
    let of_attempt =
        |value: fn(&TaskAttempt) -> String| each(&attempts, |attempt| attempt.as_ref().map(value));
    let statement = query(
        "SELECT * FROM settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
         $16, $17, $18, $19, $20, $21, $22, $23, $24)",
    )
    .bind(trip.clock())
    .bind(each(calls, |call| call.task_id().as_uuid()))
    .bind(each(&attempts, |attempt| {
        attempt.as_ref().map(|of| i64::from(of.attempt_number))
    }))
    .bind(each(&outcomes, |of| of.status.as_str().to_owned()))
    .bind(each(&outcomes, |of| of.summary.clone()))
    .bind(each(&outcomes, |of| of.signature.clone()))
    .bind(each(&outcomes, |of| of.delay))
    .bind(each(&attempts, |attempt| {
        attempt.as_ref().map(|of| of.id.as_uuid())
    }))
    .bind(of_attempt(|of| text(of.status.as_str())))
    .bind(of_attempt(|of| text(&of.summary)))
    .bind(each(&attempts, |attempt| {
        optional_text(attempt.as_ref()?.blocker_signature.as_deref())
    }))
    .bind(of_attempt(|of| of.result.to_string()))
    .bind(each(&events, |(number, _)| *number))
    .bind(each(&events, |(_, of)| of.event_id.map(|id| id.as_uuid())))
    .bind(each(&events, |(_, of)| text(&of.source)))
    .bind(each(&events, |(_, of)| text(&of.kind)))
    .bind(each(&events, |(_, of)| text(&of.message)))
    .bind(each(&events, |(_, of)| of.payload.to_string()))
    .bind(each(&artifacts, |(number, _)| *number))
    .bind(each(&artifacts, |(_, of)| of.id.as_uuid()))
    .bind(each(&artifacts, |(_, of)| {
        optional_text(of.role.as_ref().map(|role| role.as_str()))
    }))
    .bind(each(&artifacts, |(_, of)| text(&of.kind)))
    .bind(each(&artifacts, |(_, of)| text(&of.path)))
    .bind(each(&artifacts, |(_, of)| of.metadata.to_string()));
    Some(statement)
}

impl Together for Ending {
    type Output = Task;

    fn task(&self) -> Option<TaskId> {
        Some(self.task_id())
    }

    fn weight(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Complete(complete) => complete.summary.len(),
            Self::Block(block) => length(&block.summary) + length(&block.blocker_signature),
            Self::Abandon(abandon) => length(&abandon.summary) + length(&abandon.blocker_signature),
            Self::Report(_, report) => {
                let events = report.events.iter();
                let events = events.map(|event| event.message.len() + size_of(&event.payload));
                let artifacts = report.artifacts.iter();
                let artifacts = artifacts.map(|of| of.path.len() + size_of(&of.metadata));
                // The outcome's summary is about as long as the attempt's.
                2 * report.attempt.summary.len()
                    + size_of(&report.attempt.result)
                    + events.sum::<usize>()
                    + artifacts.sum::<usize>()
            }
        }
    }

    fn travel<'c>(
        calls: &'c [Self],
        mut trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<Task>>>> {
        async move {
            let mut answers = vec![None; calls.len()];
            let one = match calls {
                [call] if trip.keeps_plans() => statement_of_one(call, &trip),
                _ => None,
            };
            let Some(settle) = one.or_else(|| statement(calls, &trip)) else {
                return Ok(answers);
            };
            let rows: Vec<Row> = trip.run(settle).await?;
            let mut told = HashSet::new();
            for row in rows {
                let Row { task, unmet, .. } = row;
                let run_id = task.run_id;
                if task.status == TaskStatus::Pending {
                    let place = place(available_from(&task), unmet, task.updated_at);
                    trip.wakes.placed(run_id, place);
                }
                // What was waiting is told of the run, with each of its rows.
                if told.insert(run_id) {
                    for _ in 0..row.ready {
                        trip.wakes.placed(run_id, Place::Ready);
                    }
                    if let Some(due) = row.due {
                        trip.wakes.placed(run_id, Place::Due(due));
                    }
                }
                if let Some(answer) = answers.get_mut(row.request.saturating_sub(1)) {
                    *answer = Some(task);
                }
            }
            Ok(answers)
        }
        .boxed()
    }

    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<Task>> {
        async move {
            let turn = match &self {
                Self::Report(token, _) => Turn::OfTask(token.task_id, claims::OF_REPORTS),
                other => Turn::OfTask(other.task_id(), &[Kind::Tasks]),
            };
            shared
                .write(turn, &self, |write, ending| {
                    Box::pin(async move {
                        match ending {
                            Self::Report(token, report) => {
                                claims::finish(write, token, *report).await
                            }
                            Self::Complete(complete) => {
                                tasks::settle(write, complete.task_id, complete).await
                            }
                            Self::Block(block) => tasks::settle(write, block.task_id, block).await,
                            Self::Abandon(abandon) => {
                                tasks::settle(write, abandon.task_id, abandon).await
                            }
                        }
                    })
                })
                .await
        }
        .boxed()
    }
}
