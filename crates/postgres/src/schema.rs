//! The schema: its tables and functions, and the version of their format.

use runstore_core::{Cause, Durability, Result};
use sqlx::{AssertSqlSafe, Row, query};

use crate::PostgresOptions;
use crate::connections::Session;
use crate::error::{commit, engine, incompatible};

/// The version of the tables and functions that this version of the crate reads and writes.
pub const FORMAT_VERSION: i32 = 2;

/// The oldest server that the statements are written for, as `server_version_num` has it.
const OLDEST_SERVER: i32 = 140_000;

/// What each version of the format changes, from the first on.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
];

/// The functions of the newest format. They replace those that are there, so that their grants stay.
const FUNCTIONS: &str = include_str!("migrations/functions.sql");

/// The first key of the advisory lock under which schemas are created and migrated; the second is made of the
/// schema's name.
const MIGRATION_LOCK: i32 = 1_920_298_865;

/// What the server says of itself.
#[derive(Debug)]
pub(crate) struct Server {
    /// Whether what is committed is on its disk.
    flushes: bool,
    is_standby: bool,
}

impl Server {
    /// What a write survives that was told to be this durable.
    pub(crate) fn durability(&self, wanted: Durability) -> Durability {
        if self.flushes {
            wanted
        } else {
            Durability::Relaxed
        }
    }
}

/// Looks whether this is a server that the store can be on.
pub(crate) async fn check_server(session: &mut Session, begin: &str) -> Result<Server> {
    // In a transaction, as everything behind a pooler: a statement and its parameters are two trips, which may
    // otherwise come to two servers.
    run(session, begin, ASKING).await?;
    let server = ask(session).await;
    run(session, "ROLLBACK", ASKING).await?;
    server
}

const ASKING: &str = "asking the server what it is";

async fn ask(session: &mut Session) -> Result<Server> {
    const WHAT: &str = ASKING;
    let asked = query(
        "SELECT current_setting('server_version_num')::integer, \
         current_setting('server_version'), current_setting('server_encoding'), \
         current_setting('fsync') = 'on', pg_is_in_recovery()",
    );
    let asked = asked.persistent(session.prepares);
    let row = asked.fetch_one(&mut session.connection).await;
    let row = row.map_err(|error| engine(WHAT, error))?;
    let unreadable = |error| engine(WHAT, error);
    let number: i32 = row.try_get(0).map_err(unreadable)?;
    let version: String = row.try_get(1).map_err(unreadable)?;
    let encoding: String = row.try_get(2).map_err(unreadable)?;
    if number < OLDEST_SERVER {
        let found = format!("PostgreSQL {version}");
        return Err(incompatible(found, "use PostgreSQL 14 or later", None));
    }
    if encoding != "UTF8" {
        let found = format!("a database in encoding {encoding}");
        let advice = "create one with ENCODING 'UTF8'";
        return Err(incompatible(found, advice, None));
    }
    Ok(Server {
        flushes: row.try_get(3).map_err(unreadable)?,
        is_standby: row.try_get(4).map_err(unreadable)?,
    })
}

