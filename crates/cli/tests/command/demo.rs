//! The demo from end to end, and looking at what it left.

use std::io::{BufRead, BufReader};

use crate::support::{FILES, Folder, SMALL_PLAN, demo, json};
use serde_json::Value;

fn array<'a>(snapshot: &'a Value, list: &str) -> &'a Vec<Value> {
    snapshot[list].as_array().unwrap()
}

#[test]
fn the_demo_crashes_resumes_and_proves_itself_on_each_file() {
    for store in FILES {
        let folder = Folder::new();
        let told = folder.succeed(demo(store));
        assert!(told.contains("was killed with 4 tasks settled"), "{told}");
        assert!(told.contains("each exactly once"), "{told}");
        assert!(told.contains("durability  full"), "{told}");
        assert!(told.contains("replans     1"), "{told}");
        // One process that is killed, and one that ends the work.
        assert_eq!(told.matches("takes the run up").count(), 2, "{told}");
    }
}

#[test]
fn on_a_server_the_work_is_spread_over_processes_that_are_killed_together() {
    let server = runstore_postgres_testing::url().unwrap();
    let folder = Folder::new();
    let store = format!("{server}?schema=demo_of_the_command");
    for arguments in [
        &[][..],
        &["--processes", "2", "--workers", "5", "--seed", "7"],
    ] {
        let told = folder.succeed([&demo(&store)[..], arguments].concat());
        assert!(told.contains(" were killed with "), "{told}");
        assert!(told.contains("in their hands"), "{told}");
        assert!(told.contains("each exactly once"), "{told}");
        let processes = if arguments.is_empty() { 3 } else { 2 };
        let taken_up = told.matches("takes the run up").count();
        assert!(
            (processes + 1..=2 * processes).contains(&taken_up),
            "{told}"
        );
    }
    let runs = json(&folder.succeed(["runs", "--store", &store, "--json"]));
    assert_eq!(runs.as_array().unwrap().len(), 2);
}

#[test]
fn a_file_that_several_processes_can_open_is_worked_on_by_several_if_asked() {
    let folder = Folder::new();
    let told = folder.succeed([&demo(FILES[0])[..], &["--processes", "2"]].concat());
    assert!(told.contains(" were killed with "), "{told}");
    assert!(told.contains("each exactly once"), "{told}");
    for store in ["redb:demo.redb", "memory:"] {
        let mut refused = folder.command([&demo(store)[..], &["--processes", "2"]].concat());
        let output = refused.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("--processes"), "{told}");
    }
    assert!(!folder.path().join("demo.redb").exists());
}

