//! What `runstore bench` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use runstore::Durability;
use runstore_bench::{Timing, Workload};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    pub(crate) other: Option<Other>,
    #[command(flatten)]
    pub(crate) measure: MeasureArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// Make the calls that an application recorded again, on any store, and compare the answers
    Replay(ReplayArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The trace, as runstore_bench::Recorded writes it
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The store, as sqlite:FILE, redb:FILE, postgres://USER@HOST/DATABASE or memory:; best an empty one, for it is
    /// given the ids of the recording
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,
    /// When each call is made
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pub(crate) timing: Pace,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pace {
    /// When it was made in the recording
    Recorded,
    /// As soon as the calls are over that were over before it in the recording
    Fast,
}

impl From<Pace> for Timing {
    fn from(pace: Pace) -> Self {
        match pace {
            Pace::Recorded => Self::AsRecorded,
            Pace::Fast => Self::AsFastAsPossible,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MeasureArguments {
    /// What to do over and over: cycle, finish, claim, claim-nothing, append, append-beside-snapshots, plan,
    /// snapshot, snapshot-beside-appends, pages, wake, resume, mixed, open [default: cycle finish]
    #[arg(value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<Workload>,
    /// An engine: the name of a backend, whose stores are fresh files in the folder (sqlite, redb, memory; with
    /// options as in sqlite?OPTION=VALUE), or postgres://USER@HOST/DATABASE; may be given several times, also with
    /// several servers, databases and schemas
    /// [default: all but postgres]
    #[arg(long = "store", value_name = "ENGINE")]
    pub(crate) stores: Vec<String>,
    /// Measure the loop runstore::Worker over each store as well, in cycle and finish
    #[arg(long)]
    pub(crate) worker_loop: bool,
    /// Measure workers that claim N tasks by one call over each store as well, in cycle and finish
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(2..=1_000))]
    pub(crate) claim_batch: Option<u32>,
    /// Leave out the bare loops on the engines' own APIs
    #[arg(long)]
    pub(crate) no_reference: bool,
    /// By how many workers at the same time, one number or several
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 16, 64], value_parser = value_parser!(u16).range(1..=4_096))]
    pub(crate) workers: Vec<u16>,
    /// How many tasks there are beside those that are worked on, one number or several
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1_000], value_parser = value_parser!(u64).range(..=100_000_000))]
    pub(crate) tasks: Vec<u64>,
    /// Over how many runs they are spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
    /// The bytes of each objective, summary and payload
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = value_parser!(u32).range(..=8_388_608))]
    pub(crate) payload: u32,
    /// How many operations begin each second, whatever became of the ones before
    #[arg(long, value_name = "PER_SECOND", allow_negative_numbers = true, value_parser = above_zero)]
    pub(crate) rate: Option<f64>,
    /// What a write survives once it has returned
    #[arg(long, value_enum, default_value_t = Survives::Full)]
    pub(crate) durability: Survives,
    /// How many rounds each engine makes, in turns with the others
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=1_000))]
    pub(crate) rounds: u16,
    /// About how long a round takes; at most 400,000 operations
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, allow_negative_numbers = true, value_parser = above_zero)]
    pub(crate) seconds: f64,
    /// How many operations a round has, in place of a time
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = value_parser!(u64).range(1..))]
    pub(crate) operations: Option<u64>,
    /// The folder for the files of the stores; what was made there is removed
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Measure durable writes even where the folder is in memory
    #[arg(long)]
    pub(crate) allow_tmpfs: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page with plots, which needs no network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Tell what changed since a report that --json printed
    #[arg(long, value_name = "OLD.json")]
    pub(crate) compare: Option<PathBuf>,
}

/// The most of what is counted in fractions: more than anybody waits for.
const MOST: f64 = 1e9;

fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match number > 0.0 && number <= MOST {
        true => Ok(number),
        false => Err(format!("it must be above 0 and at most {MOST}")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Survives {
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
