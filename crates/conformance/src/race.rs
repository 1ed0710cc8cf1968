//! Calls that are made at once.

use std::sync::Arc;

use tokio::sync::Barrier;

use crate::check::Outcome;

/// Runs each future on a task of its own, all released together; the answers are in the order given.
pub(crate) async fn at_once<F>(futures: impl IntoIterator<Item = F>) -> Outcome<Vec<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let barrier = Arc::new(Barrier::new(futures.len()));
    let start = |future: F| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            future.await
        })
    };
    let started: Vec<_> = futures.into_iter().map(start).collect();
    let mut answers = Vec::with_capacity(started.len());
    for task in started {
        answers.push(task.await?);
    }
    Ok(answers)
}
