//! A store with much in it.

use std::time::Duration;

use futures_util::future::join_all;
use runstore_core::{
    AgentRole, ArtifactDraft, ClaimRequest, EventDraft, FinishReport, NewRun, RunId,
    SaveAgentState, Store, TaskDraft, TaskPlan, Timestamp,
};
use runstore_postgres::{PgConnectOptions, PostgresStore};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};

use crate::plans::Watched;

/// How many tasks each large run has.
const TASKS: usize = 5_000;

/// As many runs as fill pages, with an agent of each role, and an entry of each kind of the journal for each task
/// of the large runs, numbered as the store does.
const FILLING: &str = "\
    INSERT INTO runs (run_id, seq, status, cycle_count, replan_count, created_at, updated_at, goal, repo_path) \
        SELECT gen_random_uuid(), (SELECT last FROM store_counters WHERE name = 'runs') + n, \
            CASE n % 100 WHEN 0 THEN 'paused' ELSE 'running' END, 0, 0, now(), now(), 'goal', '/repo' FROM generate_series(1, 2000) AS n; \
    UPDATE store_counters SET last = last + 2000 WHERE name = 'runs'; \
    INSERT INTO counters SELECT run_id, kind, 0 FROM runs, unnest(ARRAY['tasks', 'attempts', 'events', \
        'artifacts', 'approvals', 'checkpoints']) AS kind ON CONFLICT DO NOTHING; \
    INSERT INTO agents (run_id, role, turns, rotation_count, updated_at) SELECT run_id, role, 0, 0, now() \
        FROM runs, unnest(ARRAY['strategy', 'implementation', 'checker']) AS role ON CONFLICT DO NOTHING; \
    INSERT INTO events SELECT run_id, counters.last + position, gen_random_uuid(), now(), 'source', 'kind', 'message', '{}' \
        FROM tasks JOIN counters USING (run_id) WHERE kind = 'events'; \
    INSERT INTO attempts SELECT run_id, counters.last + position, gen_random_uuid(), id, 1, now(), 'failed', NULL, 'tried', \
        '{}' FROM tasks JOIN counters USING (run_id) WHERE kind = 'attempts'; \
    INSERT INTO artifacts SELECT run_id, counters.last + position, gen_random_uuid(), now(), CASE position % 2 WHEN 0 THEN \
        'checker' END, 'patch', '/patch', '{}' FROM tasks JOIN counters USING (run_id) WHERE kind = 'artifacts'; \
    INSERT INTO approvals SELECT run_id, counters.last + position, gen_random_uuid(), now(), CASE position % 2 WHEN 0 THEN \
        'human' ELSE 'checker' END, 'approved', 'good', '{}' FROM tasks JOIN counters USING (run_id) \
        WHERE kind = 'approvals'; \
    INSERT INTO checkpoints SELECT run_id, counters.last + position, gen_random_uuid(), now(), 'running', '{}' \
        FROM tasks JOIN counters USING (run_id) WHERE kind = 'checkpoints'; \
    UPDATE counters c SET last = c.last + n.last FROM (SELECT run_id, max(position) AS last FROM tasks GROUP BY 1) n \
        WHERE n.run_id = c.run_id AND kind <> 'tasks'";

pub(crate) fn report() -> FinishReport {
    FinishReport::completed("done")
        .with_event(EventDraft::new("worker", "noted", "message"))
        .with_artifact(ArtifactDraft::new("patch", "/patch"))
}

/// A run with tasks that can be claimed, some of which wait for others or for a time.
pub(crate) async fn run(store: &PostgresStore, tasks: usize) -> RunId {
    let run = store.create_run(NewRun::new("goal", "/repo")).await;
    let run_id = run.unwrap().id;
    let agent = SaveAgentState::new(run_id, AgentRole::Checker);
    store.save_agent_state(agent).await.unwrap();
    let far: Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
    let drafts = (0..tasks).map(|number| {
        let draft = TaskDraft::new(format!("task {number}"), "objective");
        match number % 5 {
            3 => draft.with_depends_on([number - 3, number - 1]),
            4 => draft.with_not_before(far),
            rest => draft.with_priority((rest % 2) as i32),
        }
    });
    let plan = TaskPlan::new(run_id, drafts);
    store.append_tasks(plan).await.unwrap();
    run_id
}

/// Fills the store: large runs whose tasks are in every state, some of them with leases that ran out.
pub(crate) async fn fill(watched: &Watched) -> Vec<RunId> {
    let store = &watched.store;
    let mut large = Vec::new();
    for _ in 0..4 {
        let run_id = run(store, TASKS).await;
        let claims = ClaimRequest::of_run(run_id);
        let claims = store.claim_tasks(claims, 1_000).await.unwrap();
        let finish = |token| store.finish_task(token, report());
        let finished = join_all(claims.iter().map(|claim| finish(claim.token()))).await;
        assert!(finished.iter().all(Result::is_ok));
        for (lease, tasks) in [
            (Duration::from_secs(3_600), 500),
            (Duration::from_micros(1), 5),
        ] {
            let claims = ClaimRequest::of_run(run_id).with_lease(lease);
            store.claim_tasks(claims, tasks).await.unwrap();
        }
        large.push(run_id);
    }
    sql(watched, FILLING).await;
    large
}

/// Runs statements on the schema by a connection of its own, whose plans are not logged.
pub(crate) async fn sql(watched: &Watched, sql: &str) {
    drop(still_open(watched, sql).await);
}

/// Says that somebody waits for a claim, as long as what this gives is there.
pub(crate) async fn somebody_waits(watched: &Watched) -> PgConnection {
    let hear = "SELECT pg_advisory_lock_shared(1920298867, 'runs'::regclass::oid::integer)";
    still_open(watched, hear).await
}

async fn still_open(watched: &Watched, sql: &str) -> PgConnection {
    let connect: PgConnectOptions = watched.cluster.url().parse().unwrap();
    let path = [("search_path", &watched.schema)];
    let mut connection = connect.options(path).connect().await.unwrap();
    let statements = raw_sql(AssertSqlSafe(sql.to_owned()));
    statements.execute(&mut connection).await.unwrap();
    connection
}
