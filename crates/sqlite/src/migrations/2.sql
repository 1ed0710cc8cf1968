-- Format 2: when a task can be claimed (clauses C1, C7 to C9). The columns are added, for a copy of the table
-- would take its size again. What no row of format 1 has is unset, or the default.

ALTER TABLE tasks ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- Where the task is kept: 0 nowhere, 1 among those that can be claimed, 2 among those that can be claimed from
-- available_from on.
ALTER TABLE tasks ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
-- How many of the tasks that it depends on are not completed.
ALTER TABLE tasks ADD COLUMN unmet INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN available_from INTEGER;
ALTER TABLE tasks ADD COLUMN not_before INTEGER;
ALTER TABLE tasks ADD COLUMN delayed_until INTEGER;
ALTER TABLE tasks ADD COLUMN lease_expires_at INTEGER;
ALTER TABLE tasks ADD COLUMN max_attempts INTEGER;
ALTER TABLE tasks ADD COLUMN worker TEXT;
-- Ids, one after the other.
ALTER TABLE tasks ADD COLUMN depends_on BLOB NOT NULL DEFAULT x'';

-- Tasks are numbered through the store in the order in which they were planned. Up to now that was the order
-- of the rows, whose own numbers SQLite may change. What was pending waited for nothing: it can be claimed
-- from the earliest time on, the start of year 1. A claim had no lease.
UPDATE tasks SET
    number = rowid,
    place = status = 'pending',
    available_from = CASE status WHEN 'pending' THEN -62135596800000000 END;
CREATE UNIQUE INDEX tasks_by_number ON tasks (number);

-- In the order of claims: of one run, and of any. They hold what is claimable and nothing else, so that a
-- claim costs the same however many tasks there are. What is pending is listed by tasks_pending, as before.
CREATE INDEX tasks_ready_of_run ON tasks (run_id, priority DESC, position) WHERE place = 1;
CREATE INDEX tasks_ready ON tasks (priority DESC, number) WHERE place = 1;
-- In the order of times.
CREATE INDEX tasks_due_of_run ON tasks (run_id, available_from) WHERE place = 2;
CREATE INDEX tasks_due ON tasks (available_from) WHERE place = 2;

-- Which tasks wait for a task. Both are of one run, and go with it: one foreign key is enough.
CREATE TABLE dependents (
    dependency BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    dependent BLOB NOT NULL,
    PRIMARY KEY (dependency, dependent)
) STRICT, WITHOUT ROWID;
