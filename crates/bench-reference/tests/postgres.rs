//! The bare loop on PostgreSQL.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use async_trait::async_trait;
use common::{Look, Rows, cycles_leave_their_rows, does_every_workload_it_says};
use runstore_bench::{Engine, Fact};
use runstore_bench_reference::BarePostgres;
use runstore_core::Durability;
use runstore_postgres_testing::{Cluster, Pooler};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar};

/// One after the other, for the schema is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_every_workload_it_says_and_cycles_leave_each_row_once() {
    // A server of its own: one that is shared may be at work on the same schema.
    let cluster = Cluster::start(&[]).unwrap();
    let url = cluster.url();
    tells_what_the_server_is_set_to(&BarePostgres::new(url.clone())).await;
    does_every_workload_it_says(BarePostgres::new(url.clone())).await;
    cycles_leave_their_rows(BarePostgres::new(url.clone()), Beside(url.clone())).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'runstore_bench_reference'";
    let left: i64 = query_scalar(schemas)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0, "the schema is left");
}

async fn tells_what_the_server_is_set_to(bare: &BarePostgres) {
    for (durability, commit) in [(Durability::Full, "on"), (Durability::Relaxed, "off")] {
        let about = bare.look(durability).await.unwrap();
        let names = Vec::from_iter(about.facts.iter().map(|fact| fact.name.as_str()));
        let expected = [
            "server_version",
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "wal_sync_method",
            "shared_buffers",
            "max_connections",
        ];
        assert_eq!(names, expected);
        for (name, value) in [("fsync", "off"), ("synchronous_commit", commit)] {
            assert!(about.facts.contains(&Fact::new(name, value)), "{about:?}");
        }
    }
}

/// A pooler takes none of the settings of the loop, but tells what a store behind it has beneath.
#[tokio::test]
async fn behind_a_pooler_the_server_tells_of_itself_and_the_loop_is_refused_before_its_turn() {
    let cluster = Cluster::start(&[]).unwrap();
    let pooler = Pooler::start(&cluster, 2).unwrap();
    let bare = BarePostgres::new(pooler.url());
    let facts = bare.facts(Durability::Full).await.unwrap();
    assert!(facts.contains(&Fact::new("fsync", "off")), "{facts:?}");
    assert!(bare.look(Durability::Full).await.is_err());
}

struct Beside(String);

#[async_trait]
impl Look for Beside {
    async fn rows(&self, _: &[PathBuf]) -> Rows {
        let Self(url) = self;
        let mut connection = PgConnection::connect(url).await.unwrap();
        let mut count = async |what: &str| -> u64 {
            let select = format!("SELECT count(*) FROM runstore_bench_reference.{what}");
            let count = query_scalar::<_, i64>(AssertSqlSafe(select));
            let count = count.fetch_one(&mut connection).await.unwrap();
            count.try_into().unwrap()
        };
        Rows {
            claimed: count("task_states WHERE attempt_count > 0").await,
            completed_at_once: count(
                "task_states WHERE status = 'completed' AND attempt_count = 1",
            )
            .await,
            attempts: count("attempts").await,
            with_attempt: count(
                "task_states s JOIN runstore_bench_reference.tasks t USING (run_id, position) \
                 WHERE s.status = 'completed' \
                 AND t.id IN (SELECT task_id FROM runstore_bench_reference.attempts)",
            )
            .await,
            events: count("events").await,
            pending: count("task_states WHERE status = 'pending' AND is_pending").await,
        }
    }
}
