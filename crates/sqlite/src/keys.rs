//! The keys by which the entries of a run are kept: the run's number in the upper 32 bits, the number of the entry
//! within the run in the lower ones. So the entries of a run lie together in their table, in their order.

use std::collections::HashMap;

use runstore_core::{Error, Result, RunId, Uuid};

use crate::codec::{Columns, Record};
use crate::driver::Connection;
use crate::statement::list_by_ids;

/// The most entries of a kind that a run can have.
const MAX_ENTRIES: u64 = u32::MAX as u64;

/// The keys of the entries of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    run_number: u32,
}

impl Keys {
    pub(crate) const fn of_run(run_number: u32) -> Self {
        Self { run_number }
    }

    /// The end of the entries that come no later than the one with this number: those behind it have higher keys.
    pub(crate) fn up_to(self, number: u64) -> i64 {
        (i64::from(self.run_number) << 32) | i64::from(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// The last key that an entry of the run can have.
    pub(crate) fn last(self) -> i64 {
        self.up_to(MAX_ENTRIES)
    }

    /// The key of the entry with this number.
    fn key(self, number: u64) -> Result<i64> {
        if number > MAX_ENTRIES {
            let what = format!("the run has {MAX_ENTRIES} entries of a kind, and can have no more");
            return Err(Error::Backend { what, source: None });
        }
        Ok(self.up_to(number))
    }
}

/// Up to where a run has entries of the kinds that are added many at a time.
#[derive(Debug)]
pub(crate) struct LastEntries {
    run_id: RunId,
    keys: Keys,
    pub(crate) attempt: Last,
    pub(crate) event: Last,
    pub(crate) artifact: Last,
}

/// The number of the last entry of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last(u64);

impl LastEntries {
    /// Of those of these runs that there are.
    pub(crate) fn of_runs(connection: &Connection, ids: &[Uuid]) -> Result<HashMap<RunId, Self>> {
        const SQL: &str = concat!(
            "SELECT id, seq, ",
            last_number!("attempts"),
            " AS attempt, ",
            last_number!("events"),
            " AS event, ",
            last_number!("artifacts"),
            " AS artifact FROM runs WHERE id IN ("
        );
        let found: Vec<Self> = list_by_ids(connection, SQL, ids)?;
        Ok(found.into_iter().map(|last| (last.run_id, last)).collect())
    }

    /// Numbers the next entry of a kind, and gives its number and its key.
    pub(crate) fn next(&mut self, kind: fn(&mut Self) -> &mut Last) -> Result<(u64, i64)> {
        let keys = self.keys;
        let Last(number) = kind(self);
        let next = number.saturating_add(1);
        let key = keys.key(next)?;
        *number = next;
        Ok((next, key))
    }
}

/// The number of the last entry that a run has in a table, of the run in the statement around it; 0 if there is none.
macro_rules! last_number {
    ($table:literal) => {
        concat!(
            "coalesce((SELECT max(key) FROM ",
            $table,
            " WHERE key BETWEEN runs.seq << 32 AND (runs.seq << 32) + 0xffffffff), 0) & 0xffffffff"
        )
    };
}
pub(crate) use last_number;

impl Record for LastEntries {
    const TABLE: &'static str = "runs";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("id")?,
            keys: Keys::of_run(row.count("seq")?),
            attempt: Last(row.get("attempt")?),
            event: Last(row.get("event")?),
            artifact: Last(row.get("artifact")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use runstore_core::TaskAttempt;

    use super::*;
    use crate::driver::query;
    use crate::entries::Entry;
    use crate::testing::{opened, steps};

    #[test]
    fn the_keys_of_a_run_are_between_those_of_the_runs_beside_it() {
        let [before, run, after] = [6, 7, 8].map(Keys::of_run);
        assert!(before.last() < run.up_to(0) && run.last() < after.up_to(0));
        assert_eq!(run.key(1).unwrap(), run.up_to(0) + 1);
        assert_eq!(run.key(MAX_ENTRIES).unwrap(), run.last());
    }

    #[test]
    fn a_run_that_is_full_takes_no_entry_of_the_next_ones_keys() {
        let full = Keys::of_run(7).key(MAX_ENTRIES + 1);
        assert!(matches!(full, Err(Error::Backend { .. })), "{full:?}");
        let (_folder, opened) = opened();
        let connection = &opened.connection;
        let run = "INSERT INTO runs VALUES (7, x'07', '', 0, 0, NULL, 0, 0, NULL, '', '')";
        query(run).execute(connection).unwrap();
        let last = "INSERT INTO events VALUES (?, x'07', NULL, 0, '', '', '', '')";
        let last = query(last).bind(Keys::of_run(7).last());
        last.execute(connection).unwrap();
        let next = query(concat!(
            "INSERT INTO events SELECT (seq << 32) + 1 + (",
            last_number!("events"),
            "), id, NULL, 0, '', '', '', '' FROM runs"
        ));
        assert!(next.execute(connection).is_err());
    }

    #[test]
    fn the_last_entry_of_a_run_is_found_by_a_look_at_it_alone() {
        let (_folder, mut opened) = opened();
        let expected = "SEARCH attempts USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
        let last = concat!(
            "SELECT ",
            last_number!("attempts"),
            " FROM runs WHERE id = ?1"
        );
        let found = steps(&mut opened, last);
        assert!(found.contains(&expected.to_owned()), "{found:?}");
        assert_eq!(steps(&mut opened, TaskAttempt::NEWEST_OF_RUN), [expected]);
    }
}
