//! The statement that adds one entry by itself.

/// Adds one entry, by what was given for it from `$1` on: the clock, what tells the run, and the rest; last the task and
/// the number of the claim that it is fenced by.
///
/// A statement sees the store as it was when it began. This one decides two things by that: whether the id is taken,
/// which the index decides for good, and of which run a task is, which never changes, and a task goes with its run's
/// counters. What it locks it sees as it then is: the number of the counter, and whether the claim is held. Locks come
/// in the order that all keep, for each is looked up by what the one before gave.
macro_rules! add_one {
    (
        $table:literal of $run:literal, $id:literal is $id_value:literal, at $time:ident,
        $columns:literal: $values:literal
    ) => {
        concat!(
            "WITH ",
            $crate::add_one::insert!($table, $run, $id is $id_value, $time, $columns: $values)
        )
    };
    (
        $table:literal of $run:literal, $id:literal is $id_value:literal, at $time:ident,
        $columns:literal: $values:literal, fenced by ($task:literal, $number:literal)
    ) => {
        concat!(
            "WITH fence AS MATERIALIZED (SELECT f.run_id, f.position FROM tasks f WHERE f.id = ",
            $task,
            " AND (f.run_id = ",
            $run,
            ") IS TRUE), place AS MATERIALIZED (SELECT c.run_id, fence.position FROM fence CROSS JOIN LATERAL \
             (SELECT c.run_id FROM counters c WHERE c.run_id = fence.run_id AND c.kind = '",
            $table,
            "' FOR NO KEY UPDATE) c), held AS MATERIALIZED (SELECT place.run_id FROM place CROSS JOIN LATERAL \
             (SELECT 1 FROM task_states s WHERE s.run_id = place.run_id AND s.position = place.position \
             AND (s.status = 'in_progress' AND s.attempt_count = ",
            $number,
            ") IS TRUE FOR SHARE) s), ",
            $crate::add_one::insert!(
                $table, "(SELECT held.run_id FROM held)", $id is $id_value, $time, $columns: $values
            )
        )
    };
}
pub(crate) use add_one;

macro_rules! insert {
    (
        $table:literal, $run:literal, $id:literal is $id_value:literal, $time:ident,
        $columns:literal: $values:literal
    ) => {
        concat!(
            "turn AS (UPDATE counters c SET last = c.last + 1 WHERE c.run_id = ",
            $run,
            " AND c.kind = '",
            $table,
            "' AND NOT EXISTS (SELECT 1 FROM ",
            $table,
            " stored WHERE stored.",
            $id,
            " = ",
            $id_value,
            ") RETURNING c.run_id, c.last) INSERT INTO ",
            $table,
            " (run_id, seq, ",
            stringify!($time),
            ", ",
            $id,
            ", ",
            $columns,
            ") SELECT turn.run_id, turn.last, coalesce($1, clock_timestamp()), ",
            $id_value,
            ", ",
            $values,
            " FROM turn RETURNING 1::bigint AS request, run_id, seq, ",
            stringify!($time),
            " AS at"
        )
    };
}
pub(crate) use insert;
