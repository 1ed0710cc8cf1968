//! The benchmark of storage engines for runs of agents.
//!
//! A [`Case`] is a workload with its parameters. An [`Engine`] begins a case as a [`Subject`], which carries out
//! the workload's operations. [`run`] lets the engines take turns (A B A B …) over the rounds of each case and
//! gives a [`Report`], which is shown on a [`terminal`] or as a page ([`html`]), and set beside an earlier one
//! ([`compare`]). The workloads are generic over [`Store`](runstore_core::Store) ([`StoreEngine`]) and know no
//! backend by name, and so is the worker loop ([`WorkerEngine`]). An engine can as well be a bare loop on a storage
//! engine's own API, to tell what the trait and its contract cost.
//!
//! What an application does can be measured as well as a workload: [`Recorded`] writes its calls down in a trace, and
//! [`replay`] makes them again on any store.

mod begin;
mod calls;
mod case;
mod engine;
mod error;
mod interrupted;
mod length;
mod measure;
mod pace;
mod recorded;
mod replay;
mod report;
mod run;
mod steps;
mod store_engine;
#[cfg(test)]
mod testing;
mod trace;
mod worker_engine;
mod workloads;

pub use begin::begin;
pub use case::{Case, Workload};
pub use engine::{About, Engine, Subject};
pub use error::{Failure, Result};
pub use interrupted::interrupted;
pub use length::Length;
pub use measure::disk::{FileSystem, Flushes, measure_flushes};
pub use recorded::Recorded;
pub use replay::{Difference, Differences, MethodLatency, Replayed, Timing, replay};
pub use report::{Compared, Comparison, Figure, compare, html, reference_of, terminal};
pub use report::{EngineFacts, Fact, Fsync, LeftOut, Machine, Percentiles, Report, Round, Rounds};
pub use report::{Row, Spread, StepLatency};
pub use run::{Plan, Progress, run, run_into};
pub use steps::Steps;
pub use store_engine::{Opened, Opener, StoreEngine};
pub use trace::{Trace, read_trace};
pub use worker_engine::WorkerEngine;
