//! The line of those who wait for a claim, of a store's own, so that a fault can be in who is woken by
//! what. Without a fault it keeps clause C11.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore_core::rules::input::{Input, check_timeout};
use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::sync::{Notify, watch};

use crate::fault::Fault;
use crate::look::Look;

/// All that wait at the handles of one store.
pub(crate) struct Line {
    pub(crate) clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    /// Moves on when a task may have become due sooner.
    rearmed: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    sleepers: BTreeMap<u64, Sleeper>,
    /// What could be claimed after the last write, each in its attempt.
    ready: HashSet<(TaskId, u32)>,
    runs: BTreeSet<RunId>,
}

/// One who waits, in the order of their coming.
#[derive(Clone)]
pub(crate) struct Sleeper {
    pub(crate) number: u64,
    pub(crate) scope: Option<RunId>,
    is_woken: bool,
    /// The tasks that it was woken for since its last look.
    woken_for: Vec<TaskId>,
    notify: Arc<Notify>,
}

impl Sleeper {
    pub(crate) fn waits_for(&self, run_id: RunId) -> bool {
        self.scope.is_none_or(|scope| scope == run_id)
    }
}

/// All tasks of the store, by run.
async fn all_tasks(inner: &MemoryStore) -> Result<(BTreeSet<RunId>, Vec<Task>)> {
    let runs = inner.list_runs(ListRuns::all()).await?.items;
    let mut tasks = Vec::new();
    for run in &runs {
        tasks.extend(inner.list_tasks(ListTasks::new(run.id)).await?.items);
    }
    Ok((runs.iter().map(|run| run.id).collect(), tasks))
}

impl Line {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            waiting: Mutex::default(),
            rearmed: watch::Sender::new(0),
        }
    }

    fn wake(&self, whom: impl Fn(&Sleeper) -> bool) {
        for sleeper in self.waiting.lock().unwrap().sleepers.values() {
            if whom(sleeper) {
                sleeper.notify.notify_one();
            }
        }
    }

    /// Takes the last place.
    fn enter(&self, scope: Option<RunId>, fault: &dyn Fault) -> Place<'_> {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.last += 1;
        let (number, notify) = (waiting.last, Arc::new(Notify::new()));
        let sleeper = Sleeper {
            number,
            scope,
            is_woken: false,
            woken_for: Vec::new(),
            notify: Arc::clone(&notify),
        };
        waiting.sleepers.insert(number, sleeper);
        Place {
            line: self,
            number,
            notify,
            leaves: fault.leaves_the_line(),
            passes_on: fault.passes_on(),
        }
    }
}

/// The line as a fault has it.
pub(crate) struct InLine<'o> {
    line: &'o Line,
    fault: &'o dyn Fault,
}

impl<'o> InLine<'o> {
    pub(crate) fn new(line: &'o Line, fault: &'o dyn Fault) -> Self {
        Self { line, fault }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.line.clock
    }

    /// Is over after the next call.
    pub(crate) async fn changed(&self) {
        let _ = self.line.rearmed.subscribe().changed().await;
    }

    /// Tells those who wait what the call, which is done, has changed for them.
    pub(crate) async fn tell(&self, inner: &MemoryStore, call: &str) {
        let reads = [
            "get_",
            "list_",
            "latest_",
            "recent_",
            "snapshot",
            "waiting_reason",
        ];
        if reads.iter().any(|read| call.starts_with(read)) {
            return;
        }
        let (line, fault) = (self.line, self.fault);
        let Ok((runs, tasks)) = all_tasks(inner).await else {
            if fault.tells_the_end(call) {
                line.wake(|_| true);
            }
            return;
        };
        let read = || tasks.clone();
        let look = Look::new(None, None, line.clock.now(), &read);
        let mut waiting = line.waiting.lock().unwrap();
        let ready = tasks.iter().filter(|task| look.is_ready(task));
        let ready: Vec<&Task> = ready.collect();
        let new = ready
            .iter()
            .filter(|task| !waiting.ready.contains(&(task.id, task.attempt_count)))
            .filter(|task| fault.tells(call, task));
        let mut sleepers: Vec<Sleeper> = waiting.sleepers.values().cloned().collect();
        for task in new {
            let asleep: Vec<&Sleeper> = sleepers.iter().filter(|one| !one.is_woken).collect();
            let woken: BTreeSet<u64> = fault.whom(&asleep, task.run_id).into_iter().collect();
            for sleeper in &mut sleepers {
                if woken.contains(&sleeper.number) {
                    sleeper.is_woken = true;
                    sleeper.woken_for.push(task.id);
                    sleeper.notify.notify_one();
                }
            }
        }
        waiting.sleepers = sleepers.into_iter().map(|one| (one.number, one)).collect();
        waiting.ready = ready
            .iter()
            .map(|task| (task.id, task.attempt_count))
            .collect();
        let gone: Vec<RunId> = waiting.runs.difference(&runs).copied().collect();
        waiting.runs = runs;
        drop(waiting);
        if fault.tells_the_end(call) {
            line.wake(|one| one.scope.is_some_and(|scope| gone.contains(&scope)));
        }
        if fault.rearms(call) {
            line.rearmed.send_modify(|count| *count += 1);
        }
    }

