//! The engines of a benchmark: stores in fresh files, on a server, or in memory, by the names of their backends.

mod server;

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use runstore::{BACKENDS, Durability, Store};
use runstore_bench::{Engine, Fact, Failure as BenchFailure, Opened, Opener, StoreEngine};
#[cfg(feature = "redb")]
use runstore_bench_reference::BareRedb;
#[cfg(feature = "sqlite")]
use runstore_bench_reference::BareSqlite;

use self::server::OnServer;
use crate::failure::Failure;
use crate::open::shown;

type Result<T> = std::result::Result<T, BenchFailure>;

/// What is measured beside the calls of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// Workers that claim so many tasks by one call.
    pub(crate) claim_batch: Option<NonZeroU32>,
    /// The worker loop over it.
    pub(crate) worker_loop: bool,
    /// The bare loop on its engine.
    pub(crate) reference: bool,
}

/// The engines of these names and URLs; without any, those that need no server. Each has beside it what is wanted.
pub(crate) fn named(
    stores: &[String],
    folder: &Path,
    beside: Beside,
) -> std::result::Result<Vec<Box<dyn Engine>>, Failure> {
    let by_themselves = BACKENDS.iter().filter(|backend| **backend != "postgres");
    let by_themselves = by_themselves.map(|backend| (*backend).to_owned());
    let stores = match stores {
        [] => Vec::from_iter(by_themselves),
        stores => stores.to_vec(),
    };
    let servers = stores.iter().map(|store| OnServer::read(store));
    let servers: Vec<Option<OnServer>> = servers.collect::<std::result::Result<_, _>>()?;
    let mut engines: Vec<Box<dyn Engine>> = Vec::new();
    for (store, on_server) in stores.iter().zip(&servers) {
        let others = servers.iter().flatten();
        let engine = match on_server {
            Some(server) => server.engine(others.clone()),
            None => engine(store, folder)?,
        };
        let name = engine.name();
        if engines.iter().any(|other| other.name() == name) {
            let problem = format!("--store names {name} twice, which could not be told apart");
            return Err(Failure::new(problem));
        }
        let in_batches = beside.claim_batch.map(|of| engine.in_batches(of));
        let worker = engine.worker();
        engines.push(Box::new(engine));
        if let Some(in_batches) = in_batches {
            engines.push(Box::new(in_batches));
        }
        if beside.worker_loop {
            engines.push(Box::new(worker));
        }
        let reference = match on_server {
            Some(server) => server.reference(others),
            None => reference_to(store, folder),
        };
        if let Some(reference) = reference.filter(|_| beside.reference) {
            // Two sets of options of one backend share it.
            let mut names = engines.iter().map(|engine| engine.name());
            if !names.any(|name| name == reference.name()) {
                engines.push(reference);
            }
        }
    }
    Ok(engines)
}

/// The bare loop on the engine that stores in files are kept by; none for memory.
fn reference_to(store: &str, folder: &Path) -> Option<Box<dyn Engine>> {
    let (backend, _) = store.split_once('?').unwrap_or((store, ""));
    match backend {
        #[cfg(feature = "sqlite")]
        "sqlite" => Some(Box::new(BareSqlite::new(folder.to_owned()))),
        #[cfg(feature = "redb")]
        "redb" => Some(Box::new(BareRedb::new(folder.to_owned()))),
        _ => {
            // Without an engine in files nobody needs it.
            let _ = folder;
            None
        }
    }
}

fn engine(store: &str, folder: &Path) -> std::result::Result<StoreEngine, Failure> {
    let (backend, options) = store.split_once('?').unwrap_or((store, ""));
    if !BACKENDS.contains(&backend) || backend == "postgres" {
        let mut known = Vec::from_iter(BACKENDS.iter().copied());
        known.retain(|backend| *backend != "postgres");
        let known = known.join(", ");
        let hint = match backend.split_once(':') {
            Some((backend, _)) if BACKENDS.contains(&backend) => {
                format!("its stores are fresh files in --dir, so name {backend} alone")
            }
            _ => format!("there are {known} and postgres://USER@HOST/DATABASE"),
        };
        let problem = format!("--store {:?} is no engine; {hint}", shown(store));
        return Err(Failure::new(problem));
    }
    // A question mark with nothing behind it, or with options that are nothing, makes no other engine.
    let options = options.split('&').filter(|option| !option.is_empty());
    let options = Vec::from_iter(options.map(str::to_owned));
    let name = match options.as_slice() {
        [] => backend.to_owned(),
        options => format!("{backend}?{}", options.join("&")),
    };
    let fresh = Fresh {
        backend: backend.to_owned(),
        options,
        folder: folder.to_owned(),
    };
    Ok(StoreEngine::new(name, fresh))
}

/// Stores in fresh files, or in memory.
struct Fresh {
    backend: String,
    options: Vec<String>,
    folder: PathBuf,
}

/// The files that have been used by this process.
static FILES: AtomicU32 = AtomicU32::new(0);

impl Fresh {
    fn url(&self, file: &Path, durability: Durability) -> Result<String> {
        // Behind a question mark there are options.
        let Some(file) = file.to_str().filter(|file| !file.contains('?')) else {
            let problem = format!("{} cannot be named in a URL", file.display());
            return Err(BenchFailure::Refused(problem));
        };
        let mut options = Vec::new();
        // Full is what all have by themselves, and redb has no other.
        if durability == Durability::Relaxed && self.backend != "redb" {
            options.push("durability=relaxed");
        }
        options.extend(self.options.iter().map(String::as_str));
        Ok(format!("{}:{file}?{}", self.backend, options.join("&")))
    }
}

#[async_trait]
impl Opener for Fresh {
    async fn open(&self, durability: Durability) -> Result<Opened> {
        if self.backend == "memory" {
            return Ok(Opened {
                store: runstore::open(&format!("memory:?{}", self.options.join("&"))).await?,
                place: String::new(),
                files: Vec::new(),
                is_in_process: true,
            });
        }
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}.{}", self.backend);
        let file = self.folder.join(name);
        let url = self.url(&file, durability)?;
        let beside = |ending: &str| {
            let mut name = file.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Ok(Opened {
            store: runstore::open(&url).await?,
            place: url,
            files: vec![file.clone(), beside("-wal"), beside("-shm")],
            is_in_process: true,
        })
    }

    async fn open_again(&self, opened: &Opened) -> Result<Option<Arc<dyn Store>>> {
        if self.backend == "memory" {
            return Ok(None);
        }
        Ok(Some(runstore::open(&opened.place).await?))
    }

    async fn remove(&self, opened: &Opened) -> Result<()> {
        for file in &opened.files {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let what = format!("cannot remove {}", file.display());
                    return Err(BenchFailure::io(what, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn facts(&self, _: &Opened) -> Result<Vec<Fact>> {
        match self.backend.as_str() {
            #[cfg(feature = "sqlite")]
            "sqlite" => Ok(BareSqlite::facts()),
            _ => Ok(Vec::new()),
        }
    }
}
