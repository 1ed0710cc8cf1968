//! The server: how it is found, and what it is set to.

use runstore_bench::{Fact, Failure, Result};
use runstore_core::Durability;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, raw_sql};

use super::BarePostgres;

/// What a figure hangs on, in the order in which it is told: the version, what a commit waits for, and how much there
/// is of what all share.
const SETTINGS: &str = "
    SELECT name, current_setting(name) AS value
    FROM unnest(ARRAY[
        'server_version', 'fsync', 'full_page_writes', 'wal_sync_method', 'shared_buffers', 'max_connections'
    ]) WITH ORDINALITY AS wanted (name, place)
    ORDER BY place";

const USUAL_PORT: u16 = 5432;

/// What a commit waits for in the sessions of a store and of the loop alike, whatever the server has by itself.
pub(super) const fn synchronous_commit(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "on",
        Durability::Relaxed | Durability::Volatile => "off",
    }
}

impl BarePostgres {
    /// Where it is, as `host/database`, for others to see: without the user and the password.
    ///
    /// # Errors
    /// The URL names no server.
    pub fn place(&self) -> Result<String> {
        let connection = self.connection()?;
        let host = match connection.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => connection.get_host().to_owned(),
        };
        let port = match connection.get_port() {
            USUAL_PORT => String::new(),
            port => format!(":{port}"),
        };
        // A server takes the name of the user for that of the database if none is given.
        let database = connection.get_database();
        let database = database.unwrap_or_else(|| connection.get_username());
        Ok(format!("{host}{port}/{database}"))
    }

    /// What is beneath a session of this durability, of the loop and of a store on the same server.
    ///
    /// # Errors
    /// The URL names no server, or the server lets nobody in.
    pub async fn facts(&self, durability: Durability) -> Result<Vec<Fact>> {
        told(&self.connection()?, durability).await
    }

    /// How the server is found, and nothing else: a pooler takes no settings.
    pub(super) fn connection(&self) -> Result<PgConnectOptions> {
        let options: PgConnectOptions = self.url.parse().map_err(Failure::engine)?;
        // The resolver knows no brackets.
        let bare = options.get_host().strip_prefix('[');
        let bare = bare
            .and_then(|host| host.strip_suffix(']'))
            .map(str::to_owned);
        let options = match bare {
            Some(address) => options.host(&address),
            None => options,
        };
        Ok(options.disable_statement_logging().extra_float_digits(None))
    }
}

/// What the server tells a connection that is made so.
pub(super) async fn told(options: &PgConnectOptions, durability: Durability) -> Result<Vec<Fact>> {
    let mut connection = options.connect().await.map_err(Failure::engine)?;
    // By the simple protocol, which every pooler lets through.
    let rows = raw_sql(SETTINGS).fetch_all(&mut connection).await;
    let rows = rows.map_err(Failure::engine)?;
    connection.close().await.map_err(Failure::engine)?;
    let mut facts = Vec::with_capacity(rows.len() + 1);
    for row in rows {
        let (name, value) = (row.try_get("name"), row.try_get("value"));
        let name: String = name.map_err(Failure::engine)?;
        facts.push(Fact {
            name,
            value: value.map_err(Failure::engine)?,
        });
    }
    let commit = Fact::new("synchronous_commit", synchronous_commit(durability));
    // Beside what else a commit waits for.
    facts.insert(facts.len().min(2), commit);
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_host_and_the_database_and_nobodys_password() {
        for (url, place) in [
            (
                "postgres://me:secret@db.example/agents",
                "db.example/agents",
            ),
            ("postgres://me:secret@db.example:5432/a", "db.example/a"),
            ("postgres://me@db.example:6432/a", "db.example:6432/a"),
            ("postgres://me@[::1]:6432/a", "::1:6432/a"),
            (
                "postgres://me@db.example/a?host=10.0.0.7&port=1",
                "10.0.0.7:1/a",
            ),
            ("postgres:///a?host=/run/postgresql", "/run/postgresql/a"),
        ] {
            let found = BarePostgres::new(url.to_owned()).place();
            assert_eq!(found.unwrap(), place);
        }
    }
}
