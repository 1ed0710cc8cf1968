//! How a run's record changes (clauses R3 and R4).

use crate::{Error, Result, Run, RunUpdate, Timestamp};

/// The run after the update. That the current task exists is for the backend to see (clause G7).
#[must_use]
pub fn updated(run: Run, update: RunUpdate, now: Timestamp) -> Run {
    if update.is_empty() {
        return run;
    }
    Run {
        status: update.status.unwrap_or(run.status),
        summary: update.summary.apply(run.summary),
        current_task_id: update.current_task_id.apply(run.current_task_id),
        updated_at: now,
        ..run
    }
}

/// The run with one more cycle.
///
/// # Errors
/// `InvalidInput` if the count is at its end.
pub fn with_cycle(run: Run, now: Timestamp) -> Result<Run> {
    let cycle_count = one_more(run.cycle_count, "cycle_count")?;
    Ok(Run {
        cycle_count,
        updated_at: now,
        ..run
    })
}

/// The run with one more replan.
///
/// # Errors
/// `InvalidInput` if the count is at its end.
pub fn with_replan(run: Run, now: Timestamp) -> Result<Run> {
    let replan_count = one_more(run.replan_count, "replan_count")?;
    Ok(Run {
        replan_count,
        updated_at: now,
        ..run
    })
}

pub(super) fn one_more(count: u32, field: &str) -> Result<u32> {
    count
        .checked_add(1)
        .ok_or_else(|| Error::invalid_input(field, format!("cannot exceed {}", u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::create;
    use crate::{Change, NewRun, RunStatus};

    fn run() -> Run {
        create::run(NewRun::new("goal", "/repo"), Timestamp::MIN)
    }

    #[test]
    fn an_update_writes_the_named_fields_only() {
        let now = Timestamp::MAX;
        let set = updated(run(), RunUpdate::new(run().id).with_summary(""), now);
        assert_eq!(set.summary.as_deref(), Some(""));
        assert_eq!(set.status, RunStatus::Planning);
        assert_eq!(set.updated_at, now);
        let mut clear = RunUpdate::new(set.id).with_status("paused");
        clear.summary = Change::Clear;
        let cleared = updated(set, clear, now);
        assert_eq!((cleared.summary, cleared.status), (None, RunStatus::Paused));
    }

    #[test]
    fn an_empty_update_leaves_even_the_time() {
        let run = run();
        assert_eq!(
            updated(run.clone(), RunUpdate::new(run.id), Timestamp::MAX),
            run
        );
    }

    #[test]
    fn a_count_at_its_end_is_refused_and_not_wrapped() {
        let full = Run {
            cycle_count: u32::MAX,
            ..run()
        };
        assert!(matches!(
            with_cycle(full, Timestamp::MAX),
            Err(Error::InvalidInput { .. })
        ));
        assert_eq!(with_replan(run(), Timestamp::MAX).unwrap().replan_count, 1);
    }
}
