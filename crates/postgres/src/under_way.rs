//! Which calls of a kind are under way, so that another call can be answered after those that came before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// The calls of a kind, numbered as they come.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<watch::Sender<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    under_way: BTreeSet<u64>,
}

impl UnderWay {
    /// Counts a call as under way until what this gives is dropped.
    pub(crate) fn enter(&self) -> Entered {
        let mut number = 0;
        self.0.send_modify(|numbers| {
            number = numbers.next;
            numbers.next += 1;
            numbers.under_way.insert(number);
        });
        Entered {
            all: Arc::clone(&self.0),
            number,
        }
    }

    /// Waits until those that are under way now are over.
    pub(crate) async fn settled(&self) {
        let next = self.0.borrow().next;
        let is_settled = |numbers: &Numbers| {
            let first = numbers.under_way.first();
            first.is_none_or(|first| *first >= next)
        };
        // Never an error: the sender is held here.
        let _ = self.0.subscribe().wait_for(is_settled).await;
    }
}

/// A call that is under way.
#[derive(Debug)]
pub(crate) struct Entered {
    all: Arc<watch::Sender<Numbers>>,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.send_modify(|numbers| {
            numbers.under_way.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_came_before_is_waited_for_and_what_came_later_is_not() {
        let calls = UnderWay::default();
        let (first, second) = (calls.enter(), calls.enter());
        let mut settled = Box::pin(calls.settled());
        assert!(settled.as_mut().now_or_never().is_none());
        let later = calls.enter();
        drop(second);
        assert!(settled.as_mut().now_or_never().is_none());
        drop(first);
        assert!(settled.now_or_never().is_some());
        drop(later);
        assert!(calls.settled().now_or_never().is_some());
    }
}
