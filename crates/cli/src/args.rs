//! What the command takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench::BenchArguments;

/// A durable store for the state of agent runs.
#[derive(Debug, Parser)]
#[command(name = "runstore", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plan, work, crash, take over, and prove that every task was completed exactly once
    Demo(DemoArguments),
    /// The process that the demo starts, and kills
    #[command(hide = true)]
    DemoWorker,
    /// Show a run with its tasks, who has them, and why they wait
    Show(ShowArguments),
    /// List the runs of a store, newest first
    Runs(RunsArguments),
    /// Measure the storage engines side by side
    Bench(Box<BenchArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The plan, as JSON: {"goal", "repoPath", "tasks": [...], "replan": [...]}, or a bare list of
    /// tasks; a plan of about forty tasks is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Where the run is kept, as sqlite:FILE, redb:FILE, postgres://USER@HOST/DATABASE or memory:
    /// [default: a fresh file in this folder]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// How many workers claim tasks at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,
    /// Over how many processes they are spread [default: 3 on a server, 1 on a file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) processes: Option<u16>,
    /// Which of the random courses the work takes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the snapshot of the run as JSON, and all else to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The id of the run, the beginning of one, or "latest"
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) look: LookArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    #[command(flatten)]
    pub(crate) look: LookArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LookArguments {
    /// The store, as sqlite:FILE, redb:FILE or postgres://USER@HOST/DATABASE; it must exist
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
