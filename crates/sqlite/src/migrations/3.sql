-- Format 3: the entries of a run lie together in their table, in their order. Their key is the number of the run in
-- its upper 32 bits and the number of the entry within the run in its lower ones, so that neither needs an index, and
-- an entry that is added changes fewer pages. Events are numbered by runs as before (clause J1); the other entries,
-- which were numbered through the store, are now too.

-- Which claims ended with a report (clause C5) is told by the attempts that came with the reports.
CREATE TABLE new_attempts (
    key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 0xffffffff > 0),
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL,
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt_number INTEGER NOT NULL,
    ends_claim INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    blocker_signature TEXT,
    summary TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;
INSERT INTO new_attempts
    SELECT
        (runs.seq << 32) + row_number() OVER (PARTITION BY runs.seq ORDER BY attempts.seq) AS key,
        attempts.id, attempts.run_id, attempts.task_id, attempts.attempt_number,
        EXISTS (
            SELECT 1 FROM finished_claims
            WHERE finished_claims.task_id = attempts.task_id
                AND finished_claims.attempt_number = attempts.attempt_number
        ),
        attempts.status, attempts.created_at, attempts.blocker_signature, attempts.summary, attempts.result
    FROM attempts JOIN runs ON runs.id = attempts.run_id ORDER BY key;
DROP TABLE attempts;
DROP TABLE finished_claims;
ALTER TABLE new_attempts RENAME TO attempts;
-- An index ends with the row's key: each of those below is in the order of a run's entries too.
CREATE INDEX attempts_by_task ON attempts (task_id);

CREATE TABLE new_events (
    key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 0xffffffff > 0),
    run_id BLOB NOT NULL,
    event_id BLOB,
    ts INTEGER NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
INSERT INTO new_events
    SELECT
        (runs.seq << 32) + events.seq AS key, events.run_id, events.event_id, events.ts, events.source,
        events.kind, events.message, events.payload
    FROM events JOIN runs ON runs.id = events.run_id ORDER BY key;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE UNIQUE INDEX events_by_id ON events (event_id) WHERE event_id IS NOT NULL;

CREATE TABLE new_artifacts (
    key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 0xffffffff > 0),
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL,
    role TEXT,
    created_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    metadata TEXT NOT NULL
) STRICT;
INSERT INTO new_artifacts
    SELECT
        (runs.seq << 32) + row_number() OVER (PARTITION BY runs.seq ORDER BY artifacts.seq) AS key,
        artifacts.id, artifacts.run_id, artifacts.role, artifacts.created_at, artifacts.kind, artifacts.path,
        artifacts.metadata
    FROM artifacts JOIN runs ON runs.id = artifacts.run_id ORDER BY key;
DROP TABLE artifacts;
ALTER TABLE new_artifacts RENAME TO artifacts;
CREATE INDEX artifacts_by_role ON artifacts (role) WHERE role IS NOT NULL;

CREATE TABLE new_approvals (
    key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 0xffffffff > 0),
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL,
    source TEXT NOT NULL,
    verdict TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rationale TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
INSERT INTO new_approvals
    SELECT
        (runs.seq << 32) + row_number() OVER (PARTITION BY runs.seq ORDER BY approvals.seq) AS key,
        approvals.id, approvals.run_id, approvals.source, approvals.verdict, approvals.created_at,
        approvals.rationale, approvals.payload
    FROM approvals JOIN runs ON runs.id = approvals.run_id ORDER BY key;
DROP TABLE approvals;
ALTER TABLE new_approvals RENAME TO approvals;
CREATE INDEX approvals_by_source ON approvals (source);

CREATE TABLE new_checkpoints (
    key INTEGER PRIMARY KEY CHECK (key > 0 AND key & 0xffffffff > 0),
    id BLOB NOT NULL UNIQUE,
    run_id BLOB NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT;
INSERT INTO new_checkpoints
    SELECT
        (runs.seq << 32) + row_number() OVER (PARTITION BY runs.seq ORDER BY checkpoints.seq) AS key,
        checkpoints.id, checkpoints.run_id, checkpoints.status, checkpoints.created_at, checkpoints.payload
    FROM checkpoints JOIN runs ON runs.id = checkpoints.run_id ORDER BY key;
DROP TABLE checkpoints;
ALTER TABLE new_checkpoints RENAME TO checkpoints;