#[test]
fn in_memory_the_crash_is_left_out_and_said_to_be() {
    let folder = Folder::new();
    let told = folder.succeed(demo("memory:"));
    assert!(told.contains("crash       left out"), "{told}");
    assert!(told.contains("each exactly once"), "{told}");
    assert!(told.contains("durability  volatile"), "{told}");
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn without_arguments_a_fresh_file_is_named_and_no_other_is_touched() {
    let folder = Folder::new();
    folder.write("runstore-demo-1.db", b"not a store");
    let told = folder.succeed(["demo"]);
    assert!(told.contains("sqlite:runstore-demo-2.db"), "{told}");
    assert_eq!(
        folder.files(),
        ["runstore-demo-1.db", "runstore-demo-2.db"],
        "nothing but the store is left"
    );
    let first = std::fs::read(folder.path().join("runstore-demo-1.db")).unwrap();
    assert_eq!(first, b"not a store");
}

#[test]
fn demos_that_start_at_once_in_one_folder_share_no_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let start = || folder.command(["demo", "--plan", "plan.json"]).spawn();
    let demos: Vec<_> = (0..6).map(|_| start().unwrap()).collect();
    for demo in demos {
        let output = demo.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let files: Vec<_> = (1..=6).map(|n| format!("runstore-demo-{n}.db")).collect();
    assert_eq!(folder.files(), files);
    for file in files {
        let store = format!("sqlite:{file}");
        let runs = json(&folder.succeed(["runs", "--store", &store, "--json"]));
        assert_eq!(runs.as_array().unwrap().len(), 1, "{file}");
        let metadata = std::fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn any_number_of_workers_ends_the_work() {
    for workers in ["1", "16"] {
        for seed in ["2", "3"] {
            let folder = Folder::new();
            let told = folder.succeed([
                "demo",
                "--plan",
                "plan.json",
                "--store",
                "redb:demo.redb",
                "--workers",
                workers,
                "--seed",
                seed,
            ]);
            assert!(told.contains("each exactly once"), "{told}");
        }
    }
}

#[test]
fn a_plan_of_one_task_is_carried_out_too() {
    let folder = Folder::new();
    let plan = json(SMALL_PLAN);
    let plan = serde_json::json!({ "goal": "g", "repoPath": "", "tasks": [plan[0]] });
    folder.write("one.json", plan.to_string().as_bytes());
    let told = folder.succeed(["demo", "--plan", "one.json", "--store", "sqlite:demo.db"]);
    assert!(
        told.contains("tasks completed: 1, each exactly once"),
        "{told}"
    );
}

#[test]
fn two_demos_share_a_file_one_after_the_other() {
    for store in FILES {
        let folder = Folder::new();
        for _ in 0..2 {
            folder.succeed(demo(store));
        }
        let runs = json(&folder.succeed(["runs", "--store", store, "--json"]));
        assert_eq!(runs.as_array().unwrap().len(), 2);
        let newest = runs[0]["id"].as_str().unwrap();
        let latest = json(&folder.succeed(["show", "latest", "--store", store, "--json"]));
        assert_eq!(latest["run"]["id"], newest);
    }
}

#[test]
fn json_is_the_snapshot_alone_and_show_prints_the_same_later() {
    for store in FILES {
        let folder = Folder::new();
        let demo = ["demo", "--plan", "plan.json", "--store", store, "--json"];
        let output = folder.run(demo);
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("each exactly once"), "{told}");
        let snapshot = json(&String::from_utf8(output.stdout).unwrap());
        let run = snapshot["run"]["id"].as_str().unwrap();
        assert_eq!(snapshot["run"]["status"], "completed");
        assert_eq!(snapshot["run"]["replanCount"], 1);
        assert_eq!(array(&snapshot, "pendingTasks").len(), 0);
        assert_eq!(array(&snapshot, "inProgressTasks").len(), 0);
        assert_eq!(array(&snapshot, "approvals").len(), 1);
        assert!(snapshot["latestCheckpoint"].is_object());
        assert!(snapshot["agents"]["checker"].is_object());
        let show = ["show", run, "--store", store, "--json"];
        assert_eq!(json(&folder.succeed(show)), snapshot);
    }
}

#[test]
fn wrong_usage_is_told_with_status_2() {
    let folder = Folder::new();
    for arguments in [
        &[] as &[&str],
        &["demo", "--workers", "0"],
        &["demo", "--workers", "many"],
        &["demo", "--seed", "-1"],
        &["show", "latest"],
        &["shwo"],
    ] {
        let output = folder.run(arguments.iter().copied());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn a_reader_that_goes_away_ends_the_command_without_a_panic() {
    let folder = Folder::new();
    let store = "sqlite:demo.db";
    folder.succeed(demo(store));
    for look in [
        &["show", "latest", "--store", store] as &[&str],
        &["show", "latest", "--store", store, "--json"],
        &["runs", "--store", store],
    ] {
        let mut command = folder.command(look.iter().copied()).spawn().unwrap();
        drop(command.stdout.take());
        let output = command.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*told), (Some(0), ""), "{look:?}");
    }

    // A demo that nobody watches is not over, and must not look as if it were.
    let demo = demo(store);
    let mut demo = folder.command(demo).spawn().unwrap();
    let mut line = String::new();
    let stdout = demo.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let output = demo.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*told), (Some(1), ""));
    folder.succeed(["show", "latest", "--store", store]);
}
