//! Calls of a batch that are carried out together: what they have to know is read by a few statements, the rules
//! decide each, and what they change is written by a few more. A statement for many rows costs less than as many
//! statements for one: a fifth of a worker's cycle.
//!
//! Only the ordinary case goes this way. A call that is a repeat, that is refused for what it names, or whose task
//! another call of the group changes, is carried out by itself after the others: calls that wait at the same time
//! may take effect in any order.

mod group;
mod look;

use runstore_core::rules::tasks::Settlement;
use runstore_core::{
    Applied, ClaimToken, Error, Event, FinishReport, NewAttempt, NewEvent, Reply, Result, Task,
    TaskAttempt, TaskId,
};

use self::group::Group;
use self::look::Look;
use crate::write::Write;
use crate::{claims, journal, tasks};

/// A call that can be carried out together with others, and the way back to its caller.
#[derive(Debug)]
pub(crate) enum Together {
    Attempt(NewAttempt, Reply<TaskAttempt>),
    Event(NewEvent, Reply<Event>),
    Settle(TaskId, Settlement, Reply<Task>),
    Finish(ClaimToken, Box<FinishReport>, Reply<Task>),
}

impl Together {
    pub(crate) fn is_unwanted(&self) -> bool {
        match self {
            Self::Attempt(_, reply) => reply.is_unwanted(),
            Self::Event(_, reply) => reply.is_unwanted(),
            Self::Settle(_, _, reply) | Self::Finish(_, _, reply) => reply.is_unwanted(),
        }
    }

    fn alone(self, write: Write<'_>) -> Applied {
        match self {
            Self::Attempt(new, reply) => reply.hold(journal::add_attempt(write, new)),
            Self::Event(new, reply) => reply.hold(journal::add_event(write, new)),
            Self::Settle(task_id, settlement, reply) => {
                reply.hold(tasks::settle(write, task_id, settlement))
            }
            Self::Finish(token, report, reply) => reply.hold(claims::finish(write, token, *report)),
        }
    }

    fn fail(self, error: &Error) -> Applied {
        match self {
            Self::Attempt(_, reply) => reply.hold(Err(error.clone())),
            Self::Event(_, reply) => reply.hold(Err(error.clone())),
            Self::Settle(_, _, reply) | Self::Finish(_, _, reply) => reply.hold(Err(error.clone())),
        }
    }
}

/// Carries out the calls. After a failure of the engine, every call that has no answer yet is answered with it.
pub(crate) fn carry_out(turn: Result<Write<'_>>, calls: Vec<Together>) -> Vec<Applied> {
    let mut applied = Vec::with_capacity(calls.len());
    let mut write = match turn {
        Ok(write) => write,
        Err(error) => {
            applied.extend(calls.into_iter().map(|call| call.fail(&error)));
            return applied;
        }
    };
    match calls.len() {
        // Alone, a call needs fewer statements.
        0 | 1 => one_by_one(&mut write, calls, &mut applied),
        _ => together(&mut write, calls, &mut applied),
    }
    applied
}

fn together(write: &mut Write<'_>, calls: Vec<Together>, applied: &mut Vec<Applied>) {
    let look = match Look::at(write.connection, &calls) {
        Ok(look) => look,
        Err(error) => {
            applied.extend(calls.into_iter().map(|call| call.fail(&error)));
            return;
        }
    };
    let mut group = Group::new(look, write.now);
    for call in calls {
        group.take(call);
    }
    let left = group.write(write, applied);
    one_by_one(write, left, applied);
}

fn one_by_one(write: &mut Write<'_>, calls: Vec<Together>, applied: &mut Vec<Applied>) {
    for call in calls {
        let done = match failure(applied) {
            // After some failures SQLite has given up the transaction by itself.
            Some(error) => call.fail(&error),
            None => call.alone(write.again()),
        };
        applied.push(done);
    }
}

fn failure(applied: &[Applied]) -> Option<Error> {
    applied.iter().find_map(|write| write.failure().cloned())
}

#[cfg(test)]
mod tests;
