use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::rules::schedule::Place;
use crate::{Claim, RunId, Timestamp};

/// What a write changed for those who wait for a claim: collected while it is applied, told to the
/// [`WakeHub`] once it is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wakes {
    gone: BTreeSet<RunId>,
    ready: BTreeMap<RunId, usize>,
    due: BTreeMap<RunId, Timestamp>,
}

impl Wakes {
    /// Notes that a task of the run was put into this place.
    pub fn placed(&mut self, run_id: RunId, place: Place) {
        match place {
            Place::Nowhere => {}
            Place::Ready => {
                let count = self.ready.entry(run_id).or_default();
                *count = count.saturating_add(1);
            }
            Place::Due(at) => {
                let earliest = self.due.entry(run_id).or_insert(at);
                *earliest = at.min(*earliest);
            }
        }
    }

    /// Notes that the run was deleted.
    pub fn gone(&mut self, run_id: RunId) {
        self.gone.insert(run_id);
    }

    /// What is told of each run, for whoever passes it on to other processes.
    pub fn by_run(&self) -> impl Iterator<Item = RunWake> {
        let ready = self.ready.keys();
        let run_ids: BTreeSet<RunId> = ready
            .chain(self.due.keys())
            .chain(&self.gone)
            .copied()
            .collect();
        run_ids.into_iter().map(|run_id| RunWake {
            run_id,
            ready: self.ready.get(&run_id).copied().unwrap_or_default(),
            due: self.due.get(&run_id).copied(),
            is_gone: self.gone.contains(&run_id),
        })
    }

    /// The same by another clock: each time as `by_clock` gives it.
    #[must_use]
    pub fn with_times(mut self, by_clock: impl Fn(Timestamp) -> Timestamp) -> Self {
        for due in self.due.values_mut() {
            *due = by_clock(*due);
        }
        self
    }

    /// Whether nobody needs to be woken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.ready.is_empty() && self.due.is_empty()
    }
}

/// What a write changed for those who wait for a claim in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunWake {
    /// The run.
    pub run_id: RunId,
    /// How many of its tasks can be claimed that could not be before.
    pub ready: usize,
    /// The earliest time at which another one can be.
    pub due: Option<Timestamp>,
    /// Whether the run was deleted.
    pub is_gone: bool,
}

/// Those who wait for a claim on one store: one hub a store, shared by its handles.
#[derive(Default)]
pub struct WakeHub(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// The number of the waiter that came last.
    last: u64,
    /// By scope (a run, or any run), in the order in which they came.
    scopes: HashMap<Option<RunId>, BTreeMap<u64, Waiter>>,
}

struct Waiter {
    notify: Arc<Notify>,
    /// The run with the task that it was woken for and has not looked for yet.
    woken_for: Option<RunId>,
    /// Whether its next look tells it that there is nothing to wait for any more.
    is_over: bool,
    /// Until when it sleeps, where it leads; the end of time if nothing becomes due. `None` while it looks.
    armed: Option<Timestamp>,
}

impl WakeHub {
    /// A hub at which nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes those whom a committed write concerns.
    pub fn wake(&self, wakes: &Wakes) {
        if wakes.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        if waiting.scopes.is_empty() {
            return;
        }
        for run_id in &wakes.gone {
            waiting.wake_all_of(Some(*run_id));
        }
        for (run_id, count) in &wakes.ready {
            waiting.wake_for(*run_id, *count);
        }
        for (run_id, at) in &wakes.due {
            waiting.rearm(Some(*run_id), *at);
            waiting.rearm(None, *at);
        }
    }

    /// Wakes the longest waiting of those who can take a task of the run, if all of them sleep: for a task that was
    /// found by a look, of which nobody knows whether a wake-up for it is on its way.
    pub fn wake_one_of_sleepers(&self, run_id: RunId) {
        let mut waiting = self.lock();
        let concerned = [Some(run_id), None].into_iter();
        let concerned = concerned.filter_map(|scope| waiting.scopes.get(&scope));
        let is_up = |waiter: &Waiter| waiter.woken_for.is_some() || waiter.armed.is_none();
        if !concerned.flat_map(BTreeMap::values).any(is_up) {
            waiting.wake_for(run_id, 1);
        }
    }

    /// Wakes all, for the store is being closed: their next look tells them.
    pub fn wake_all(&self) {
        let mut waiting = self.lock();
        let scopes = Vec::from_iter(waiting.scopes.keys().copied());
        for scope in scopes {
            waiting.wake_all_of(scope);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.lock().scopes.values().map(BTreeMap::len).sum()
    }

    /// Takes the last place among those who wait for a task of the scope.
    pub(super) fn enter(&self, scope: Option<RunId>) -> WaiterPlace<'_> {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.lock();
        waiting.last += 1;
        let number = waiting.last;
        let waiter = Waiter {
            notify: Arc::clone(&notify),
            woken_for: None,
            is_over: false,
            armed: None,
        };
        let waiters = waiting.scopes.entry(scope).or_default();
        waiters.insert(number, waiter);
        WaiterPlace {
            hub: self,
            scope,
            number,
            notify,
            looking_for: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No change here is done by halves where it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WakeHub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WakeHub")
            .field("waiters", &self.waiters())
            .finish()
    }
}

impl Waiting {
    /// Wakes that many of those who can take a task of the run, the longest waiting first.
    fn wake_for(&mut self, run_id: RunId, count: usize) {
        for _ in 0..count {
            let asleep = [Some(run_id), None].into_iter().filter_map(|scope| {
                let waiters = self.scopes.get(&scope)?;
                let mut asleep = waiters.iter().filter(|(_, of)| of.woken_for.is_none());
                Some((*asleep.next()?.0, scope))
            });
            let Some((number, scope)) = asleep.min() else {
                return;
            };
            if let Some(waiter) = self.waiter(scope, number) {
                waiter.woken_for = Some(run_id);
                waiter.notify.notify_one();
            }
        }
    }

