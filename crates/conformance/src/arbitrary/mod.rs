//! Random calls, out of small pools: few ids, so that calls meet; odd texts, words, JSON and limits.
//!
//! Ids are the caller's throughout, so that two stores give equal answers. All kinds share the same few
//! numbers: a task and an event of one number are two records.

mod calls;
mod plans;
mod seed;
mod values;

use std::fmt;

use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, Union};
use runstore_core::{NewRun, TaskPlan};

use crate::call::Call;

pub(crate) use seed::Seeded;
pub(crate) use values::{draft, run_id};

/// A call, and how it is made.
#[derive(Clone)]
pub(crate) struct Step {
    /// How many microseconds the clock moves before it.
    pub(crate) tick: i64,
    /// Whether it is made by the second handle.
    pub(crate) by_second_handle: bool,
    /// In which claim's name, where a call can be in one: 0 is the latest claim so far. Without, as the
    /// call itself has it.
    pub(crate) in_name_of: Option<usize>,
    /// Which of the creating calls so far is repeated instead, if there is any: 0 is the latest.
    pub(crate) repeats: Option<usize>,
    /// The call.
    pub(crate) call: Call,
}

impl Step {
    fn plain(call: Call) -> Self {
        Self {
            tick: 0,
            by_second_handle: false,
            in_name_of: None,
            repeats: None,
            call,
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.call)
    }
}

/// Which calls a sequence is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// All kinds.
    All,
    /// Those on tasks and claims.
    Tasks,
    /// Those on claims mostly, on tasks that wait for each other and for times.
    Waiting,
    /// Those that create, many of them repeated.
    Retries,
}

/// Sequences of up to `most` calls after two runs and a few tasks were made.
pub(crate) fn sequences(mix: Mix, most: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(mix), 1..=most).prop_map(move |steps| {
        let runs = [1, 2].map(|number| {
            let new = NewRun::new(format!("goal {number}"), "/repo").with_id(run_id(number));
            Call::CreateRun(new)
        });
        let plans = match mix {
            Mix::Waiting => plans::that_wait(),
            _ => vec![TaskPlan::new(run_id(1), (1..=3).map(draft))],
        };
        let first = runs
            .into_iter()
            .chain(plans.into_iter().map(Call::AppendTasks));
        first.map(Step::plain).chain(steps).collect()
    })
}

fn step(mix: Mix) -> impl Strategy<Value = Step> {
    let calls: Vec<(u32, BoxedStrategy<Call>)> = match mix {
        Mix::All => [
            calls::of_runs(),
            calls::of_agents(),
            calls::of_tasks(),
            calls::of_claims(),
            calls::of_the_journal(),
            calls::that_read(),
        ]
        .concat(),
        Mix::Tasks => [
            calls::of_tasks(),
            calls::of_claims(),
            calls::that_read_tasks(),
        ]
        .concat(),
        Mix::Waiting => [
            calls::of_claims(),
            calls::of_claims(),
            calls::of_claims(),
            calls::of_tasks(),
            calls::that_read_tasks(),
        ]
        .concat(),
        Mix::Retries => [
            calls::that_create(),
            calls::of_claims(),
            calls::of_tasks(),
            calls::that_delete(),
        ]
        .concat(),
    };
    // Around the ends of leases and delays, which are as long.
    let tick = proptest::sample::select(vec![
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 999, 1_000, 1_000, -1, -1_000, -1_500, 60_000_000,
    ]);
    let in_name_of =
        prop_oneof![2 => Just(None), 4 => Just(Some(0)), 1 => (1..4_usize).prop_map(Some)];
    let repeats = if mix == Mix::Retries {
        prop_oneof![2 => Just(None), 1 => Just(Some(0)), 2 => (1..12_usize).prop_map(Some)].boxed()
    } else {
        prop_oneof![15 => Just(None), 1 => (0..6_usize).prop_map(Some)].boxed()
    };
    let call = Union::new_weighted(calls);
    (tick, any::<bool>(), in_name_of, repeats, call).prop_map(
        |(tick, by_second_handle, in_name_of, repeats, call)| Step {
            tick,
            by_second_handle,
            in_name_of,
            repeats,
            call,
        },
    )
}
