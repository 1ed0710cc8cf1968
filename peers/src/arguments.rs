//! What a program that measures takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use runstore_bench::{Case, Failure, Length, Plan, Result, Workload};
use runstore_core::Durability;

/// What is to be measured. All of it is understood by `runstore bench` as well.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to do over and over: cycle, finish, or both [default: cycle finish]
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<Workload>,
    /// By how many callers at the same time, one number or several
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 16, 64])]
    pub workers: Vec<u16>,
    /// How many tasks there are beside those that are worked on, one number or several
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1_000])]
    pub tasks: Vec<u64>,
    /// The bytes of each objective, summary and payload
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    pub payload: u32,
    /// What a write survives once it has returned
    #[arg(long, value_enum, default_value_t = Survives::Full)]
    pub durability: Survives,
    /// How many rounds each engine makes
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u16,
    /// About how long a round takes
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub seconds: f64,
    /// How many operations a round has, in place of a time
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    pub operations: Option<u64>,
    /// The folder for the files of the stores; what was made there is removed
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub dir: PathBuf,
}

/// A durability by the name that it has on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Survives {
    /// A killed process and a loss of power
    Full,
    /// A killed process
    Relaxed,
}

impl From<Survives> for Durability {
    fn from(survives: Survives) -> Self {
        match survives {
            Survives::Full => Self::Full,
            Survives::Relaxed => Self::Relaxed,
        }
    }
}

impl Arguments {
    fn workloads(&self) -> &[Workload] {
        match self.workloads.as_slice() {
            [] => &[Workload::Cycle, Workload::Finish],
            workloads => workloads,
        }
    }

    /// The plan that the arguments are of.
    ///
    /// # Errors
    /// The seconds of a round are no time.
    pub fn plan(&self) -> Result<Plan> {
        let mut cases = Vec::new();
        for workload in self.workloads() {
            for tasks in &self.tasks {
                for workers in &self.workers {
                    cases.push(Case {
                        workload: *workload,
                        workers: usize::from(*workers),
                        tasks: *tasks,
                        runs: 1,
                        payload_bytes: self.payload as usize,
                        rate: None,
                        durability: self.durability.into(),
                    });
                }
            }
        }
        Ok(Plan {
            cases,
            rounds: usize::from(self.rounds),
            length: match self.operations {
                Some(operations) => Length::Operations(operations),
                None => Length::Time(
                    Duration::try_from_secs_f64(self.seconds).map_err(Failure::engine)?,
                ),
            },
            folder: self.dir.clone(),
            allow_tmpfs: true,
            fsync: None,
        })
    }

    /// The same once more, for another program, with one round.
    #[must_use]
    pub fn of_a_turn(&self) -> Vec<OsString> {
        let mut arguments = Vec::from_iter(self.workloads().iter().map(|of| of.name().into()));
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("--workers", listed(&self.workers));
        add("--tasks", listed(&self.tasks));
        add("--payload", self.payload.to_string().into());
        add(
            "--durability",
            Durability::from(self.durability).to_string().into(),
        );
        add("--rounds", "1".into());
        match self.operations {
            Some(operations) => add("--operations", operations.to_string().into()),
            None => add("--seconds", self.seconds.to_string().into()),
        }
        add("--dir", self.dir.clone().into());
        arguments
    }
}

fn listed<N: ToString>(numbers: &[N]) -> OsString {
    let numbers = numbers.iter().map(ToString::to_string);
    Vec::from_iter(numbers).join(",").into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
        let all = [OsString::from("program")].into_iter().chain(arguments);
        Command::try_parse_from(all).unwrap().arguments
    }

    #[test]
    fn a_turn_has_the_same_plan_with_one_round() {
        let given = [
            "finish",
            "--workers",
            "2,3",
            "--tasks",
            "7",
            "--payload",
            "9",
            "--durability",
            "relaxed",
            "--rounds",
            "4",
            "--operations",
            "5",
            "--dir",
            "/tmp",
        ];
        for given in [&given[..], &[]] {
            let whole = parsed(given.iter().map(OsString::from));
            let turn = parsed(whole.of_a_turn());
            let expected = Plan {
                rounds: 1,
                ..whole.plan().unwrap()
            };
            assert_eq!(turn.plan().unwrap(), expected);
        }
    }
}
