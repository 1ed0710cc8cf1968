//! redb by its own API.

mod reads;
mod writes;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Builder, TableDefinition};
use runstore_bench::{About, Case, Engine, Result, Subject};
use runstore_core::{Durability, Uuid};

use self::reads::Reader;
use self::writes::Writer;
use crate::bare::Course;
use crate::embedded::{Embedded, READERS, place};
use crate::group::apart;
use crate::rows::{Caught, Scene, left_out};

/// As much memory as a store on redb gives it.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The number of a run, and a number within it.
type Key = (u64, u64);

/// What is fixed of a task: id, time of creation, priority, the time before which it is not claimed, how often it
/// may be claimed, title, objective, criteria, steps, paths, and what it depends on. Apart from its state, for a
/// write costs the size of the value.
type Planned = (
    Uuid,
    i64,
    i32,
    Option<i64>,
    Option<u32>,
    &'static str,
    &'static str,
    Vec<&'static str>,
    Vec<&'static str>,
    Vec<&'static str>,
    Vec<Uuid>,
);

/// What changes of a task: status, how often it was claimed, when it changed, until when it is delayed, when its
/// lease ends, worker, summary and blocker.
type State = (
    &'static str,
    u32,
    i64,
    Option<i64>,
    Option<i64>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// Id, task, number, time, status, blocker, summary and result.
type AttemptRow = (
    Uuid,
    Uuid,
    u32,
    i64,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
);

/// Time, source, kind, message and payload.
type EventRow = (i64, &'static str, &'static str, &'static str, &'static str);

const RUNS: TableDefinition<'_, u64, Uuid> = TableDefinition::new("runs");
const PLANNED: TableDefinition<'_, Key, Planned> = TableDefinition::new("planned");
const STATES: TableDefinition<'_, Key, State> = TableDefinition::new("states");
/// The tasks that can be claimed, in their order.
const READY: TableDefinition<'_, Key, ()> = TableDefinition::new("ready");
const ATTEMPTS: TableDefinition<'_, Key, AttemptRow> = TableDefinition::new("attempts");
const EVENTS: TableDefinition<'_, Key, EventRow> = TableDefinition::new("events");

/// redb in a loop: one thread that writes and commits what waits.
#[derive(Debug, Clone)]
pub struct BareRedb {
    folder: PathBuf,
}

impl BareRedb {
    /// An engine that keeps its files in this folder.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl Engine for BareRedb {
    fn name(&self) -> &str {
        "bare redb"
    }

    fn is_reference(&self) -> bool {
        true
    }

    async fn look(&self, _: Durability) -> Result<About> {
        Ok(About {
            facts: Vec::new(),
            leaves_out: left_out(),
            in_folder: Some(Durability::Full),
        })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let Some(scene) = Scene::of(case).map(Arc::new) else {
            return Ok(None);
        };
        let path = place(&self.folder);
        let files = vec![path.clone()];
        let of_sides = Arc::clone(&scene);
        let (writer, readers) = apart(move || {
            let mut builder = Builder::new();
            builder.set_cache_size(CACHE_BYTES);
            let database = Arc::new(builder.create(&path)?);
            let writer = Writer::new(Arc::clone(&database), Arc::clone(&of_sides))?;
            let reader = || Reader::new(Arc::clone(&database), Arc::clone(&of_sides));
            Ok((writer, (0..READERS).map(|_| reader()).collect()))
        })
        .await?;
        // Whatever was asked for: it has a commit that is flushed and one that may be lost at a kill.
        let bare = Embedded::start(writer, readers, Durability::Full, files)?;
        let course = Course::filled(case, scene, bare).await?;
        Ok(Some(Box::new(course)))
    }
}

/// All keys of a run.
fn keys(run: usize) -> Caught<RangeInclusive<Key>> {
    let run = u64::try_from(run)?;
    Ok((run, 0)..=(run, u64::MAX))
}
