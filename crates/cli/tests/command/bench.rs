//! The benchmark, as small as it can be: what it prints, writes, refuses and leaves behind.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use runstore_bench::FileSystem;
use serde_json::Value;

use crate::support::{Folder, json};

/// The engines that need no server, each with its reference.
const ENGINES: [&str; 5] = ["memory", "redb", "bare redb", "sqlite", "bare sqlite"];

/// A benchmark of few operations, wherever the folder is.
fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["bench", "--allow-tmpfs", "--tasks", "5"];
    arguments.extend(["--operations", "3", "--rounds", "1"]);
    arguments.extend(more);
    arguments
}

fn texts<'v>(report: &'v Value, field: impl Fn(&'v Value) -> &'v Value) -> Vec<&'v str> {
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| field(row).as_str().unwrap())
        .collect()
}

#[test]
fn the_table_has_each_engine_beside_its_reference() {
    let folder = Folder::new();
    let told = folder.succeed(small(&["cycle", "append", "--workers", "1,2"]));
    for case in [
        "cycle · 1 worker · 5 tasks",
        "cycle · 2 workers",
        "append · 1 worker",
    ] {
        assert!(told.contains(case), "no {case} in {told}");
    }
    for engine in ENGINES {
        assert!(told.contains(&format!("│ {engine} ")), "{told}");
    }
    for title in ["store/bare", "p99.9", "CPU/op", "file before → after"] {
        assert!(told.contains(title), "no {title} in {told}");
    }
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn the_report_as_json_has_the_rows_that_were_asked_for() {
    let folder = Folder::new();
    let workloads = [
        "finish",
        "claim",
        "claim-nothing",
        "append-beside-snapshots",
        "plan",
        "snapshot",
        "snapshot-beside-appends",
        "pages",
        "wake",
        "resume",
        "mixed",
        "open",
    ];
    let mut arguments = small(&["--json", "--workers", "2", "--runs", "2", "--no-reference"]);
    arguments.extend(workloads);
    let report = json(&folder.succeed(arguments));
    let found: HashSet<_> = texts(&report, |row| &row["engine"])
        .into_iter()
        .zip(texts(&report, |row| &row["case"]["workload"]))
        .collect();
    for engine in ["memory", "redb", "sqlite"] {
        for workload in workloads {
            // What is in memory cannot be opened again.
            let is_there = (engine, workload) != ("memory", "open");
            assert_eq!(
                found.contains(&(engine, workload)),
                is_there,
                "{engine} {workload}"
            );
        }
    }
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["rounds"][0]["operations"], 3);
        assert_eq!(row["isReference"], false);
    }
    assert!(report["fsync"]["perSecond"].as_f64().unwrap() > 0.0);
    let version = concat!("runstore ", env!("CARGO_PKG_VERSION"));
    assert_eq!(report["program"], version);
    assert_eq!(report["rounds"]["count"], 1);
    assert_eq!(report["rounds"]["length"]["operations"], 3);
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn what_is_beneath_an_engine_and_what_it_does_not_do_is_told() {
    let folder = Folder::new();
    let of = ["open", "--store=memory", "--store=sqlite", "--workers=1"];
    let told = folder.succeed(small(&of));
    let left_out = "left out     open is not done by memory, bare sqlite\n";
    assert!(told.contains(left_out), "{told}");
    assert!(
        told.contains("engine       sqlite, bare sqlite: SQLite 3."),
        "{told}"
    );
    let report = json(&folder.succeed(small(&[&of[..], &["--json"]].concat())));
    assert_eq!(report["engines"][0]["engine"], "sqlite");
    assert_eq!(report["engines"][0]["facts"][0]["name"], "SQLite");
    assert_eq!(report["leftOut"][0]["engines"][0], "memory");
}

#[test]
fn an_engine_has_its_options_in_its_name_and_shares_its_reference() {
    let folder = Folder::new();
    let relaxed = "sqlite?durability=relaxed&readers=2";
    let stores = [
        "--store",
        "sqlite",
        "--store",
        relaxed,
        "append",
        "--json",
        "--workers=1",
    ];
    let report = json(&folder.succeed(small(&stores)));
    let engines = texts(&report, |row| &row["engine"]);
    assert_eq!(engines, ["sqlite", "bare sqlite", relaxed]);
    let durability = texts(&report, |row| &row["durability"]);
    assert_eq!(durability, ["full", "full", "relaxed"]);
}

