//! The command `runstore`: the main job of the store in one command, and a look into a store.

mod args;
mod bench;
mod demo;
mod failure;
mod open;
mod output;
mod plan;
mod shell;
mod show;
mod table;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use failure::Failure;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(arguments) => end(demo::run(&arguments), ExitCode::FAILURE),
        Command::DemoWorker => demo::work(),
        Command::Show(arguments) => end(show::show(&arguments), ExitCode::SUCCESS),
        Command::Bench(arguments) => end(bench::run(&arguments), ExitCode::SUCCESS),
        Command::Runs(arguments) => end(show::runs(&arguments), ExitCode::SUCCESS),
    }
}

/// Tells a failure in one line. `unread` is what it means that nobody reads the output any more, as in
/// `runstore show … | head -1`: an end like any other, unless something was left undone by it.
fn end(result: Result<(), Failure>, unread: ExitCode) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::OutputClosed) => unread,
        Err(failure) => {
            output::complain(&format!("error: {}", failure.line()));
            ExitCode::FAILURE
        }
    }
}
