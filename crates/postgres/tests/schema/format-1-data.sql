-- A run in a schema of format 1, by the functions of that format: the first of its tasks is completed by a report, the
-- second is claimed, the third can be claimed, and the fourth waits for the third.

INSERT INTO store_counters VALUES ('runs', 1), ('tasks', 4) ON CONFLICT (name) DO UPDATE SET last = excluded.last;
INSERT INTO runs VALUES (
    '00000000-0000-7000-8000-000000000001', 1, 'running', 0, 0, NULL, '2026-01-01 00:00:00+00',
    '2026-01-01 00:00:00+00', NULL, 'goal', '/repo'
);
INSERT INTO counters
    SELECT '00000000-0000-7000-8000-000000000001', kind, CASE kind WHEN 'tasks' THEN 4 WHEN 'events' THEN 1 ELSE 0 END
    FROM unnest(ARRAY['tasks', 'attempts', 'events', 'artifacts', 'approvals', 'checkpoints']) AS kind;
INSERT INTO events VALUES (
    '00000000-0000-7000-8000-000000000001', 1, NULL, '2026-01-01 00:00:00+00', 'store', 'run_created', 'goal', 'null'
);
INSERT INTO tasks
    SELECT '00000000-0000-7000-8000-000000000001', n, ('00000000-0000-7000-8000-00000000010' || n)::uuid,
        '2026-01-01 00:00:00+00',
        CASE n WHEN 4 THEN ARRAY['00000000-0000-7000-8000-000000000103'::uuid] ELSE '{}' END,
        'task ' || n, 'objective', '[]', '[]', '[]'
    FROM generate_series(1, 4) AS n;
INSERT INTO task_states (
    run_id, position, number, status, attempt_count, priority, place, unmet, available_from, updated_at
)
    SELECT '00000000-0000-7000-8000-000000000001', n, n, 'pending', 0, 0, CASE n WHEN 4 THEN 0 ELSE 1 END,
        CASE n WHEN 4 THEN 1 ELSE 0 END, '0001-01-01 00:00:00+00', '2026-01-01 00:00:00+00'
    FROM generate_series(1, 4) AS n;
INSERT INTO dependents VALUES ('00000000-0000-7000-8000-000000000001', 3, 4);
SELECT claim(
    NULL, ARRAY['00000000-0000-7000-8000-000000000001'::uuid, '00000000-0000-7000-8000-000000000001'],
    ARRAY['worker', 'worker'], ARRAY[NULL, NULL]::bigint[], ARRAY[NULL, NULL]::bigint[]
);
SELECT settle(
    NULL, ARRAY['00000000-0000-7000-8000-000000000101'::uuid], ARRAY[1::bigint], ARRAY['completed'], ARRAY['done'],
    ARRAY[NULL::text], ARRAY[NULL::bigint], ARRAY['00000000-0000-7000-8000-000000000201'::uuid], ARRAY['completed'],
    ARRAY['done'], ARRAY[NULL::text], ARRAY['null'], ARRAY[1::bigint], ARRAY[NULL::uuid], ARRAY['worker'],
    ARRAY['done'], ARRAY[''], ARRAY['null'], '{}', '{}', '{}', '{}', '{}', '{}'
);
