//! Opening stores, and the runtime that their calls need.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::sync::Arc;

use runstore::{BACKENDS, Store, StoreUrl};
use tokio::runtime::Runtime;

use crate::failure::{Context, Failure};

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().or_fail("cannot start the runtime")
}

/// A URL as it is shown: without its password.
pub(crate) fn shown(url: &str) -> String {
    let parsed = url.parse::<StoreUrl>();
    match parsed {
        Ok(url) => url.without_password(),
        // It may hold a password.
        Err(_) if url.contains('@') => "(not shown, for it may hold a password)".to_owned(),
        // A word that was mistyped is shown to be found.
        Err(_) => url.to_owned(),
    }
}

/// Opens a store, and creates it if it is missing.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Store>, Failure> {
    open_shown(url, url).await
}

/// Opens a store, which is shown by another URL in an error.
async fn open_shown(url: &str, as_given: &str) -> Result<Arc<dyn Store>, Failure> {
    let what = || format!("cannot open the store {}", shown(as_given));
    runstore::open(url).await.or_fail(what())
}

/// Opens a store that is there already: a look into a store must not create one.
pub(crate) async fn open_existing(url: &str) -> Result<Arc<dyn Store>, Failure> {
    let parsed: StoreUrl = url
        .parse()
        .or_fail(format!("cannot read the URL {}", shown(url)))?;
    // What is wrong with the URL is left for the backend to say.
    if BACKENDS.contains(&parsed.scheme()) || parsed.scheme() == "postgresql" {
        if parsed.scheme() == "memory" {
            let problem =
                "cannot look into a store in memory: it goes with the process that filled it";
            return Err(Failure::new(problem));
        }
        if parsed.scheme().starts_with("postgres") {
            let create = if url.contains('?') {
                "&create=false"
            } else {
                "?create=false"
            };
            return open_shown(&format!("{url}{create}"), url).await;
        }
        if let Ok(file) = parsed.file() {
            match fs::metadata(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(Failure::new(format!("there is no store file {file}")));
                }
                // A backend takes an empty file for a new store, and would make one of it.
                Ok(found) if found.is_file() && found.len() == 0 => {
                    let problem = format!("there is no store in {file}: the file is empty");
                    return Err(Failure::new(problem));
                }
                _ => {}
            }
        }
    }
    open(url).await
}

/// A URL for a file in the current folder that did not exist yet. It is created here, empty, which a
/// backend takes for a new store: demos that start at once would all find the same name to be free.
pub(crate) fn fresh_url() -> Result<String, Failure> {
    let (scheme, ending) = if cfg!(feature = "sqlite") {
        ("sqlite", "db")
    } else if cfg!(feature = "redb") {
        ("redb", "redb")
    } else {
        return Ok("memory:".to_owned());
    };
    for number in 1..=u32::MAX {
        let file = format!("runstore-demo-{number}.{ending}");
        match create_new().open(&file) {
            Ok(_) => return Ok(format!("{scheme}:{file}")),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).or_fail(format!("cannot create {file}")),
        }
    }
    Err(Failure::new("this folder is full of demos"))
}

/// Creates files as the backends do: what agents write is for their owner alone.
fn create_new() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
