//! Opening stores, and the runtime that their calls need.

use std::path::Path;
use std::sync::Arc;

use runstore::{BACKENDS, Store, StoreUrl};
use tokio::runtime::Runtime;

use crate::failure::{Context, Failure};

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().or_fail("cannot start the runtime")
}

/// Opens a store, and creates it if it is missing.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Store>, Failure> {
    let what = || format!("cannot open the store {url}");
    runstore::open(url).await.or_fail(what())
}

/// Opens a store that is there already: a look into a store must not create one.
pub(crate) async fn open_existing(url: &str) -> Result<Arc<dyn Store>, Failure> {
    let parsed: StoreUrl = url.parse().or_fail(format!("cannot read the URL {url}"))?;
    // What is wrong with the URL is left for the backend to say.
    if BACKENDS.contains(&parsed.scheme()) {
        if parsed.scheme() == "memory" {
            let problem =
                "cannot look into a store in memory: it goes with the process that filled it";
            return Err(Failure::new(problem));
        }
        if let Ok(file) = parsed.file()
            && !Path::new(file).try_exists().unwrap_or(true)
        {
            return Err(Failure::new(format!("there is no store file {file}")));
        }
    }
    open(url).await
}

/// A URL for a file in the current folder that does not exist yet.
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
        let exists = Path::new(&file)
            .try_exists()
            .or_fail(format!("cannot look for {file}"))?;
        if !exists {
            return Ok(format!("{scheme}:{file}"));
        }
    }
    Err(Failure::new("this folder is full of demos"))
}
