//! Why a task waits (clause C9), in every state and at every boundary.

mod states;
mod times;
mod unmet;

use runstore_core::TaskStatus;

pub(crate) use states::*;
pub(crate) use times::*;
pub(crate) use unmet::*;

const PENDING: TaskStatus = TaskStatus::Pending;

const IN_PROGRESS: TaskStatus = TaskStatus::InProgress;

const BLOCKED: TaskStatus = TaskStatus::Blocked;

const ABANDONED: TaskStatus = TaskStatus::Abandoned;
