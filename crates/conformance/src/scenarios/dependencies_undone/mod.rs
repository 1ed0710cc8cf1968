//! Dependencies that are requeued after they were completed, and dependents that come and go (clause C9).

mod dependents;
mod steps;

pub(crate) use dependents::*;
pub(crate) use steps::*;
