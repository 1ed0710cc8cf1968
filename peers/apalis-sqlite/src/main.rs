//! The program that measures apalis-sqlite.

use std::process::ExitCode;

fn main() -> ExitCode {
    runstore_peers::measure(runstore_peers_apalis_sqlite::engines)
}
