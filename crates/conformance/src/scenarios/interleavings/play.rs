//! Plays every interleaving of two scripts. Each has a run of its own in one store, so that all go on
//! side by side: only a move of the clock is one for all of them.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use runstore_core::{ClaimToken, ManualClock, NewRun, Store, TaskDraft};
use runstore_memory::{MemoryOptions, MemoryStore};

use super::script::{HALF, Ids, Step};
use crate::call::{Answer, Call};
use crate::check::{Outcome, Stop};
use crate::context::Context;
use crate::dump::Dump;

/// How many interleavings are played at a time.
const AT_ONCE: usize = 32;

/// What the callers of one pair do, on the tasks of these drafts.
pub(super) struct Scripts {
    pub(super) drafts: fn() -> Vec<TaskDraft>,
    pub(super) callers: [Vec<Step>; 2],
}

/// The stores that are compared.
struct Both {
    /// One handle a caller.
    handles: [Arc<dyn Store>; 2],
    reference: MemoryStore,
}

/// Plays all interleavings of each pair of scripts.
pub(super) async fn play_all(
    c: &mut Context<'_>,
    pairs: impl IntoIterator<Item = Scripts>,
) -> Outcome {
    // A store of its own, so that ids begin anew.
    let subject = c.another().await?;
    let second = match subject.second_handle().await {
        Err(Stop::Skipped(_)) => Arc::clone(&subject.store),
        handle => handle?,
    };
    let options = MemoryOptions::new().with_clock(Arc::new(subject.clock.clone()));
    let both = Both {
        handles: [Arc::clone(&subject.store), second],
        reference: MemoryStore::open(options),
    };
    let mut last = 0;
    for Scripts { drafts, callers } in pairs {
        let orders = orders(&callers);
        let plays: Vec<Play> = (last + 1..)
            .zip(orders)
            .map(|(number, order)| Play::new(number, order))
            .collect();
        last += plays.len() as u64;
        play_together(&both, &subject.clock, drafts, plays).await?;
    }
    Ok(())
}

async fn play_together(
    both: &Both,
    clock: &ManualClock,
    drafts: fn() -> Vec<TaskDraft>,
    mut plays: Vec<Play>,
) -> Outcome {
    let all = plays.len();
    plays = each(plays, |play| play.begin(both, drafts())).await?;
    while plays.iter().any(|play| !play.is_over()) {
        // Up to the next move of the clock: every interleaving of two scripts has as many of them.
        plays = each(plays, |play| play.until_the_clock_moves(both)).await?;
        clock.advance_micros(i64::try_from(HALF.as_micros()).unwrap_or(i64::MAX));
    }
    plays = each(plays, |play| play.compare(both)).await?;
    let failed = plays.iter().filter(|play| play.difference.is_some());
    let Some(least) = failed.clone().min_by_key(|play| play.log.len()) else {
        return Ok(());
    };
    Err(Stop::failed(format_args!(
        "in {} of the {all} orders of two callers' steps the store and the reference differ. The least \
         of them, with the answers of the reference:\n{}        {}",
        failed.count(),
        least.log.iter().map(Entry::to_string).collect::<String>(),
        least.difference.as_deref().unwrap_or_default(),
    )))
}

/// Does the same with each, many at a time, and keeps their order.
async fn each<F: Future<Output = Outcome<Play>>>(
    plays: Vec<Play>,
    what: impl Fn(Play) -> F,
) -> Outcome<Vec<Play>> {
    let done: Vec<_> = stream::iter(plays.into_iter().map(what))
        .buffered(AT_ONCE)
        .collect()
        .await;
    done.into_iter().collect()
}

/// A step and who makes it: the first or the second caller.
type Turn = (usize, Step);

/// All orders of two callers' steps that keep the order of each.
fn orders(callers: &[Vec<Step>; 2]) -> Vec<Vec<Turn>> {
    fn continued(first: &[Step], second: &[Step], begun: &[Turn], all: &mut Vec<Vec<Turn>>) {
        let with = |turn| [begun, &[turn]].concat();
        if let Some((step, rest)) = first.split_first() {
            continued(rest, second, &with((0, *step)), all);
        }
        if let Some((step, rest)) = second.split_first() {
            continued(first, rest, &with((1, *step)), all);
        }
        if first.is_empty() && second.is_empty() {
            all.push(begun.to_vec());
        }
    }
    let [first, second] = callers;
    let mut all = Vec::new();
    continued(first, second, &[], &mut all);
    all
}

