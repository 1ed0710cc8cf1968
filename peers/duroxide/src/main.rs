//! The program that measures duroxide.

use std::process::ExitCode;

fn main() -> ExitCode {
    runstore_peers::measure(runstore_peers_duroxide::engines)
}
