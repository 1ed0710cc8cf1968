//! The course of a replay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{ClaimToken, Clock, Store, SystemClock};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::claims::{Claims, tokens};
use super::compare::{Comparison, Found};
use super::ids::{self, Ids};
use super::overlap::Overlap;
use super::report::{Differences, Replayed, Timing, latencies};
use crate::calls::Call;
use crate::trace::{Outcome, RecordedCall, Trace};
use crate::{Failure, Result, Steps};

/// For how long a call that waits for a task may hold up the others once the recording had given it one.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of a call that was made.
struct Made {
    outcome: Outcome,
    took: Duration,
}

/// One who makes the calls of a trace.
///
/// It walks through the beginnings and ends of the recorded calls in their order: at a beginning it sets a call off,
/// at an end it waits until that call is over. So the calls overlap as they did, and ids, cursors and claims are
/// known before any call that can use them.
pub(super) struct Player<'t> {
    trace: &'t Trace,
    store: Arc<dyn Store>,
    timing: Timing,
    overlap: Overlap,
    ids: Ids,
    claims: Claims,
    /// By how much times in the future are moved.
    moved_micros: i64,
    begun: Instant,
    under_way: JoinSet<(usize, Made)>,
    /// The calls by the tasks that make them.
    by_task: HashMap<Id, usize>,
    aborts: HashMap<usize, AbortHandle>,
    /// What came of calls that are over and were not compared yet; `None` of one that was dropped.
    over: HashMap<usize, Option<Made>>,
    /// The recorded calls under way that claim a task.
    claiming: Vec<usize>,
    /// For recorded calls that changed places, the one whose call is theirs.
    places: HashMap<usize, usize>,
    /// Calls that wait on although they had got a task in the recording.
    left_behind: Vec<usize>,
    recorded_times: Steps,
    times: Steps,
    found: Replayed,
}

impl<'t> Player<'t> {
    pub(super) fn new(trace: &'t Trace, store: Arc<dyn Store>, timing: Timing) -> Result<Self> {
        let moved_micros = match timing {
            Timing::AsRecorded => SystemClock
                .now()
                .as_micros()
                .saturating_sub(trace.began_at().as_micros()),
            Timing::AsFastAsPossible => 0,
        };
        let found = Replayed {
            recorded_on: trace.store().clone(),
            replayed_on: store.info(),
            timing,
            calls: 0,
            dropped: 0,
            left_out: 0,
            seconds: 0.0,
            recorded_seconds: trace.duration().as_secs_f64(),
            behind_seconds: 0.0,
            methods: Vec::new(),
            differences: Differences::default(),
            overlapped: Differences::default(),
        };
        Ok(Self {
            trace,
            store,
            timing,
            overlap: Overlap::of(trace),
            ids: Ids::new(trace),
            claims: Claims::default(),
            moved_micros,
            begun: Instant::now(),
            under_way: JoinSet::new(),
            by_task: HashMap::new(),
            aborts: HashMap::new(),
            over: HashMap::new(),
            claiming: Vec::new(),
            places: HashMap::new(),
            left_behind: Vec::new(),
            recorded_times: Steps::new()?,
            times: Steps::new()?,
            found,
        })
    }

    pub(super) async fn play(mut self) -> Result<Replayed> {
        let moments = self
            .trace
            .calls
            .iter()
            .enumerate()
            .flat_map(|(index, call)| {
                let begins = (call.number, false, index, call);
                [begins, (call.end, true, index, call)]
            });
        let mut moments = Vec::from_iter(moments);
        moments.sort_unstable_by_key(|(moment, ends, index, _)| (*moment, *ends, *index));

        self.begun = Instant::now();
        for (_, ends, index, recorded) in moments {
            match (&recorded.call, ends) {
                (None, false) => self.found.left_out += 1,
                (None, true) => {}
                (Some(call), false) => self.begin(index, recorded, call).await?,
                (Some(call), true) => self.end(index, recorded, call).await?,
            }
        }
        self.found.seconds = self.begun.elapsed().as_secs_f64();
        self.end_left_behind().await?;
        self.found.methods = latencies(&self.recorded_times, &self.times);
        Ok(self.found)
    }

    /// When something of the recording is to happen in the replay.
    fn due(&self, recorded: Duration) -> Instant {
        let first = self.trace.calls.first();
        let first = first.map_or(Duration::ZERO, |call| call.began);
        self.begun + recorded.saturating_sub(first)
    }

    async fn begin(&mut self, index: usize, recorded: &RecordedCall, call: &Call) -> Result<()> {
        let call = self.for_the_new_store(recorded, call)?;
        if self.timing == Timing::AsRecorded {
            let due = self.due(recorded.began);
            sleep_until(due).await;
            let behind = due.elapsed().as_secs_f64();
            self.found.behind_seconds = self.found.behind_seconds.max(behind);
        }
        if call.claims().is_some() {
            self.claiming.push(index);
        }
        self.found.calls += 1;
        let store = Arc::clone(&self.store);
        let task = self.under_way.spawn(async move {
            let (outcome, took) = call.make(store.as_ref()).await;
            (index, Made { outcome, took })
        });
        self.by_task.insert(task.id(), index);
        self.aborts.insert(index, task);
        Ok(())
    }

    fn for_the_new_store(&mut self, recorded: &RecordedCall, call: &Call) -> Result<Call> {
        let mut new = call.clone();
        ids::keep(&mut new, &recorded.outcome);
        if let Some(token) = call.token() {
            let same = self.ids.token(token);
            let claim = self.claims.resolve(token, same);
            if claim != token {
                new.set_token(claim);
            }
        }
        self.ids.translate_cursor(call, &mut new);
        if let Call::AppendTasks { plan } | Call::ReplacePendingTasks { plan } = &mut new {
            let times = plan
                .drafts
                .iter_mut()
                .flat_map(|draft| &mut draft.not_before);
            times.for_each(|time| *time = time.saturating_add_micros(self.moved_micros));
        }
        self.ids.translated(new)
    }

