//! Why a task waits (clause C9).

use std::collections::{HashMap, HashSet};

use super::schedule::{available_from, has_run_out};
use super::tasks::is_exhausted;
use crate::{Task, TaskId, TaskStatus, Timestamp, UnmetDependency, WaitingReason};

/// An inquiry into why a task waits. It asks for the tasks that it has to know, in rounds, so that a
/// backend can read those of one round together; all rounds read one instant.
///
/// It ends: each round asks for tasks that it did not ask for before, and only for what pending tasks
/// wait for.
#[derive(Debug)]
pub struct Inquiry {
    task: Task,
    known: HashMap<TaskId, Known>,
    wanted: Vec<TaskId>,
    asked: HashSet<TaskId>,
}

#[derive(Debug)]
struct Known {
    status: TaskStatus,
    depends_on: Vec<TaskId>,
}

impl Inquiry {
    /// Begins an inquiry about this task.
    #[must_use]
    pub fn about(task: Task) -> Self {
        let mut inquiry = Self {
            known: HashMap::new(),
            wanted: Vec::new(),
            asked: HashSet::new(),
            task,
        };
        if matches!(
            inquiry.task.status,
            TaskStatus::Pending | TaskStatus::InProgress
        ) {
            let depends_on = inquiry.task.depends_on.clone();
            inquiry.want(&depends_on);
        }
        inquiry
    }

    fn want(&mut self, ids: &[TaskId]) {
        for id in ids {
            if self.asked.insert(*id) {
                self.wanted.push(*id);
            }
        }
    }

    /// The tasks of the next round, to be told by [`learn`](Self::learn); none if enough is known.
    pub fn next_round(&mut self) -> Vec<TaskId> {
        std::mem::take(&mut self.wanted)
    }

    /// Tells the inquiry how a task that it asked for stands.
    pub fn learn(&mut self, task_id: TaskId, status: TaskStatus, depends_on: Vec<TaskId>) {
        if status == TaskStatus::Pending {
            self.want(&depends_on);
        }
        self.known.insert(task_id, Known { status, depends_on });
    }

    /// The answer, at this time.
    #[must_use]
    pub fn answer(self, now: Timestamp) -> WaitingReason {
        let task = &self.task;
        match task.status {
            TaskStatus::Pending => {}
            TaskStatus::InProgress => {
                if !has_run_out(task.lease_expires_at, now) {
                    return WaitingReason::InProgress {
                        worker: task.worker.clone(),
                        lease_expires_at: task.lease_expires_at,
                    };
                }
            }
            status => return WaitingReason::Settled { status },
        }
        let tasks = self.unmet();
        let until = available_from(task).filter(|from| now < *from);
        match until {
            until if !tasks.is_empty() => WaitingReason::Dependencies { tasks, until },
            Some(time) => WaitingReason::Until { time },
            None if is_exhausted(task, task.max_attempts) => WaitingReason::Exhausted,
            None => WaitingReason::Claimable,
        }
    }

    fn unmet(&self) -> Vec<UnmetDependency> {
        let stuck = self.stuck();
        let unmet = self.task.depends_on.iter().filter_map(|id| {
            let status = self.known.get(id)?.status;
            (status != TaskStatus::Completed).then(|| UnmetDependency {
                task_id: *id,
                status,
                can_complete: !stuck.contains(id),
            })
        });
        unmet.collect()
    }

    /// The known tasks that claims and reports alone cannot complete: the blocked and abandoned ones, and
    /// the pending ones that wait for such a task, directly or not.
    fn stuck(&self) -> HashSet<TaskId> {
        let mut waiting_for: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
        let mut stuck = HashSet::new();
        let mut found = Vec::new();
        for (id, known) in &self.known {
            match known.status {
                TaskStatus::Blocked | TaskStatus::Abandoned => found.push(*id),
                TaskStatus::Pending => {
                    for on in &known.depends_on {
                        waiting_for.entry(*on).or_default().push(*id);
                    }
                }
                TaskStatus::InProgress | TaskStatus::Completed => {}
            }
        }
        while let Some(id) = found.pop() {
            if stuck.insert(id) {
                found.extend(waiting_for.get(&id).into_iter().flatten());
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::create;
    use crate::{RunId, TaskDraft};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn task(status: TaskStatus, depends_on: &[TaskId]) -> Task {
        Task {
            status,
            depends_on: depends_on.to_vec(),
            ..create::task(RunId::generate(), 1, TaskDraft::new("t", "o"), at(0))
        }
    }

    fn answer(of: &Task, others: &[&Task]) -> WaitingReason {
        let mut inquiry = Inquiry::about(of.clone());
        loop {
            let round = inquiry.next_round();
            if round.is_empty() {
                return inquiry.answer(at(5));
            }
            for id in round {
                let other = others.iter().find(|task| task.id == id).unwrap();
                inquiry.learn(id, other.status, other.depends_on.clone());
            }
        }
    }

    #[test]
    fn whether_a_dependency_can_complete_is_looked_up_to_the_end_of_the_chain() {
        let abandoned = task(TaskStatus::Abandoned, &[]);
        let stuck = task(TaskStatus::Pending, &[abandoned.id]);
        let stuck_too = task(TaskStatus::Pending, &[stuck.id]);
        let worked_on = task(TaskStatus::InProgress, &[abandoned.id]);
        let moving = task(TaskStatus::Pending, &[worked_on.id]);
        let done = task(TaskStatus::Completed, &[]);
        let depends_on = [stuck_too.id, done.id, moving.id, worked_on.id];
        let others = [&abandoned, &stuck, &stuck_too, &worked_on, &moving, &done];
        let mut waiting = task(TaskStatus::Pending, &depends_on);
        waiting.not_before = Some(at(6));
        let unmet = |of: &Task, can_complete| UnmetDependency {
            task_id: of.id,
            status: of.status,
            can_complete,
        };
        let tasks = vec![
            unmet(&stuck_too, false),
            unmet(&moving, true),
            unmet(&worked_on, true),
        ];
        let until = Some(at(6));
        let expected = WaitingReason::Dependencies { tasks, until };
        assert_eq!(answer(&waiting, &others), expected);
    }

    #[test]
    fn the_boundaries_are_those_of_a_claim() {
        let mut pending = task(TaskStatus::Pending, &[]);
        assert_eq!(answer(&pending, &[]), WaitingReason::Claimable);
        pending.not_before = Some(at(5));
        assert_eq!(answer(&pending, &[]), WaitingReason::Claimable);
        pending.delayed_until = Some(at(6));
        let until = WaitingReason::Until { time: at(6) };
        assert_eq!(answer(&pending, &[]), until);

        let mut claimed = task(TaskStatus::InProgress, &[]);
        for expires in [None, Some(at(6))] {
            claimed.lease_expires_at = expires;
            let held = WaitingReason::InProgress {
                worker: None,
                lease_expires_at: expires,
            };
            assert_eq!(answer(&claimed, &[]), held);
        }
        claimed.lease_expires_at = Some(at(5));
        assert_eq!(answer(&claimed, &[]), WaitingReason::Claimable);
        claimed.attempt_count = 2;
        claimed.max_attempts = Some(2);
        assert_eq!(answer(&claimed, &[]), WaitingReason::Exhausted);
        let status = TaskStatus::Blocked;
        let settled = WaitingReason::Settled { status };
        assert_eq!(answer(&task(status, &[claimed.id]), &[]), settled);
    }
}
