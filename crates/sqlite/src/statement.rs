//! The few ways in which a statement is run, and what a page is in SQL.

use runstore_core::{Cursor, Page, PageRequest, Result, Uuid};
use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::codec::{Columns, Named, Record};
use crate::driver::{Connection, Query, QueryBuilder, query};
use crate::error::engine;

/// How many rows one statement reads by their ids, or writes. Each number of them is a statement of its own, which
/// the connection keeps prepared.
///
/// A statement that writes many says `OR FAIL`: one that fails gives up its batch, so SQLite need not keep a copy of
/// each page to take back the rows before (<https://www.sqlite.org/tempfiles.html#statement_journal_files>).
pub(crate) const ROWS_A_STATEMENT: usize = 64;

fn decode<T: Record>(row: &Row<'_>) -> Result<T> {
    T::from_row(&Columns::of::<T>(row))
}

/// Reads what the rows of a statement are made into. `what` is the table, for an error.
fn read<T>(
    connection: &Connection,
    what: &str,
    query: Query<'_>,
    mut make: impl FnMut(&Row<'_>) -> Result<T>,
    most: usize,
) -> Result<Vec<T>> {
    let read = query.with_rows(connection, |rows| {
        let mut made = Vec::new();
        while made.len() < most
            && let Some(row) = rows.next()?
        {
            made.push(make(row).map_err(Failed::Row)?);
        }
        Ok(made)
    });
    read.map_err(|failed| match failed {
        Failed::Engine(error) => engine(what, error),
        Failed::Row(error) => error,
    })
}

/// What failed while rows were read: the engine, or the making of a record of one.
enum Failed {
    Engine(rusqlite::Error),
    Row(runstore_core::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// Finds the record that the statement names, if there is one.
pub(crate) fn find<T: Record>(connection: &Connection, query: Query<'_>) -> Result<Option<T>> {
    Ok(read(connection, T::TABLE, query, decode, 1)?.pop())
}

/// Finds the record with this id, whatever run it is in.
pub(crate) fn find_by_id<T: Named>(
    connection: &Connection,
    id: impl Into<Uuid>,
) -> Result<Option<T>> {
    find(connection, query(T::BY_ID).bind(id.into()))
}

/// Lists the records that the statement gives, in its order.
pub(crate) fn list<T: Record>(connection: &Connection, query: Query<'_>) -> Result<Vec<T>> {
    read(connection, T::TABLE, query, decode, usize::MAX)
}

/// Lists the records with these ids, in no order. The statement ends where the list of ids begins.
pub(crate) fn list_by_ids<T: Record>(
    connection: &Connection,
    sql: &'static str,
    ids: &[Uuid],
) -> Result<Vec<T>> {
    let mut records = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_A_STATEMENT) {
        let mut statement = QueryBuilder::new(sql);
        statement.push_list(ids.iter().copied());
        records.extend(list(connection, statement.build())?);
    }
    Ok(records)
}

/// Lists the last records, oldest first, by a statement that gives the newest first.
pub(crate) fn list_last<T: Record>(
    connection: &Connection,
    newest_first: Query<'_>,
) -> Result<Vec<T>> {
    let mut records = list(connection, newest_first)?;
    records.reverse();
    Ok(records)
}

/// Makes a page of the records that the statement gives.
pub(crate) fn page<T: Record>(
    connection: &Connection,
    query: Query<'_>,
    request: PageRequest,
) -> Result<Page<T>> {
    let mut place = None;
    let numbered = |row: &Row<'_>| {
        let number = Columns::of::<T>(row).number::<T>(&mut place)?;
        Ok((number, decode(row)?))
    };
    let records = read(connection, T::TABLE, query, numbered, usize::MAX)?;
    Ok(Page::from_numbered(records, request))
}

/// Reads one value, if the statement gives a row. `what` is the table, for an error.
pub(crate) fn value<T: FromSql>(
    connection: &Connection,
    what: &str,
    query: Query<'_>,
) -> Result<Option<T>> {
    let first = |row: &Row<'_>| row.get(0).map_err(|error| engine(what, error));
    Ok(read(connection, what, query, first, 1)?.pop())
}

/// Changes rows and says how many. `what` is the table, for an error.
pub(crate) fn change(connection: &Connection, what: &str, query: Query<'_>) -> Result<usize> {
    query
        .execute(connection)
        .map_err(|error| engine(what, error))
}

/// Runs a statement that was built for a number of rows. `what` is the table, for an error.
pub(crate) fn run_built(
    connection: &Connection,
    what: &str,
    statement: QueryBuilder<'_>,
) -> Result<()> {
    change(connection, what, statement.build()).map(|_| ())
}

/// The last number that a page must not show, for a list in rising order.
pub(crate) fn after(request: PageRequest) -> i64 {
    // No row has a number beyond: what comes after the last one is empty.
    let number = |cursor: Cursor| i64::try_from(cursor.number()).unwrap_or(i64::MAX);
    request.after.map_or(0, number)
}

/// The first number that a page must not show, for a list in falling order.
pub(crate) fn before(request: PageRequest) -> i64 {
    request.after.map_or(i64::MAX, |_| after(request))
}

/// One row more than the page holds; without a limit, all, which SQLite writes as a negative number.
pub(crate) fn rows(request: PageRequest) -> i64 {
    request.limit.map_or(-1, |limit| i64::from(limit) + 1)
}