    async fn end(&mut self, index: usize, recorded: &RecordedCall, call: &Call) -> Result<()> {
        if recorded.outcome == Outcome::Dropped && call.waits() {
            if self.timing == Timing::AsRecorded {
                sleep_until(self.due(recorded.began + recorded.took)).await;
            }
            if let Some(task) = self.aborts.get(&self.place(index)) {
                task.abort();
            }
        }
        let got = tokens(&recorded.outcome).first().copied();
        let until = got.filter(|_| call.waits());
        let until = until.map(|_| Instant::now() + PATIENCE);
        while !self.over.contains_key(&self.place(index)) {
            if until.is_some() && self.changes_places(index, call, None) {
                break;
            }
            let next = self.under_way.join_next_with_id();
            let next = match until {
                None => next.await,
                Some(until) => match timeout_at(until, next).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.left_behind.push(index);
                        return Ok(());
                    }
                },
            };
            match next {
                Some(next) => self.arrived(next)?,
                None => break,
            }
        }
        if let Some(got) = got {
            self.changes_places(index, call, Some(self.ids.token(got)));
        }
        self.compare(index, recorded, call)
    }

    /// The call that is made for a recorded one.
    fn place(&self, index: usize) -> usize {
        self.places.get(&index).copied().unwrap_or(index)
    }

    fn arrived(&mut self, next: std::result::Result<(Id, (usize, Made)), JoinError>) -> Result<()> {
        let (task, made) = match next {
            Ok((task, (_, made))) => (task, Some(made)),
            Err(error) if error.is_cancelled() => (error.id(), None),
            Err(error) => return Err(Failure::engine(error)),
        };
        if let Some(made) = &made {
            self.claims.made(&tokens(&made.outcome));
        }
        if let Some(index) = self.by_task.remove(&task) {
            self.aborts.remove(&index);
            self.over.insert(index, made);
        }
        Ok(())
    }

    /// Lets a recorded call that had got a task change places with one beside it that claims the same and has got a
    /// task before its time: the given one, or any. Says whether there was one.
    fn changes_places(&mut self, index: usize, call: &Call, token: Option<ClaimToken>) -> bool {
        let Some(wanted) = call.claims() else {
            return false;
        };
        let has_it = |index: usize| {
            let made = self.over.get(&self.place(index)).and_then(Option::as_ref);
            let got = made.and_then(|made| tokens(&made.outcome).first().copied());
            got.is_some_and(|got| token.is_none_or(|token| got == token))
        };
        let is_alike = |other: usize| {
            let other = self.trace.calls.get(other);
            let other = other.and_then(|other| other.call.as_ref()?.claims());
            other.as_ref() == Some(&wanted)
        };
        let mut others = self.claiming.iter().copied();
        let other = others.find(|other| *other != index && has_it(*other) && is_alike(*other));
        let Some(other) = other.filter(|_| token.is_none() || !has_it(index)) else {
            return false;
        };
        let (place, place_of_other) = (self.place(index), self.place(other));
        self.places.insert(index, place_of_other);
        self.places.insert(other, place);
        true
    }

    /// Compares what came of a call that is over with the recording.
    fn compare(&mut self, index: usize, recorded: &RecordedCall, call: &Call) -> Result<()> {
        let place = self.place(index);
        self.places.remove(&index);
        self.claiming.retain(|claiming| *claiming != index);
        let made = self.over.remove(&place).flatten();
        if recorded.outcome == Outcome::Dropped {
            self.found.dropped += 1;
            return Ok(());
        }
        let Some(Made { outcome, took }) = made else {
            return Ok(());
        };
        self.recorded_times.add(recorded.method, recorded.took)?;
        self.times.add(recorded.method, took)?;
        self.claims
            .got(&tokens(&recorded.outcome), &tokens(&outcome));
        if *call == (Call::Info {}) {
            // What a store is may differ, and the report tells it.
            return Ok(());
        }
        let mut comparison = Comparison::new(&mut self.ids, self.overlap.is_loose(index));
        comparison.compare(recorded.method, &recorded.outcome, &outcome);
        let (real, of_order) = (comparison.real, comparison.of_order);
        if let (Outcome::Answer(then), Outcome::Answer(now)) = (&recorded.outcome, &outcome) {
            self.ids.note_cursor(call, then, now);
        }
        match (real, of_order) {
            (Some(found), _) => self.found.differences.add(recorded, found),
            (None, Some(found)) => self.found.overlapped.add(recorded, found),
            (None, None) => {}
        }
        Ok(())
    }

    /// Ends the calls that wait on for what they had got in the recording.
    async fn end_left_behind(&mut self) -> Result<()> {
        let trace = self.trace;
        for index in std::mem::take(&mut self.left_behind) {
            let Some(recorded) = trace.calls.get(index) else {
                continue;
            };
            let place = self.place(index);
            if let Some(task) = self.aborts.get(&place) {
                task.abort();
            }
            while !self.over.contains_key(&place) {
                match self.under_way.join_next_with_id().await {
                    Some(next) => self.arrived(next)?,
                    None => break,
                }
            }
            match (self.over.get(&place), &recorded.call) {
                (Some(Some(_)), Some(call)) => self.compare(index, recorded, call)?,
                _ => {
                    let found = Found {
                        path: "outcome".to_owned(),
                        recorded: "a claim".to_owned(),
                        replayed: "still waiting when all others were over".to_owned(),
                    };
                    self.found.overlapped.add(recorded, found);
                }
            }
        }
        Ok(())
    }
}
