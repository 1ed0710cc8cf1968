//! Where chance comes from: a fixed seed, so that a failure comes again.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::check::{Outcome, Stop};

/// The environment variable that sets another seed.
const VARIABLE: &str = "RUNSTORE_SUITE_SEED";

const DEFAULT: u64 = 20_260_301;

/// Shrinking makes stores anew, so it is bounded: what is left may not be the very least.
const MOST_SHRINKS: u32 = 600;

/// A runner that begins with the seed.
pub(crate) struct Seeded {
    pub(crate) runner: TestRunner,
    /// How to get the same again, for a report.
    pub(crate) seed: String,
}

impl Seeded {
    pub(crate) fn new(cases: u32) -> Outcome<Self> {
        let seed = match std::env::var(VARIABLE) {
            Ok(text) => text
                .parse()
                .map_err(|_| Stop::failed(format_args!("{VARIABLE} is {text:?}: not a number")))?,
            Err(_) => DEFAULT,
        };
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: MOST_SHRINKS,
            ..Config::default()
        };
        let bytes = [u64::to_le_bytes(seed), [0; 8], [0; 8], [0; 8]].concat();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Ok(Self {
            runner: TestRunner::new_with_rng(config, rng),
            seed: format!("{VARIABLE}={seed}"),
        })
    }

    /// One value.
    pub(crate) fn draw<S: Strategy>(&mut self, strategy: &S) -> Outcome<S::Value> {
        let tree = strategy.new_tree(&mut self.runner);
        let tree = tree.map_err(|reason| Stop::failed(format_args!("no value: {reason}")))?;
        Ok(tree.current())
    }
}
