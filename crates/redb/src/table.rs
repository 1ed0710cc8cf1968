//! A typed table within a transaction: opened when it is first used, its errors classified, its values
//! decoded.

use std::cell::{Cell, OnceCell};
use std::ops::RangeBounds;

use redb::{
    AccessGuard, Key, ReadTransaction, ReadableTable, StorageError, TableDefinition, TableHandle,
    Value, WriteTransaction,
};
use runstore_core::{Pauses, Result};
use serde::Serialize;

use crate::codec::{self, Binary, Numbered, Record, Stored};
use crate::error;

/// The transaction that tables are opened in.
pub(crate) trait Access: Copy {
    /// A table of redb in such a transaction.
    type Table<K: Key + 'static, V: Value + 'static>: ReadableTable<K, V>;

    /// Opens a table.
    fn open<K: Key + 'static, V: Value + 'static>(
        self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Self::Table<K, V>>;

    /// Is told of each row of a range that is read.
    fn passed_row(self);
}

/// A transaction that reads one snapshot, and the pauses of who reads.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'t> {
    pub(crate) transaction: &'t ReadTransaction,
    pub(crate) pauses: &'t Pauses,
}

impl Access for Reading<'_> {
    type Table<K: Key + 'static, V: Value + 'static> = redb::ReadOnlyTable<K, V>;

    fn open<K: Key + 'static, V: Value + 'static>(
        self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Self::Table<K, V>> {
        let table = self.transaction.open_table(definition);
        table.map_err(|error| error::table(definition.name(), error))
    }

    fn passed_row(self) {
        self.pauses.passed_row();
    }
}

/// A transaction that writes, with the count of the writes in it.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'t> {
    pub(crate) transaction: &'t WriteTransaction,
    pub(crate) writes: &'t Cell<u64>,
}

impl<'t> Access for Writing<'t> {
    type Table<K: Key + 'static, V: Value + 'static> = redb::Table<'t, K, V>;

    fn open<K: Key + 'static, V: Value + 'static>(
        self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Self::Table<K, V>> {
        let table = self.transaction.open_table(definition);
        table.map_err(|error| error::table(definition.name(), error))
    }

    /// Others wait for who writes.
    fn passed_row(self) {}
}

type GuardedRow<'s, K, V> = (AccessGuard<'s, K>, AccessGuard<'s, V>);

/// A table within a transaction.
pub(crate) struct Table<A: Access, K: Key + 'static, V: Value + 'static> {
    access: A,
    definition: TableDefinition<'static, K, V>,
    opened: OnceCell<A::Table<K, V>>,
}

impl<A: Access, K: Key + 'static, V: Value + 'static> Table<A, K, V> {
    pub(crate) fn new(access: A, name: &'static str) -> Self {
        Self {
            access,
            definition: TableDefinition::new(name),
            opened: OnceCell::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.definition.name()
    }

    /// The table of redb. In a transaction that writes, it is created if it does not exist.
    pub(crate) fn open(&self) -> Result<&A::Table<K, V>> {
        match self.opened.get() {
            Some(table) => Ok(table),
            None => {
                let table = self.access.open(self.definition)?;
                Ok(self.opened.get_or_init(|| table))
            }
        }
    }

    pub(crate) fn contains(&self, key: K::SelfType<'_>) -> Result<bool> {
        let found = self.open()?.get(&key);
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }

    fn range<'s, 'k>(
        &'s self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
    ) -> Result<impl DoubleEndedIterator<Item = Result<GuardedRow<'s, K, V>>>> {
        let rows = self.open()?.range(range);
        let rows = rows.map_err(|error| self.failed(error))?;
        Ok(rows.map(|row| {
            self.access.passed_row();
            row.map_err(|error| self.failed(error))
        }))
    }

    fn failed(&self, error: StorageError) -> runstore_core::Error {
        error::in_table(self.name(), error)
    }
}

impl<A: Access, K: Key + 'static, V: Stored> Table<A, K, V> {
    pub(crate) fn find(&self, key: K::SelfType<'_>) -> Result<Option<V::Decoded>> {
        let found = self.open()?.get(&key);
        let Some(value) = found.map_err(|error| self.failed(error))? else {
            return Ok(None);
        };
        self.decoded(&key, value.value()).map(Some)
    }

    fn decoded(&self, key: &K::SelfType<'_>, value: V::SelfType<'_>) -> Result<V::Decoded> {
        V::decode(value).map_err(|error| error::undecodable(self.name(), key, error))
    }

