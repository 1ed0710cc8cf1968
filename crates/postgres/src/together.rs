//! Calls of one kind that wait at the same time travel together: one statement, one trip to the server, one
//! commit, whatever their number. The functions of the schema carry out the ordinary case; a call that they leave
//! is carried out by itself, by the rules of all backends.
//!
//! Nobody lingers: a call that finds nobody under way leaves at once. While a group is under way, the next one
//! gathers. Which of the calls that wait at the same time takes effect first is nobody's to say (clause G3).

mod claims;
mod endings;
mod entries;
mod heartbeats;
mod lanes;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runstore_core::{Clock, Error, Outcome, Result, TaskId, Wakes};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep;

pub(crate) use self::claims::{OfAnyRun, OfRun};
pub(crate) use self::endings::Ending;
pub(crate) use self::lanes::Lanes;
use crate::codec::{Query, Record, time};
use crate::connections::Session;
use crate::error::{self, commit, engine};
use crate::shared::Shared;
use crate::statement::list;
use crate::under_way::Entered;

/// The most calls of one group.
const MAX_CALLS: usize = 256;

/// The most that a group weighs; a call that weighs more travels alone.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A group that is under way for longer waits for something: those who come meanwhile do not wait with it.
const SLOW: Duration = Duration::from_millis(20);

/// How often a group is tried again that others got in the way of.
const MAX_TRIES: u32 = 10;

/// A call that can travel with others of its kind.
pub(crate) trait Together: Clone + Send + Sync + 'static {
    type Output: Send + 'static;

    /// The task that only one call of a group may name.
    fn task(&self) -> Option<TaskId> {
        None
    }

    /// About how many bytes it carries.
    fn weight(&self) -> usize {
        0
    }

    /// How many calls it counts for.
    fn calls(&self) -> usize {
        1
    }

    /// Whether it would do nobody any good once its caller is gone: then it is left out (clause G4).
    const IS_FOR_ITS_CALLER: bool = false;

    /// Carries out a group in one trip. A call without an answer was left as it was.
    fn travel<'c>(
        calls: &'c [Self],
        trip: Trip<'c>,
    ) -> BoxFuture<'c, Result<Vec<Option<Self::Output>>>>;

    /// Carries out a call by itself.
    fn alone(self, shared: Arc<Shared>) -> BoxFuture<'static, Result<Self::Output>>;
}

/// One trip to the server.
pub(crate) struct Trip<'c> {
    session: &'c mut Session,
    shared: &'c Shared,
    /// What the group changes for those who wait for a claim.
    wakes: &'c mut Wakes,
}

impl Trip<'_> {
    /// The time by the store's clock, if it has one.
    fn clock(&self) -> Option<DateTime<Utc>> {
        let clock = self.shared.clock.as_deref();
        clock.map(|clock| time(Clock::now(clock)))
    }

    /// Whether the plan of a statement is kept for the next call. Where it is not, behind a pooler, a call alone goes by
    /// its function too, whose statements stay planned.
    fn keeps_plans(&self) -> bool {
        !self.shared.connections.is_pooled()
    }

    /// Runs the one statement of the trip, which is committed when it returns.
    async fn run<T: Record>(&mut self, query: Query) -> Result<Vec<T>> {
        if !self.shared.connections.is_pooled() {
            return list(self.session, query).await.map_err(unknown_if_lost);
        }
        let begun = self.session.run(self.shared.connections.begin()).await;
        begun.map_err(|error| engine("beginning a transaction", error))?;
        match list(self.session, query).await {
            Ok(rows) => {
                let committed = self.session.run("COMMIT").await;
                committed.map_err(|error| commit("committing a write", error))?;
                Ok(rows)
            }
            Err(error) => {
                if error::leaves_connection(&error) {
                    let ended = self.session.run("ROLLBACK").await;
                    ended.map_err(|error| engine("giving up a transaction", error))?;
                }
                Err(error)
            }
        }
    }
}

/// A statement that commits by itself may have done so before its answer was lost.
fn unknown_if_lost(error: Error) -> Error {
    let is_lost = error::is_lost(&error);
    match error {
        Error::Unavailable { what, source, .. } if is_lost => Error::Unavailable {
            what,
            outcome: Outcome::Unknown,
            source,
        },
        error => error,
    }
}

/// A call on its way, and the way back to its caller.
pub(crate) struct Passenger<C: Together> {
    call: C,
    ticket: Ticket,
    back: WayBack<C::Output>,
}

impl<C: Together> Passenger<C> {
    /// A call that counts as under way until it is answered, and where the answer comes.
    pub(crate) fn new(
        call: C,
        ticket: Ticket,
        entered: Option<Entered>,
    ) -> (Self, oneshot::Receiver<Result<C::Output>>) {
        let (answer, answered) = oneshot::channel();
        let back = WayBack { answer, entered };
        (Self { call, ticket, back }, answered)
    }
}

/// The way back to the caller.
struct WayBack<T> {
    answer: oneshot::Sender<Result<T>>,
    entered: Option<Entered>,
}

impl<T> WayBack<T> {
    /// Answers the caller, and only then counts the call as over.
    fn tell(self, answer: Result<T>) {
        // A caller that is gone does not want the answer; its call stands all the same (G4).
        drop(self.answer.send(answer));
        drop(self.entered);
    }
}

/// Whether the caller still waits. The caller's end is dropped with its call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticket(Arc<()>);

