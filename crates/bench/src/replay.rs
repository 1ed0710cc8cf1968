//! Making the calls of a trace again.

mod claims;
mod compare;
mod ids;
mod overlap;
mod play;
mod report;
mod shown;

use std::sync::Arc;

use runstore_core::Store;

pub use self::report::{Difference, Differences, MethodLatency, Replayed, Timing};
use crate::{Result, Trace};

/// Makes the calls of a trace again on a store, which should hold what the recorded one held before: nothing, as a
/// rule.
///
/// # Which calls, and when
///
/// Calls that were made one after the other then are made one after the other now: a call begins only once all calls
/// are over that were over then before it began. Those that overlapped are made at the same time, each as a task of
/// the runtime. [`Timing`] says whether the pauses between them are kept. So a call that waited
/// ([`claim_or_wait`](Store::claim_or_wait)) waits beside those that it waited beside then. If two that wait for the
/// same get each other's tasks, they change places; if one waits on that had got a task then, and none has come for
/// two seconds, it holds the others up no longer.
///
/// A wait that was dropped is dropped. Any other call that was dropped is made and carried through, for most likely
/// it had taken effect; what it answers is compared with nothing. Also `close` is made: the handle given is closed
/// afterwards if the application closed its.
///
/// # Which ids
///
/// Ids that the application chose are sent as they were. Where it let the store choose, the replay sends the id that
/// the recorded store chose, as far as its answer told it: for runs, tasks, approvals, checkpoints, and attempts and
/// artifacts that were added by themselves. So the ids of runs and tasks are kept. (Looking whether an id is taken
/// costs a store a little, which it does not cost it when it makes the id.) Others, as that of the attempt of a
/// finished claim, are recognised by the answers that show them. Cursors are those of the new store.
///
/// The claim of a task is the claim of that task, whichever call got it; if nobody has claimed it when it is
/// used, it is the claim that its call got instead, or another that is left. After such an exchange the plan is worked
/// through in another order, and it may come to a claim that finds nothing where the recorded one had found a task;
/// what was called in its name is then refused, and counted in [`Replayed::overlapped`].
///
/// # What is compared
///
/// Each answer with the recorded one, but for times of the store's clock and for ids of its own, and each refusal by
/// the kind of its error. A difference that the order of overlapping calls may explain is counted apart, in
/// [`Replayed::overlapped`]: the store was free to choose another order, and what follows from it (which task was
/// claimed, the numbers of events, the states of tasks) may differ from there on in that run. What a record says of
/// what its creator gave it is compared all the same.
///
/// Answers that hang on the passing of time (leases that ran out, delays, times before which a task is not claimed)
/// are the same only with [`Timing::AsRecorded`]. With it, the `not_before` of tasks is moved by the time that has
/// passed between the recording and the replay.
///
/// # Errors
/// Only if a call panics, or there is no memory for the figures. What a store refuses is no error but compared.
pub async fn replay(trace: &Trace, store: Arc<dyn Store>, timing: Timing) -> Result<Replayed> {
    play::Player::new(trace, store, timing)?.play().await
}

#[cfg(test)]
mod tests;
