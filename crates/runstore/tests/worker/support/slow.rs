//! A store whose engine takes its time: it carries out writes one after the other, whether or not anybody
//! waits for the answer.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use runstore::memory::MemoryStore;
use runstore::*;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::sleep;

use super::delegating::delegating;

pub(crate) const STEP: Duration = Duration::from_millis(1);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
pub(crate) struct SlowStore {
    pub(crate) inner: MemoryStore,
    jobs: mpsc::UnboundedSender<Job>,
    planned: Notify,
}

impl SlowStore {
    pub(crate) fn new() -> Self {
        let (jobs, mut to_do) = mpsc::unbounded_channel::<Job>();
        tokio::spawn(async move {
            while let Some(job) = to_do.recv().await {
                job.await;
            }
        });
        Self {
            inner: MemoryStore::new(),
            jobs,
            planned: Notify::new(),
        }
    }

    pub(crate) async fn plan(&self, run_id: RunId) {
        let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "")]);
        self.inner.append_tasks(plan).await.unwrap();
        self.planned.notify_one();
    }

    /// Waits until the engine has nothing to do.
    pub(crate) async fn rest(&self) {
        self.write(async |_| Ok(())).await.unwrap();
    }

    async fn write<T, F>(&self, call: impl FnOnce(MemoryStore) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let call = call(self.inner.clone());
        let job = async move {
            sleep(3 * STEP).await;
            let done = call.await;
            sleep(3 * STEP).await;
            let _ = answer.send(done);
        };
        self.jobs.send(Box::pin(job)).unwrap();
        answered.await.unwrap()
    }
}

delegating! {
    SlowStore {
        async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            self.write(async move |store: MemoryStore| store.claim_tasks(request, limit).await)
                .await
        }

        async fn claim_or_wait(
            &self,
            request: ClaimRequest,
            _: Duration,
        ) -> Result<Option<Claim>> {
            loop {
                let request = request.clone();
                let claim = async move |store: MemoryStore| store.claim_next_task(request).await;
                match self.write(claim).await? {
                    Some(claim) => return Ok(Some(claim)),
                    None => self.planned.notified().await,
                }
            }
        }

        async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
            self.write(async move |store: MemoryStore| store.heartbeat(beat).await).await
        }

        async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
            self.write(async move |store: MemoryStore| store.finish_task(token, report).await)
                .await
        }
    }
}
