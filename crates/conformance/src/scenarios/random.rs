//! Random sequences of calls, made on the store and on the reference alike, and shrunk to a minimal one
//! where the two differ.

use std::cell::RefCell;
use std::sync::Arc;

use proptest::test_runner::{TestCaseError, TestError};
use runstore_core::{ClaimToken, Store};
use runstore_memory::{MemoryOptions, MemoryStore};
use tokio::runtime::Handle;

use crate::arbitrary::{Mix, Seeded, Step, sequences};
use crate::call::{Answer, Call};
use crate::check::{Outcome, Stop, check};
use crate::context::Context;
use crate::dump::Dump;

pub(crate) async fn any_sequence_of_calls_answers_as_the_reference(c: &mut Context<'_>) -> Outcome {
    agrees_with_the_reference(c, Mix::All, 48, 30)
}

pub(crate) async fn any_sequence_on_tasks_and_claims_answers_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    agrees_with_the_reference(c, Mix::Tasks, 64, 24)
}

pub(crate) async fn any_sequence_on_tasks_that_wait_answers_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    agrees_with_the_reference(c, Mix::Waiting, 64, 40)
}

pub(crate) async fn any_sequence_with_repeated_calls_answers_as_the_reference(
    c: &mut Context<'_>,
) -> Outcome {
    agrees_with_the_reference(c, Mix::Retries, 40, 24)
}

fn agrees_with_the_reference(c: &Context<'_>, mix: Mix, cases: u32, most: usize) -> Outcome {
    let Seeded { mut runner, seed } = Seeded::new(cases)?;
    let runtime = Handle::current();
    // A test of proptest is no future, so the sequences are played from a thread that may block.
    let play = |steps: &[Step]| {
        let mut log = Vec::new();
        let outcome = runtime.block_on(Play::all(c, mix, steps, &mut log));
        (outcome, log)
    };
    let skipped = RefCell::new(None);
    let found = tokio::task::block_in_place(|| {
        let found = runner.run(&sequences(mix, most), |steps| match play(&steps).0 {
            Ok(()) => Ok(()),
            Err(Stop::Failed(message)) => Err(TestCaseError::fail(message)),
            Err(skip @ Stop::Skipped(_)) => {
                skipped.replace(Some(skip));
                Ok(())
            }
        });
        found.map_err(|error| match error {
            TestError::Fail(reason, steps) => (reason, play(&steps)),
            TestError::Abort(reason) => (reason, (Ok(()), Vec::new())),
        })
    });
    match found {
        Ok(()) => skipped.into_inner().map_or(Ok(()), Err),
        Err((reason, (outcome, log))) => {
            let again = match outcome {
                Err(Stop::Failed(message)) => message,
                _ => format!("{reason}; made once more, the same calls did not differ"),
            };
            Err(Stop::failed(format_args!(
                "the store and the reference differ: {again}\n{}\n        (shrunk; {seed})",
                log.join("\n"),
            )))
        }
    }
}

/// The claims given so far, and the calls that can be repeated.
#[derive(Default)]
struct Past {
    claims: Vec<ClaimToken>,
    repeatable: Vec<Call>,
}

impl Past {
    /// The step's call, with the claim or the repetition that it asks for.
    fn resolved(&self, step: &Step) -> Call {
        let nth_last = |index| self.repeatable.iter().nth_back(index).cloned();
        if let Some(call) = step.repeats.and_then(nth_last) {
            return call;
        }
        let call = step.call.clone();
        match step.in_name_of.and_then(|n| self.claims.iter().nth_back(n)) {
            Some(token) => call.in_name_of(*token),
            None => call,
        }
    }

    fn add(&mut self, call: &Call, answer: &Answer) {
        self.claims.extend(answer.tokens());
        if call.is_repeatable() && answer.is_ok() && !self.repeatable.contains(call) {
            self.repeatable.push(call.clone());
        }
    }
}

/// One sequence being played on both.
struct Play<'a, 'h> {
    subject: Context<'h>,
    second: Arc<dyn Store>,
    reference: MemoryStore,
    past: Past,
    log: &'a mut Vec<String>,
}

impl<'a, 'h> Play<'a, 'h> {
    async fn all(c: &Context<'h>, mix: Mix, steps: &[Step], log: &'a mut Vec<String>) -> Outcome {
        let subject = c.another().await?;
        // One clock for both: they are in step whatever it does.
        let options = MemoryOptions::new().with_clock(Arc::new(subject.clock.clone()));
        let mut play = Self {
            second: second_handle(&subject).await?,
            reference: MemoryStore::open(options),
            subject,
            past: Past::default(),
            log,
        };
        for step in steps {
            play.subject.clock.advance_micros(step.tick);
            let call = play.past.resolved(step);
            play.ask(&call, step.tick, step.by_second_handle).await?;
        }
        play.compare_all("after the sequence").await?;
        match play.reopen().await {
            Err(Stop::Skipped(_)) => return Ok(()),
            other => other?,
        }
        play.compare_all("after the store was reopened").await?;
        if mix == Mix::Retries {
            for call in play.past.repeatable.clone() {
                play.ask(&call, 0, false).await?;
            }
            play.compare_all("after every creating call was repeated")
                .await?;
        }
        Ok(())
    }

