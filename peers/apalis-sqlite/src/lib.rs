//! `apalis-sqlite` as an engine of runstore's benchmark: what an operation of it is stands in the README beside.

mod calls;
mod queue;
mod worker;

use std::path::Path;

use runstore_bench::Engine;

pub use calls::ApalisCalls;
pub use worker::ApalisWorker;

/// What is measured of it, with the files in this folder.
#[must_use]
pub fn engines(folder: &Path) -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(ApalisCalls::new(folder, 1)),
        Box::new(ApalisCalls::new(folder, 10)),
        Box::new(ApalisWorker::new(folder)),
    ]
}