    /// When, after the last look, the first of the tasks of the scope that wait for a time alone becomes
    /// claimable.
    async fn next_due(
        &self,
        inner: &MemoryStore,
        scope: Option<RunId>,
        looked_at: Timestamp,
    ) -> Option<Timestamp> {
        // What is wrong is told by the next look.
        let (_, tasks) = all_tasks(inner).await.ok()?;
        let read = || tasks.clone();
        let look = Look::new(scope, None, self.clock().now(), &read);
        let tasks = look.tasks().iter();
        let tasks = tasks.filter(|task| scope.is_none_or(|scope| scope == task.run_id));
        let due = tasks.filter_map(|task| self.fault.due(&look, task));
        due.filter(|due| *due > looked_at).min()
    }

    /// Claims, or waits for a claim.
    pub(crate) fn wait<'f>(
        &'f self,
        inner: &'f MemoryStore,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Claim>>> + Send + 'f>> {
        Box::pin(self.waiting(inner, request, timeout))
    }

    async fn waiting(
        &self,
        inner: &MemoryStore,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>> {
        let (line, fault) = (self.line, self.fault);
        request.check()?;
        check_timeout(timeout)?;
        let mut over = line.clock.sleep(timeout);
        let first = fault.claim_next_task(inner, request.clone()).await?;
        if first.is_some() || timeout.is_zero() {
            return Ok(first);
        }
        let mut place = line.enter(request.run_id, fault);
        loop {
            let looked_at = line.clock.now();
            place.begin_look();
            if let Some(claim) = fault.claim_next_task(inner, request.clone()).await? {
                place.leave_to_others(claim.task.id);
                return Ok(Some(claim));
            }
            place.forget();
            if !fault.keeps_its_place() {
                place = line.enter(request.run_id, fault);
            }
            loop {
                let mut rearmed = line.rearmed.subscribe();
                let due = self.next_due(inner, request.run_id, looked_at).await;
                let until_due = async {
                    match due {
                        Some(due) => {
                            line.clock
                                .sleep(due.saturating_since(line.clock.now()))
                                .await
                        }
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = place.notify.notified() => break,
                    () = until_due => break,
                    () = &mut over => {
                        place.begin_look();
                        return fault.claim_next_task(inner, request).await;
                    }
                    _ = rearmed.changed() => {}
                }
            }
        }
    }
}

/// A place in the line; left when dropped.
struct Place<'l> {
    line: &'l Line,
    number: u64,
    notify: Arc<Notify>,
    leaves: bool,
    passes_on: bool,
}

impl Place<'_> {
    /// Begins a look, which answers the wake-ups up to here.
    fn begin_look(&self) {
        if let Some(own) = self
            .line
            .waiting
            .lock()
            .unwrap()
            .sleepers
            .get_mut(&self.number)
        {
            own.is_woken = false;
        }
    }

    /// What it was woken for was looked for, and is not there.
    fn forget(&self) {
        let mut waiting = self.line.waiting.lock().unwrap();
        if let Some(own) = waiting.sleepers.get_mut(&self.number)
            && !own.is_woken
        {
            own.woken_for.clear();
        }
    }

    /// After a claim: what it was woken for and did not take may be there for any of the others.
    fn leave_to_others(&self, taken: TaskId) {
        let mut waiting = self.line.waiting.lock().unwrap();
        if let Some(own) = waiting.sleepers.get_mut(&self.number) {
            own.is_woken |= own.woken_for.iter().any(|task| *task != taken);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.leaves {
            return;
        }
        let mut waiting = self.line.waiting.lock().unwrap();
        let own = waiting.sleepers.remove(&self.number);
        // What it was woken for may be there for any of the others to take.
        if self.passes_on && own.is_some_and(|own| own.is_woken) {
            for sleeper in waiting.sleepers.values_mut() {
                sleeper.is_woken = true;
                sleeper.notify.notify_one();
            }
        }
    }
}
