//! The driver as this crate uses it: statements with their values, kept prepared by the connection.

use std::borrow::Cow;

use runstore_core::Uuid;
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Rows, params_from_iter};

pub(crate) use rusqlite::Connection;

/// A value as SQLite keeps it.
pub(crate) trait Bind {
    fn bound(self) -> Value;
}

macro_rules! bind {
    ($($type:ty: |$value:ident| $bound:expr;)+) => {
        $(impl Bind for $type {
            fn bound(self) -> Value {
                let $value = self;
                $bound
            }
        })+
    };
}

bind! {
    i64: |number| Value::Integer(number);
    i32: |number| Value::Integer(number.into());
    u32: |number| Value::Integer(number.into());
    &str: |text| Value::Text(text.to_owned());
    String: |text| Value::Text(text);
    Vec<u8>: |bytes| Value::Blob(bytes);
    Uuid: |id| Value::Blob(id.as_bytes().to_vec());
}

impl<T: Bind> Bind for Option<T> {
    fn bound(self) -> Value {
        self.map_or(Value::Null, Bind::bound)
    }
}

/// A statement and the values for its places.
#[derive(Debug)]
pub(crate) struct Query {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement without values yet.
pub(crate) fn query(sql: &'static str) -> Query {
    Query {
        sql: sql.into(),
        values: Vec::new(),
    }
}

impl Query {
    /// Gives the next place its value.
    pub(crate) fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.bound());
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
pub(crate) struct QueryBuilder {
    sql: String,
    values: Vec<Value>,
}

impl QueryBuilder {
    pub(crate) fn new(beginning: &str) -> Self {
        Self {
            sql: beginning.to_owned(),
            values: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A list of values in brackets, of which the first one was begun by the statement's beginning.
    pub(crate) fn push_list(&mut self, values: impl IntoIterator<Item = impl Bind>) -> &mut Self {
        let mut row = Row::begun(self);
        for value in values {
            row.push_bind(value);
        }
        self.push(")")
    }

    /// The word VALUES and a row for each item.
    pub(crate) fn push_values<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut bind: impl FnMut(Row<'_>, T),
    ) -> &mut Self {
        let mut joint = "VALUES (";
        for item in items {
            self.push(joint);
            bind(Row::begun(self), item);
            joint = "), (";
        }
        self.push(")")
    }

    /// Binds the values of one row to places that the statement has already, by their numbers.
    pub(crate) fn bind_numbered(&mut self, bind: impl FnOnce(Row<'_>)) -> &mut Self {
        bind(Row {
            statement: self,
            joint: Joint::Numbered,
        });
        self
    }

    pub(crate) fn build(self) -> Query {
        Query {
            sql: self.sql.into(),
            values: self.values,
        }
    }
}

/// A row of a statement under way.
pub(crate) struct Row<'q> {
    statement: &'q mut QueryBuilder,
    joint: Joint,
}

/// What a value adds to the text of its statement.
enum Joint {
    First,
    Next,
    /// Nothing: its place is there.
    Numbered,
}

impl<'q> Row<'q> {
    fn begun(statement: &'q mut QueryBuilder) -> Self {
        Self {
            statement,
            joint: Joint::First,
        }
    }

    pub(crate) fn push_bind(&mut self, value: impl Bind) -> &mut Self {
        match self.joint {
            Joint::First => self.statement.sql.push('?'),
            Joint::Next => self.statement.sql.push_str(", ?"),
            Joint::Numbered => {}
        }
        if matches!(self.joint, Joint::First) {
            self.joint = Joint::Next;
        }
        self.statement.values.push(value.bound());
        self
    }
}
