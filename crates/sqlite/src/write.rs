//! What the queue holds: writes with the way back to their callers, and the turn that each is given.

use runstore_core::{Applied, Claim, ClaimRequest, Reply, Result, Timestamp, Wakes};

use crate::claims;
use crate::driver::Connection;
use crate::together::{self, Together};

/// The turn of one write in the transaction of its batch.
///
/// A write that is refused must have changed nothing, for the rest of the batch is committed: so every
/// write looks at all that can refuse it before its first change.
#[derive(Debug)]
pub(crate) struct Write<'c> {
    pub(crate) connection: &'c Connection,
    /// The time of the turn, so that times agree with the order of calls if the clock runs forward.
    pub(crate) now: Timestamp,
    /// What the batch changes for those who wait for a claim.
    pub(crate) wakes: &'c mut Wakes,
}

impl Write<'_> {
    /// The same turn, for one of several writes that share it.
    pub(crate) fn again(&mut self) -> Write<'_> {
        Write {
            connection: self.connection,
            now: self.now,
            wakes: &mut *self.wakes,
        }
    }
}

/// A write with the way back to its caller.
pub(crate) trait Call: Send {
    /// Whether its caller is gone.
    fn is_unwanted(&self) -> bool;

    /// Takes the turn, or the error for which there is none.
    fn take(self: Box<Self>, turn: Result<Write<'_>>) -> Applied;
}

struct CallOf<T, F> {
    reply: Reply<T>,
    apply: F,
}

impl<T, F> Call for CallOf<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(Write<'c>) -> Result<T> + Send + 'static,
{
    fn is_unwanted(&self) -> bool {
        self.reply.is_unwanted()
    }

    fn take(self: Box<Self>, turn: Result<Write<'_>>) -> Applied {
        let Self { reply, apply } = *self;
        reply.hold(turn.and_then(apply))
    }
}

/// What the queue holds.
pub(crate) enum Job {
    /// Claims that take the same tasks, in the order in which they are to be served.
    Claims(Vec<(ClaimRequest, Reply<Option<Claim>>)>),
    /// Calls that are carried out together.
    Together(Vec<Together>),
    /// Any other write.
    Call(Box<dyn Call>),
    /// A look whether others committed: no write, and outside the batch's transaction.
    DataVersion(Reply<DataVersion>),
}

/// What tells whether others committed: the number of the connection that writes, and the version that it sees.
pub(crate) type DataVersion = (u64, i64);

impl Job {
    pub(crate) fn claim(request: ClaimRequest, reply: Reply<Option<Claim>>) -> Self {
        Self::Claims(vec![(request, reply)])
    }

    /// Whether it is a write that is carried out though its caller is gone.
    fn is_orphan(&self) -> bool {
        match self {
            Self::Call(call) => call.is_unwanted(),
            Self::Together(calls) => calls.iter().all(Together::is_unwanted),
            // A claim that nobody waits for is left out.
            Self::Claims(_) | Self::DataVersion(_) => false,
        }
    }

    /// Takes the turn; a job that joins several callers' writes has an answer for each.
    pub(crate) fn take(self, turn: Result<Write<'_>>) -> Vec<Applied> {
        match self {
            Self::Call(call) => vec![call.take(turn)],
            Self::Together(calls) => together::carry_out(turn, calls),
            Self::DataVersion(reply) => {
                vec![reply.hold(turn.map(|_| DataVersion::default()))]
            }
            Self::Claims(mut claims) => {
                // Nobody would know of the task: it would be held until its lease runs out, if it had one.
                claims.retain(|(_, reply)| !reply.is_unwanted());
                let (requests, replies): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
                let claimed = match turn {
                    Ok(write) => claims::claim(write, &Vec::from_iter(&requests)),
                    Err(error) => Err(error),
                };
                let mut claimed = claimed.map(Vec::into_iter);
                let mut next = || match &mut claimed {
                    Ok(claims) => Ok(claims.next()),
                    Err(error) => Err(error.clone()),
                };
                replies
                    .into_iter()
                    .map(|reply| reply.hold(next()))
                    .collect()
            }
        }
    }
}

/// Joins the claims of a batch that take the same tasks, whoever gets which, so that any number of them is two
/// statements, and puts the calls that are carried out together behind them. Calls that wait at the same time may
/// take effect in any order; but first come those whose callers are gone, as they came, for a caller's next call must
/// not take effect before.
pub(crate) fn joined(batch: Vec<Job>) -> Vec<Job> {
    let (mut jobs, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(Job::is_orphan);
    let mut claims: Vec<(_, Vec<_>)> = Vec::new();
    let mut together = Vec::new();
    let mut calls = Vec::new();
    for job in batch {
        match job {
            Job::Together(joining) => together.extend(joining),
            Job::Call(_) | Job::DataVersion(_) => calls.push(job),
            Job::Claims(waiting) => {
                for (request, reply) in waiting {
                    let takes = (request.run_id, request.max_attempts);
                    match claims.iter_mut().find(|(of, _)| *of == takes) {
                        Some((_, same)) => same.push((request, reply)),
                        None => claims.push((takes, vec![(request, reply)])),
                    }
                }
            }
        }
    }
    let claims = claims.into_iter().map(|(_, same)| Job::Claims(same));
    let together = (!together.is_empty()).then_some(Job::Together(together));
    jobs.extend(claims.chain(together).chain(calls));
    jobs
}

/// Makes the job of a write.
pub(crate) fn job<T, F>(reply: Reply<T>, apply: F) -> Job
where
    T: Send + 'static,
    F: for<'c> FnOnce(Write<'c>) -> Result<T> + Send + 'static,
{
    Job::Call(Box::new(CallOf { reply, apply }))
}
