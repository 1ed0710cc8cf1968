//! The handler of one claim, on a task of its own.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use runstore_core::{Claim, FinishReport};
use tokio::task::JoinHandle;

use super::HandlerResult;
use super::failure::{text_of, text_of_panic};

/// What carries out tasks, whatever its own types are.
pub(super) type Handler = Arc<dyn Fn(Claim) -> Handling + Send + Sync>;

type Handling = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

pub(super) fn erased<F, R, E>(handler: F) -> Handler
where
    F: Fn(Claim) -> R + Send + Sync + 'static,
    R: Future<Output = Result<FinishReport, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    Arc::new(move |claim| {
        let handling = handler(claim);
        Box::pin(async move { handling.await.map_err(Into::into) })
    })
}

/// How a handler ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With a report.
    Reported(Box<FinishReport>),
    /// With an error or a panic, told in these words.
    Failed(String),
    /// It was cancelled.
    Cancelled,
}

/// A handler that runs. A task of its own, so that one that blocks its thread holds up neither its
/// heartbeats nor the other handlers, as long as the runtime has another thread. Dropped, it is cancelled.
#[derive(Debug)]
pub(super) struct Running(JoinHandle<HandlerResult>);

impl Running {
    pub(super) fn start(handler: &Handler, claim: Claim) -> Self {
        let handler = Arc::clone(handler);
        // Called in there, so that a panic before its first await is caught too.
        Self(tokio::spawn(async move { handler(claim).await }))
    }

    /// Asks for its cancellation; [`outcome`](Self::outcome) tells when it is gone.
    pub(super) fn cancel(&self) {
        self.0.abort();
    }

    /// Waits for its end. Not to be called again once it has told it.
    pub(super) async fn outcome(&mut self) -> Outcome {
        match (&mut self.0).await {
            Ok(Ok(report)) => Outcome::Reported(Box::new(report)),
            Ok(Err(error)) => Outcome::Failed(text_of(&*error)),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => Outcome::Failed(text_of_panic(&*payload)),
                Err(_) => Outcome::Cancelled,
            },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel();
    }
}
