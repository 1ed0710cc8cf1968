//! Whether a concurrent history is linearizable (clause G3): whether some order of its calls, in which no
//! call comes before one that had ended when it began, is answered by the reference as the store did.
//!
//! The search is that of Wing and Gong: take one of the calls that may come first, see whether the
//! reference answers it as was observed, go on with the rest, and step back where nothing fits. What was
//! found to lead nowhere is remembered by the calls taken and the state that they led to.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use runstore_core::{ClaimToken, FinishReport, Store};
use runstore_memory::MemoryStore;

use crate::call::{Answer, Call};
use crate::check::{Outcome, Stop};
use crate::dump::Dump;

/// A call that was made, its answer, and when it began and ended by the count of such instants.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    worker: usize,
    call: Call,
    answer: Answer,
    began: u64,
    ended: u64,
}

/// What a worker does next.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Makes this call.
    Make(Call),
    /// Finishes the claim that it was given last; nothing if it was given none.
    FinishOwn(FinishReport),
}

/// The count of instants that a history is stamped with.
#[derive(Debug, Default)]
pub(crate) struct Stamps(AtomicU64);

impl Stamps {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Does the actions of one worker, one after the other.
pub(crate) async fn work(
    worker: usize,
    store: &dyn Store,
    stamps: &Stamps,
    actions: Vec<Action>,
) -> Vec<Operation> {
    let mut own: Option<ClaimToken> = None;
    let mut operations = Vec::new();
    for action in actions {
        let call = match (action, own) {
            (Action::Make(call), _) => call,
            (Action::FinishOwn(report), Some(token)) => Call::FinishTask(token, report),
            (Action::FinishOwn(_), None) => continue,
        };
        let began = stamps.next();
        let answer = call.run(store).await;
        let ended = stamps.next();
        own = answer.tokens().pop().or(own);
        operations.push(Operation {
            worker,
            call,
            answer,
            began,
            ended,
        });
    }
    operations
}

/// The calls of several workers, in the order in which they began.
#[derive(Debug, Clone)]
pub(crate) struct History(Vec<Operation>);

impl History {
    /// # Errors
    /// The scenario fails if the engine failed at one of the calls, or there are more than can be searched.
    pub(crate) fn new(operations: impl IntoIterator<Item = Operation>) -> Outcome<Self> {
        let mut operations: Vec<_> = operations.into_iter().collect();
        operations.sort_by_key(|operation| operation.began);
        let history = Self(operations);
        for operation in &history.0 {
            if let Some(failure) = operation.answer.failure() {
                return Err(Stop::failed(format_args!(
                    "a call beside others failed: {:?}: {failure}",
                    operation.call
                )));
            }
        }
        if history.0.len() > MOST_OPERATIONS {
            return Err(Stop::failed("a history is too long to be searched"));
        }
        Ok(history)
    }

    /// Whether the history is linearizable, beginning with what `reference` holds.
    pub(crate) fn is_linearizable(&self, reference: &MemoryStore) -> Outcome<bool> {
        Search {
            operations: &self.0,
            dead_ends: HashSet::new(),
        }
        .completes(0, reference)
    }
}

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.0 {
            let Operation {
                worker,
                call,
                answer,
                began,
                ended,
            } = operation;
            writeln!(
                formatter,
                "        [{began:>3} to {ended:>3}] worker {worker}: {call:?}\n            {answer:?}"
            )?;
        }
        Ok(())
    }
}

/// Calls taken are the bits of a number.
const MOST_OPERATIONS: usize = 64;

struct Search<'a> {
    operations: &'a [Operation],
    dead_ends: HashSet<(u64, String)>,
}

impl Search<'_> {
    fn completes(&mut self, taken: u64, state: &MemoryStore) -> Outcome<bool> {
        let left = |index: &usize| taken & (1 << index) == 0;
        let open: Vec<(usize, &Operation)> = self
            .operations
            .iter()
            .enumerate()
            .filter(|(index, _)| left(index))
            .collect();
        // Whatever had not ended before another began may come before it.
        let Some(first_end) = open.iter().map(|(_, operation)| operation.ended).min() else {
            return Ok(true);
        };
        // The claims that ended with a report are no part of a dump, but the answers of the calls taken
        // settle them: equal calls taken means equal ones.
        let place = (taken, now(Dump::of(state))??.text());
        if self.dead_ends.contains(&place) {
            return Ok(false);
        }
        for (index, operation) in open {
            if operation.began > first_end {
                continue;
            }
            let next = state.fork()?;
            let answer = now(operation.call.run(&next))?;
            if answer.difference(&operation.answer).is_none()
                && self.completes(taken | 1 << index, &next)?
            {
                return Ok(true);
            }
        }
        self.dead_ends.insert(place);
        Ok(false)
    }
}

