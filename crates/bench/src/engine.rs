use std::path::PathBuf;

use async_trait::async_trait;
use runstore_core::Durability;

use crate::report::Fact;
use crate::{Case, Result, Steps, Workload};

/// What an engine tells of itself before anything is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// What its figures hang on beside the machine: versions, and settings of a server.
    pub facts: Vec<Fact>,
    /// The workloads that it does not do.
    pub leaves_out: Vec<Workload>,
    /// How durable its writes to the folder of the benchmark are; `None` if it has no file there.
    pub in_folder: Option<Durability>,
}

/// Something that can carry out workloads.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Its name in the report.
    fn name(&self) -> &str;

    /// Whether it is a reference: a bare loop on a storage engine's own API, without the contract of a store.
    fn is_reference(&self) -> bool {
        false
    }

    /// Looks at what it is to work with, before anything is measured. An engine that could not begin a case of this
    /// durability fails here, so that the others are not measured in vain.
    async fn look(&self, _durability: Durability) -> Result<About> {
        Ok(About::default())
    }

    /// Begins a case on an empty store, and fills it with what the case says; `None` if it does not do the
    /// workload. Not measured.
    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>>;
}

/// An engine at work on one case.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Makes what so many operations need, and begins what goes on beside them. Not measured.
    async fn prepare(&self, operations: u64) -> Result<()>;

    /// Carries out one operation of this worker, counted from 0. What belongs to it is measured by
    /// [`Steps::time`]; what is done outside of that is not.
    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()>;

    /// Ends what goes on beside the operations of a round. Not measured.
    async fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// What its writes survive once they have returned.
    fn durability(&self) -> Durability;

    /// The files in which it keeps its rows, existing or not; none if it has none or they are not its own.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether all of its work is done by this process, so that the process's use of time and disk is its own.
    fn is_in_process(&self) -> bool {
        true
    }

    /// Ends the case and removes what it made.
    async fn end(&self) -> Result<()>;
}
