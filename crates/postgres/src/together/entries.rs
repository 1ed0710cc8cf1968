//! Entries of journals.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runstore_core::{Result, Timestamp};

use super::{Together, Trip};
use crate::entries::{Entry, NewEntry};
use crate::journal::Added;
use crate::shared::Shared;

impl<N: NewEntry> Together for N {
    type Output = N::Entry;

    fn weight(&self) -> usize {
        NewEntry::weight(self)
    }

    fn travel<'c>(
        calls: &'c [Self],
        mut trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<N::Entry>>>> {
        async move {
            // The run of an attempt and the time are the server's to say.
            let entry = |call: &N| {
                (
                    call.clone().entry(call.run_id(), Timestamp::MIN),
                    call.fence(),
                )
            };
            let entries: Vec<_> = calls.iter().map(entry).collect();
            let add = match entries.as_slice() {
                [(entry, fence)] if trip.keeps_plans() => {
                    N::Entry::add_one(trip.clock(), entry, *fence)
                }
                entries => N::Entry::add(trip.clock(), entries),
            };
            let added: Vec<Added> = trip.run(add).await?;
            let mut answers: Vec<Option<N::Entry>> = Vec::new();
            answers.resize_with(calls.len(), || None);
            let mut entries: Vec<_> = entries.into_iter().map(|(entry, _)| Some(entry)).collect();
            for added in added {
                let index = added.request.saturating_sub(1);
                let entry = entries.get_mut(index).and_then(Option::take);
                if let (Some(entry), Some(answer)) = (entry, answers.get_mut(index)) {
                    *answer = Some(entry.numbered(added.run_id, added.seq, added.at));
                }
            }
            Ok(answers)
        }
        .boxed()
    }

    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<N::Entry>> {
        async move { shared.write(self.turn(), &self, N::ALONE).await }.boxed()
    }
}
