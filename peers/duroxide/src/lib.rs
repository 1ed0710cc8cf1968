//! `duroxide` on its provider for SQLite, as an engine of runstore's benchmark: what an operation of it is stands in the
//! README beside.

mod calls;
mod engine;
mod pool;

use std::path::Path;

use runstore_bench::Engine;

pub use engine::Duroxide;

/// What is measured of it, with the files in this folder.
#[must_use]
pub fn engines(folder: &Path) -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(Duroxide::new(folder, pool::CONNECTIONS)),
        Box::new(Duroxide::new(folder, 1)),
    ]
}