#[test]
fn the_worker_loop_stands_beside_the_calls_of_each_store_in_what_it_does() {
    let folder = Folder::new();
    let mut arguments = small(&["finish", "cycle", "append", "--workers=2", "--json"]);
    let with_options = "sqlite?readers=2";
    arguments.extend(["--store", "memory", "--store", with_options]);
    arguments.extend(["--worker-loop", "--no-reference"]);
    let report = json(&folder.succeed(arguments));
    let both = [
        "memory",
        "memory worker",
        with_options,
        "sqlite worker?readers=2",
    ];
    let expected = [&both[..], &both, &["memory", with_options]].concat();
    assert_eq!(texts(&report, |row| &row["engine"]), expected);
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["rounds"][0]["operations"], 3, "{row}");
    }
    assert_eq!(folder.files(), [""; 0]);

    let report = json(&folder.succeed(small(&["--json", "--workers=1"])));
    let engines = texts(&report, |row| &row["engine"]);
    assert!(!engines.iter().any(|engine| engine.contains("worker")));
}

#[test]
fn workers_that_claim_many_tasks_by_a_call_stand_beside_those_that_claim_one() {
    let folder = Folder::new();
    let mut arguments = small(&["finish", "append", "--workers=2", "--json"]);
    arguments.extend([
        "--store",
        "sqlite?readers=2",
        "--claim-batch=10",
        "--no-reference",
    ]);
    let report = json(&folder.succeed(arguments));
    let engines = texts(&report, |row| &row["engine"]);
    let (one, many) = ("sqlite?readers=2", "sqlite batch 10?readers=2");
    assert_eq!(engines, [one, many, one]);
    for few in ["--claim-batch=1", "--claim-batch=1001"] {
        let refused = folder.run(small(&[few]));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(
            !refused.status.success() && told.contains("--claim-batch"),
            "{told}"
        );
    }
}

#[test]
fn relaxed_durability_is_what_an_engine_has_of_it() {
    let folder = Folder::new();
    let relaxed = ["append", "--durability", "relaxed", "--workers=1", "--json"];
    let report = json(&folder.succeed(small(&relaxed)));
    assert_eq!(texts(&report, |row| &row["engine"]), ENGINES);
    let durability = texts(&report, |row| &row["durability"]);
    assert_eq!(
        durability,
        ["volatile", "full", "full", "relaxed", "relaxed"]
    );
}

#[test]
fn the_page_needs_no_other() {
    let folder = Folder::new();
    folder.succeed(small(&["--html", "page.html", "--store", "sqlite"]));
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("bare sqlite"));
    for outside in ["src=", "url(", "@import", "<link", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let links = page.split("href=\"").skip(1);
    assert!(links.into_iter().all(|link| link.starts_with('#')));
    assert_eq!(folder.files(), ["page.html"]);
}

