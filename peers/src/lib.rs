//! What the benchmark of runstore beside its peers is made of, but for the peers themselves.
//!
//! A program links one version of SQLite, and those of the peers exclude each other and runstore's. So each peer has a
//! program of its own: it gives its engines to [`measure`], takes the same [`Arguments`] as `runstore bench`, and prints
//! the same report. [`merged`] makes one report of what the programs told in their turns.

mod arguments;
mod database;
mod merge;
mod program;

pub use arguments::{Arguments, Survives};
pub use database::Database;
pub use merge::merged;
pub use program::{folder_in, measure, on_runtime};
