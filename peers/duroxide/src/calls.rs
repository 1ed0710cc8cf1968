//! The calls of an instance's life, as the runtime makes them.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::providers::{
    ExecutionMetadata, OrchestrationItem, Provider, ProviderError, TagFilter, WorkItem,
};
use duroxide::{Event, EventKind};
use runstore_bench::{Failure, Result};

/// For how long what is fetched is the caller's. Nothing takes as long.
const LOCK: Duration = Duration::from_secs(600);

/// How long a caller waits who found the database locked. Without it, callers keep the processor from the one that has
/// the lock; the runtime waits ten milliseconds and more.
const PAUSE: Duration = Duration::from_millis(1);

const ORCHESTRATION: &str = "benchmark";
const ACTIVITY: &str = "work";
const VERSION: &str = "1.0.0";
const EXECUTION: u64 = 1;

/// The events of an instance: that it started, its activity, and the end of both.
const STARTED: u64 = 1;
const SCHEDULED: u64 = 2;
const ANSWERED: u64 = 3;
const COMPLETED: u64 = 4;

/// How many events an instance has that waits for its activity, and how many its end adds.
pub(crate) const EVENTS_BEFORE: u64 = SCHEDULED;
pub(crate) const EVENTS_OF_END: u64 = COMPLETED - SCHEDULED;

/// The provider with its callers.
pub(crate) struct Calls {
    pub(crate) provider: SqliteProvider,
    text: String,
    /// How many calls found the database locked and were made once more.
    pub(crate) repeats: AtomicU64,
}

/// An activity that was taken.
pub(crate) struct Taken {
    instance: String,
    token: String,
}

/// An instance whose turn it is.
pub(crate) struct Turn {
    instance: String,
    token: String,
}

fn activity(instance: String, input: String) -> WorkItem {
    WorkItem::ActivityExecute {
        instance,
        execution_id: EXECUTION,
        id: SCHEDULED,
        name: ACTIVITY.to_owned(),
        input,
        session_id: None,
        tag: None,
    }
}

fn refused<T>(why: &str) -> Result<T> {
    Err(Failure::Refused(why.to_owned()))
}

impl Calls {
    pub(crate) fn new(provider: SqliteProvider, text: String) -> Self {
        Self {
            provider,
            text,
            repeats: AtomicU64::new(0),
        }
    }

