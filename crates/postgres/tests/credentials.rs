//! A password is told to the server, and to nobody else.
#![allow(clippy::unwrap_used)]

mod common;

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};

use runstore_core::{Error, NewRun, Store};
use runstore_postgres::{PgConnectOptions, PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, raw_sql};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const RIGHT: &str = "r1ght-word";
const WRONG: &str = "wr0ng-word";

/// All that anybody logs, at every level.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<String>>);

impl Visit for &Logs {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut said = self.0.lock().unwrap();
        *said += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Logs {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
        self.0.lock().unwrap().push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A server on which user `app` needs a password.
async fn server() -> Cluster {
    let mut cluster = Cluster::start(&["log_connections = on"]).unwrap();
    let connect: PgConnectOptions = cluster.url().parse().unwrap();
    let mut connection = connect.connect().await.unwrap();
    let create = format!(
        "CREATE ROLE app LOGIN PASSWORD '{RIGHT}'; GRANT CREATE ON DATABASE postgres TO app; CHECKPOINT"
    );
    let create = raw_sql(AssertSqlSafe(create));
    create.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let access = ["host all all 127.0.0.1/32 scram-sha-256"];
    cluster.set_access(&access).unwrap();
    cluster.crash().unwrap();
    cluster.restart().unwrap();
    cluster
}

fn options(cluster: &Cluster, password: &str) -> PostgresOptions {
    let user = format!("app:{password}");
    common::options_at(&cluster.url_of(&user))
}

/// All that an error says, with its causes.
fn all_of(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(of) = cause {
        said += &format!(" {of} {of:?}");
        cause = of.source();
    }
    said
}

#[tokio::test]
async fn a_password_is_told_to_nobody_but_the_server() {
    let cluster = server().await;
    let logs = Logs::default();
    tracing::subscriber::set_global_default(logs.clone()).unwrap();

    let right = options(&cluster, RIGHT);
    assert!(!format!("{right:?}").contains(RIGHT));
    let store = PostgresStore::open(right).await.unwrap();
    let run = store.create_run(NewRun::new("goal", "/repo")).await;
    let run = run.unwrap();
    assert_eq!(store.get_run(run.id).await.unwrap(), run);
    assert!(!format!("{store:?}").contains(RIGHT), "{store:?}");

    let before = tries(&cluster);
    let wrong = options(&cluster, WRONG);
    assert!(!format!("{wrong:?}").contains(WRONG));
    let error = PostgresStore::open(wrong).await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    let said = all_of(&error);
    assert!(said.contains("28P01"), "{said}");
    assert!(!said.contains(WRONG), "{said}");
    assert_eq!(
        tries(&cluster) - before,
        1,
        "it will not be right a second time"
    );

    let logged = logs.0.lock().unwrap();
    assert!(logged.contains("pg_backend_pid"), "statements are logged");
    for password in [RIGHT, WRONG] {
        assert!(!logged.contains(password), "{logged}");
        assert!(!cluster.log().contains(password), "{}", cluster.log());
    }
}

fn tries(cluster: &Cluster) -> usize {
    cluster.log().matches("connection received").count()
}
