//! A snapshot that is held half-way (clause S2).
//!
//! No time is measured: a write counts as stopped if it does not end while a writer of another store
//! makes many. An ordinary read that is held may stop it as well; the snapshot is compared with one.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use runstore_core::{
    ClaimRequest, EventDraft, ListTasks, NewEvent, RunId, RunUpdate, SnapshotRequest, Store,
    TaskPlan,
};

use crate::call::Call;
use crate::cancel::Polls;
use crate::check::{Outcome, Stop, check};
use crate::context::Context;
use crate::world;

/// At how many of its awaits a read is held, one after the other.
const MOST_POLLS: usize = 8;
/// How many writes another store makes meanwhile.
const OTHER_WRITES: usize = 500;

pub(crate) async fn a_snapshot_held_half_way_stops_no_writer(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 20).await?;
    let writer = match c.second_handle().await {
        Err(Stop::Skipped(_)) => Arc::clone(&c.store),
        handle => handle?,
    };
    let other = c.another().await?;
    let beside = Beside {
        run_id: run.id,
        writer,
        other_run_id: world::run(&*other.store).await?.id,
        other: Arc::clone(&other.store),
    };
    let snapshot = Call::Snapshot(SnapshotRequest::of_run(run.id));
    let Some((polls, stopped)) = beside.stopped_by(&*c.store, &snapshot).await? else {
        return Ok(());
    };
    let read = Call::ListTasks(ListTasks::new(run.id));
    check!(
        beside.stopped_by(&*c.store, &read).await?.is_some(),
        "a snapshot was held after {polls} of its polls, and {stopped:?} by another handle did not end \
         while another store made {OTHER_WRITES} writes; beside an ordinary read that is held, it does"
    );
    Ok(())
}

/// A handle that writes beside a read that is held, and another store to compare its progress with.
struct Beside {
    run_id: RunId,
    writer: Arc<dyn Store>,
    other_run_id: RunId,
    other: Arc<dyn Store>,
}

impl Beside {
    /// After how many polls a read was held when it stopped which write; `None` if it stopped none.
    async fn stopped_by(&self, reader: &dyn Store, read: &Call) -> Outcome<Option<(usize, Call)>> {
        for polls in 1..=MOST_POLLS {
            let mut held = Polls::at_most(polls, read.run(reader));
            if (&mut held).await.is_some() {
                return Ok(None);
            }
            for write in writes(self.run_id) {
                if !self.ends(&write).await? {
                    return Ok(Some((polls, write)));
                }
            }
            drop(held);
        }
        Ok(None)
    }

    async fn ends(&self, write: &Call) -> Outcome<bool> {
        let others = async {
            for _ in 0..OTHER_WRITES {
                let draft = EventDraft::new("worker", "note", "beside");
                self.other
                    .add_event(NewEvent::new(self.other_run_id, draft))
                    .await?;
                // An engine that never waits would not let the other future have its turn.
                tokio::task::yield_now().await;
            }
            Outcome::Ok(())
        };
        match select(pin!(write.run(&*self.writer)), pin!(others)).await {
            Either::Left((answer, _)) => {
                check!(
                    answer.is_ok(),
                    "{write:?} beside a read that is held: {answer:?}"
                );
                Ok(true)
            }
            Either::Right((others, _)) => others.map(|()| false),
        }
    }
}

fn writes(run_id: RunId) -> [Call; 4] {
    let draft = EventDraft::new("worker", "note", "hello");
    [
        Call::AddEvent(NewEvent::new(run_id, draft)),
        Call::UpdateRun(RunUpdate::new(run_id).with_status("running")),
        Call::ClaimNextTask(ClaimRequest::of_run(run_id)),
        Call::AppendTasks(TaskPlan::new(run_id, world::drafts(1))),
    ]
}
