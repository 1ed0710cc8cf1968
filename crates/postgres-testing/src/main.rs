//! Runs a command with a private server for its tests: `runstore-postgres-testing cargo nextest run`. The command
//! finds the server in `RUNSTORE_TEST_POSTGRES_URL`; it is stopped when the command ends.

use std::process::{Command, ExitCode};

use runstore_postgres_testing::{Cluster, URL_VARIABLE};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: runstore-postgres-testing COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let cluster = match Cluster::start(&[]) {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let status = Command::new(program)
        .args(words)
        .env(URL_VARIABLE, cluster.url())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
