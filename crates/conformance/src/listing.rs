//! What the list of scenarios becomes: [`scenarios`](crate::scenarios) and [`suite!`](crate::suite).

macro_rules! scenario_list {
    // The dollar sign is handed in, because a macro cannot write one into the macro that it makes.
    ($dollar:tt $($group:ident { $($name:ident [$($clause:ident)+],)+ })+) => {
        /// Every scenario of the suite, in the order of the contract.
        #[must_use]
        pub fn scenarios() -> Vec<Scenario> {
            vec![$($(
                Scenario {
                    group: stringify!($group),
                    name: stringify!($name),
                    clauses: &[$($clause),+],
                    run: |context| Box::pin(all::$group::$name(context)),
                },
            )+)+]
        }

        /// Makes a test of every scenario: `suite!(MyHarness);` in a file of a backend's `tests` folder.
        ///
        /// The argument is an expression that gives a [`Harness`](crate::Harness); it is evaluated once
        /// a test. The tests are in a module a group, so that `cargo test claims::` runs one group.
        ///
        /// A scenario that is skipped fails, for what it checks is not proved. Who knows what the
        /// harness lacks, and why, writes `suite!(MyHarness, allowing skips);`: the reason is then
        /// printed and the test passes, and nothing but a [`Report`](crate::Report) tells it from one
        /// that proved something.
        #[macro_export]
        macro_rules! suite {
            (@tests $dollar harness:expr, $dollar skips:expr) => {
                $(
                    mod $group {
                        #[allow(unused_imports)]
                        use super::*;
                        $(
                            #[test]
                            fn $name() {
                                $dollar crate::test_one(
                                    &$dollar harness,
                                    stringify!($group),
                                    stringify!($name),
                                    $dollar skips,
                                );
                            }
                        )+
                    }
                )+
            };
            ($dollar harness:expr) => {
                $dollar crate::suite!(@tests $dollar harness, $dollar crate::Skips::Fail);
            };
            ($dollar harness:expr, allowing skips) => {
                $dollar crate::suite!(@tests $dollar harness, $dollar crate::Skips::Pass);
            };
        }
    };
}

pub(crate) use scenario_list;