    /// Makes a call, and again while the database is locked.
    async fn made<T, F>(&self, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, ProviderError>>,
    {
        loop {
            match call().await {
                Err(error) if error.is_retryable() && error.message.contains("locked") => {
                    self.repeats.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done.map_err(Failure::engine),
            }
        }
    }

    /// Adds an activity to the workers' queue, of an instance that there is not.
    pub(crate) async fn add_activity(&self, instance: String) -> Result<()> {
        let item = activity(instance, self.text.clone());
        self.made(|| self.provider.enqueue_for_worker(item.clone()))
            .await
    }

    /// Starts an instance and makes its first turn, which schedules its activity.
    pub(crate) async fn add_instance(&self, instance: String) -> Result<()> {
        let start = WorkItem::StartOrchestration {
            instance: instance.clone(),
            orchestration: ORCHESTRATION.to_owned(),
            input: self.text.clone(),
            version: None,
            parent_instance: None,
            parent_id: None,
            parent_execution_id: None,
            execution_id: EXECUTION,
        };
        self.made(|| self.provider.enqueue_for_orchestrator(start.clone(), None))
            .await?;
        let (item, token) = self.next_turn().await?;
        if item.instance != instance {
            return refused("another instance than the new one has a turn");
        }
        let event = |id, kind| Event::with_event_id(id, &item.instance, EXECUTION, None, kind);
        let history = [
            event(
                STARTED,
                EventKind::OrchestrationStarted {
                    name: ORCHESTRATION.to_owned(),
                    version: VERSION.to_owned(),
                    input: self.text.clone(),
                    parent_instance: None,
                    parent_id: None,
                    parent_execution_id: None,
                    carry_forward_events: None,
                    initial_custom_status: None,
                },
            ),
            event(
                SCHEDULED,
                EventKind::ActivityScheduled {
                    name: ACTIVITY.to_owned(),
                    input: self.text.clone(),
                    session_id: None,
                    tag: None,
                },
            ),
        ];
        let scheduled = activity(item.instance.clone(), self.text.clone());
        let metadata = ExecutionMetadata {
            orchestration_name: Some(ORCHESTRATION.to_owned()),
            orchestration_version: Some(VERSION.to_owned()),
            pinned_duroxide_version: Some(duroxide::current_build_version()),
            ..ExecutionMetadata::default()
        };
        self.turned(&token, &history, &[scheduled], &metadata).await
    }

    async fn next_turn(&self) -> Result<(OrchestrationItem, String)> {
        let fetch = || {
            self.provider
                .fetch_orchestration_item(LOCK, Duration::ZERO, None)
        };
        match self.made(fetch).await? {
            Some((item, token, _)) => Ok((item, token)),
            None => refused("no instance has a turn"),
        }
    }

    async fn turned(
        &self,
        token: &str,
        history: &[Event],
        activities: &[WorkItem],
        metadata: &ExecutionMetadata,
    ) -> Result<()> {
        self.made(|| {
            self.provider.ack_orchestration_item(
                token,
                EXECUTION,
                history.to_vec(),
                activities.to_vec(),
                Vec::new(),
                metadata.clone(),
                Vec::new(),
            )
        })
        .await
    }

    /// Takes an activity.
    pub(crate) async fn take(&self) -> Result<Taken> {
        let fetch = || {
            let tags = &TagFilter::DefaultOnly;
            self.provider
                .fetch_work_item(LOCK, Duration::ZERO, None, tags)
        };
        match self.made(fetch).await? {
            Some((WorkItem::ActivityExecute { instance, .. }, token, 1)) => {
                Ok(Taken { instance, token })
            }
            Some(_) => refused("what was fetched is no activity, or was fetched before"),
            None => refused("no activity is left"),
        }
    }

    /// Gives the result of an activity to its instance, whose turn it is then.
    pub(crate) async fn answer(&self, taken: Taken) -> Result<()> {
        let completed = WorkItem::ActivityCompleted {
            instance: taken.instance,
            execution_id: EXECUTION,
            id: SCHEDULED,
            result: self.text.clone(),
        };
        self.made(|| {
            self.provider
                .ack_work_item(&taken.token, Some(completed.clone()))
        })
        .await
    }

    /// Takes an instance whose turn it is. Each caller has answered one, so that there is one for each.
    pub(crate) async fn take_turn(&self) -> Result<Turn> {
        let (item, token) = self.next_turn().await?;
        let is_answer = matches!(
            item.messages.as_slice(),
            [WorkItem::ActivityCompleted { .. }]
        );
        if !is_answer || item.history.len() as u64 != EVENTS_BEFORE {
            return refused("an instance has a turn without the answer of its activity");
        }
        Ok(Turn {
            instance: item.instance,
            token,
        })
    }

    /// Ends the instance with what its activity gave.
    pub(crate) async fn end(&self, turn: Turn) -> Result<()> {
        let event = |id, of, kind| Event::with_event_id(id, &turn.instance, EXECUTION, of, kind);
        let history = [
            event(
                ANSWERED,
                Some(SCHEDULED),
                EventKind::ActivityCompleted {
                    result: self.text.clone(),
                },
            ),
            event(
                COMPLETED,
                None,
                EventKind::OrchestrationCompleted {
                    output: self.text.clone(),
                },
            ),
        ];
        let metadata = ExecutionMetadata {
            status: Some("Completed".to_owned()),
            output: Some(self.text.clone()),
            ..ExecutionMetadata::default()
        };
        self.turned(&turn.token, &history, &[], &metadata).await
    }
}
