-- Format 1. Everything is in one schema, which the connection's search path names. Every table leads with
-- run_id, so that it can be spread by run; the two that do not hold what the whole store is numbered by and
-- the format.
--
-- Texts are as they were given, but for the character that PostgreSQL cannot hold: U+0000 is written as
-- U+0010 '0', and U+0010 itself twice. JSON is text as the store wrote it, for jsonb would change numbers and
-- the order of keys. Words and texts are compared by their bytes (COLLATE "C").
--
-- There are no foreign keys. A write below a run locks the run's counters anyway, which go with the run, so
-- that no row can be added to a run that is gone; the triggers of foreign keys would look up and lock the
-- run's row once more for every row written.

CREATE TABLE format (
    version integer NOT NULL
);
INSERT INTO format VALUES (1);

-- What is numbered through the whole store: runs in the order of their creation, tasks in the order of their
-- planning. A number is taken under the lock of its row, so that it agrees with the order of commits.
CREATE TABLE store_counters (
    name text COLLATE "C" PRIMARY KEY,
    last bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO store_counters VALUES ('runs', 0), ('tasks', 0);

CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    seq bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    cycle_count bigint NOT NULL,
    replan_count bigint NOT NULL,
    current_task_id uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    summary text COLLATE "C",
    goal text COLLATE "C" NOT NULL,
    repo_path text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX runs_by_seq ON runs (seq);
CREATE INDEX runs_by_status ON runs (status, seq);

-- What is numbered within a run, a row a kind. The row is the lock of what it numbers: whoever adds to the
-- run's events holds its row 'events' until the commit, so that numbers have no gaps and agree with the order
-- of commits (clause J1); whoever changes what can be claimed holds 'tasks' (clauses C1 and C2). These rows
-- change with every write, in place as long as their page has room: hence the low fillfactor, and a vacuum
-- that comes early and does not tire.
CREATE TABLE counters (
    run_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (run_id, kind)
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE agents (
    run_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL,
    turns bigint NOT NULL,
    rotation_count bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    session_id text COLLATE "C",
    last_prompt_path text COLLATE "C",
    last_response_path text COLLATE "C",
    PRIMARY KEY (run_id, role)
);

-- What is fixed of a task. Never updated, so that the long texts and the index by id are written once.
CREATE TABLE tasks (
    run_id uuid NOT NULL,
    position bigint NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    depends_on uuid[] NOT NULL,
    title text COLLATE "C" NOT NULL,
    objective text COLLATE "C" NOT NULL,
    acceptance_criteria text COLLATE "C" NOT NULL,
    verification_steps text COLLATE "C" NOT NULL,
    allowed_paths text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, position)
);
CREATE UNIQUE INDEX tasks_by_id ON tasks (id);

-- What changes of a task, and what it is scheduled by: the hot table. place is 0 nowhere, 1 among those that
-- can be claimed, 2 among those that can be claimed from available_from on; unmet counts the tasks that it
-- depends on and that are not completed. A claim and a report each leave a dead row and dead entries of
-- indexes, so vacuum must come by the number of changes and not by a share of the table, which may hold a
-- million settled tasks; half of a page is left free for the next version of its rows.
CREATE TABLE task_states (
    run_id uuid NOT NULL,
    position bigint NOT NULL,
    number bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    attempt_count bigint NOT NULL,
    priority integer NOT NULL,
    place smallint NOT NULL,
    unmet bigint NOT NULL,
    max_attempts bigint,
    available_from timestamptz,
    not_before timestamptz,
    delayed_until timestamptz,
    lease_expires_at timestamptz,
    updated_at timestamptz NOT NULL,
    worker text COLLATE "C",
    blocker_signature text COLLATE "C",
    implementation_summary text COLLATE "C",
    PRIMARY KEY (run_id, position)
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX task_states_by_status ON task_states (run_id, status, position);
-- In the order of claims: of one run, and of any. They hold what can be claimed and nothing else, so that a
-- claim costs the same however many tasks there are.
CREATE INDEX task_states_ready_of_run ON task_states (run_id, priority DESC, position) WHERE place = 1;
CREATE INDEX task_states_ready ON task_states (priority DESC, number) WHERE place = 1;
-- In the order of times.
CREATE INDEX task_states_due_of_run ON task_states (run_id, available_from) WHERE place = 2;
CREATE INDEX task_states_due ON task_states (available_from) WHERE place = 2;
CREATE INDEX task_states_leased ON task_states (lease_expires_at) WHERE lease_expires_at IS NOT NULL;

-- Which tasks wait for a task, by their positions.
CREATE TABLE dependents (
    run_id uuid NOT NULL,
    dependency bigint NOT NULL,
    dependent bigint NOT NULL,
    PRIMARY KEY (run_id, dependency, dependent)
);

-- The claims that ended with a report, so that a report that is repeated is known (clause C5).
CREATE TABLE finished_claims (
    run_id uuid NOT NULL,
    position bigint NOT NULL,
    attempt_number bigint NOT NULL,
    PRIMARY KEY (run_id, position, attempt_number)
);

CREATE TABLE attempts (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    attempt_number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    status text COLLATE "C" NOT NULL,
    blocker_signature text COLLATE "C",
    summary text COLLATE "C" NOT NULL,
    result text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX attempts_by_id ON attempts (id);
CREATE INDEX attempts_by_task ON attempts (run_id, task_id, seq);

CREATE TABLE events (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid,
    ts timestamptz NOT NULL,
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    message text COLLATE "C" NOT NULL,
    payload text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX events_by_id ON events (event_id) WHERE event_id IS NOT NULL;

CREATE TABLE artifacts (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    role text COLLATE "C",
    kind text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    metadata text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX artifacts_by_id ON artifacts (id);
CREATE INDEX artifacts_by_role ON artifacts (run_id, role, seq);

CREATE TABLE approvals (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    source text COLLATE "C" NOT NULL,
    verdict text COLLATE "C" NOT NULL,
    rationale text COLLATE "C" NOT NULL,
    payload text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX approvals_by_id ON approvals (id);
CREATE INDEX approvals_by_source ON approvals (run_id, source, seq);

CREATE TABLE checkpoints (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    status text COLLATE "C" NOT NULL,
    payload text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX checkpoints_by_id ON checkpoints (id);
