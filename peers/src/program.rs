//! The program of a peer.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use runstore_bench::{Engine, Failure, Result};
use tempfile::TempDir;

use crate::Arguments;

#[derive(Debug, Parser)]
#[command(
    about = "Measures a peer of runstore, and prints a report as that of runstore bench --json"
)]
struct Command {
    #[command(flatten)]
    arguments: Arguments,
    /// Print the report as JSON, as is done anyway
    #[arg(long)]
    json: bool,
}

/// Measures what the command line says of the engines, whose files are to be in the folder that they are given, and
/// prints the report.
pub fn measure(engines: impl FnOnce(&Path) -> Vec<Box<dyn Engine>>) -> ExitCode {
    let Command { arguments, json: _ } = Command::parse();
    on_runtime(measured(arguments, engines))
}

async fn measured(
    arguments: Arguments,
    engines: impl FnOnce(&Path) -> Vec<Box<dyn Engine>>,
) -> Result<String> {
    let folder = folder_in(&arguments.dir)?;
    let engines = engines(folder.path());
    let report = runstore_bench::run(&engines, &arguments.plan()?, &mut |_| {}).await?;
    let left = folder.path().to_owned();
    folder.close().map_err(|error| {
        let what = format!("cannot remove {}", left.display());
        Failure::io(what, error)
    })?;
    report.to_json()
}

/// A folder of the benchmark's own in this one, which is removed with what is in it when this is dropped.
pub fn folder_in(dir: &Path) -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("runstore-peers-")
        .tempdir_in(dir);
    folder.map_err(|error| {
        let what = format!("cannot make a folder in {}", dir.display());
        Failure::io(what, error)
    })
}

/// Carries out the work of a program until it is over or somebody breaks it off, and prints what it gives.
pub fn on_runtime(work: impl Future<Output = Result<String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let printed = runtime
        .map_err(|error| Failure::io("cannot start threads", error))
        .and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = runstore_bench::interrupted() => {
                        Err(Failure::Refused("interrupted".to_owned()))
                    }
                    done = work => done,
                }
            })
        });
    match printed {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
