//! The few ways in which a statement is run, and what a page is in SQL.

use futures_util::{Stream, TryStreamExt};
use runstore_core::{Cursor, Page, PageRequest, Result, Uuid};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Decode, QueryBuilder, Row, Sqlite, Type};

use crate::codec::{Columns, Named, Query, Record};
use crate::error::engine;

/// How many rows one statement reads by their ids, or writes: a statement is a trip to the driver's thread
/// and back.
pub(crate) const ROWS_A_STATEMENT: usize = 64;

pub(crate) fn decode<T: Record>(row: &SqliteRow) -> Result<T> {
    T::from_row(&Columns::of::<T>(row))
}

/// Finds the record that the statement names, if there is one.
pub(crate) async fn find<T: Record>(
    connection: &mut SqliteConnection,
    query: Query,
) -> Result<Option<T>> {
    let row = query.fetch_optional(connection).await;
    let row = row.map_err(|error| engine(T::TABLE, error))?;
    row.as_ref().map(decode).transpose()
}

/// Finds the record with this id, whatever run it is in.
pub(crate) async fn find_by_id<T: Named>(
    connection: &mut SqliteConnection,
    id: impl Into<Uuid>,
) -> Result<Option<T>> {
    find(connection, sqlx::query(T::BY_ID).bind(id.into())).await
}

/// Lists the records that the statement gives, in its order.
pub(crate) async fn list<T: Record>(
    connection: &mut SqliteConnection,
    query: Query,
) -> Result<Vec<T>> {
    let mut rows = query.fetch(connection);
    let mut records = Vec::new();
    while let Some(row) = next::<T>(&mut rows).await? {
        records.push(decode(&row)?);
    }
    Ok(records)
}

/// Lists the records with these ids, in no order. The statement ends where the list of ids begins.
pub(crate) async fn list_by_ids<T: Record>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    ids: &[Uuid],
) -> Result<Vec<T>> {
    let mut records = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_A_STATEMENT) {
        let mut statement = QueryBuilder::<Sqlite>::new(sql);
        let mut list_of_ids = statement.separated(", ");
        for id in ids {
            list_of_ids.push_bind(*id);
        }
        statement.push(")");
        let rows = statement.build().fetch_all(&mut *connection).await;
        for row in rows.map_err(|error| engine(T::TABLE, error))? {
            records.push(decode(&row)?);
        }
    }
    Ok(records)
}

/// Lists the last records, oldest first, by a statement that gives the newest first.
pub(crate) async fn list_last<T: Record>(
    connection: &mut SqliteConnection,
    newest_first: Query,
) -> Result<Vec<T>> {
    let mut records = list(connection, newest_first).await?;
    records.reverse();
    Ok(records)
}

/// Makes a page of the records that the statement gives.
pub(crate) async fn page<T: Record>(
    connection: &mut SqliteConnection,
    query: Query,
    request: PageRequest,
) -> Result<Page<T>> {
    let mut rows = query.fetch(connection);
    let mut records = Vec::new();
    while let Some(row) = next::<T>(&mut rows).await? {
        records.push((Columns::of::<T>(&row).get(T::NUMBER)?, decode(&row)?));
    }
    Ok(Page::from_numbered(records, request))
}

async fn next<T: Record>(
    rows: &mut (impl Stream<Item = sqlx::Result<SqliteRow>> + Unpin),
) -> Result<Option<SqliteRow>> {
    let row = rows.try_next().await;
    row.map_err(|error| engine(T::TABLE, error))
}

/// Reads one value, if the statement gives a row. `what` is the table, for an error.
pub(crate) async fn value<T>(
    connection: &mut SqliteConnection,
    what: &str,
    query: Query,
) -> Result<Option<T>>
where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
{
    let row = query.fetch_optional(connection).await;
    let value = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    value.map_err(|error| engine(what, error))
}

/// Changes rows and says how many. `what` is the table, for an error.
pub(crate) async fn change(
    connection: &mut SqliteConnection,
    what: &str,
    query: Query,
) -> Result<u64> {
    let changed = query.execute(connection).await;
    let changed = changed.map_err(|error| engine(what, error))?;
    Ok(changed.rows_affected())
}

/// Runs a statement that was built for a number of rows. `what` is the table, for an error.
pub(crate) async fn run_built(
    connection: &mut SqliteConnection,
    what: &str,
    mut statement: QueryBuilder<Sqlite>,
) -> Result<()> {
    let done = statement.build().execute(connection).await;
    done.map_err(|error| engine(what, error))?;
    Ok(())
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