#[test]
fn a_report_is_compared_with_an_earlier_one() {
    let folder = Folder::new();
    let of = ["append", "--store", "memory", "--workers", "1"];
    let old = folder.succeed(small(&[&of[..], &["--json"]].concat()));
    folder.write("old.json", old.as_bytes());
    let told = folder.succeed(small(&[&of[..], &["--compare", "old.json"]].concat()));
    assert!(
        told.contains("figures did not change beyond the spread"),
        "{told}"
    );
    assert!(!told.contains("Only in"), "{told}");

    // The standard output is for the report alone.
    let both = folder.run(small(
        &[&of[..], &["--json", "--compare", "old.json"]].concat(),
    ));
    json(&String::from_utf8(both.stdout).unwrap());
    let beside = String::from_utf8(both.stderr).unwrap();
    assert!(beside.contains("beyond it by chance alone"), "{beside}");
    let other = small(&[&of[..4], &["16", "--compare", "old.json"]].concat());
    let told = folder.succeed(other);
    assert!(told.contains("Only in the old report"), "{told}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is() {
    let folder = Folder::new();
    folder.write("newer.json", b"{\"version\": 7}");
    folder.write("text", b"");
    for (arguments, expected) in [
        (
            &["--store", "foo"] as &[&str],
            "--store \"foo\" is no engine; there are memory",
        ),
        (
            &["--store", "sqlite:file.db"],
            "fresh files in --dir, so name sqlite alone",
        ),
        (
            &["--store", "redb", "--store", "redb"],
            "--store names redb twice",
        ),
        (
            &["--store", "memory", "--store", "memory?&"],
            "--store names memory twice",
        ),
        (&["--dir", "nowhere"], "--dir nowhere is no folder"),
        (&["--dir", "text"], "--dir text is no folder"),
        (
            &["--html", "nowhere/page.html"],
            "cannot write --html nowhere/page.html: No such file",
        ),
        (
            &["--compare", "none.json"],
            "cannot read the report --compare none.json: No such file",
        ),
        (&["--compare", "text"], "the report is not JSON"),
        (
            &["--compare", "newer.json"],
            "has version 7; this program reads version 1",
        ),
        (
            &["wake", "--rate", "5"],
            "wake cannot be measured at a rate",
        ),
        (
            &["--store", "memory?x=1"],
            "memory?x=1: invalid input: url has option \"x\"",
        ),
        // Told at once, and not when it is its turn.
        (
            &["--store", "sqlite", "--store", "redb?nothing=1"],
            "redb?nothing=1: invalid input: url has option \"nothing\"",
        ),
        (
            &["open", "--store", "memory"],
            "there is nothing to measure: open is not done by memory",
        ),
    ] {
        let told = folder.fail(small(arguments));
        assert!(told.contains(expected), "no {expected} in {told}");
    }
    assert_eq!(folder.files(), ["newer.json", "text"]);
}

#[test]
fn a_bad_value_is_refused_with_its_option() {
    let folder = Folder::new();
    for (option, values) in [
        ("--workers", &["0", "1,0", "x", "5000"] as &[&str]),
        ("--rate", &["0", "-1", "nan", "inf", "x"]),
        ("--seconds", &["0", "-1", "nan", "1e20"]),
        ("--rounds", &["0"]),
        ("--runs", &["0"]),
        ("--operations", &["0"]),
        ("--payload", &["99999999999"]),
        ("--durability", &["none"]),
    ] {
        for value in values {
            let output = folder.run(["bench", option, value]);
            assert_eq!(output.status.code(), Some(2), "{option} {value}");
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(told.starts_with("error: invalid value"), "{told}");
            assert!(told.contains(option), "{told}");
        }
    }
    let output = folder.run(["bench", "cycle", "nonsense"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("there is no workload \"nonsense\"; there are cycle, finish"),
        "{told}"
    );
}

#[test]
fn durable_writes_are_not_measured_in_memory_unless_told() {
    let shared_memory = Path::new("/dev/shm");
    if !FileSystem::of(shared_memory).is_some_and(|of| of.is_in_memory()) {
        return;
    }
    let folder = Folder::new();
    let of = |store| {
        let within = ["bench", "append", "--store", store, "--operations", "1"];
        [&within[..], &["--dir", "/dev/shm"]].concat()
    };
    // Nothing of it is on a disk anyway.
    folder.succeed(of("memory"));
    let within = of("sqlite");
    let told = folder.fail(within.iter().copied());
    assert!(told.contains("--dir /dev/shm is in memory"), "{told}");
    for more in [&["--allow-tmpfs"] as &[&str], &["--durability", "relaxed"]] {
        folder.succeed([&within[..], more].concat());
    }
    // What counts is what the engine does, not what it was asked for.
    folder.succeed([&of("sqlite?durability=relaxed")[..], &["--no-reference"]].concat());
    for (durable, engine) in [
        ("redb", "redb"),
        ("sqlite?durability=full", "sqlite?durability=full"),
    ] {
        let told = folder.fail([&of(durable)[..], &["--durability", "relaxed"]].concat());
        assert!(
            told.contains(&format!("writes of {engine} cost nothing")),
            "{told}"
        );
    }
}

#[test]
fn nobody_has_to_read_the_report() {
    let folder = Folder::new();
    let arguments = small(&["append", "--store", "memory", "--html", "page.html"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = folder
        .command(arguments)
        .stdout(Stdio::from(writer))
        .status();
    assert!(status.unwrap().success());
    assert_eq!(folder.files(), ["page.html"]);

    let arguments = small(&["append", "--store", "memory", "--html", "page.html"]);
    let full = File::options().write(true).open("/dev/full");
    if let Ok(full) = full {
        let output = folder.command(arguments).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("cannot write the output"), "{told}");
    }
}
