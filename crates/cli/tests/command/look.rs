//! Looking at what a demo left.

use crate::support::{FILES, Folder, demo, json};

#[test]
fn show_takes_an_id_a_beginning_of_one_or_latest() {
    let folder = Folder::new();
    let store = "sqlite:demo.db";
    folder.succeed(demo(store));
    let runs = json(&folder.succeed(["runs", "--store", store, "--json"]));
    let run = runs[0]["id"].as_str().unwrap();
    let whole = folder.succeed(["show", run, "--store", store]);
    assert!(whole.contains(run) && whole.contains("Defuse formulas"));
    assert_eq!(
        folder.succeed(["show", &run[..13], "--store", store]),
        whole
    );
    assert_eq!(folder.succeed(["show", "latest", "--store", store]), whole);
    let table = folder.succeed(["runs", "--store", store]);
    assert!(table.contains(run) && table.contains("completed"));

    let other = "00000000-0000-0000-0000-000000000000";
    let told = folder.fail(["show", other, "--store", store]);
    assert!(told.contains("there is no run"), "{told}");
    let told = folder.fail(["show", "zz", "--store", store]);
    assert!(told.contains("there is no run \"zz\""), "{told}");
}

#[test]
fn a_look_into_a_store_that_does_not_exist_creates_none() {
    let folder = Folder::new();
    for store in FILES {
        for look in [
            &["show", "latest", "--store", store] as &[&str],
            &["runs", "--store", store],
        ] {
            let told = folder.fail(look.iter().copied());
            assert!(told.contains("there is no store file demo."), "{told}");
        }
    }
    let told = folder.fail(["runs", "--store", "memory:"]);
    assert!(told.contains("in memory"), "{told}");
    let told = folder.fail(["runs", "--store", "mongodb:x"]);
    assert!(told.contains("sqlite:"), "{told}");
    let told = folder.fail(["runs", "--store", "demo.db"]);
    assert!(told.contains("sqlite:runs.db"), "{told}");
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn a_store_with_no_run_has_no_latest() {
    let folder = Folder::new();
    // SQLite takes an empty file for a new store.
    folder.write("demo.db", b"");
    let told = folder.fail(["show", "latest", "--store", "sqlite:demo.db"]);
    assert!(told.contains("the store has no runs"), "{told}");
}