    async fn ask(&mut self, call: &Call, tick: i64, by_second_handle: bool) -> Outcome {
        let (store, handle) = if by_second_handle {
            (&self.second, "second handle")
        } else {
            (&self.subject.store, "first handle")
        };
        let actual = call.run_through(&**store).await;
        let expected = call.run_through(&self.reference).await;
        let difference = actual.difference(&expected);
        let answers = match difference {
            None => format!("both:      {expected:?}"),
            Some(_) => format!("store:     {actual:?}\n            reference: {expected:?}"),
        };
        self.log.push(format!(
            "        {}. {handle}, clock {tick:+} µs: {call:?}\n            {answers}",
            self.log.len() + 1,
        ));
        self.past.add(call, &expected);
        match difference {
            None => Ok(()),
            Some(difference) => Err(Stop::failed(format_args!(
                "in the last answer, store and reference: {difference}"
            ))),
        }
    }

    async fn compare_all(&mut self, when: &str) -> Outcome {
        let expected = Dump::of(&self.reference).await?;
        for (handle, store) in [("first", &self.subject.store), ("second", &self.second)] {
            let difference = Dump::of(&**store).await?.difference(&expected);
            check!(
                difference.is_none(),
                "in what is stored {when}, seen by the {handle} handle, store and reference: {}",
                difference.unwrap_or_default()
            );
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Outcome {
        // The handle goes first: an engine cannot be closed under it.
        self.second = Arc::clone(&self.subject.store);
        self.subject.reopen().await?;
        self.second = second_handle(&self.subject).await?;
        Ok(())
    }
}

/// A second handle, or the first one again where the engine has none.
async fn second_handle(subject: &Context<'_>) -> Outcome<Arc<dyn Store>> {
    match subject.second_handle().await {
        Err(Stop::Skipped(_)) => Ok(Arc::clone(&subject.store)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use runstore_core::rules::events;
    use runstore_core::{
        ListEvents, ListRuns, ListTasks, ManualClock, Result, Task, TaskStatus, WaitingReason,
    };

    use super::*;
    use crate::context::start;

    async fn tasks(store: &MemoryStore) -> Result<Vec<Task>> {
        let mut all = Vec::new();
        for run in store.list_runs(ListRuns::all()).await?.items {
            all.extend(store.list_tasks(ListTasks::new(run.id)).await?.items);
        }
        Ok(all)
    }

    /// Plays sequences on the reference and counts what they meet.
    async fn met(mix: Mix, cases: u32, most: usize) -> BTreeMap<String, u32> {
        let mut seeded = Seeded::new(0).unwrap();
        let mut met = BTreeMap::new();
        let mut meet = |what: &str| *met.entry(what.to_owned()).or_default() += 1;
        for _ in 0..cases {
            let steps = seeded.draw(&sequences(mix, most)).unwrap();
            let clock = ManualClock::new(start());
            let options = MemoryOptions::new().with_clock(Arc::new(clock.clone()));
            let store = MemoryStore::open(options);
            let mut past = Past::default();
            for step in steps {
                clock.advance_micros(step.tick);
                let call = past.resolved(&step);
                let before = tasks(&store).await.unwrap();
                for task in before
                    .iter()
                    .filter(|_| matches!(call, Call::ClaimNextTask(_)))
                {
                    match store.waiting_reason(task.id).await.unwrap() {
                        WaitingReason::Dependencies { .. } => meet("a claim beside dependents"),
                        WaitingReason::Until { .. } => meet("a claim beside delays"),
                        _ => {}
                    }
                }
                let answer = call.run(&store).await;
                for token in answer.tokens() {
                    let of_token = before.iter().find(|task| task.id == token.task_id);
                    match of_token.map(|task| task.status) {
                        Some(TaskStatus::InProgress) => meet("a claim that took over"),
                        _ => meet("a claim of a pending task"),
                    }
                }
                match (&call, answer.is_ok()) {
                    (Call::Heartbeat(_), true) => meet("a heartbeat"),
                    (Call::Heartbeat(_), false) => meet("a heartbeat, refused"),
                    (Call::FinishTask(..), true) => meet("a report"),
                    (Call::FinishTask(..), false) => meet("a report, refused"),
                    (Call::AppendTasks(_) | Call::ReplacePendingTasks(_), true) => meet("a plan"),
                    (Call::AppendTasks(_) | Call::ReplacePendingTasks(_), false) => {
                        meet("a plan, refused");
                    }
                    _ => {}
                }
                past.add(&call, &answer);
            }
            for task in tasks(&store).await.unwrap() {
                if !task.depends_on.is_empty() && task.attempt_count > 0 {
                    meet("a dependent that was claimed");
                }
            }
            for run in store.list_runs(ListRuns::all()).await.unwrap().items {
                let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
                for event in events.items {
                    if event.source == events::SOURCE {
                        meet(event.kind.as_str());
                    }
                }
            }
        }
        met
    }

    #[tokio::test]
    async fn sequences_meet_expiries_used_up_attempts_and_dependencies() {
        let met = met(Mix::Waiting, 64, 40).await;
        println!("{met:#?}");
        for (what, least) in [
            ("a claim of a pending task", 100),
            ("a claim that took over", 20),
            ("a claim beside dependents", 50),
            ("a claim beside delays", 20),
            ("a dependent that was claimed", 5),
            ("a heartbeat", 20),
            ("a report", 50),
            ("a plan", 100),
            (events::MAX_ATTEMPTS, 10),
            (events::REQUEUE_EXPIRED, 3),
        ] {
            let count = met.get(what).copied().unwrap_or_default();
            assert!(count >= least, "{what}: {count}");
        }
    }
}
