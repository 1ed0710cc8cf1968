//! Looking at what a demo left.

use std::process::Command;

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
    let store = format!("sqlite:{}", folder.path().join("demo.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = runstore::open(&store).await.unwrap();
        store.close().await.unwrap();
    });
    let told = folder.fail(["show", "latest", "--store", &store]);
    assert!(told.contains("the store has no runs"), "{told}");
}

#[test]
fn a_look_into_an_empty_file_makes_no_store_of_it() {
    for (file, store) in ["demo.db", "demo.redb"].iter().zip(FILES) {
        let folder = Folder::new();
        folder.write(file, b"");
        for look in [
            &["show", "latest", "--store", store] as &[&str],
            &["runs", "--store", store],
        ] {
            let told = folder.fail(look.iter().copied());
            let expected = format!("there is no store in {file}: the file is empty");
            assert!(told.contains(&expected), "{told}");
        }
        assert_eq!(folder.files(), [*file]);
        assert_eq!(std::fs::read(folder.path().join(file)).unwrap(), b"");
    }
}

#[test]
fn the_command_to_look_again_is_one_for_a_shell() {
    let folder = Folder::new();
    for store in [
        "sqlite:demo.db",
        "sqlite:it's; a $demo.db?durability=relaxed&readers=2",
    ] {
        let told = folder.succeed(demo(store));
        let look = told
            .lines()
            .find_map(|line| line.strip_prefix("look again  "));
        let shell = Command::new("sh")
            .args(["-c", look.unwrap()])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(shell.status.success(), "{shell:?}");
        let shown = String::from_utf8(shell.stdout).unwrap();
        let run = told.split_whitespace().nth(1).unwrap();
        assert!(shown.contains(run), "{shown}");
    }
}
