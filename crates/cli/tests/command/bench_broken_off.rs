//! What becomes of a benchmark that is broken off.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::Folder;

/// Sends the signal once the store of the case with this number, counted from 1, is there.
fn signalled_in_its_case(folder: &Folder, bench: &mut Child, number: usize, signal: &str) {
    // The store with the number 0 is that of the look before all cases.
    let name = format!("{number}.sqlite");
    let store = folder.path().join("runstore-bench-1").join(name);
    while !store.exists() {
        assert_eq!(bench.try_wait().unwrap(), None, "it ended before");
        std::thread::yield_now();
    }
    let interrupt = Command::new("kill")
        .args([signal, &bench.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
}

#[test]
fn an_interrupted_benchmark_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let folder = Folder::new();
        let arguments = ["bench", "--allow-tmpfs", "--rounds=1000", "--store=sqlite"];
        let mut bench = folder.command(arguments).spawn().unwrap();
        signalled_in_its_case(&folder, &mut bench, 1, signal);
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{signal}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "error: interrupted\n"
        );
        assert_eq!(folder.files(), [""; 0], "{signal}");
    }
}

#[test]
fn the_cases_that_are_over_are_told_of_a_benchmark_that_is_broken_off() {
    let folder = Folder::new();
    let arguments = [
        "bench",
        "append",
        "--allow-tmpfs",
        "--no-reference",
        "--operations=1",
        "--rounds=1",
        "--store=sqlite",
        "--tasks=1,9000000",
        "--json",
    ];
    let mut bench = folder
        .command(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    signalled_in_its_case(&folder, &mut bench, 2, "-INT");
    let output = bench.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("of the cases that did"), "{told}");
    assert!(told.ends_with("error: interrupted\n"), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let tasks = Vec::from_iter(rows.iter().map(|row| &row["case"]["tasks"]));
    assert_eq!(tasks, [1]);
    assert_eq!(folder.files(), [""; 0]);
}
