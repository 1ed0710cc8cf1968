//! What the connections that read do. Each read is one statement, which sees one instant.

use runstore_core::{Task, TaskId, Timestamp, Uuid};
use rusqlite::{Connection, Params, Row};

use super::{key, keys};
use crate::group::Side;
use crate::rows::{Caught, Found, Read, Tally};

/// The columns of a task in the order in which [`task`] reads them.
macro_rules! task_columns {
    () => {
        "id, run_id, position, status, attempt_count, updated_at, created_at, blocker_signature, priority, \
         not_before, delayed_until, lease_expires_at, max_attempts, worker, implementation_summary, title, \
         objective, acceptance_criteria, verification_steps, allowed_paths, depends_on"
    };
}
pub(super) use task_columns;

pub(super) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn read(&self, read: Read) -> Caught<Found> {
        match read {
            Read::HasPending { run } => {
                let mut look = self.connection.prepare_cached(
                    "SELECT 1 FROM tasks INDEXED BY tasks_pending WHERE status = 'pending' AND key BETWEEN ?1 AND ?2 LIMIT 1",
                )?;
                Ok(Found::HasPending(look.exists(keys(run)?)?))
            }
            Read::Tasks { run } => self.tasks(
                concat!(
                    "SELECT ",
                    task_columns!(),
                    " FROM tasks WHERE key BETWEEN ?1 AND ?2 ORDER BY key"
                ),
                keys(run)?,
            ),
            Read::Page { run, after, limit } => {
                let (_, last) = keys(run)?;
                self.tasks(
                    concat!(
                        "SELECT ",
                        task_columns!(),
                        " FROM tasks WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
                    ),
                    (key(run, after)?, last, limit),
                )
            }
            Read::Tally => self.tally(),
        }
    }

    fn tasks(&self, sql: &str, of: impl Params) -> Caught<Found> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(of)?;
        let mut tasks = Vec::new();
        while let Some(row) = rows.next()? {
            tasks.push(task(row)?);
        }
        Ok(Found::Tasks(tasks))
    }

    fn tally(&self) -> Caught<Found> {
        let mut count = self.connection.prepare_cached(
            "SELECT coalesce(sum(attempt_count), 0), coalesce(max(attempt_count), 0), \
             count(*) FILTER (WHERE status = 'completed'), (SELECT count(*) FROM attempts), \
             (SELECT count(*) FROM events) FROM tasks",
        )?;
        let tally = count.query_row((), |row| {
            Ok(Tally {
                claims: row.get(0)?,
                most_claims: row.get(1)?,
                completed: row.get(2)?,
                attempts: row.get(3)?,
                events: row.get(4)?,
            })
        });
        Ok(Found::Tally(tally?))
    }
}

impl Side for Reader {
    type Ask = Read;
    type Answer = Found;

    fn carry_out(&mut self, reads: Vec<Read>) -> Caught<Vec<Found>> {
        reads.into_iter().map(|read| self.read(read)).collect()
    }
}

/// A row as the record that a store gives.
pub(super) fn task(row: &Row<'_>) -> Caught<Task> {
    let time = |at| -> Caught<Timestamp> { moment(row.get(at)?) };
    let time_if_set = |at| -> Caught<Option<Timestamp>> {
        row.get::<_, Option<i64>>(at)?.map(moment).transpose()
    };
    let texts =
        |at| -> Caught<Vec<String>> { Ok(serde_json::from_str(row.get_ref(at)?.as_str()?)?) };
    let (depends_on, _) = row.get_ref(20)?.as_blob()?.as_chunks();
    Ok(Task {
        id: Uuid::from_bytes(row.get(0)?).into(),
        run_id: Uuid::from_bytes(row.get(1)?).into(),
        position: row.get(2)?,
        status: row.get_ref(3)?.as_str()?.parse()?,
        attempt_count: row.get(4)?,
        updated_at: time(5)?,
        created_at: time(6)?,
        blocker_signature: row.get(7)?,
        priority: row.get(8)?,
        not_before: time_if_set(9)?,
        delayed_until: time_if_set(10)?,
        lease_expires_at: time_if_set(11)?,
        max_attempts: row.get(12)?,
        worker: row.get(13)?,
        implementation_summary: row.get(14)?,
        title: row.get(15)?,
        objective: row.get(16)?,
        acceptance_criteria: texts(17)?,
        verification_steps: texts(18)?,
        allowed_paths: texts(19)?,
        depends_on: depends_on
            .iter()
            .map(|id| TaskId::from(Uuid::from_bytes(*id)))
            .collect(),
    })
}

fn moment(micros: i64) -> Caught<Timestamp> {
    let moment = Timestamp::from_micros(micros);
    moment.ok_or_else(|| format!("{micros} is no time").into())
}