    /// A value that another table says is there.
    pub(crate) fn get(&self, key: K::SelfType<'_>) -> Result<V::Decoded>
    where
        for<'k> K::SelfType<'k>: Clone,
    {
        self.find(key.clone())?
            .ok_or_else(|| error::missing(self.name(), &key))
    }

    /// What `part` makes of each key and value of a range, in the order of the keys.
    pub(crate) fn entries<'k, T>(
        &self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
        part: impl Fn(K::SelfType<'_>, V::Decoded) -> T,
    ) -> Result<impl DoubleEndedIterator<Item = Result<T>>> {
        let rows = self.range(range)?;
        Ok(rows.map(move |row| {
            let (key, value) = row?;
            let decoded = self.decoded(&key.value(), value.value())?;
            Ok(part(key.value(), decoded))
        }))
    }

    /// The values of a range, each with its number, in the order of the keys.
    pub(crate) fn rows<'k>(
        &self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, V::Decoded)>>>
    where
        K: Numbered,
    {
        self.entries(range, |key, value| (K::number(key), value))
    }

    /// The values of a range, in the order of the keys.
    pub(crate) fn values<'k>(
        &self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
    ) -> Result<impl Iterator<Item = Result<V::Decoded>>> {
        self.entries(range, |_, value| value)
    }
}

impl<A: Access, K: Key + 'static, V: Value + 'static> Table<A, K, V> {
    /// What `part` takes of each key of a range, in their order.
    pub(crate) fn keys<'k, T>(
        &self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
        part: impl Fn(K::SelfType<'_>) -> T,
    ) -> Result<impl DoubleEndedIterator<Item = Result<T>>> {
        let rows = self.range(range)?;
        Ok(rows.map(move |row| {
            let (key, _) = row?;
            Ok(part(key.value()))
        }))
    }

    /// The number of the last key of a range.
    pub(crate) fn last_number<'k>(
        &self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
    ) -> Result<Option<u64>>
    where
        K: Numbered,
    {
        let mut numbers = self.keys(range, |key| K::number(key))?;
        numbers.next_back().transpose()
    }

    /// How many keys a range has.
    pub(crate) fn count<'k>(&self, range: impl RangeBounds<K::SelfType<'k>> + 'k) -> Result<u64> {
        let mut count = 0;
        for row in self.range(range)? {
            row?;
            count += 1;
        }
        Ok(count)
    }
}

impl<'t, K: Key + 'static, V: Value + 'static> Table<Writing<'t>, K, V> {
    pub(crate) fn put(&mut self, key: K::SelfType<'_>, value: V::SelfType<'_>) -> Result<()> {
        self.change(|table| table.insert(&key, &value).map(drop))
    }

    pub(crate) fn remove(&mut self, key: K::SelfType<'_>) -> Result<()> {
        self.change(|table| table.remove(&key).map(drop))
    }

    pub(crate) fn remove_range<'k>(
        &mut self,
        range: impl RangeBounds<K::SelfType<'k>> + 'k,
    ) -> Result<()> {
        self.change(|table| table.retain_in(range, |_, _| false))
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut redb::Table<'t, K, V>) -> redb::Result,
    ) -> Result<()> {
        let mut table = match self.opened.take() {
            Some(table) => table,
            None => self.access.open(self.definition)?,
        };
        // Counted before it is tried: a change that failed may have left a part of it.
        let writes = self.access.writes;
        writes.set(writes.get().saturating_add(1));
        let changed = change(&mut table);
        self.opened = OnceCell::from(table);
        changed.map_err(|error| self.failed(error))
    }
}

impl<K: Key + 'static, T: Record> Table<Writing<'_>, K, Binary<T>> {
    pub(crate) fn write(&mut self, key: K::SelfType<'_>, record: &T) -> Result<()> {
        let row = record.row();
        let row = row.map_err(|error| error::unencodable(self.name(), error))?;
        self.write_row(key, &row)
    }

    /// As [`write`](Self::write), for a row that was made of something else than the record.
    pub(crate) fn write_row(&mut self, key: K::SelfType<'_>, row: &impl Serialize) -> Result<()> {
        let encoded = codec::to_bytes(row);
        let encoded = encoded.map_err(|error| error::unencodable(self.name(), error))?;
        self.put(key, &encoded)
    }
}