/// What was done, for a message.
enum Entry {
    ClockMoved,
    /// By whom, and what the reference answered.
    Made(&'static str, Box<Call>, Answer),
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockMoved => writeln!(formatter, "        the clock moves by {HALF:?}"),
            Self::Made(name, call, answer) => writeln!(
                formatter,
                "        {name}: {call:?}\n            {answer:?}"
            ),
        }
    }
}

/// One order being played.
struct Play {
    ids: Ids,
    order: Vec<Turn>,
    /// How many turns were played.
    played: usize,
    /// The last claim of each caller.
    tokens: [Option<ClaimToken>; 2],
    log: Vec<Entry>,
    /// Where the store and the reference differed first. Nothing is played after that.
    difference: Option<String>,
}

impl Play {
    fn new(number: u64, order: Vec<Turn>) -> Self {
        Self {
            ids: Ids(number),
            order,
            played: 0,
            tokens: [None; 2],
            log: Vec::new(),
            difference: None,
        }
    }

    fn is_over(&self) -> bool {
        self.difference.is_some() || self.played == self.order.len()
    }

    async fn begin(self, both: &Both, drafts: Vec<TaskDraft>) -> Outcome<Self> {
        let [first, _] = &both.handles;
        for store in [&**first, &both.reference as &dyn Store] {
            let new = NewRun::new("goal", "/repo").with_id(self.ids.run_id());
            store.create_run(new).await?;
            store.append_tasks(self.ids.plan(drafts.clone())).await?;
        }
        Ok(self)
    }

    async fn until_the_clock_moves(mut self, both: &Both) -> Outcome<Self> {
        while !self.is_over() {
            let Some((caller, step)) = self.order.get(self.played).copied() else {
                break;
            };
            self.played += 1;
            if step == Step::Half {
                self.log.push(Entry::ClockMoved);
                break;
            }
            self.make(caller, step, both).await;
        }
        Ok(self)
    }

    async fn make(&mut self, caller: usize, step: Step, both: &Both) {
        let [first, second] = &both.handles;
        let [first_token, second_token] = &mut self.tokens;
        let (name, store, token) = match caller {
            0 => ("first", first, first_token),
            _ => ("second", second, second_token),
        };
        let Some(call) = step.call(self.ids, self.played as u64, name, *token) else {
            return;
        };
        let actual = call.run(&**store).await;
        let expected = call.run(&both.reference).await;
        *token = expected.tokens().pop().or(*token);
        self.difference = actual.difference(&expected).map(|difference| {
            format!("the store answered {actual:?}; store and reference: {difference}")
        });
        self.log.push(Entry::Made(name, Box::new(call), expected));
    }

    /// Compares what is stored in the end.
    async fn compare(mut self, both: &Both) -> Outcome<Self> {
        if self.difference.is_none() {
            let [first, _] = &both.handles;
            let run_id = self.ids.run_id();
            let actual = Dump::of_run(&**first, run_id).await?;
            let expected = Dump::of_run(&both.reference, run_id).await?;
            self.difference = actual.difference(&expected).map(|difference| {
                format!("in what is stored in the end, store and reference: {difference}")
            });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_orders_of_two_scripts_are_made_once() {
        let callers = [
            vec![Step::Claim(None), Step::Heartbeat, Step::Complete],
            vec![Step::Requeue, Step::Replace],
        ];
        let mut all = orders(&callers);
        assert_eq!(all.len(), 10);
        for order in &all {
            for (caller, steps) in callers.iter().enumerate() {
                let own: Vec<_> = order.iter().filter(|(of, _)| *of == caller).collect();
                assert!(own.iter().map(|(_, step)| step).eq(steps));
            }
        }
        all.dedup();
        assert_eq!(all.len(), 10);
        let five = [vec![Step::Half; 5], vec![Step::Event; 5]];
        assert_eq!(orders(&five).len(), 252);
    }
}