/// Makes sure that the schema is there in this version's format. In a transaction of its own for each look and
/// for the making, so that whoever may not create anything can open what is there.
pub(crate) async fn prepare(
    session: &mut Session,
    options: &PostgresOptions,
    begin: &str,
    server: &Server,
) -> Result<()> {
    let found = {
        run(session, begin, "looking at the schema").await?;
        let found = version(session, options).await;
        run(session, "ROLLBACK", "looking at the schema").await?;
        found?
    };
    if found == Some(FORMAT_VERSION) {
        return Ok(());
    }
    if found.is_none() && !options.creates {
        let found = format!("a database without a store in schema {:?}", options.schema);
        let advice = "look whether database and schema are the ones that you mean";
        return Err(incompatible(found, advice, None));
    }
    if server.is_standby {
        let found = format!("a standby without the schema {:?}", options.schema);
        let advice =
            "open the store on the primary first; the schema comes to the standby by itself";
        return Err(incompatible(found, advice, None));
    }
    let what = match found {
        None => "creating the schema".to_owned(),
        Some(older) => format!(
            "bringing the schema from format {older} to {FORMAT_VERSION}, which its owner can do by opening the store"
        ),
    };
    run(session, begin, &what).await?;
    match migrate(session, options, &what).await {
        Ok(()) => {
            let committed = session.run("COMMIT").await;
            committed.map_err(|error| commit(&what, error))
        }
        Err(error) => {
            // The lock goes with the transaction. If the connection is gone too, so is all of it.
            let _ = session.run("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn run(session: &mut Session, sql: &str, what: &str) -> Result<()> {
    session.run(sql).await.map_err(|error| engine(what, error))
}

/// The version of what is in the schema; `None` if there is nothing.
async fn version(session: &mut Session, options: &PostgresOptions) -> Result<Option<i32>> {
    const WHAT: &str = "reading the version of the schema";
    let schema = options.schema.as_str();
    let tables = query(
        "SELECT count(*), count(*) FILTER (WHERE relname = 'format') FROM pg_class \
         WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = \
         (SELECT oid FROM pg_namespace WHERE nspname = $1)",
    );
    let tables = tables.bind(schema.to_owned()).persistent(session.prepares);
    let row = tables.fetch_one(&mut session.connection).await;
    let row = row.map_err(|error| engine(WHAT, error))?;
    let count = |index: usize| row.try_get::<i64, _>(index);
    let (all, ours) = (count(0), count(1));
    let (all, ours) = (
        all.map_err(|error| engine(WHAT, error))?,
        ours.map_err(|error| engine(WHAT, error))?,
    );
    if all == 0 {
        return Ok(None);
    }
    let foreign = |source| {
        let found = format!("schema {schema:?}, which holds tables of something else");
        incompatible(
            found,
            "choose another schema; this one was left as it is",
            source,
        )
    };
    if ours == 0 {
        return Err(foreign(None));
    }
    let asked = query(AssertSqlSafe(format!(
        "SELECT version FROM \"{schema}\".format"
    )));
    let asked = asked.persistent(session.prepares);
    let row = asked.fetch_one(&mut session.connection).await;
    let version: i32 = match row.and_then(|row| row.try_get(0)) {
        Ok(version) => version,
        Err(error @ sqlx::Error::Io(_)) => return Err(engine(WHAT, error)),
        Err(error) if is_denied(&error) => return Err(engine(WHAT, error)),
        Err(error) => return Err(foreign(Some(Cause::new(error)))),
    };
    if version > FORMAT_VERSION {
        let found = format!(
            "schema {schema:?} in format {version}; this version knows format {FORMAT_VERSION}"
        );
        return Err(incompatible(found, "use a newer version of runstore", None));
    }
    Ok(Some(version))
}

/// Whether the user may not do that: insufficient_privilege.
fn is_denied(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.and_then(|error| error.code()).as_deref() == Some("42501")
}

/// Brings the schema to this version's format, by whoever comes first.
async fn migrate(session: &mut Session, options: &PostgresOptions, what: &str) -> Result<()> {
    let failed = |error| engine(what, error);
    let schema = options.schema.as_str();
    // Waited for by all that open the store at the same time, and let go of with the transaction, whatever
    // becomes of it.
    let lock = query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
        .bind(MIGRATION_LOCK)
        .bind(schema.to_owned())
        .persistent(session.prepares);
    lock.execute(&mut session.connection)
        .await
        .map_err(failed)?;
    let known = query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema.to_owned());
    let known = known.persistent(session.prepares);
    let known = known.fetch_optional(&mut session.connection).await;
    if known.map_err(failed)?.is_none() {
        let create = format!("CREATE SCHEMA \"{schema}\"");
        session.run(&create).await.map_err(failed)?;
    }
    let found = version(session, options).await?.unwrap_or(0);
    let done = usize::try_from(found).unwrap_or(0);
    let missing = MIGRATIONS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        // Somebody else was first.
        return Ok(());
    }
    for script in missing.iter().chain([&FUNCTIONS]) {
        session.run(script).await.map_err(failed)?;
    }
    Ok(())
}
