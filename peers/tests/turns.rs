//! The driver, with a program in place of those that measure.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runstore_bench::{Machine, Report};
use tempfile::TempDir;

/// A program that gives the last but one of its arguments, the folder of its turn, to a script.
fn program(beside: &Path, script: &str) -> PathBuf {
    let file = beside.join("program");
    let text = format!("#!/bin/sh\nwhile [ \"$1\" != --dir ]; do shift; done\ndir=$2\n{script}\n");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    file
}

fn driver(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstore-peers"));
    command
        .args(["--rounds", "2", "--json", "--runstore"])
        .arg(program)
        .arg("--dir")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn folders() -> (TempDir, TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[test]
fn a_benchmark_that_is_broken_off_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (beside, dir) = folders();
        let begun = beside.path().join("begun");
        let at_work = "while :; do touch \"$dir/store\"; touch \"$(dirname \"$0\")/begun\"; done";
        let program = program(beside.path(), at_work);
        let mut driver = driver(&program, dir.path()).spawn().unwrap();
        while !begun.exists() {
            assert_eq!(driver.try_wait().unwrap(), None, "it ended before");
            std::thread::yield_now();
        }
        let sent = Command::new("kill")
            .args([signal, &driver.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let output = driver.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{signal}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.ends_with("error: interrupted\n"), "{told}");
        assert!(is_empty(dir.path()), "{signal}");
    }
}

#[test]
fn the_report_names_the_folder_that_was_given_and_the_rounds_of_all_turns() {
    let (beside, dir) = folders();
    let report = Report {
        version: 1,
        began_at: 7,
        program: Some("runstore 0.1.0".to_owned()),
        rounds: None,
        machine: Machine {
            folder: "the folder of a turn".to_owned(),
            ..Machine::default()
        },
        fsync: None,
        fsync_in_place: None,
        engines: Vec::new(),
        left_out: Vec::new(),
        rows: Vec::new(),
    };
    let told = beside.path().join("report.json");
    fs::write(&told, report.to_json().unwrap()).unwrap();
    let program = program(beside.path(), "cat \"$(dirname \"$0\")/report.json\"");
    let output = driver(&program, dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report = Report::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let given = dir.path().canonicalize().unwrap();
    assert_eq!(report.machine.folder, given.display().to_string());
    assert_eq!(report.rounds.unwrap().count, 2);
    assert!(is_empty(dir.path()));
}
