-- The functions: what a call does in one trip to the server, for any number of calls at once. They are put in place
-- anew by every migration, and none is written twice: what a migration has to do is to drop those whose parameters or
-- answers changed.
--
-- Why functions: a statement sees the store as it was when the statement began, also after it had to wait for
-- a lock. What a claim or a report decides must be decided on what holds once the lock is there. Within a
-- function each statement sees the store anew, so that "lock, look, change" is one trip.
--
-- Each does the ordinary case of its calls: those that it can carry out as they stand. For every other (a stale
-- claim, an id that is taken, attempts that are used up …) it changes nothing but the places of what is due, and
-- gives no row, or one that is not done; the store then carries that call out by itself, by the rules that it
-- shares with every other backend. `request` is the number of a call among those given, from 1.
--
-- The order of locks is the same everywhere, so that no two calls wait for each other: the store (shared, or by
-- a claim of any run alone), counters by run and kind, rows of tasks, rows of runs, counters of the store.
-- A plan lasts for as long as a connection, and may have been made while a table was all but empty. OFFSET 0 says
-- that what is within is looked up for each row by itself, whatever the server thought of the table then.
-- `clock` is the time of a store that was given a clock; without it the server's is read, after the locks.
--
-- One call alone is the commonest group, and what it costs is above all how many nodes its plans have: a plan for any
-- number, with its numbering and its sums, takes longer to set up than to run. So one call has short statements of its
-- own, each on one table by its whole key.

-- A claim of any run must not miss what another run's call makes claimable meanwhile: it has the store alone.
-- Whoever changes what can be claimed shares it. A function that is to be fast asks for it by an expression, which
-- takes a fraction of the time of a statement.
CREATE OR REPLACE FUNCTION share_store() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock_shared(1920298866, 'runs'::regclass::oid::integer)
$$;

CREATE OR REPLACE FUNCTION have_store_alone() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(1920298866, 'runs'::regclass::oid::integer)
$$;

-- Where a task is kept, by the rule of the store (clauses C1, C7 and C9).
CREATE OR REPLACE FUNCTION place_of(available_from timestamptz, unmet bigint, now timestamptz)
RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT (CASE
        WHEN available_from IS NULL OR unmet > 0 THEN 0
        WHEN available_from <= now THEN 1
        ELSE 2
    END)::smallint
$$;

