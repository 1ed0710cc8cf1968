//! A PostgreSQL server for tests: the one that `RUNSTORE_TEST_POSTGRES_URL` names, or else a private one of the
//! `initdb` and `postgres` in the folder that `RUNSTORE_TEST_POSTGRES_BIN` names, or else of the machine's own.
//!
//! ```no_run
//! let url = runstore_postgres_testing::url().expect("a server for tests");
//! // `postgres://postgres@127.0.0.1:PORT/postgres`, good until the process ends.
//! ```
//!
//! A private server listens on a free port of the loopback interface only, keeps its data in a temporary folder,
//! and runs as an unprivileged user if the caller is root, for it refuses to run as root. It is stopped by the
//! shell that started it when the test's process ends, however it ends, and its folder goes with it.
//!
//! It does not flush to the disk (`fsync = off`): a killed server keeps what the system has, and no test here
//! takes the power away.

mod binaries;
mod cluster;
mod pooler;

use std::sync::OnceLock;

pub use self::binaries::BINARIES_VARIABLE;
pub use self::cluster::Cluster;
pub use self::pooler::Pooler;

/// The variable that names a server to use instead of a private one.
pub const URL_VARIABLE: &str = "RUNSTORE_TEST_POSTGRES_URL";

/// The URL of the server that all tests of this process share, started at the first call. Each test takes a
/// schema of its own on it.
///
/// # Errors
/// What is missing, with the command that installs it, or why the server does not start.
pub fn url() -> Result<String, String> {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    if let Some(url) = external() {
        return Ok(url);
    }
    let shared = SHARED.get_or_init(|| Cluster::start(&[]));
    shared.as_ref().map(Cluster::url).map_err(Clone::clone)
}

/// The server that the caller's environment names.
#[must_use]
pub fn external() -> Option<String> {
    std::env::var(URL_VARIABLE)
        .ok()
        .filter(|url| !url.is_empty())
}
