//! The cycle of a worker (claim, attempt, event, complete, each a durable call of its own) by many workers at once,
//! beside the bare statements in a loop on as many connections: the same rows in the same tables, claimed by
//! `FOR UPDATE SKIP LOCKED`, numbered by sequences, without order, fences or checks.
//!
//! `cargo run --release -p runstore-postgres --example cycle_rate -- [URL] [WORKERS] [CYCLES] [PENDING]`. Without a
//! URL (or with `-`) it starts a private server that flushes to the disk of the temporary folder. The two take turns,
//! five rounds each; what counts is the ratio.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use runstore_core::{
    AttemptReport, ClaimRequest, CompleteTask, EventDraft, NewAttempt, NewEvent, NewRun, RunId,
    Store, TaskDraft, TaskPlan,
};
use runstore_postgres::{PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, raw_sql};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 5;
const SCHEMA: &str = "cycle_rate";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().filter(|url| url != "-");
    let mut number = |default: u32| -> Result<u32> {
        Ok(arguments.next().map_or(Ok(default), |word| word.parse())?)
    };
    let (workers, cycles, pending) = (number(64)?, number(6_400)?, number(0)?);
    let _own;
    let url = match url {
        Some(url) => url,
        None => {
            let cluster = Cluster::start(&["fsync = on"])?;
            let url = cluster.url();
            _own = cluster;
            url
        }
    };
    let mut connection = PgConnection::connect(&url).await?;
    for setting in ["server_version", "fsync", "synchronous_commit"] {
        let row = query("SELECT current_setting($1)").bind(setting);
        let value: String = row.fetch_one(&mut connection).await?.try_get(0)?;
        println!("{setting} {value}");
    }
    run(
        &mut connection,
        format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"),
    )
    .await?;
    let options = PostgresOptions::from_url(&url.parse()?)?.with_schema(SCHEMA);
    let store = PostgresStore::open(options).await?;
    run(
        &mut connection,
        format!("CREATE SEQUENCE {SCHEMA}.attempt_seq; CREATE SEQUENCE {SCHEMA}.event_seq"),
    )
    .await?;

    println!("{workers} workers, {cycles} cycles a round, {pending} tasks more pending");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let run_id = planned(&store, cycles + pending).await?;
        let of_store = of_store(&store, run_id, workers, cycles).await?;
        store.delete_run(run_id).await?;
        let run_id = planned(&store, cycles + pending).await?;
        let of_bare = of_bare(&url, run_id, workers, cycles).await?;
        store.delete_run(run_id).await?;
        // The first is for warming up.
        if round > 0 {
            println!(
                "round {round}: store {}, bare {}",
                of_store.line(),
                of_bare.line()
            );
            ours.push(of_store.rate);
            bare.push(of_bare.rate);
        }
    }
    let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare);
    let mut ratios = Vec::from_iter(ratios);
    ratios.sort_by(f64::total_cmp);
    println!("store / bare: {ratios:.2?}");
    store.close().await?;
    Ok(())
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<()> {
    raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

async fn planned(store: &PostgresStore, tasks: u32) -> Result<RunId> {
    let run_id = store.create_run(NewRun::new("cycle", "")).await?.id;
    let mut left = tasks;
    while left > 0 {
        let now = left.min(10_000);
        left -= now;
        let drafts = (0..now).map(|number| TaskDraft::new(format!("task {number}"), "objective"));
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    }
    Ok(run_id)
}

/// Cycles a second, and how long they took each.
struct Measured {
    rate: f64,
    took: Vec<Duration>,
}

impl Measured {
    fn of(begun: Instant, mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "shown without fractions")]
        let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
        Self { rate, took }
    }

    fn line(&self) -> String {
        let at = |percent: usize| {
            self.took
                .get((self.took.len() * percent / 100).min(self.took.len() - 1))
        };
        format!(
            "{:.0}/s (p50 {:.1?}, p99 {:.1?})",
            self.rate,
            at(50).copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default()
        )
    }
}

