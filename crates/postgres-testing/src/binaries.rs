//! Where the machine's own server is, and as whom it runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a machine without a server is told.
const MISSING: &str = "no PostgreSQL server is installed for the tests: install one with \
    `apt-get install -y postgresql`, or name one in RUNSTORE_TEST_POSTGRES_URL";

/// The variable that names the folder of another server's programs, to run the tests on another version.
pub const BINARIES_VARIABLE: &str = "RUNSTORE_TEST_POSTGRES_BIN";

/// The folder with `initdb` and `postgres`: the one that is named, of the newest version where Debian puts them, or one
/// of the `PATH`.
pub(crate) fn folder() -> Result<PathBuf, String> {
    match std::env::var_os(BINARIES_VARIABLE).map(PathBuf::from) {
        Some(named) if has_server(&named) => Ok(named),
        Some(named) => Err(format!(
            "{BINARIES_VARIABLE} names {}, where there is no initdb and postgres",
            named.display()
        )),
        None => of_the_machine(),
    }
}

fn of_the_machine() -> Result<PathBuf, String> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable();
    let of_debian = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    of_debian
        .chain(std::env::split_paths(&path))
        .find(|folder| has_server(folder))
        .ok_or_else(|| MISSING.to_owned())
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

/// The user that a server runs as which is started by root; `None` if the caller is somebody else.
pub(crate) fn user() -> Result<Option<(u32, u32)>, String> {
    let own = fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    if own.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |wanted: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(wanted))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let user = ids("postgres").or_else(|| ids("nobody"));
    user.map(Some)
        .ok_or_else(|| "the server does not run as root, and there is no user nobody".to_owned())
}
