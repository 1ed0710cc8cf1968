//! Dropping a call at each of its awaits (clause G4).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a future for at most a number of polls, and drops it at the await where it then stands. It is
/// polled only when it is woken, so that each poll is one step of the call.
pub(crate) struct Polls<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Polls<F> {
    pub(crate) fn at_most(polls: usize, future: F) -> Self {
        Self {
            future: Box::pin(future),
            left: polls,
        }
    }
}

impl<F: Future> Future for Polls<F> {
    /// The future's output, or `None` if its polls did not suffice.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Without another poll to come there is nothing to wait for.
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
