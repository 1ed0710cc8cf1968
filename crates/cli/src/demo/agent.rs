//! The work itself: some computing that stands for an agent.

use runstore::{AttemptStatus, Task};

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) status: AttemptStatus,
    pub(crate) digest: String,
}

/// Works on a task: some milliseconds of computing. How it ends depends on the seed, the task's place
/// and the number of the attempt, and on nothing else.
///
/// A first attempt fails once in a while, and always on the second task; a later one does not. The task
/// at `blocked_position` cannot be done.
pub(crate) fn work(seed: u64, task: &Task, blocked_position: Option<u64>) -> Work {
    let mut state = seed ^ (task.position << 32) ^ u64::from(task.attempt_count);
    let luck = next(&mut state);
    let rounds = 500_000 + next(&mut state) % 1_500_000;
    let digest = (0..rounds).fold(luck, |digest, _| digest.rotate_left(5) ^ next(&mut state));
    let unlucky = task.position == 2 || luck.is_multiple_of(8);
    let status = if Some(task.position) == blocked_position {
        AttemptStatus::Blocked
    } else if task.attempt_count == 1 && unlucky {
        AttemptStatus::Failed
    } else {
        AttemptStatus::Completed
    };
    Work {
        status,
        digest: format!("{digest:016x}"),
    }
}

/// The next number of the generator SplitMix64.
const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use runstore::rules::create;
    use runstore::{RunId, TaskDraft, Timestamp};

    use super::*;

    fn task(position: u64, attempt_count: u32) -> Task {
        let draft = TaskDraft::new("title", "objective");
        Task {
            attempt_count,
            ..create::task(RunId::generate(), position, draft, Timestamp::MIN)
        }
    }

    #[test]
    fn the_same_seed_place_and_attempt_end_alike() {
        assert_eq!(
            work(7, &task(3, 1), None).digest,
            work(7, &task(3, 1), None).digest
        );
        assert_ne!(
            work(7, &task(3, 1), None).digest,
            work(8, &task(3, 1), None).digest
        );
    }

    #[test]
    fn a_later_attempt_does_not_fail() {
        assert_eq!(work(1, &task(2, 1), None).status, AttemptStatus::Failed);
        assert_eq!(work(1, &task(2, 2), None).status, AttemptStatus::Completed);
        assert_eq!(work(1, &task(2, 2), Some(2)).status, AttemptStatus::Blocked);
    }
}