-- The time so many microseconds from now on, within the range of times; none for none (least passes over it). As
-- changeable as what it adds: declared any firmer, it is no part of the statements that use it, and is parsed and
-- planned anew for each of them.
CREATE OR REPLACE FUNCTION time_after(now timestamptz, micros bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN micros IS NOT NULL THEN
        least(now + micros * interval '1 microsecond', timestamptz '9999-12-31 23:59:59.999999+00')
    END
$$;

-- The channel on which those who wait for a claim are told of changes.
CREATE OR REPLACE FUNCTION wake_channel() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'runstore_' || 'runs'::regclass::oid
$$;

-- Whether anybody waits for a claim: each process with waiters shares this lock while it listens. A commit that
-- notifies waits for every other that does, so nobody is told where nobody listens.
CREATE OR REPLACE FUNCTION somebody_waits() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_lock(1920298867, 'runs'::regclass::oid::integer) THEN
        PERFORM pg_advisory_unlock(1920298867, 'runs'::regclass::oid::integer);
        RETURN false;
    END IF;
    RETURN true;
END
$$;

-- Tells those who wait what became of a run: so many tasks can be claimed, the next becomes due then, or it is
-- gone. Equal messages of one transaction are one.
CREATE OR REPLACE FUNCTION wake(run_id uuid, ready bigint, due timestamptz, gone boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (ready > 0 OR due IS NOT NULL OR gone) AND somebody_waits() THEN
        PERFORM pg_notify(wake_channel(), concat_ws(
            ' ', run_id, ready, CASE WHEN gone THEN 'gone' ELSE coalesce(
                ((extract(epoch FROM due) * 1000000)::bigint)::text, '-'
            ) END
        ));
    END IF;
END
$$;

-- Saves what can change of tasks, and of their summaries if those are given. One task after the other, by its key:
-- a join with the table is planned by what the server knows of its size, which may be long past.
CREATE OR REPLACE FUNCTION save_states(
    run_ids uuid[], positions bigint[], statuses text[], attempt_counts bigint[], times timestamptz[],
    blocker_signatures text[], delays timestamptz[], workers text[], leases timestamptz[], froms timestamptz[],
    places smallint[], summaries text[], with_summaries boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
BEGIN
    FOR g IN
        SELECT * FROM unnest(
            run_ids, positions, statuses, attempt_counts, times, blocker_signatures, delays, workers, leases, froms,
            places, summaries
        ) AS g (
            run_id, place_in_run, status, attempt_count, updated_at, blocker_signature, delayed_until, worker,
            lease_expires_at, available_from, place, summary
        )
    LOOP
        UPDATE task_states s SET
            status = g.status, attempt_count = g.attempt_count, updated_at = g.updated_at,
            blocker_signature = g.blocker_signature, delayed_until = g.delayed_until, worker = g.worker,
            lease_expires_at = g.lease_expires_at, available_from = g.available_from, place = g.place,
            implementation_summary = CASE WHEN with_summaries THEN g.summary ELSE s.implementation_summary END
        WHERE s.run_id = g.run_id AND s.position = g.place_in_run;
    END LOOP;
END
$$;

-- Saves what tasks wait for that did not change themselves.
CREATE OR REPLACE FUNCTION save_places(run_ids uuid[], positions bigint[], unmets bigint[], places smallint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
BEGIN
    FOR g IN
        SELECT * FROM unnest(run_ids, positions, unmets, places) AS g (run_id, place_in_run, unmet, place)
    LOOP
        UPDATE task_states s SET unmet = g.unmet, place = g.place
        WHERE s.run_id = g.run_id AND s.position = g.place_in_run;
    END LOOP;
END
$$;

-- Gives a write its turn on runs: locks what it numbers or changes there, and returns the server's time.
CREATE OR REPLACE FUNCTION turn_on_runs(run_ids uuid[], kinds text[]) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    IF 'tasks' = ANY (kinds) THEN
        PERFORM share_store();
    END IF;
    PERFORM 1 FROM counters
        WHERE run_id = ANY (run_ids) AND kind = ANY (kinds) ORDER BY run_id, kind FOR NO KEY UPDATE;
    RETURN clock_timestamp();
END
$$;

-- The same on the run of a task.
CREATE OR REPLACE FUNCTION turn_on_task(task_id uuid, kinds text[]) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT turn_on_runs(ARRAY(SELECT run_id FROM tasks WHERE id = task_id), kinds)
$$;

-- Claims the next tasks of runs (clauses C1, C2, C7 and C8): for each request the next one of its run.
-- `taken_up` counts the tasks of the run that became due and can be claimed from now on. Not done are all
-- requests of a run that is unknown, or whose first tasks cannot all be taken.
CREATE OR REPLACE FUNCTION claim(
    clock timestamptz, run_ids uuid[], workers text[], leases bigint[], bounds bigint[]
) RETURNS TABLE (
    request bigint, done boolean, taken_up bigint,
    run_id uuid, "position" bigint, id uuid, title text, objective text, acceptance_criteria text,
    verification_steps text, allowed_paths text, depends_on uuid[], created_at timestamptz, status text,
    attempt_count bigint, priority integer, place smallint, unmet bigint, max_attempts bigint,
    not_before timestamptz, delayed_until timestamptz, lease_expires_at timestamptz, updated_at timestamptz,
    worker text, blocker_signature text, implementation_summary text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    came_due uuid[];
    claims bigint;
    is_shared boolean;
    expires timestamptz;
BEGIN
    is_shared := share_store() IS NOT NULL;
    IF cardinality(run_ids) = 1 THEN
        PERFORM 1 FROM counters WHERE run_id = run_ids[1] AND kind = 'tasks' FOR NO KEY UPDATE;
        request := 1;
        done := false;
        taken_up := 0;
        IF NOT FOUND THEN
            RETURN NEXT;
            RETURN;
        END IF;
        now := coalesce(clock, clock_timestamp());
        -- A look costs less than a change of nothing.
        PERFORM 1 FROM task_states s WHERE s.run_id = run_ids[1] AND s.place = 2 AND s.available_from <= now;
        IF FOUND THEN
            UPDATE task_states s SET place = 1
                WHERE s.run_id = run_ids[1] AND s.place = 2 AND s.available_from <= now;
            GET DIAGNOSTICS taken_up = ROW_COUNT;
        END IF;
        expires := time_after(now, leases[1]);
        -- Nobody else claims or settles in the run meanwhile, but a heartbeat may come: then the task is no more what
        -- it was when it was looked up, and is left.
        WITH first AS MATERIALIZED (
            SELECT s.run_id, s.position FROM task_states s
            WHERE s.run_id = run_ids[1] AND s.place = 1
            ORDER BY s.priority DESC, s.position
            LIMIT 1
        )
        UPDATE task_states s SET
            status = 'in_progress',
            attempt_count = s.attempt_count + 1,
            place = place_of(CASE WHEN expires IS NOT NULL THEN greatest(s.not_before, expires) END, s.unmet, now),
            available_from = CASE WHEN expires IS NOT NULL THEN greatest(s.not_before, expires) END,
            delayed_until = NULL,
            lease_expires_at = expires,
            worker = workers[1],
            updated_at = now
        FROM tasks t
        WHERE s.run_id = (SELECT first.run_id FROM first) AND s.position = (SELECT first.position FROM first)
            AND t.run_id = (SELECT first.run_id FROM first) AND t.position = (SELECT first.position FROM first)
            -- In brackets, so that the task is looked up by its key and not by its place.
            AND (
                s.place = 1
                AND (s.available_from > now OR s.attempt_count >= coalesce(s.max_attempts, bounds[1])) IS NOT TRUE
            ) IS TRUE
        RETURNING
            true, t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
            t.allowed_paths, t.depends_on, t.created_at, s.status, s.attempt_count, s.priority, s.place, s.unmet,
            s.max_attempts, s.not_before, s.delayed_until, s.lease_expires_at, s.updated_at, s.worker,
            s.blocker_signature, s.implementation_summary
        INTO
            done, run_id, "position", id, title, objective, acceptance_criteria, verification_steps,
            allowed_paths, depends_on, created_at, status, attempt_count, priority, place, unmet,
            max_attempts, not_before, delayed_until, lease_expires_at, updated_at, worker,
            blocker_signature, implementation_summary;
        IF NOT FOUND THEN
            PERFORM 1 FROM task_states s WHERE s.run_id = run_ids[1] AND s.place = 1 LIMIT 1;
            IF FOUND THEN
                done := false;
                RETURN NEXT;
            END IF;
            RETURN;
        END IF;
        RETURN NEXT;
        IF expires IS NOT NULL THEN
            PERFORM wake(run_ids[1], 0, expires, false);
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters
        WHERE run_id = ANY (run_ids) AND kind = 'tasks' ORDER BY run_id FOR NO KEY UPDATE;
    now := coalesce(clock, clock_timestamp());
    -- Run by run, so that what is due in other runs is not looked at.
    WITH due AS (
        UPDATE task_states s SET place = 1
        FROM (SELECT DISTINCT u.id FROM unnest(run_ids) AS u (id)) g
        CROSS JOIN LATERAL (
            SELECT d.run_id, d.position FROM task_states d
            WHERE d.run_id = g.id AND d.place = 2 AND d.available_from <= now
            FOR NO KEY UPDATE
        ) d
        WHERE s.run_id = d.run_id AND s.position = d.position
        RETURNING s.run_id
    )
    SELECT array_agg(due.run_id) INTO came_due FROM due;
    RETURN QUERY
    WITH requests AS (
        SELECT g.*, row_number() OVER (PARTITION BY g.run_id ORDER BY g.request) AS turn
        FROM unnest(run_ids, workers, leases, bounds)
            WITH ORDINALITY AS g (run_id, worker, lease, bound, request)
    ), offered AS (
        SELECT f.*, row_number() OVER (PARTITION BY f.run_id ORDER BY f.priority DESC, f.position) AS turn
        FROM (SELECT r.run_id, count(*) AS tasks FROM requests r GROUP BY r.run_id) wanted
        CROSS JOIN LATERAL (
            SELECT s.run_id, s.position, s.priority, s.available_from, s.max_attempts, s.attempt_count
            FROM task_states s
            WHERE s.run_id = wanted.run_id AND s.place = 1
            ORDER BY s.priority DESC, s.position
            LIMIT wanted.tasks
            FOR NO KEY UPDATE
        ) f
    ), matched AS (
        SELECT r.request, r.worker, r.lease, o.run_id, o.position,
            (o.available_from > now OR o.attempt_count >= coalesce(o.max_attempts, r.bound)) IS TRUE AS is_odd
        FROM requests r JOIN offered o ON o.run_id = r.run_id AND o.turn = r.turn
    ), odd AS (
        SELECT m.run_id FROM matched m WHERE m.is_odd
        UNION
        SELECT r.run_id FROM requests r
        WHERE NOT EXISTS (SELECT 1 FROM counters c WHERE c.run_id = r.run_id AND c.kind = 'tasks')
    ), taken AS (
        UPDATE task_states s SET
            status = 'in_progress',
            attempt_count = s.attempt_count + 1,
            place = place_of(CASE WHEN m.lease IS NOT NULL THEN
                greatest(s.not_before, time_after(now, m.lease)) END, s.unmet, now),
            available_from = CASE WHEN m.lease IS NOT NULL THEN
                greatest(s.not_before, time_after(now, m.lease)) END,
            delayed_until = NULL,
            lease_expires_at = time_after(now, m.lease),
            worker = m.worker,
            updated_at = now
        FROM matched m
        WHERE s.run_id = m.run_id AND s.position = m.position AND m.run_id NOT IN (SELECT odd.run_id FROM odd)
        RETURNING m.request, s.*
    )
    SELECT r.request, s.position IS NOT NULL,
        (SELECT count(*) FROM unnest(came_due) AS u (id) WHERE u.id = r.run_id),
        t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
        t.allowed_paths, t.depends_on, t.created_at, s.status, s.attempt_count, s.priority, s.place, s.unmet,
        s.max_attempts, s.not_before, s.delayed_until, s.lease_expires_at, s.updated_at, s.worker,
        s.blocker_signature, s.implementation_summary
    FROM requests r
    LEFT JOIN taken s ON s.request = r.request
    LEFT JOIN tasks t ON t.run_id = s.run_id AND t.position = s.position
    WHERE s.position IS NOT NULL OR r.run_id IN (SELECT odd.run_id FROM odd);
    GET DIAGNOSTICS claims = ROW_COUNT;
    IF claims > 0 AND array_remove(leases, NULL) <> '{}' AND somebody_waits() THEN
        PERFORM wake(g.run_id, 0, time_after(now, min(g.lease)), false)
            FROM unnest(run_ids, leases) AS g (run_id, lease) WHERE g.lease IS NOT NULL GROUP BY g.run_id;
    END IF;
END
$$;

-- The same for requests of any run (clause C10). It has the store alone.
CREATE OR REPLACE FUNCTION claim_of_any_run(
    clock timestamptz, workers text[], leases bigint[], bounds bigint[]
) RETURNS TABLE (
    request bigint, done boolean, taken_up bigint,
    run_id uuid, "position" bigint, id uuid, title text, objective text, acceptance_criteria text,
    verification_steps text, allowed_paths text, depends_on uuid[], created_at timestamptz, status text,
    attempt_count bigint, priority integer, place smallint, unmet bigint, max_attempts bigint,
    not_before timestamptz, delayed_until timestamptz, lease_expires_at timestamptz, updated_at timestamptz,
    worker text, blocker_signature text, implementation_summary text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    came_due uuid[];
    claims bigint;
BEGIN
    PERFORM have_store_alone();
    now := coalesce(clock, clock_timestamp());
    -- The first time is looked up by itself: there is one index that gives it, whatever is thought of the others.
    IF (SELECT min(s.available_from) FROM task_states s WHERE s.place = 2) <= now THEN
        WITH due AS (
            UPDATE task_states s SET place = 1 WHERE s.place = 2 AND s.available_from <= now RETURNING s.run_id
        )
        SELECT array_agg(due.run_id) INTO came_due FROM due;
    END IF;
    RETURN QUERY
    WITH requests AS (
        SELECT g.* FROM unnest(workers, leases, bounds) WITH ORDINALITY AS g (worker, lease, bound, request)
    ), offered AS (
        SELECT f.*, row_number() OVER (ORDER BY f.priority DESC, f.number) AS request
        FROM (
            SELECT s.run_id, s.position, s.number, s.priority, s.available_from, s.max_attempts, s.attempt_count
            FROM task_states s
            WHERE s.place = 1
            ORDER BY s.priority DESC, s.number
            LIMIT (SELECT count(*) FROM requests)
            FOR NO KEY UPDATE
        ) f
    ), matched AS (
        SELECT r.request, r.worker, r.lease, o.run_id, o.position,
            (o.available_from > now OR o.attempt_count >= coalesce(o.max_attempts, r.bound)) IS TRUE AS is_odd
        FROM requests r JOIN offered o ON o.request = r.request
    ), taken AS (
        UPDATE task_states s SET
            status = 'in_progress',
            attempt_count = s.attempt_count + 1,
            place = place_of(CASE WHEN m.lease IS NOT NULL THEN
                greatest(s.not_before, time_after(now, m.lease)) END, s.unmet, now),
            available_from = CASE WHEN m.lease IS NOT NULL THEN
                greatest(s.not_before, time_after(now, m.lease)) END,
            delayed_until = NULL,
            lease_expires_at = time_after(now, m.lease),
            worker = m.worker,
            updated_at = now
        FROM matched m
        WHERE s.run_id = m.run_id AND s.position = m.position
            AND NOT EXISTS (SELECT 1 FROM matched o WHERE o.is_odd)
        RETURNING m.request, s.*
    )
    SELECT r.request, s.position IS NOT NULL,
        (SELECT count(*) FROM unnest(came_due) AS u (id) WHERE u.id = s.run_id),
        t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
        t.allowed_paths, t.depends_on, t.created_at, s.status, s.attempt_count, s.priority, s.place, s.unmet,
        s.max_attempts, s.not_before, s.delayed_until, s.lease_expires_at, s.updated_at, s.worker,
        s.blocker_signature, s.implementation_summary
    FROM requests r
    LEFT JOIN taken s ON s.request = r.request
    LEFT JOIN tasks t ON t.run_id = s.run_id AND t.position = s.position
    WHERE s.position IS NOT NULL OR EXISTS (SELECT 1 FROM matched o WHERE o.is_odd);
    GET DIAGNOSTICS claims = ROW_COUNT;
    IF claims > 0 AND array_remove(leases, NULL) <> '{}' AND somebody_waits() THEN
        -- What was just claimed is found by the ends of its leases.
        PERFORM wake(s.run_id, 0, min(s.available_from), false)
            FROM task_states s
            WHERE s.lease_expires_at = ANY (ARRAY(SELECT time_after(now, g.lease) FROM unnest(leases) AS g (lease)))
                AND (s.place = 2 AND s.updated_at = now) IS TRUE
            GROUP BY s.run_id;
    END IF;
END
$$;

-- Extends leases (clause C7). Each claim may be named once. Not done is what is not held or has run out.
-- `expires` is the end of the lease, which a claim without one has not.
CREATE OR REPLACE FUNCTION heartbeat(
    clock timestamptz, task_ids uuid[], attempt_numbers bigint[], leases bigint[]
) RETURNS TABLE (
    request bigint, run_id uuid, expires timestamptz, extended boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
BEGIN
    PERFORM 1 FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
        WHERE t.id = ANY (task_ids) ORDER BY t.id FOR NO KEY UPDATE OF s;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH held AS (
        SELECT g.request, s.run_id, s.position, s.not_before, s.unmet, s.lease_expires_at AS before,
            greatest(s.lease_expires_at, time_after(now, g.lease)) AS after
        FROM unnest(task_ids, attempt_numbers, leases)
            WITH ORDINALITY AS g (task_id, attempt_number, lease, request)
        CROSS JOIN LATERAL (SELECT t.run_id, t.position FROM tasks t WHERE t.id = g.task_id OFFSET 0) t
        CROSS JOIN LATERAL (
            SELECT s.* FROM task_states s WHERE s.run_id = t.run_id AND s.position = t.position OFFSET 0
        ) s
        WHERE s.status = 'in_progress' AND s.attempt_count = g.attempt_number
            AND (s.lease_expires_at > now) IS NOT FALSE
    ), beaten AS (
        UPDATE task_states s SET
            lease_expires_at = h.after,
            available_from = greatest(h.not_before, h.after),
            place = place_of(greatest(h.not_before, h.after), h.unmet, now),
            updated_at = now
        FROM held h
        WHERE s.run_id = h.run_id AND s.position = h.position AND h.before < h.after
    )
    SELECT h.request, h.run_id, CASE WHEN h.before IS NOT NULL THEN h.after END, (h.before < h.after) IS TRUE
    FROM held h;
END
$$;

-- Counts down what waits for tasks that were just completed, and tells those who wait. What can be claimed by that is
-- answered by its runs and the times from which on it can be: none for what can be at once.
CREATE OR REPLACE FUNCTION free_dependents(task_ids uuid[], now timestamptz, OUT runs uuid[], OUT times timestamptz[])
LANGUAGE plpgsql AS $$
BEGIN
    WITH freed AS (
        UPDATE task_states s SET
            unmet = greatest(s.unmet - n.count, 0),
            place = place_of(s.available_from, greatest(s.unmet - n.count, 0), now)
        FROM (
            SELECT d.run_id, d.dependent, count(*)
            FROM unnest(task_ids) AS g (task_id)
            JOIN tasks t ON t.id = g.task_id
            JOIN dependents d ON d.run_id = t.run_id AND d.dependency = t.position
            GROUP BY d.run_id, d.dependent
        ) n
        WHERE s.run_id = n.run_id AND s.position = n.dependent
        RETURNING s.run_id, s.place, s.available_from
    )
    SELECT array_agg(freed.run_id), array_agg(CASE freed.place WHEN 2 THEN freed.available_from END)
    INTO runs, times FROM freed WHERE freed.place > 0;
    IF runs IS NOT NULL THEN
        PERFORM wake(f.run_id, count(*) FILTER (WHERE f.at IS NULL), min(f.at), false)
            FROM unnest(runs, times) AS f (run_id, at) GROUP BY f.run_id;
    END IF;
END
$$;

-- Ends claims with their reports (clause C5), and settles tasks without one (clause C6), where the number of the
-- attempt is not given. Each task may be named once. `outcomes` are the states that tasks come to; a report that
-- gives its task back names 'pending'. Events and artifacts name the report that they belong to by its number,
-- from 1. `ready` counts the tasks of the run that waited for one of these and can be claimed from now on, and
-- `due` is when the next of them can be. Not done is what is not held, what cannot be settled, what names an id
-- that is taken, and a release whose attempts are used up.
CREATE OR REPLACE FUNCTION settle(
    clock timestamptz, task_ids uuid[], attempt_numbers bigint[], outcomes text[], summaries text[],
    signatures text[], delays bigint[], attempt_ids uuid[], attempt_statuses text[], attempt_summaries text[],
    attempt_signatures text[], results text[], event_reports bigint[], event_ids uuid[], event_sources text[],
    event_kinds text[], event_messages text[], event_payloads text[], artifact_reports bigint[],
    artifact_ids uuid[], artifact_roles text[], artifact_kinds text[], artifact_paths text[],
    artifact_metadata text[]
) RETURNS TABLE (
    request bigint, ready bigint, due timestamptz,
    run_id uuid, "position" bigint, id uuid, title text, objective text, acceptance_criteria text,
    verification_steps text, allowed_paths text, depends_on uuid[], created_at timestamptz, status text,
    attempt_count bigint, priority integer, place smallint, unmet bigint, max_attempts bigint,
    not_before timestamptz, delayed_until timestamptz, lease_expires_at timestamptz, updated_at timestamptz,
    worker text, blocker_signature text, implementation_summary text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    accepted bigint[];
    kinds text[] := ARRAY['tasks'];
    is_shared boolean;
    of_run uuid;
    counted bigint;
    has_dependents boolean;
    freed_runs uuid[];
    freed_at timestamptz[];
BEGIN
    IF array_remove(attempt_ids, NULL) <> '{}' THEN kinds := kinds || 'attempts'::text; END IF;
    IF event_reports <> '{}' THEN kinds := kinds || 'events'::text; END IF;
    IF artifact_reports <> '{}' THEN kinds := kinds || 'artifacts'::text; END IF;
    is_shared := share_store() IS NOT NULL;
    IF cardinality(task_ids) = 1 AND outcomes[1] <> 'pending' AND artifact_reports = '{}' THEN
        SELECT t.run_id, t.position, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
            t.allowed_paths, t.depends_on, t.created_at
        INTO run_id, "position", title, objective, acceptance_criteria, verification_steps,
            allowed_paths, depends_on, created_at
        FROM tasks t WHERE t.id = task_ids[1];
        of_run := run_id;
        PERFORM 1 FROM counters c
            WHERE c.run_id = of_run AND c.kind = ANY (kinds) ORDER BY c.run_id, c.kind FOR NO KEY UPDATE;
        IF attempt_ids[1] IS NOT NULL AND EXISTS (SELECT 1 FROM attempts a WHERE a.id = attempt_ids[1]) THEN
            RETURN;
        END IF;
        IF array_remove(event_ids, NULL) <> '{}' AND EXISTS (
            SELECT 1 FROM unnest(event_ids) AS e (id)
            CROSS JOIN LATERAL (SELECT 1 FROM events stored WHERE stored.event_id = e.id OFFSET 0) stored
        ) THEN
            RETURN;
        END IF;
        UPDATE task_states s SET
            status = outcomes[1],
            implementation_summary = summaries[1],
            blocker_signature = signatures[1],
            delayed_until = NULL,
            worker = NULL,
            lease_expires_at = NULL,
            available_from = NULL,
            place = 0,
            updated_at = coalesce(clock, clock_timestamp())
        WHERE s.run_id = of_run AND s.position = settle.position AND CASE
                WHEN attempt_numbers[1] IS NULL THEN s.status IN ('pending', 'in_progress', 'blocked')
                ELSE s.status = 'in_progress' AND s.attempt_count = attempt_numbers[1]
            END
        RETURNING
            s.status, s.attempt_count, s.priority, s.place, s.unmet, s.max_attempts, s.not_before,
            s.delayed_until, s.lease_expires_at, s.updated_at, s.worker, s.blocker_signature,
            s.implementation_summary, s.updated_at, s.status = 'completed' AND EXISTS (
                SELECT 1 FROM dependents d WHERE d.run_id = s.run_id AND d.dependency = s.position
            )
        INTO
            status, attempt_count, priority, place, unmet, max_attempts, not_before,
            delayed_until, lease_expires_at, updated_at, worker, blocker_signature,
            implementation_summary, now, has_dependents;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        IF attempt_numbers[1] IS NOT NULL THEN
            INSERT INTO finished_claims (run_id, position, attempt_number)
                VALUES (of_run, settle.position, attempt_numbers[1]);
        END IF;
        IF attempt_ids[1] IS NOT NULL THEN
            UPDATE counters c SET last = c.last + 1 WHERE c.run_id = of_run AND c.kind = 'attempts'
                RETURNING c.last INTO counted;
            INSERT INTO attempts (
                run_id, seq, id, task_id, attempt_number, created_at, status, blocker_signature, summary, result
            ) VALUES (
                of_run, counted, attempt_ids[1], task_ids[1], attempt_numbers[1], now, attempt_statuses[1],
                attempt_signatures[1], attempt_summaries[1], results[1]
            );
        END IF;
        IF event_reports <> '{}' THEN
            UPDATE counters c SET last = c.last + cardinality(event_reports)
                WHERE c.run_id = of_run AND c.kind = 'events'
                RETURNING c.last - cardinality(event_reports) INTO counted;
            INSERT INTO events (run_id, seq, event_id, ts, source, kind, message, payload)
                SELECT of_run, counted + e.number, e.id, now, e.source, e.kind, e.message, e.payload
                FROM unnest(event_ids, event_sources, event_kinds, event_messages, event_payloads)
                    WITH ORDINALITY AS e (id, source, kind, message, payload, number);
        END IF;
        request := 1;
        id := task_ids[1];
        ready := 0;
        IF has_dependents THEN
            SELECT f.runs, f.times INTO freed_runs, freed_at FROM free_dependents(task_ids, now) f;
            ready := (SELECT count(*) FROM unnest(freed_at) AS f (at) WHERE f.at IS NULL);
            due := (SELECT min(f.at) FROM unnest(freed_at) AS f (at));
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (ARRAY(SELECT t.run_id FROM tasks t WHERE t.id = ANY (task_ids))) AND c.kind = ANY (kinds)
        ORDER BY c.run_id, c.kind FOR NO KEY UPDATE;
    accepted := ARRAY(
        SELECT g.request
        FROM unnest(task_ids, attempt_numbers, outcomes, attempt_ids)
            WITH ORDINALITY AS g (task_id, attempt_number, outcome, attempt_id, request)
        JOIN tasks t ON t.id = g.task_id
        JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
        WHERE CASE
                WHEN g.attempt_number IS NULL THEN s.status IN ('pending', 'in_progress', 'blocked')
                ELSE s.status = 'in_progress' AND s.attempt_count = g.attempt_number
            END
            AND (g.outcome <> 'pending' OR (s.attempt_count >= s.max_attempts) IS NOT TRUE)
            AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.id = g.attempt_id OFFSET 0)
            AND NOT EXISTS (
                SELECT 1 FROM unnest(event_reports, event_ids) AS e (request, id)
                WHERE e.request = g.request
                    AND EXISTS (SELECT 1 FROM events stored WHERE stored.event_id = e.id OFFSET 0)
                OFFSET 0
            )
            AND NOT EXISTS (
                SELECT 1 FROM unnest(artifact_reports, artifact_ids) AS a (request, id)
                WHERE a.request = g.request
                    AND EXISTS (SELECT 1 FROM artifacts stored WHERE stored.id = a.id OFFSET 0)
                OFFSET 0
            )
        ORDER BY t.id FOR NO KEY UPDATE OF s
    );
    IF accepted = '{}' THEN
        RETURN;
    END IF;
    now := coalesce(clock, clock_timestamp());
    IF 'attempts' = ANY (kinds) THEN
        WITH new AS MATERIALIZED (
            SELECT g.*, t.run_id, c.last + row_number() OVER (PARTITION BY t.run_id ORDER BY g.request) AS seq
            FROM unnest(
                task_ids, attempt_numbers, attempt_ids, attempt_statuses, attempt_summaries, attempt_signatures,
                results
            ) WITH ORDINALITY AS g (task_id, attempt_number, id, status, summary, signature, result, request)
            JOIN tasks t ON t.id = g.task_id
            CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = t.run_id AND c.kind = 'attempts' OFFSET 0
            ) c
            WHERE g.request = ANY (accepted) AND g.id IS NOT NULL
        ), counted AS (
            UPDATE counters c SET last = n.last
            FROM (SELECT new.run_id, max(new.seq) AS last FROM new GROUP BY new.run_id) n
            WHERE c.run_id = n.run_id AND c.run_id = ANY (ARRAY(SELECT new.run_id FROM new)) AND c.kind = 'attempts'
        )
        INSERT INTO attempts (
            run_id, seq, id, task_id, attempt_number, created_at, status, blocker_signature, summary, result
        )
        SELECT new.run_id, new.seq, new.id, new.task_id, new.attempt_number, now, new.status, new.signature,
            new.summary, new.result
        FROM new;
    END IF;
    IF 'events' = ANY (kinds) THEN
        WITH new AS MATERIALIZED (
            SELECT e.*, t.run_id, c.last + row_number() OVER (PARTITION BY t.run_id ORDER BY e.number) AS seq
            FROM unnest(
                event_reports, event_ids, event_sources, event_kinds, event_messages, event_payloads
            ) WITH ORDINALITY AS e (request, id, source, kind, message, payload, number)
            JOIN tasks t ON t.id = task_ids[e.request]
            CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = t.run_id AND c.kind = 'events' OFFSET 0
            ) c
            WHERE e.request = ANY (accepted)
        ), counted AS (
            UPDATE counters c SET last = n.last
            FROM (SELECT new.run_id, max(new.seq) AS last FROM new GROUP BY new.run_id) n
            WHERE c.run_id = n.run_id AND c.run_id = ANY (ARRAY(SELECT new.run_id FROM new)) AND c.kind = 'events'
        )
        INSERT INTO events (run_id, seq, event_id, ts, source, kind, message, payload)
        SELECT new.run_id, new.seq, new.id, now, new.source, new.kind, new.message, new.payload FROM new;
    END IF;
    IF 'artifacts' = ANY (kinds) THEN
        WITH new AS MATERIALIZED (
            SELECT a.*, t.run_id, c.last + row_number() OVER (PARTITION BY t.run_id ORDER BY a.number) AS seq
            FROM unnest(
                artifact_reports, artifact_ids, artifact_roles, artifact_kinds, artifact_paths, artifact_metadata
            ) WITH ORDINALITY AS a (request, id, role, kind, path, metadata, number)
            JOIN tasks t ON t.id = task_ids[a.request]
            CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = t.run_id AND c.kind = 'artifacts' OFFSET 0
            ) c
            WHERE a.request = ANY (accepted)
        ), counted AS (
            UPDATE counters c SET last = n.last
            FROM (SELECT new.run_id, max(new.seq) AS last FROM new GROUP BY new.run_id) n
            WHERE c.run_id = n.run_id AND c.run_id = ANY (ARRAY(SELECT new.run_id FROM new)) AND c.kind = 'artifacts'
        )
        INSERT INTO artifacts (run_id, seq, id, created_at, role, kind, path, metadata)
        SELECT new.run_id, new.seq, new.id, now, new.role, new.kind, new.path, new.metadata FROM new;
    END IF;
    WITH changed AS (
        UPDATE task_states s SET
            status = g.outcome,
            implementation_summary =
                CASE g.outcome WHEN 'pending' THEN s.implementation_summary ELSE g.summary END,
            blocker_signature = CASE g.outcome WHEN 'pending' THEN s.blocker_signature ELSE g.signature END,
            delayed_until = CASE g.outcome WHEN 'pending' THEN time_after(now, g.delay) END,
            worker = NULL,
            lease_expires_at = NULL,
            available_from = CASE g.outcome WHEN 'pending' THEN greatest(
                s.not_before, time_after(now, g.delay), timestamptz '0001-01-01 00:00:00+00') END,
            place = place_of(CASE g.outcome WHEN 'pending' THEN greatest(
                s.not_before, time_after(now, g.delay), timestamptz '0001-01-01 00:00:00+00') END, s.unmet, now),
            updated_at = now
        FROM unnest(task_ids, attempt_numbers, outcomes, summaries, signatures, delays)
            WITH ORDINALITY AS g (task_id, attempt_number, outcome, summary, signature, delay, request)
        JOIN tasks t ON t.id = g.task_id
        WHERE g.request = ANY (accepted) AND s.run_id = t.run_id AND s.position = t.position
        RETURNING s.run_id, s.position, g.attempt_number
    )
    INSERT INTO finished_claims (run_id, position, attempt_number)
    SELECT changed.run_id, changed.position, changed.attempt_number FROM changed
    WHERE changed.attempt_number IS NOT NULL;
    -- By a statement of its own, for what waits may be among what was just settled.
    IF 'completed' = ANY (outcomes) THEN
        SELECT f.runs, f.times INTO freed_runs, freed_at
            FROM free_dependents(ARRAY(
                SELECT g.task_id FROM unnest(task_ids, outcomes) WITH ORDINALITY AS g (task_id, outcome, request)
                WHERE g.request = ANY (accepted) AND g.outcome = 'completed'
            ), now) f;
    END IF;
    RETURN QUERY
    SELECT g.request,
        (SELECT count(*) FROM unnest(freed_runs, freed_at) AS f (id, at) WHERE f.id = t.run_id AND f.at IS NULL),
        (SELECT min(f.at) FROM unnest(freed_runs, freed_at) AS f (id, at) WHERE f.id = t.run_id),
        t.run_id, t.position, t.id, t.title, t.objective, t.acceptance_criteria, t.verification_steps,
        t.allowed_paths, t.depends_on, t.created_at, s.status, s.attempt_count, s.priority, s.place, s.unmet,
        s.max_attempts, s.not_before, s.delayed_until, s.lease_expires_at, s.updated_at, s.worker,
        s.blocker_signature, s.implementation_summary
    FROM unnest(accepted) AS g (request)
    JOIN tasks t ON t.id = task_ids[g.request]
    JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position;
    IF 'pending' = ANY (outcomes) AND somebody_waits() THEN
        PERFORM wake(
                s.run_id, count(*) FILTER (WHERE s.place = 1),
                min(s.available_from) FILTER (WHERE s.place = 2), false
            )
            FROM unnest(accepted) AS g (request)
            JOIN tasks t ON t.id = task_ids[g.request]
            JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
            WHERE s.status = 'pending' GROUP BY s.run_id;
    END IF;
END
$$;

-- Takes the turn on the journal of a run for an entry that is added alone and is fenced, and keeps its claim as it is.
-- False if the claim is not held.
CREATE OR REPLACE FUNCTION keep_claim(of_run uuid, of_kind text, fence_task uuid, fence_number bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    place_in_run bigint;
BEGIN
    PERFORM 1 FROM counters c WHERE c.run_id = of_run AND c.kind = of_kind FOR NO KEY UPDATE;
    SELECT t.position INTO place_in_run FROM tasks t WHERE t.id = fence_task AND (t.run_id = of_run) IS TRUE;
    PERFORM 1 FROM task_states s
        WHERE s.run_id = of_run AND s.position = place_in_run
            -- In brackets, so that the task is looked up by its key and not by the state of others.
            AND (s.status = 'in_progress' AND s.attempt_count = fence_number) IS TRUE
        FOR SHARE;
    RETURN FOUND;
END
$$;

-- Adds entries to the journals of runs (clauses J1, J3 to J6), numbered in the order in which they are given. Not
-- done is what names an id that is taken, what belongs to nothing that is known, and what is fenced by a claim
-- that is not held.
CREATE OR REPLACE FUNCTION add_attempts(
    clock timestamptz, task_ids uuid[], attempt_numbers bigint[], fence_tasks uuid[], fence_numbers bigint[],
    ids uuid[], statuses text[], signatures text[], summaries text[], results text[]
) RETURNS TABLE (request bigint, run_id uuid, seq bigint, at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    of_run uuid;
    number bigint;
BEGIN
    IF cardinality(task_ids) = 1 THEN
        IF fence_tasks[1] IS NOT NULL AND NOT keep_claim(
            (SELECT t.run_id FROM tasks t WHERE t.id = task_ids[1]), 'attempts', fence_tasks[1], fence_numbers[1]
        ) THEN
            RETURN;
        END IF;
        UPDATE counters c SET last = c.last + 1
            WHERE c.run_id = (SELECT t.run_id FROM tasks t WHERE t.id = task_ids[1]) AND c.kind = 'attempts'
                AND NOT EXISTS (SELECT 1 FROM attempts stored WHERE stored.id = ids[1])
            RETURNING c.run_id, c.last INTO of_run, number;
        IF FOUND THEN
            now := coalesce(clock, clock_timestamp());
            INSERT INTO attempts (
                run_id, seq, task_id, attempt_number, created_at, id, status, blocker_signature, summary, result
            ) VALUES (
                of_run, number, task_ids[1], attempt_numbers[1], now, ids[1], statuses[1], signatures[1],
                summaries[1], results[1]
            );
            request := 1;
            run_id := of_run;
            seq := number;
            at := now;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (ARRAY(SELECT t.run_id FROM tasks t WHERE t.id = ANY (task_ids))) AND c.kind = 'attempts'
        ORDER BY c.run_id FOR NO KEY UPDATE;
    IF array_remove(fence_tasks, NULL) <> '{}' THEN
        PERFORM 1 FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
            WHERE t.id = ANY (fence_tasks) ORDER BY t.id FOR SHARE OF s;
    END IF;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT g.*, c.run_id AS of_run, c.last + row_number() OVER (PARTITION BY c.run_id ORDER BY g.request) AS seq
        FROM unnest(
                task_ids, attempt_numbers, fence_tasks, fence_numbers, ids, statuses, signatures, summaries,
                results
            ) WITH ORDINALITY AS g (
                task_id, attempt_number, fence_task, fence_number, id, status, signature, summary, result,
                request
            )
        JOIN tasks t ON t.id = g.task_id
        CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = t.run_id AND c.kind = 'attempts' OFFSET 0
            ) c
        WHERE NOT EXISTS (SELECT 1 FROM attempts stored WHERE stored.id = g.id OFFSET 0)
            AND (g.fence_task IS NULL OR EXISTS (
                SELECT 1 FROM (SELECT f.run_id, f.position FROM tasks f WHERE f.id = g.fence_task OFFSET 0) f
                CROSS JOIN LATERAL (
                    SELECT 1 FROM task_states s WHERE s.run_id = f.run_id AND s.position = f.position
                        -- In brackets, so that the task is looked up by its key and not by the state of others.
                        AND (s.status = 'in_progress' AND s.attempt_count = g.fence_number) IS TRUE
                    OFFSET 0
                ) s
                WHERE f.run_id = c.run_id
            ))
    ), counted AS (
        UPDATE counters c SET last = n.last
        FROM (SELECT new.of_run, max(new.seq) AS last FROM new GROUP BY new.of_run) n
        WHERE c.run_id = n.of_run AND c.run_id = ANY (ARRAY(SELECT new.of_run FROM new)) AND c.kind = 'attempts'
    ), added AS (
        INSERT INTO attempts (
            run_id, seq, task_id, attempt_number, created_at, id, status, blocker_signature, summary, result
        )
        SELECT
            new.of_run, new.seq, new.task_id, new.attempt_number, now, new.id, new.status, new.signature,
            new.summary, new.result
        FROM new
    )
    SELECT new.request, new.of_run, new.seq, now FROM new;
END
$$;

CREATE OR REPLACE FUNCTION add_events(
    clock timestamptz, run_ids uuid[], fence_tasks uuid[], fence_numbers bigint[], ids uuid[], sources text[],
    kinds text[], messages text[], payloads text[]
) RETURNS TABLE (request bigint, run_id uuid, seq bigint, at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    of_run uuid;
    number bigint;
BEGIN
    IF cardinality(run_ids) = 1 THEN
        IF fence_tasks[1] IS NOT NULL AND NOT keep_claim(
            run_ids[1], 'events', fence_tasks[1], fence_numbers[1]
        ) THEN
            RETURN;
        END IF;
        UPDATE counters c SET last = c.last + 1
            WHERE c.run_id = run_ids[1] AND c.kind = 'events'
                AND NOT EXISTS (SELECT 1 FROM events stored WHERE stored.event_id = ids[1])
            RETURNING c.run_id, c.last INTO of_run, number;
        IF FOUND THEN
            now := coalesce(clock, clock_timestamp());
            INSERT INTO events (
                run_id, seq, ts, event_id, source, kind, message, payload
            ) VALUES (
                of_run, number, now, ids[1], sources[1], kinds[1], messages[1], payloads[1]
            );
            request := 1;
            run_id := of_run;
            seq := number;
            at := now;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (run_ids) AND c.kind = 'events'
        ORDER BY c.run_id FOR NO KEY UPDATE;
    IF array_remove(fence_tasks, NULL) <> '{}' THEN
        PERFORM 1 FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
            WHERE t.id = ANY (fence_tasks) ORDER BY t.id FOR SHARE OF s;
    END IF;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT g.*, c.run_id AS of_run, c.last + row_number() OVER (PARTITION BY c.run_id ORDER BY g.request) AS seq
        FROM unnest(
                run_ids, fence_tasks, fence_numbers, ids, sources, kinds, messages, payloads
            ) WITH ORDINALITY AS g (
                run_id, fence_task, fence_number, id, source, kind, message, payload, request
            )
        CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = g.run_id AND c.kind = 'events' OFFSET 0
            ) c
        WHERE NOT EXISTS (SELECT 1 FROM events stored WHERE stored.event_id = g.id OFFSET 0)
            AND (g.fence_task IS NULL OR EXISTS (
                SELECT 1 FROM (SELECT f.run_id, f.position FROM tasks f WHERE f.id = g.fence_task OFFSET 0) f
                CROSS JOIN LATERAL (
                    SELECT 1 FROM task_states s WHERE s.run_id = f.run_id AND s.position = f.position
                        -- In brackets, so that the task is looked up by its key and not by the state of others.
                        AND (s.status = 'in_progress' AND s.attempt_count = g.fence_number) IS TRUE
                    OFFSET 0
                ) s
                WHERE f.run_id = c.run_id
            ))
    ), counted AS (
        UPDATE counters c SET last = n.last
        FROM (SELECT new.of_run, max(new.seq) AS last FROM new GROUP BY new.of_run) n
        WHERE c.run_id = n.of_run AND c.run_id = ANY (ARRAY(SELECT new.of_run FROM new)) AND c.kind = 'events'
    ), added AS (
        INSERT INTO events (
            run_id, seq, ts, event_id, source, kind, message, payload
        )
        SELECT
            new.of_run, new.seq, now, new.id, new.source, new.kind, new.message, new.payload
        FROM new
    )
    SELECT new.request, new.of_run, new.seq, now FROM new;
END
$$;

CREATE OR REPLACE FUNCTION add_artifacts(
    clock timestamptz, run_ids uuid[], fence_tasks uuid[], fence_numbers bigint[], ids uuid[], roles text[],
    kinds text[], paths text[], metadatas text[]
) RETURNS TABLE (request bigint, run_id uuid, seq bigint, at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    of_run uuid;
    number bigint;
BEGIN
    IF cardinality(run_ids) = 1 THEN
        IF fence_tasks[1] IS NOT NULL AND NOT keep_claim(
            run_ids[1], 'artifacts', fence_tasks[1], fence_numbers[1]
        ) THEN
            RETURN;
        END IF;
        UPDATE counters c SET last = c.last + 1
            WHERE c.run_id = run_ids[1] AND c.kind = 'artifacts'
                AND NOT EXISTS (SELECT 1 FROM artifacts stored WHERE stored.id = ids[1])
            RETURNING c.run_id, c.last INTO of_run, number;
        IF FOUND THEN
            now := coalesce(clock, clock_timestamp());
            INSERT INTO artifacts (
                run_id, seq, created_at, id, role, kind, path, metadata
            ) VALUES (
                of_run, number, now, ids[1], roles[1], kinds[1], paths[1], metadatas[1]
            );
            request := 1;
            run_id := of_run;
            seq := number;
            at := now;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (run_ids) AND c.kind = 'artifacts'
        ORDER BY c.run_id FOR NO KEY UPDATE;
    IF array_remove(fence_tasks, NULL) <> '{}' THEN
        PERFORM 1 FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
            WHERE t.id = ANY (fence_tasks) ORDER BY t.id FOR SHARE OF s;
    END IF;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT g.*, c.run_id AS of_run, c.last + row_number() OVER (PARTITION BY c.run_id ORDER BY g.request) AS seq
        FROM unnest(
                run_ids, fence_tasks, fence_numbers, ids, roles, kinds, paths, metadatas
            ) WITH ORDINALITY AS g (
                run_id, fence_task, fence_number, id, role, kind, path, metadata, request
            )
        CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = g.run_id AND c.kind = 'artifacts' OFFSET 0
            ) c
        WHERE NOT EXISTS (SELECT 1 FROM artifacts stored WHERE stored.id = g.id OFFSET 0)
            AND (g.fence_task IS NULL OR EXISTS (
                SELECT 1 FROM (SELECT f.run_id, f.position FROM tasks f WHERE f.id = g.fence_task OFFSET 0) f
                CROSS JOIN LATERAL (
                    SELECT 1 FROM task_states s WHERE s.run_id = f.run_id AND s.position = f.position
                        -- In brackets, so that the task is looked up by its key and not by the state of others.
                        AND (s.status = 'in_progress' AND s.attempt_count = g.fence_number) IS TRUE
                    OFFSET 0
                ) s
                WHERE f.run_id = c.run_id
            ))
    ), counted AS (
        UPDATE counters c SET last = n.last
        FROM (SELECT new.of_run, max(new.seq) AS last FROM new GROUP BY new.of_run) n
        WHERE c.run_id = n.of_run AND c.run_id = ANY (ARRAY(SELECT new.of_run FROM new)) AND c.kind = 'artifacts'
    ), added AS (
        INSERT INTO artifacts (
            run_id, seq, created_at, id, role, kind, path, metadata
        )
        SELECT
            new.of_run, new.seq, now, new.id, new.role, new.kind, new.path, new.metadata
        FROM new
    )
    SELECT new.request, new.of_run, new.seq, now FROM new;
END
$$;

CREATE OR REPLACE FUNCTION add_approvals(
    clock timestamptz, run_ids uuid[], ids uuid[], sources text[], verdicts text[], rationales text[],
    payloads text[]
) RETURNS TABLE (request bigint, run_id uuid, seq bigint, at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    of_run uuid;
    number bigint;
BEGIN
    IF cardinality(run_ids) = 1 THEN
        UPDATE counters c SET last = c.last + 1
            WHERE c.run_id = run_ids[1] AND c.kind = 'approvals'
                AND NOT EXISTS (SELECT 1 FROM approvals stored WHERE stored.id = ids[1])
            RETURNING c.run_id, c.last INTO of_run, number;
        IF FOUND THEN
            now := coalesce(clock, clock_timestamp());
            INSERT INTO approvals (
                run_id, seq, created_at, id, source, verdict, rationale, payload
            ) VALUES (
                of_run, number, now, ids[1], sources[1], verdicts[1], rationales[1], payloads[1]
            );
            request := 1;
            run_id := of_run;
            seq := number;
            at := now;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (run_ids) AND c.kind = 'approvals'
        ORDER BY c.run_id FOR NO KEY UPDATE;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT g.*, c.run_id AS of_run, c.last + row_number() OVER (PARTITION BY c.run_id ORDER BY g.request) AS seq
        FROM unnest(
                run_ids, ids, sources, verdicts, rationales, payloads
            ) WITH ORDINALITY AS g (
                run_id, id, source, verdict, rationale, payload, request
            )
        CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = g.run_id AND c.kind = 'approvals' OFFSET 0
            ) c
        WHERE NOT EXISTS (SELECT 1 FROM approvals stored WHERE stored.id = g.id OFFSET 0)
    ), counted AS (
        UPDATE counters c SET last = n.last
        FROM (SELECT new.of_run, max(new.seq) AS last FROM new GROUP BY new.of_run) n
        WHERE c.run_id = n.of_run AND c.run_id = ANY (ARRAY(SELECT new.of_run FROM new)) AND c.kind = 'approvals'
    ), added AS (
        INSERT INTO approvals (
            run_id, seq, created_at, id, source, verdict, rationale, payload
        )
        SELECT
            new.of_run, new.seq, now, new.id, new.source, new.verdict, new.rationale, new.payload
        FROM new
    )
    SELECT new.request, new.of_run, new.seq, now FROM new;
END
$$;

CREATE OR REPLACE FUNCTION add_checkpoints(
    clock timestamptz, run_ids uuid[], fence_tasks uuid[], fence_numbers bigint[], ids uuid[], statuses text[],
    payloads text[]
) RETURNS TABLE (request bigint, run_id uuid, seq bigint, at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    of_run uuid;
    number bigint;
BEGIN
    IF cardinality(run_ids) = 1 THEN
        IF fence_tasks[1] IS NOT NULL AND NOT keep_claim(
            run_ids[1], 'checkpoints', fence_tasks[1], fence_numbers[1]
        ) THEN
            RETURN;
        END IF;
        UPDATE counters c SET last = c.last + 1
            WHERE c.run_id = run_ids[1] AND c.kind = 'checkpoints'
                AND NOT EXISTS (SELECT 1 FROM checkpoints stored WHERE stored.id = ids[1])
            RETURNING c.run_id, c.last INTO of_run, number;
        IF FOUND THEN
            now := coalesce(clock, clock_timestamp());
            INSERT INTO checkpoints (
                run_id, seq, created_at, id, status, payload
            ) VALUES (
                of_run, number, now, ids[1], statuses[1], payloads[1]
            );
            request := 1;
            run_id := of_run;
            seq := number;
            at := now;
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    PERFORM 1 FROM counters c
        WHERE c.run_id = ANY (run_ids) AND c.kind = 'checkpoints'
        ORDER BY c.run_id FOR NO KEY UPDATE;
    IF array_remove(fence_tasks, NULL) <> '{}' THEN
        PERFORM 1 FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position
            WHERE t.id = ANY (fence_tasks) ORDER BY t.id FOR SHARE OF s;
    END IF;
    now := coalesce(clock, clock_timestamp());
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT g.*, c.run_id AS of_run, c.last + row_number() OVER (PARTITION BY c.run_id ORDER BY g.request) AS seq
        FROM unnest(
                run_ids, fence_tasks, fence_numbers, ids, statuses, payloads
            ) WITH ORDINALITY AS g (
                run_id, fence_task, fence_number, id, status, payload, request
            )
        CROSS JOIN LATERAL (
                SELECT c.run_id, c.last FROM counters c WHERE c.run_id = g.run_id AND c.kind = 'checkpoints' OFFSET 0
            ) c
        WHERE NOT EXISTS (SELECT 1 FROM checkpoints stored WHERE stored.id = g.id OFFSET 0)
            AND (g.fence_task IS NULL OR EXISTS (
                SELECT 1 FROM (SELECT f.run_id, f.position FROM tasks f WHERE f.id = g.fence_task OFFSET 0) f
                CROSS JOIN LATERAL (
                    SELECT 1 FROM task_states s WHERE s.run_id = f.run_id AND s.position = f.position
                        -- In brackets, so that the task is looked up by its key and not by the state of others.
                        AND (s.status = 'in_progress' AND s.attempt_count = g.fence_number) IS TRUE
                    OFFSET 0
                ) s
                WHERE f.run_id = c.run_id
            ))
    ), counted AS (
        UPDATE counters c SET last = n.last
        FROM (SELECT new.of_run, max(new.seq) AS last FROM new GROUP BY new.of_run) n
        WHERE c.run_id = n.of_run AND c.run_id = ANY (ARRAY(SELECT new.of_run FROM new)) AND c.kind = 'checkpoints'
    ), added AS (
        INSERT INTO checkpoints (
            run_id, seq, created_at, id, status, payload
        )
        SELECT
            new.of_run, new.seq, now, new.id, new.status, new.payload
        FROM new
    )
    SELECT new.request, new.of_run, new.seq, now FROM new;
END
$$;

-- Functions that format 1 did not have get the grants of those that it had, for whoever could call these must be able to
-- call them too. In a new schema that changes nothing.
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
        FROM pg_proc p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
        WHERE p.oid = 'settle'::regproc AND g.privilege_type = 'EXECUTE' AND g.grantee <> p.proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION keep_claim, free_dependents TO %s', grantee);
    END LOOP;
END
$$;
