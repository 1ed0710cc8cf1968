//! The few ways in which a statement is run, and what a page is in SQL.

use futures_util::TryStreamExt;
use runstore_core::{Cursor, Page, PageRequest, Result, Uuid};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::codec::{Columns, Named, Query, Record};
use crate::connections::Session;
use crate::error::engine;

pub(crate) fn decode<T: Record>(row: &PgRow) -> Result<T> {
    T::from_row(&Columns::of::<T>(row))
}

/// Finds the record that the statement names, if there is one.
pub(crate) async fn find<T: Record>(session: &mut Session, query: Query) -> Result<Option<T>> {
    let query = query.persistent(session.prepares);
    let row = query.fetch_optional(&mut session.connection).await;
    let row = row.map_err(|error| engine(T::TABLE, error))?;
    row.as_ref().map(decode).transpose()
}

/// Finds the record with this id, whatever run it is in.
pub(crate) async fn find_by_id<T: Named>(
    session: &mut Session,
    id: impl Into<Uuid>,
) -> Result<Option<T>> {
    find(session, sqlx::query(T::BY_ID).bind(id.into())).await
}

/// Lists the records that the statement gives, in its order.
pub(crate) async fn list<T: Record>(session: &mut Session, query: Query) -> Result<Vec<T>> {
    let mut records = Vec::new();
    let query = query.persistent(session.prepares);
    let mut rows = query.fetch(&mut session.connection);
    while let Some(row) = rows
        .try_next()
        .await
        .map_err(|error| engine(T::TABLE, error))?
    {
        records.push(decode(&row)?);
    }
    Ok(records)
}

/// Lists the last records, oldest first, by a statement that gives the newest first.
pub(crate) async fn list_last<T: Record>(
    session: &mut Session,
    newest_first: Query,
) -> Result<Vec<T>> {
    let mut records = list(session, newest_first).await?;
    records.reverse();
    Ok(records)
}

/// A record with its number in the list that it is of.
struct Numbered<T> {
    number: u64,
    record: T,
}

impl<T: Record> Record for Numbered<T> {
    const TABLE: &'static str = T::TABLE;
    const NUMBER: &'static str = T::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            number: row.number(T::NUMBER)?,
            record: T::from_row(row)?,
        })
    }
}

/// Makes a page of the records that the statement gives.
pub(crate) async fn page<T: Record>(
    session: &mut Session,
    query: Query,
    request: PageRequest,
) -> Result<Page<T>> {
    let numbered: Vec<Numbered<T>> = list(session, query).await?;
    let numbered = numbered.into_iter().map(|of| (of.number, of.record));
    Ok(Page::from_numbered(numbered, request))
}

/// Reads one value, if the statement gives a row. `what` is the table, for an error.
pub(crate) async fn value<T>(session: &mut Session, what: &str, query: Query) -> Result<Option<T>>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let query = query.persistent(session.prepares);
    let row = query.fetch_optional(&mut session.connection).await;
    let value = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    value.map_err(|error| engine(what, error))
}

/// Changes rows and says how many. `what` is the table, for an error.
pub(crate) async fn change(session: &mut Session, what: &str, query: Query) -> Result<u64> {
    let query = query.persistent(session.prepares);
    let changed = query.execute(&mut session.connection).await;
    let changed = changed.map_err(|error| engine(what, error))?;
    Ok(changed.rows_affected())
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

/// One row more than the page holds; without a limit, all.
pub(crate) fn rows(request: PageRequest) -> Option<i64> {
    request.limit.map(|limit| i64::from(limit) + 1)
}
