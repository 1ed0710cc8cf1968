//! Calls at the same time.

use std::sync::Arc;

use runstore_core::Store;
use tokio::sync::Barrier;

use crate::check::Outcome;
use crate::context::Context;

/// Four handles on the same data, for callers that are more than they.
pub(crate) struct Handles {
    first: Arc<dyn Store>,
    others: Vec<Arc<dyn Store>>,
}

impl Handles {
    /// The first handle of the context and three others.
    pub(crate) async fn four(c: &Context<'_>) -> Outcome<Self> {
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(c.second_handle().await?);
        }
        Ok(Self {
            first: Arc::clone(&c.store),
            others,
        })
    }

    /// The handle of that caller.
    pub(crate) fn of(&self, caller: usize) -> Arc<dyn Store> {
        Arc::clone(self.others.get(caller % 4).unwrap_or(&self.first))
    }
}

/// Runs the calls on tasks of their own, released together, and gives their outputs in order.
pub(crate) async fn together<F>(calls: impl IntoIterator<Item = F>) -> Outcome<Vec<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let calls: Vec<F> = calls.into_iter().collect();
    let barrier = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await?);
    }
    Ok(outputs)
}

/// Runs two calls of different kinds at the same time.
pub(crate) async fn both<A, B>(a: A, b: B) -> Outcome<(A::Output, B::Output)>
where
    A: Future + Send + 'static,
    B: Future + Send + 'static,
    A::Output: Send + 'static,
    B::Output: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let other = Arc::clone(&barrier);
    let a = tokio::spawn(async move {
        barrier.wait().await;
        a.await
    });
    let b = tokio::spawn(async move {
        other.wait().await;
        b.await
    });
    Ok((a.await?, b.await?))
}