    fn wake_all_of(&mut self, scope: Option<RunId>) {
        let waiters = self.scopes.get_mut(&scope).into_iter();
        for waiter in waiters.flat_map(BTreeMap::values_mut) {
            waiter.is_over = true;
            waiter.notify.notify_one();
        }
    }

    /// Wakes the leader of the scope if it sleeps for longer than until `at`.
    fn rearm(&self, scope: Option<RunId>, at: Timestamp) {
        let leader = self.scopes.get(&scope).and_then(BTreeMap::first_key_value);
        if let Some((_, leader)) = leader
            && leader.armed.is_none_or(|armed| at < armed)
        {
            leader.notify.notify_one();
        }
    }

    fn waiter(&mut self, scope: Option<RunId>, number: u64) -> Option<&mut Waiter> {
        self.scopes.get_mut(&scope)?.get_mut(&number)
    }

    fn leads(&self, scope: Option<RunId>, number: u64) -> bool {
        let waiters = self.scopes.get(&scope);
        let leader = waiters.and_then(BTreeMap::first_key_value);
        leader.is_some_and(|(leader, _)| *leader == number)
    }
}

/// A place among those who wait; left when dropped.
pub(super) struct WaiterPlace<'h> {
    hub: &'h WakeHub,
    scope: Option<RunId>,
    number: u64,
    notify: Arc<Notify>,
    /// What the wake-up was for that the look is about.
    looking_for: Option<RunId>,
}

impl WaiterPlace<'_> {
    /// Begins a look: it answers the wake-ups up to here.
    pub(super) fn begin_look(&mut self) {
        let woken_for = self.change(|waiter| {
            waiter.armed = None;
            waiter.is_over = false;
            waiter.woken_for.take()
        });
        self.looking_for = woken_for.flatten().or(self.looking_for);
    }

    /// Ends a look that was answered. A task of another run than the one that it was about leaves that one's
    /// for others to take.
    pub(super) fn end_look(&mut self, claim: Option<&Claim>) {
        let is_settled = |run_id| claim.is_none_or(|claim| claim.task.run_id == run_id);
        if self.looking_for.is_none_or(is_settled) {
            self.looking_for = None;
        }
    }

    /// Whether it is the first of its scope.
    pub(super) fn leads(&self) -> bool {
        self.hub.lock().leads(self.scope, self.number)
    }

    /// Says until when it will sleep, and returns whether it leads. If it does not, or if it came to
    /// lead only now, another wake-up tells it when it has to look.
    pub(super) fn arm(&self, due: Option<Timestamp>) -> bool {
        self.change(|waiter| waiter.armed = Some(due.unwrap_or(Timestamp::MAX)));
        self.leads()
    }

    /// Whether a wake-up is to be answered by a look. One that says that it leads from now on, or that a task
    /// becomes due sooner, is not: a task that comes just then is for the longest waiting.
    pub(super) fn has_to_look(&self) -> bool {
        let has_to = self.change(|waiter| waiter.is_over || waiter.woken_for.is_some());
        has_to.unwrap_or(true)
    }

    /// Waits for a wake-up; one that came since the look began counts.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waiter) -> T) -> Option<T> {
        let mut waiting = self.hub.lock();
        waiting.waiter(self.scope, self.number).map(change)
    }
}

impl Drop for WaiterPlace<'_> {
    fn drop(&mut self) {
        let mut waiting = self.hub.lock();
        let led = waiting.leads(self.scope, self.number);
        let Some(waiters) = waiting.scopes.get_mut(&self.scope) else {
            return;
        };
        let left = waiters.remove(&self.number);
        match waiters.first_key_value() {
            None => {
                waiting.scopes.remove(&self.scope);
            }
            Some((_, next)) if led => next.notify.notify_one(),
            Some(_) => {}
        }
        // What it was woken for is there for another to take.
        let woken_for = left.and_then(|waiter| waiter.woken_for);
        for run_id in [self.looking_for, woken_for].into_iter().flatten() {
            waiting.wake_for(run_id, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_for_any_run_and_one_for_the_run_are_woken_in_the_order_in_which_they_came() {
        let hub = WakeHub::new();
        let run_id = RunId::generate();
        let any = hub.enter(None);
        let one = hub.enter(Some(run_id));
        let other = hub.enter(Some(RunId::generate()));
        for place in [&any, &one, &other] {
            assert!(place.arm(None));
        }
        let mut wakes = Wakes::default();
        wakes.placed(run_id, Place::Ready);
        hub.wake(&wakes);
        any.woken().await;
        hub.wake(&wakes);
        one.woken().await;
        let is_woken = |run_id| hub.lock().waiter(run_id, other.number).unwrap().woken_for;
        assert_eq!(is_woken(other.scope), None);
        // A third task, found by a look: both are up, and one of them may be about to take it.
        hub.wake_one_of_sleepers(run_id);
        // Both leave without a look: there is nobody else to wake for that run.
        drop(any);
        drop(one);
        assert_eq!(is_woken(other.scope), None);
    }
}