impl Ticket {
    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// The calls of one kind that wait for the next trip.
pub(crate) struct Lane<C: Together> {
    waiting: Mutex<Waiting<C>>,
    most_calls: usize,
    most_trips: usize,
}

struct Waiting<C: Together> {
    calls: VecDeque<Passenger<C>>,
    trips: usize,
    last_left: Instant,
}

impl<C: Together> fmt::Debug for Lane<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lane")
    }
}

impl<C: Together> Lane<C> {
    /// A lane on which calls travel together, or each by itself, over so many connections.
    pub(crate) fn new(together: bool, connections: u32) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                calls: VecDeque::new(),
                trips: 0,
                last_left: Instant::now(),
            }),
            most_calls: if together { MAX_CALLS } else { 1 },
            most_trips: connections as usize,
        }
    }

    /// Puts a call on its way. If nobody is under way, or only somebody who is held up, the caller is given the
    /// trip to make.
    pub(crate) fn enter(self: &Arc<Self>, passenger: Passenger<C>) -> Option<Driver<C>> {
        let mut waiting = self.lock();
        waiting.calls.push_back(passenger);
        let is_next = waiting.trips == 0
            || waiting.trips < self.most_trips
                && (self.most_calls == 1 || waiting.last_left.elapsed() > SLOW);
        if !is_next {
            return None;
        }
        waiting.trips += 1;
        Some(Driver {
            lane: Arc::clone(self),
            is_through: false,
        })
    }

    /// Those who go next; without any, the trip is over.
    fn next_group(&self) -> Option<Vec<Passenger<C>>> {
        let mut waiting = self.lock();
        let mut group: Vec<Passenger<C>> = Vec::new();
        let mut tasks = HashSet::new();
        let (mut bytes, mut calls) = (0, 0);
        if C::IS_FOR_ITS_CALLER {
            waiting
                .calls
                .retain(|passenger| passenger.ticket.is_wanted());
        }
        while let Some(next) = waiting.calls.front() {
            bytes += next.call.weight();
            calls += next.call.calls();
            let is_full = group.len() >= self.most_calls || calls > MAX_CALLS || bytes > MAX_BYTES;
            let is_named_twice = next.call.task().is_some_and(|task| !tasks.insert(task));
            if !group.is_empty() && (is_full || is_named_twice) {
                break;
            }
            group.extend(waiting.calls.pop_front());
        }
        if group.is_empty() {
            waiting.trips -= 1;
            return None;
        }
        waiting.last_left = Instant::now();
        Some(group)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<C>> {
        // Nothing here is done by halves where it could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever makes the trips of a lane.
pub(crate) struct Driver<C: Together> {
    lane: Arc<Lane<C>>,
    is_through: bool,
}

impl<C: Together> Driver<C> {
    /// Makes trips until nobody waits any more.
    pub(crate) async fn drive(mut self, shared: Arc<Shared>) {
        while let Some(group) = self.lane.next_group() {
            go(group, &shared).await;
        }
        self.is_through = true;
    }
}

/// Given up half-way, which is what becomes of it on a runtime that is shut down, it leaves nobody waiting.
impl<C: Together> Drop for Driver<C> {
    fn drop(&mut self) {
        if self.is_through {
            return;
        }
        let mut waiting = self.lane.lock();
        waiting.trips -= 1;
        let stranded = match waiting.trips {
            0 => std::mem::take(&mut waiting.calls),
            _ => VecDeque::new(),
        };
        drop(waiting);
        for passenger in stranded {
            let what = "who was to carry the call out is gone".to_owned();
            let told = error::unavailable(what, Outcome::NotApplied);
            passenger.back.tell(Err(told));
        }
    }
}

/// Takes a group to the server and answers each of its calls.
async fn go<C: Together>(group: Vec<Passenger<C>>, shared: &Arc<Shared>) {
    let (calls, ways): (Vec<C>, Vec<_>) = group
        .into_iter()
        .map(|passenger| (passenger.call, passenger.back))
        .unzip();
    match travel(&calls, shared).await {
        Ok(outputs) => {
            for ((call, back), output) in calls.into_iter().zip(ways).zip(outputs) {
                match output {
                    Some(output) => back.tell(Ok(output)),
                    None => go_alone(call, back, shared),
                }
            }
        }
        // One of them may be to blame: each is told by itself.
        Err(error) if error::is_answer(&error) && (calls.len() > 1 || error::is_taken(&error)) => {
            for (call, back) in calls.into_iter().zip(ways) {
                go_alone(call, back, shared);
            }
        }
        Err(error) => {
            for back in ways {
                back.tell(Err(error.clone()));
            }
        }
    }
}

async fn travel<C: Together>(calls: &[C], shared: &Shared) -> Result<Vec<Option<C::Output>>> {
    let mut tries = 1;
    loop {
        let mut wakes = Wakes::default();
        let mut held = shared.connections.acquire().await?;
        let trip = Trip {
            session: &mut held.session,
            shared,
            wakes: &mut wakes,
        };
        let outputs = C::travel(calls, trip).await;
        held.end(&outputs);
        match outputs {
            Err(error) if error::is_conflict(&error) && tries < MAX_TRIES => {
                sleep(Duration::from_millis(1 << tries.min(6))).await;
                tries += 1;
            }
            Ok(outputs) => {
                shared.wake(&wakes);
                return Ok(outputs);
            }
            Err(error) => return Err(error),
        }
    }
}

fn go_alone<C: Together>(call: C, back: WayBack<C::Output>, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        back.tell(call.alone(shared).await);
    });
}

/// About how many bytes a JSON value takes.
pub(crate) fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size_of).sum::<usize>() + 8,
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| key.len() + size_of(value) + 8)
            .sum(),
        _ => 8,
    }
}
