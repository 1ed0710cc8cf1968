-- Format 1. Ids are UUIDs in 16 bytes, times are microseconds since 1970 in UTC, JSON is text as the store
-- wrote it. Columns that change or are small come before the long texts, so that reading them reads no more.

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    status TEXT NOT NULL,
    cycle_count INTEGER NOT NULL,
    replan_count INTEGER NOT NULL,
    current_task_id BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    summary TEXT,
    goal TEXT NOT NULL,
    repo_path TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE agents (
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    turns INTEGER NOT NULL,
    rotation_count INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    session_id TEXT,
    last_prompt_path TEXT,
    last_response_path TEXT,
    PRIMARY KEY (run_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id BLOB NOT NULL PRIMARY KEY,
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    blocker_signature TEXT,
    implementation_summary TEXT,
    title TEXT NOT NULL,
    objective TEXT NOT NULL,
    acceptance_criteria TEXT NOT NULL,
    verification_steps TEXT NOT NULL,
    allowed_paths TEXT NOT NULL,
    UNIQUE (run_id, position)
) STRICT;
-- A task is in exactly one of these. The first holds what is claimable and nothing else, so that a claim
-- costs the same however many tasks there are.
CREATE INDEX tasks_pending ON tasks (run_id, position) WHERE status = 'pending';
CREATE INDEX tasks_in_progress ON tasks (run_id, position) WHERE status = 'in_progress';
CREATE INDEX tasks_completed ON tasks (run_id, position) WHERE status = 'completed';
CREATE INDEX tasks_blocked ON tasks (run_id, position) WHERE status = 'blocked';
CREATE INDEX tasks_abandoned ON tasks (run_id, position) WHERE status = 'abandoned';

-- The claims that ended with a report, so that a report that is repeated is known (clause C5).
CREATE TABLE finished_claims (
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt_number INTEGER NOT NULL,
    PRIMARY KEY (task_id, attempt_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    event_id BLOB,
    ts INTEGER NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (event_id) WHERE event_id IS NOT NULL;

-- An index ends with the row's own number, which is seq: each of those below is in creation order too.
CREATE TABLE attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt_number INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    blocker_signature TEXT,
    summary TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_run ON attempts (run_id);
CREATE INDEX attempts_by_task ON attempts (task_id);

CREATE TABLE artifacts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    role TEXT,
    created_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    metadata TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_run ON artifacts (run_id);
CREATE INDEX artifacts_by_role ON artifacts (run_id, role);

CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    verdict TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rationale TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX approvals_by_run ON approvals (run_id);
CREATE INDEX approvals_by_source ON approvals (run_id, source);

CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX checkpoints_by_run ON checkpoints (run_id);