/// The output of a call on the reference, which never waits.
fn now<F: Future>(call: F) -> Outcome<F::Output> {
    call.now_or_never()
        .ok_or_else(|| Stop::failed("the reference is pending"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runstore_core::{
        ClaimRequest, EventDraft, ListEvents, ManualClock, NewEvent, NewRun, TaskPlan,
    };
    use runstore_memory::MemoryOptions;

    use super::*;
    use crate::arbitrary::{draft, run_id};
    use crate::context::start;

    /// A run with two pending tasks.
    fn reference() -> MemoryStore {
        let clock = Arc::new(ManualClock::new(start()));
        let store = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        let run = NewRun::new("goal", "/repo").with_id(run_id(1));
        let plan = TaskPlan::new(run_id(1), [draft(1), draft(2)]);
        now(store.create_run(run)).unwrap().unwrap();
        now(store.append_tasks(plan)).unwrap().unwrap();
        store
    }

    fn claim() -> Call {
        Call::ClaimNextTask(ClaimRequest::of_run(run_id(1)))
    }

    fn add_event() -> Call {
        let draft = EventDraft::new("worker", "note", "hello");
        Call::AddEvent(NewEvent::new(run_id(1), draft))
    }

    fn list_events() -> Call {
        Call::ListEvents(ListEvents::new(run_id(1)))
    }

    /// What the calls are answered one after the other.
    fn answers<const COUNT: usize>(calls: [Call; COUNT]) -> [Answer; COUNT] {
        let store = reference();
        calls.map(|call| now(call.run(&store)).unwrap())
    }

    fn operation(call: Call, answer: &Answer, [began, ended]: [u64; 2]) -> Operation {
        Operation {
            worker: 0,
            call,
            answer: answer.clone(),
            began,
            ended,
        }
    }

    fn is_linearizable(operations: impl IntoIterator<Item = Operation>) -> bool {
        let history = History::new(operations).unwrap();
        history.is_linearizable(&reference()).unwrap()
    }

    #[test]
    fn overlapping_calls_may_take_effect_in_either_order() {
        let [first, second] = answers([claim(), claim()]);
        let overlap = [
            operation(claim(), &second, [0, 3]),
            operation(claim(), &first, [1, 2]),
        ];
        assert!(is_linearizable(overlap));
        let apart = [
            operation(claim(), &second, [0, 1]),
            operation(claim(), &first, [2, 3]),
        ];
        assert!(!is_linearizable(apart));
    }

    #[test]
    fn two_claimers_of_one_task_are_found() {
        let [first] = answers([claim()]);
        let both = [
            operation(claim(), &first, [0, 2]),
            operation(claim(), &first, [1, 3]),
        ];
        assert!(!is_linearizable(both));
    }

    #[test]
    fn a_read_that_misses_an_acknowledged_write_is_found() {
        let [before, added, after] = answers([list_events(), add_event(), list_events()]);
        let beside = [
            operation(add_event(), &added, [0, 2]),
            operation(list_events(), &before, [1, 3]),
        ];
        assert!(is_linearizable(beside));
        let later = [
            operation(add_event(), &added, [0, 1]),
            operation(list_events(), &before, [2, 3]),
        ];
        assert!(!is_linearizable(later));
        let early = [
            operation(list_events(), &after, [0, 1]),
            operation(add_event(), &added, [2, 3]),
        ];
        assert!(!is_linearizable(early));
    }

    #[test]
    fn a_write_that_was_seen_and_then_not_is_found() {
        let [before, added, after] = answers([list_events(), add_event(), list_events()]);
        let flickering = [
            operation(add_event(), &added, [0, 5]),
            operation(list_events(), &after, [1, 2]),
            operation(list_events(), &before, [3, 4]),
        ];
        assert!(!is_linearizable(flickering));
    }
}
