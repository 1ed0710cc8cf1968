//! The two queues that claims are served from (clauses C1, C7 and C9): `ready`, in the order of claims,
//! and `due`, in the order of times.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::{Bound, RangeInclusive};

use runstore_core::Result;

use crate::states::TaskKey;
#[cfg(test)]
use crate::table::Reading;
use crate::table::{Access, Table, Writing};

/// What orders a task in its run's queue: a rank or a time, then its number in the store.
type Order = (i64, u64);

/// The key of a task: its run, and what orders it there.
type Key = (u64, i64, u64);

/// The queues of all runs. Each run's own is complete; for the store as a whole only the first task of each
/// is kept, so that a task that is put somewhere behind the first writes one entry.
pub(crate) struct Queue<A: Access> {
    /// The tasks, by their positions.
    tasks: Table<A, Key, u64>,
    /// The runs, in the order of their first tasks.
    firsts: Table<A, Order, u64>,
    /// The runs whose queues were changed, with the first task that `firsts` still has of them.
    unsettled: BTreeMap<u64, Option<Order>>,
}

/// The tasks of a run up to this place in the order.
fn up_to(run: u64, last: i64) -> RangeInclusive<Key> {
    (run, i64::MIN, 0)..=(run, last, u64::MAX)
}

impl<A: Access> Queue<A> {
    pub(crate) fn new(access: A, tasks: &'static str, firsts: &'static str) -> Self {
        Self {
            tasks: Table::new(access, tasks),
            firsts: Table::new(access, firsts),
            unsettled: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&self) -> Result<()> {
        self.tasks.open()?;
        self.firsts.open()?;
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        self.tasks.name()
    }

    pub(crate) fn contains(&self, run: u64, (order, number): Order) -> Result<bool> {
        self.tasks.contains((run, order, number))
    }

    fn first_of_run(&self, run: u64) -> Result<Option<Order>> {
        let mut orders = self
            .tasks
            .keys(up_to(run, i64::MAX), |(_, order, number)| (order, number))?;
        orders.next().transpose()
    }

    /// What orders the first task of a run, or of all.
    pub(crate) fn first(&self, run: Option<u64>) -> Result<Option<Order>> {
        match run {
            Some(run) => self.first_of_run(run),
            None => {
                let mut orders = self.firsts.keys(.., |order| order)?;
                orders.next().transpose()
            }
        }
    }

    /// The tasks of a run, or of all, up to this place in the order. Of all, only once the queue is
    /// [settled](Self::settle).
    pub(crate) fn tasks(
        &self,
        run: Option<u64>,
        last: i64,
    ) -> Result<Box<dyn Iterator<Item = Result<TaskKey>> + '_>> {
        Ok(match run {
            Some(run) => {
                let positions = self.tasks.values(up_to(run, last))?;
                Box::new(positions.map(move |position| Ok((run, position?))))
            }
            None => {
                let firsts = (i64::MIN, 0)..=(last, u64::MAX);
                let firsts = self.firsts.entries(firsts, |order, run| (order, run))?;
                Box::new(Merged {
                    queue: self,
                    last,
                    firsts: firsts.peekable(),
                    seconds: BTreeSet::new(),
                    taken: None,
                })
            }
        })
    }

    /// The task of that run that comes after this one.
    fn next(&self, run: u64, (order, number): Order, last: i64) -> Result<Option<Order>> {
        let behind = (
            Bound::Excluded((run, order, number)),
            Bound::Included((run, last, u64::MAX)),
        );
        let mut orders = self
            .tasks
            .keys(behind, |(_, order, number)| (order, number))?;
        orders.next().transpose()
    }
}

/// The queues of all runs merged into one.
struct Merged<'q, A: Access, I: Iterator<Item = Result<(Order, u64)>>> {
    queue: &'q Queue<A>,
    last: i64,
    /// The first tasks of runs of which none was given yet.
    firsts: Peekable<I>,
    /// The next tasks of the other runs.
    seconds: BTreeSet<(Order, u64)>,
    /// The task that was given last: what follows it in its run is looked up only if one more is wanted.
    taken: Option<(Order, u64)>,
}

impl<A: Access, I: Iterator<Item = Result<(Order, u64)>>> Merged<'_, A, I> {
    fn advance(&mut self) -> Result<Option<TaskKey>> {
        if let Some((order, run)) = self.taken.take()
            && let Some(next) = self.queue.next(run, order, self.last)?
        {
            self.seconds.insert((next, run));
        }
        let second = self.seconds.first().copied();
        let is_before = |first: &Result<(Order, u64)>| match (first, second) {
            (Ok((order, _)), Some((second, _))) => *order < second,
            _ => true,
        };
        let taken = match self.firsts.next_if(is_before) {
            Some(first) => first?,
            None => match self.seconds.pop_first() {
                Some(second) => second,
                None => return Ok(None),
            },
        };
        self.taken = Some(taken);
        let ((order, number), run) = taken;
        let position = self.queue.tasks.get((run, order, number))?;
        Ok(Some((run, position)))
    }
}

impl<A: Access, I: Iterator<Item = Result<(Order, u64)>>> Iterator for Merged<'_, A, I> {
    type Item = Result<TaskKey>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Queue<Writing<'_>> {
    pub(crate) fn insert(&mut self, (run, position): TaskKey, order: Order) -> Result<()> {
        self.note_first(run)?;
        self.tasks.put((run, order.0, order.1), position)
    }

    pub(crate) fn remove(&mut self, run: u64, order: Order) -> Result<()> {
        self.note_first(run)?;
        self.tasks.remove((run, order.0, order.1))
    }

    /// Empties the queue of a run.
    pub(crate) fn remove_run(&mut self, run: u64) -> Result<()> {
        self.note_first(run)?;
        self.tasks.remove_range(up_to(run, i64::MAX))
    }

    fn note_first(&mut self, run: u64) -> Result<()> {
        if !self.unsettled.contains_key(&run) {
            let first = self.first_of_run(run)?;
            self.unsettled.insert(run, first);
        }
        Ok(())
    }

    /// Brings the first tasks of the runs up to date: before they are looked at, and before the commit. Once
    /// for all changes of a batch, for most of them concern the same few runs.
    pub(crate) fn settle(&mut self) -> Result<()> {
        while let Some((run, was)) = self.unsettled.pop_first() {
            let is = self.first_of_run(run)?;
            if was == is {
                continue;
            }
            if let Some(was) = was {
                self.firsts.remove(was)?;
            }
            if let Some(is) = is {
                self.firsts.put(is, run)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Queue<Reading<'_>> {
    /// Checks that the first task of each run is noted, and no other.
    pub(crate) fn audit(&self) -> Result<()> {
        let mut firsts = BTreeMap::new();
        for key in self.tasks.keys(.., |key| key)? {
            let (run, order, number) = key?;
            firsts.entry(run).or_insert((order, number));
        }
        let firsts = firsts.into_iter().map(|(run, first)| (first, run));
        let stored = self.firsts.entries(.., |order, run| (order, run))?;
        let stored = stored.collect::<Result<BTreeSet<_>>>()?;
        assert_eq!(stored, firsts.collect());
        Ok(())
    }
}
