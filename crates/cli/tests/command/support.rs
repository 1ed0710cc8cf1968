//! Running the command in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The plan of eight tasks that is shipped beside the built-in one.
pub(crate) const SMALL_PLAN: &str = include_str!("../../../../examples/plans/csv-export.json");

/// A store in a file for each engine that has one.
pub(crate) const FILES: [&str; 2] = ["sqlite:demo.db", "redb:demo.redb"];

/// The arguments of a demo of the small plan.
pub(crate) const fn demo(store: &str) -> [&str; 5] {
    ["demo", "--plan", "plan.json", "--store", store]
}

/// A folder with the small plan in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("plan.json", SMALL_PLAN.as_bytes());
        folder
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path().join(name), content).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names of the files in it, without the plan.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "plan.json")
            .collect();
        files.sort();
        files
    }

    /// The command, run in the folder, with its output piped.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runstore"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns its standard output.
    pub(crate) fn succeed<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with status 1 and one line, and returns that line.
    pub(crate) fn fail<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("error: "), "{told}");
        told
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
