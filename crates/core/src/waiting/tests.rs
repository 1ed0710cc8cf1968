use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::*;
use crate::{Error, ManualClock, Outcome, Task, TaskDraft, rules};

/// Tasks of one run that become claimable at a time each, and how often somebody looked.
struct Source {
    run_id: RunId,
    clock: ManualClock,
    tasks: Mutex<BTreeSet<(Timestamp, u64)>>,
    looks: Mutex<Vec<String>>,
    hub: WakeHub,
    closed: Mutex<bool>,
}

impl Source {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            run_id: RunId::generate(),
            clock: ManualClock::new(at(0)),
            tasks: Mutex::default(),
            looks: Mutex::default(),
            hub: WakeHub::new(),
            closed: Mutex::default(),
        })
    }

    fn add(&self, time: Timestamp, number: u64) {
        self.tasks.lock().unwrap().insert((time, number));
        let mut wakes = Wakes::default();
        let now = self.clock.now();
        wakes.placed(self.run_id, rules::schedule::place(Some(time), 0, now));
        self.hub.wake(&wakes);
    }

    fn task(&self, number: u64) -> Task {
        rules::create::task(self.run_id, number, TaskDraft::new("t", "o"), at(0))
    }

    fn looks(&self) -> usize {
        self.looks.lock().unwrap().len()
    }

    fn wait(self: &Arc<Self>, worker: &str, micros: u64) -> Waiting {
        let source = Arc::clone(self);
        let request = ClaimRequest::of_run(self.run_id).with_worker(worker);
        let timeout = Duration::from_micros(micros);
        tokio::spawn(async move {
            let clock = source.clock.clone();
            let claim = claim_or_wait(&*source, &source.hub, &clock, request, timeout).await?;
            Ok(claim.map(|claim| claim.task.position))
        })
    }
}

type Waiting = tokio::task::JoinHandle<Result<Option<u64>>>;

#[async_trait]
impl WaitSource for Source {
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        self.looks
            .lock()
            .unwrap()
            .push(request.worker.unwrap_or_default());
        if *self.closed.lock().unwrap() {
            return Err(Error::Unavailable {
                what: "closed".to_owned(),
                outcome: Outcome::NotApplied,
                source: None,
            });
        }
        let mut tasks = self.tasks.lock().unwrap();
        let first = tasks.first().copied();
        let Some((_, number)) = first.filter(|(time, _)| *time <= self.clock.now()) else {
            return Ok(None);
        };
        tasks.pop_first();
        let task = self.task(number);
        Ok(Some(Claim { task }))
    }

    async fn next_due(&self, _: Option<RunId>) -> Result<Option<Timestamp>> {
        Ok(self.tasks.lock().unwrap().first().map(|(time, _)| *time))
    }

    async fn changed_elsewhere(&self) {
        pending().await
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// Lets every task run until none can go on: the runtime has one thread, and nothing here waits for
/// anything but another task.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_new_task_wakes_the_longest_waiting_and_nobody_else() {
    let source = Source::new();
    let first = source.wait("first", 100);
    settle().await;
    let others: Vec<_> = (0..1_000).map(|_| source.wait("other", 100)).collect();
    settle().await;
    let before = source.looks();
    source.add(at(0), 7);
    assert_eq!(first.await.unwrap().unwrap(), Some(7));
    settle().await;
    // The one that took it looked, and the one that leads after it.
    assert!(source.looks() - before <= 2, "{}", source.looks() - before);
    assert_eq!(source.hub.waiters(), 1_000);
    source.clock.advance_micros(100);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), None);
    }
    assert_eq!(source.hub.waiters(), 0);
}

#[tokio::test]
async fn a_task_that_becomes_due_is_taken_at_that_very_instant() {
    let source = Source::new();
    source.add(at(50), 1);
    let waiting = source.wait("w", 100);
    settle().await;
    source.clock.set(at(49));
    settle().await;
    assert!(!waiting.is_finished());
    // One that is due sooner is noticed too.
    source.add(at(60), 2);
    source.clock.set(at(50));
    assert_eq!(waiting.await.unwrap().unwrap(), Some(1));
    let waiting = source.wait("w", 100);
    settle().await;
    source.add(at(55), 3);
    settle().await;
    source.clock.set(at(55));
    assert_eq!(waiting.await.unwrap().unwrap(), Some(3));
}

#[tokio::test]
async fn all_that_become_due_together_are_taken_by_as_many_waiters() {
    let source = Source::new();
    let waiting: Vec<_> = (0..10).map(|_| source.wait("w", 1_000)).collect();
    settle().await;
    for number in 0..10 {
        source.add(at(50), number);
    }
    source.clock.set(at(50));
    let mut taken = BTreeSet::new();
    for claim in waiting {
        taken.extend(claim.await.unwrap().unwrap());
    }
    assert_eq!(taken.len(), 10);
}

#[tokio::test]
async fn the_end_of_the_timeout_takes_what_is_there_at_that_instant() {
    let source = Source::new();
    assert_eq!(source.wait("w", 0).await.unwrap().unwrap(), None);
    source.add(at(100), 1);
    let waiting = source.wait("w", 100);
    settle().await;
    source.clock.set(at(100));
    assert_eq!(waiting.await.unwrap().unwrap(), Some(1));
}

#[tokio::test]
async fn a_wake_up_of_one_who_is_gone_goes_to_the_next() {
    let source = Source::new();
    let first = source.wait("first", 100);
    settle().await;
    let second = source.wait("second", 100);
    settle().await;
    source.add(at(0), 7);
    // Woken, and dropped before it looks.
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), Some(7));
    assert_eq!(source.hub.waiters(), 0);
}

#[tokio::test]
async fn closing_ends_every_wait() {
    let source = Source::new();
    let waiting: Vec<_> = (0..3).map(|_| source.wait("w", 100)).collect();
    settle().await;
    *source.closed.lock().unwrap() = true;
    source.hub.wake_all();
    for claim in waiting {
        assert!(matches!(
            claim.await.unwrap(),
            Err(Error::Unavailable { .. })
        ));
    }
}