async fn of_store(
    store: &PostgresStore,
    run_id: RunId,
    workers: u32,
    cycles: u32,
) -> Result<Measured> {
    let begun = Instant::now();
    let left = Arc::new(AtomicU32::new(cycles));
    let workers = (0..workers).map(|worker| {
        let (store, left) = (store.clone(), Arc::clone(&left));
        tokio::spawn(async move {
            let mut took = Vec::new();
            let request = ClaimRequest::of_run(run_id).with_worker(format!("worker {worker}"));
            while take(&left) {
                let begun = Instant::now();
                let claim = store.claim_next_task(request.clone()).await?;
                let token = claim.ok_or("no task is left")?.token();
                let report = AttemptReport::new("completed", "done");
                let attempt = NewAttempt::of_claim(token, report);
                store.add_attempt(attempt).await?;
                let event = EventDraft::new("worker", "completed", "done");
                store.add_event(NewEvent::new(run_id, event)).await?;
                let complete = CompleteTask::new(token.task_id, "done");
                store.complete_task(complete).await?;
                took.push(begun.elapsed());
            }
            Result::Ok(took)
        })
    });
    let mut took = Vec::new();
    for worker in Vec::from_iter(workers) {
        took.extend(worker.await??);
    }
    Ok(Measured::of(begun, took))
}

async fn of_bare(url: &str, run_id: RunId, workers: u32, cycles: u32) -> Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..workers {
        let mut connection = PgConnection::connect(url).await?;
        run(
            &mut connection,
            format!("SET search_path = {SCHEMA}; SET jit = off"),
        )
        .await?;
        connections.push(connection);
    }
    let begun = Instant::now();
    let left = Arc::new(AtomicU32::new(cycles));
    let workers = connections.into_iter().map(|mut connection| {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let mut took = Vec::new();
            while take(&left) {
                let begun = Instant::now();
                bare_cycle(&mut connection, run_id).await?;
                took.push(begun.elapsed());
            }
            connection.close().await?;
            Result::Ok(took)
        })
    });
    let mut took = Vec::new();
    for worker in Vec::from_iter(workers) {
        took.extend(worker.await??);
    }
    Ok(Measured::of(begun, took))
}

async fn bare_cycle(connection: &mut PgConnection, run_id: RunId) -> Result<()> {
    let run_id = run_id.as_uuid();
    let claim = query(
        "WITH next AS (SELECT run_id, position FROM task_states WHERE run_id = $1 AND place = 1 \
         ORDER BY priority DESC, position LIMIT 1 FOR UPDATE SKIP LOCKED), \
         taken AS (UPDATE task_states s SET status = 'in_progress', attempt_count = attempt_count + 1, place = 0, \
         worker = $2, updated_at = clock_timestamp() FROM next n \
         WHERE s.run_id = n.run_id AND s.position = n.position RETURNING s.*) \
         SELECT t.*, s.attempt_count FROM taken s JOIN tasks t ON t.run_id = s.run_id AND t.position = s.position",
    );
    let row = claim
        .bind(run_id)
        .bind("worker")
        .fetch_one(&mut *connection)
        .await?;
    let (position, task_id): (i64, runstore_core::Uuid) =
        (row.try_get("position")?, row.try_get("id")?);
    let number: i64 = row.try_get("attempt_count")?;
    let attempt = query(
        "INSERT INTO attempts (run_id, seq, id, task_id, attempt_number, created_at, status, summary, result) \
         VALUES ($1, nextval('attempt_seq'), $2, $3, $4, clock_timestamp(), 'completed', 'done', '{}')",
    );
    let attempt = attempt
        .bind(run_id)
        .bind(runstore_core::Uuid::now_v7())
        .bind(task_id);
    attempt.bind(number).execute(&mut *connection).await?;
    let event = query(
        "INSERT INTO events (run_id, seq, ts, source, kind, message, payload) \
         VALUES ($1, 1000000 + nextval('event_seq'), clock_timestamp(), 'worker', 'completed', 'done', '{}')",
    );
    event.bind(run_id).execute(&mut *connection).await?;
    let complete = query(
        "UPDATE task_states SET status = 'completed', implementation_summary = 'done', worker = NULL, \
         updated_at = clock_timestamp() WHERE run_id = $1 AND position = $2 AND status = 'in_progress'",
    );
    complete
        .bind(run_id)
        .bind(position)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn take(left: &AtomicU32) -> bool {
    let one_less = |left: u32| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        .is_ok()
}
