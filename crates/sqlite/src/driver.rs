//! The driver as this crate uses it: statements with their values, kept prepared by the connection.

use std::borrow::Cow;

use runstore_core::Uuid;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Rows, params_from_iter};

pub(crate) use rusqlite::Connection;

/// How many values a statement has at most, if it is not one for many rows.
const VALUES_OF_MOST: usize = 12;

/// How much text a statement for one row adds to its beginning.
const TEXT_OF_MOST: usize = 256;

/// A value for a place of a statement. It is borrowed where it can be: SQLite makes a copy of its own.
#[derive(Debug)]
pub(crate) enum Value<'v> {
    Null,
    Integer(i64),
    Id(Uuid),
    Text(Cow<'v, str>),
    Bytes(Vec<u8>),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

macro_rules! values {
    ($($type:ty: |$value:ident| $made:expr;)+) => {
        $(impl<'v> From<$type> for Value<'v> {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

values! {
    i64: |number| Self::Integer(number);
    i32: |number| Self::Integer(number.into());
    u32: |number| Self::Integer(number.into());
    &'v str: |text| Self::Text(text.into());
    String: |text| Self::Text(text.into());
    Vec<u8>: |bytes| Self::Bytes(bytes);
    Uuid: |id| Self::Id(id);
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// A statement and the values for its places.
#[derive(Debug)]
pub(crate) struct Query<'v> {
    sql: Cow<'static, str>,
    values: Vec<Value<'v>>,
}

/// A statement without values yet.
pub(crate) fn query<'v>(sql: &'static str) -> Query<'v> {
    Query {
        sql: sql.into(),
        values: Vec::new(),
    }
}

impl<'v> Query<'v> {
    /// Gives the next place its value.
    pub(crate) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        if self.values.is_empty() {
            self.values.reserve(VALUES_OF_MOST);
        }
        self.values.push(value.into());
        self
    }

    #[cfg(test)]
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// Runs it and gives how many rows it changed.
    pub(crate) fn execute(self, connection: &Connection) -> rusqlite::Result<usize> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        statement.execute(params_from_iter(self.values))
    }

    /// Runs it and hands its rows over.
    pub(crate) fn with_rows<T, E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        read: impl FnOnce(&mut Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut statement: CachedStatement<'_> = connection.prepare_cached(&self.sql)?;
        read(&mut statement.query(params_from_iter(self.values))?)
    }
}

/// Runs a statement that changes the file while it gives a row: what it does after the row, its commit, fails in vain
/// where nobody asks for more.
pub(crate) fn run_to_end(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// A statement that is put together for a number of rows.
#[derive(Debug)]
pub(crate) struct QueryBuilder<'v> {
    sql: String,
    values: Vec<Value<'v>>,
}

impl<'v> QueryBuilder<'v> {
    pub(crate) fn new(beginning: &str) -> Self {
        let mut sql = String::with_capacity(beginning.len() + TEXT_OF_MOST);
        sql.push_str(beginning);
        Self {
            sql,
            values: Vec::with_capacity(VALUES_OF_MOST),
        }
    }

    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A list of values in brackets, of which the first one was begun by the statement's beginning.
    pub(crate) fn push_list(
        &mut self,
        values: impl IntoIterator<Item = impl Into<Value<'v>>>,
    ) -> &mut Self {
        let mut row = Row::begun(self);
        for value in values {
            row.push_bind(value);
        }
        self.push(")")
    }

    /// The word VALUES and a row for each item.
    pub(crate) fn push_values<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut bind: impl FnMut(Row<'_, 'v>, T),
    ) -> &mut Self {
        let mut items = items.into_iter();
        if let Some(first) = items.next() {
            let (text, values) = (self.sql.len(), self.values.len());
            bind(Row::begun(self.push("VALUES (")), first);
            // The others have as many values, and as much text.
            self.sql.reserve(items.len() * (self.sql.len() - text));
            self.values
                .reserve(items.len() * (self.values.len() - values));
        }
        for item in items {
            bind(Row::begun(self.push("), (")), item);
        }
        self.push(")")
    }

    /// Binds the values of one row to places that the statement has already, by their numbers.
    pub(crate) fn bind_numbered(&mut self, bind: impl FnOnce(Row<'_, 'v>)) -> &mut Self {
        bind(Row {
            statement: self,
            joint: Joint::Numbered,
        });
        self
    }

    pub(crate) fn build(self) -> Query<'v> {
        Query {
            sql: self.sql.into(),
            values: self.values,
        }
    }
}

/// A row of a statement under way.
pub(crate) struct Row<'q, 'v> {
    statement: &'q mut QueryBuilder<'v>,
    joint: Joint,
}

/// What a value adds to the text of its statement.
enum Joint {
    First,
    Next,
    /// Nothing: its place is there.
    Numbered,
}

impl<'q, 'v> Row<'q, 'v> {
    fn begun(statement: &'q mut QueryBuilder<'v>) -> Self {
        Self {
            statement,
            joint: Joint::First,
        }
    }

    pub(crate) fn push_bind(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        match self.joint {
            Joint::First => self.statement.sql.push('?'),
            Joint::Next => self.statement.sql.push_str(", ?"),
            Joint::Numbered => {}
        }
        if matches!(self.joint, Joint::First) {
            self.joint = Joint::Next;
        }
        self.statement.values.push(value.into());
        self
    }
}
