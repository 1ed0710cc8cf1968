-- Settles one task without a report (clause C6), by $1 the clock, $2 the task, $3 the state that it comes to, $4 its
-- summary and $5 its signature, in a statement that needs no function. It gives what `settle` gives.
--
-- A statement sees the store as it was when it began, but the rows that it locks and changes as they then are. So what
-- it decides by the task's own state is decided by what holds. Which tasks depend on it, it reads as it was: that is
-- right as long as no plan came to the run while it waited for its turn. Every plan moves the run's last position,
-- which is read here with the lock and without. If they differ nothing is done, and the call is carried out by itself.
WITH task AS MATERIALIZED (
    SELECT
        share_store() IS NOT NULL AS has_store,
        t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
        t.allowed_paths, t.depends_on, t.created_at
    FROM tasks t WHERE t.id = $2
), turn AS MATERIALIZED (
    SELECT task.run_id, task.position, c.last
    FROM task
    CROSS JOIN LATERAL (
        SELECT c.last FROM counters c
        WHERE task.has_store IS NOT NULL AND c.run_id = task.run_id AND c.kind = 'tasks'
        FOR NO KEY UPDATE
    ) c
), settled AS (
    UPDATE task_states s SET
        status = $3,
        implementation_summary = $4,
        blocker_signature = $5,
        delayed_until = NULL,
        worker = NULL,
        lease_expires_at = NULL,
        available_from = NULL,
        place = 0,
        updated_at = coalesce($1, clock_timestamp())
    WHERE s.run_id = (SELECT turn.run_id FROM turn) AND s.position = (SELECT turn.position FROM turn)
        -- In brackets, so that the task is looked up by its key and not by the state of others.
        AND (s.status IN ('pending', 'in_progress', 'blocked')) IS TRUE
        AND (SELECT turn.last FROM turn) = (
            SELECT c.last FROM counters c WHERE c.run_id = (SELECT turn.run_id FROM turn) AND c.kind = 'tasks'
        )
    RETURNING
        s.run_id, s.position, s.status, s.attempt_count, s.priority, s.place, s.unmet, s.max_attempts, s.not_before,
        s.delayed_until, s.lease_expires_at, s.updated_at, s.worker, s.blocker_signature, s.implementation_summary
), freed AS MATERIALIZED (
    SELECT f.times
    FROM settled s
    CROSS JOIN LATERAL (
        SELECT 1 FROM dependents d
        WHERE s.status = 'completed' AND d.run_id = s.run_id AND d.dependency = s.position
        LIMIT 1
    ) waiting
    CROSS JOIN LATERAL free_dependents(ARRAY[$2], s.updated_at) f
)
SELECT
    1::bigint AS request,
    (SELECT count(*) FROM freed CROSS JOIN LATERAL unnest(freed.times) AS f (at) WHERE f.at IS NULL) AS ready,
    (SELECT min(f.at) FROM freed CROSS JOIN LATERAL unnest(freed.times) AS f (at)) AS due,
    t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps, t.allowed_paths,
    t.depends_on, t.created_at, s.status, s.attempt_count, s.priority, s.place, s.unmet, s.max_attempts,
    s.not_before, s.delayed_until, s.lease_expires_at, s.updated_at, s.worker, s.blocker_signature,
    s.implementation_summary
FROM settled s CROSS JOIN task t
