//! `runstore bench`: the benchmark of the storage engines.

mod args;
mod engines;
mod replay;
mod scratch;

use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runstore_bench::{
    Case, Comparison, Engine, Length, Plan, Progress, Report, Workload, compare, html, interrupted,
    terminal,
};

pub(crate) use self::args::BenchArguments;
use self::args::{MeasureArguments, Other};
use self::engines::Beside;
use self::scratch::Scratch;
use crate::failure::{Context, Failure};
use crate::open::runtime;
use crate::output;

/// For how long the disk's own flushes are measured.
const FSYNC: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    match &arguments.other {
        Some(Other::Replay(arguments)) => replay::run(arguments),
        None => measure(&arguments.measure),
    }
}

fn measure(arguments: &MeasureArguments) -> Result<(), Failure> {
    check_folder(&arguments.dir)?;
    if let Some(file) = &arguments.html {
        check_page(file)?;
    }
    let old = old_report(arguments)?;
    let scratch = Scratch::within(&arguments.dir)?;
    let beside = Beside {
        claim_batch: arguments.claim_batch.and_then(NonZeroU32::new),
        worker_loop: arguments.worker_loop,
        reference: !arguments.no_reference,
    };
    let engines = engines::named(&arguments.stores, scratch.path(), beside)?;
    let plan = Plan {
        cases: cases(arguments),
        rounds: arguments.rounds.into(),
        length: match arguments.operations {
            Some(operations) => Length::Operations(operations),
            None => Length::Time(
                Duration::try_from_secs_f64(arguments.seconds)
                    .or_fail("cannot take the --seconds of a round")?,
            ),
        },
        folder: arguments.dir.clone(),
        allow_tmpfs: arguments.allow_tmpfs,
        fsync: Some(FSYNC),
    };
    let mut report = None;
    let ended = measured(&mut report, &engines, &plan);
    let report = report.filter(|report| ended.is_ok() || !report.rows.is_empty());
    if let Some(report) = report {
        if ended.is_err() {
            eprintln!("the benchmark did not come to its end; the report is of the cases that did");
        }
        let told = tell(arguments, &report, old.as_ref());
        return ended.and(told);
    }
    ended
}

/// Carries out the plan under a bar of its progress, until it is over or somebody breaks it off. What was measured is
/// in the report either way.
fn measured(
    report: &mut Option<Report>,
    engines: &[Box<dyn Engine>],
    plan: &Plan,
) -> Result<(), Failure> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({eta} left)");
    bar.set_style(style.or_fail("cannot draw the progress")?);
    let mut show = |progress: Progress<'_>| {
        bar.set_length(progress.of as u64);
        bar.set_position(progress.done as u64);
        let Case {
            workload,
            workers,
            tasks,
            ..
        } = progress.case;
        bar.set_message(format!(
            "{workload}, workers {workers}, tasks {tasks}: {}",
            progress.engine
        ));
    };
    let measured = runtime()?.block_on(async {
        tokio::select! {
            // First, for it is listened to from the first look on.
            biased;
            () = interrupted() => Err(Failure::new("interrupted")),
            measured = async {
                let begun = runstore_bench::begin(engines, plan).await;
                let report = report.insert(begun.map_err(|failure| refused(failure, plan))?);
                let measured = runstore_bench::run_into(report, engines, plan, &mut show).await;
                measured.or_fail("the benchmark was broken off")
            } => measured,
        }
    });
    bar.finish_and_clear();
    measured
}

/// Why the benchmark does not begin, in the words of the command.
fn refused(failure: runstore_bench::Failure, plan: &Plan) -> Failure {
    match failure {
        runstore_bench::Failure::InMemory { engine } => Failure::new(format!(
            "--dir {} is in memory, where the durable writes of {engine} cost nothing: give a folder on a disk with \
             --dir, or --allow-tmpfs to measure all the same",
            plan.folder.display()
        )),
        failure => Failure::told("cannot begin the benchmark", failure),
    }
}

fn check_folder(dir: &Path) -> Result<(), Failure> {
    match dir.is_dir() {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "--dir {} is no folder",
            dir.display()
        ))),
    }
}

/// Finds out whether a page can be written there before anything is measured for it, and leaves what is there.
fn check_page(file: &Path) -> Result<(), Failure> {
    let is_new = !file.exists();
    let opened = File::options().append(true).create(true).open(file);
    opened.or_fail(format!("cannot write --html {}", file.display()))?;
    if is_new {
        // A benchmark that is broken off has no page.
        let _ = fs::remove_file(file);
    }
    Ok(())
}

fn cases(arguments: &MeasureArguments) -> Vec<Case> {
    let workloads = match arguments.workloads.as_slice() {
        [] => &[Workload::Cycle, Workload::Finish],
        workloads => workloads,
    };
    let mut cases = Vec::new();
    for workload in workloads {
        for tasks in &arguments.tasks {
            for workers in &arguments.workers {
                let case = Case {
                    workload: *workload,
                    workers: usize::from(*workers),
                    tasks: *tasks,
                    runs: arguments.runs as usize,
                    payload_bytes: arguments.payload as usize,
                    rate: arguments.rate,
                    durability: arguments.durability.into(),
                };
                if !cases.contains(&case) {
                    cases.push(case);
                }
            }
        }
    }
    cases
}

/// Prints the report and writes its page. Neither is lost by the other's failure.
fn tell(
    arguments: &MeasureArguments,
    report: &Report,
    old: Option<&Report>,
) -> Result<(), Failure> {
    let comparison = old.map(|old| compare(old, report));
    let printed = print(arguments, report, comparison.as_ref());
    if let Some(file) = &arguments.html {
        let page = html(report, comparison.as_ref());
        fs::write(file, page).or_fail(format!("cannot write --html {}", file.display()))?;
    }
    printed
}

fn print(
    arguments: &MeasureArguments,
    report: &Report,
    comparison: Option<&Comparison>,
) -> Result<(), Failure> {
    let comparison = comparison.map(Comparison::terminal);
    if arguments.json {
        // For who reads it; the standard output is for the report alone.
        if let Some(comparison) = &comparison {
            output::complain(comparison);
        }
        return output::print_json(report);
    }
    output::print(&terminal(report))?;
    match &comparison {
        Some(comparison) => output::print(comparison),
        None => Ok(()),
    }
}

/// The report to compare with, read before anything is measured.
fn old_report(arguments: &MeasureArguments) -> Result<Option<Report>, Failure> {
    let Some(file) = &arguments.compare else {
        return Ok(None);
    };
    let what = format!("cannot read the report --compare {}", file.display());
    let text = fs::read_to_string(file).or_fail(what.as_str())?;
    Report::from_json(&text).or_fail(what).map(Some)
}
