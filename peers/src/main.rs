//! The benchmark of runstore beside its peers: the programs take turns, a round each.

mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use runstore_bench::{Failure, Report, Result, Rounds, html, terminal};
use runstore_peers::{Arguments, folder_in, merged, on_runtime};
use tokio::process::Command;

use self::running::Running;

/// How many tasks a caller of runstore claims at once, beside one that claims one by one: as many as the peers'.
const BATCH: &str = "10";

/// Measure runstore beside its peers
#[derive(Debug, Parser)]
struct Turns {
    #[command(flatten)]
    arguments: Arguments,
    /// The command runstore
    #[arg(long, value_name = "PROGRAM")]
    runstore: PathBuf,
    /// A store of runstore, as to `runstore bench`; may be given several times [default: sqlite redb]
    #[arg(long = "store", value_name = "ENGINE")]
    stores: Vec<String>,
    /// The program of a peer; may be given several times
    #[arg(long = "peer", value_name = "PROGRAM")]
    peers: Vec<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as a page with plots too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn main() -> ExitCode {
    let turns = Turns::parse();
    on_runtime(measured(turns))
}

async fn measured(mut turns: Turns) -> Result<String> {
    // The programs make their folders in this one: whoever breaks them off leaves theirs, and this one is removed.
    let dir = turns.arguments.dir.clone();
    let folder = folder_in(&dir)?;
    let rounds = Rounds {
        count: usize::from(turns.arguments.rounds),
        length: turns.arguments.plan()?.length,
    };
    turns.arguments.dir = folder.path().to_owned();
    let mut reports = Vec::new();
    for round in 1..=turns.arguments.rounds {
        eprintln!("round {round} of {}", turns.arguments.rounds);
        reports.push(of_runstore(&turns).await?);
        for peer in &turns.peers {
            reports.push(told_by(peer, Command::new(peer), &turns.arguments).await?);
        }
    }
    let report = merged(reports);
    let mut report =
        report.ok_or_else(|| Failure::Refused("--rounds must be at least 1".to_owned()))?;
    // Each program was told to make one.
    report.rounds = Some(rounds);
    // Theirs is gone when anybody reads this.
    let shown = dir.canonicalize().unwrap_or(dir);
    report.machine.folder = shown.display().to_string();
    if let Some(file) = &turns.html {
        fs::write(file, html(&report, None)).map_err(|error| {
            let what = format!("cannot write --html {}", file.display());
            Failure::io(what, error)
        })?;
    }
    match turns.json {
        true => report.to_json(),
        false => Ok(terminal(&report)),
    }
}

async fn of_runstore(turns: &Turns) -> Result<Report> {
    let mut command = Command::new(&turns.runstore);
    command.args([
        "bench",
        "--no-reference",
        "--worker-loop",
        "--claim-batch",
        BATCH,
    ]);
    let by_themselves = ["sqlite".to_owned(), "redb".to_owned()];
    let stores = match turns.stores.as_slice() {
        [] => &by_themselves[..],
        stores => stores,
    };
    for store in stores {
        command.args(["--store", store]);
    }
    told_by(&turns.runstore, command, &turns.arguments).await
}

/// Lets the program make a round, and takes its report.
async fn told_by(program: &Path, mut command: Command, arguments: &Arguments) -> Result<Report> {
    command.args(arguments.of_a_turn()).arg("--json");
    let unrunnable = |error| {
        let what = format!("cannot run {}", program.display());
        Failure::io(what, error)
    };
    let running = Running::start(command).map_err(unrunnable)?;
    let (status, told) = running.told().await.map_err(unrunnable)?;
    if !status.success() {
        return Err(Failure::Refused(format!("{}: {status}", program.display())));
    }
    Report::from_json(&told)
}
