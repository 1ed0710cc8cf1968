//! Clause C11: who waits and is not woken, or is woken in another's place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::rules::schedule::available_from;
use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::line::Sleeper;
use crate::look::Look;

/// A store in which a call that made a task claimable tells nobody.
macro_rules! silent {
    (|$call:ident, $task:ident| $is_silent:expr) => {
        fn has_a_line(&self) -> bool {
            true
        }

        fn tells(&self, $call: &str, $task: &Task) -> bool {
            !$is_silent
        }
    };
}

/// A store in which those who wait do not know of some time at which a task becomes due.
macro_rules! due {
    (|$look:ident, $task:ident| $due:expr) => {
        fn has_a_line(&self) -> bool {
            true
        }

        fn due(&self, $look: &Look<'_>, $task: &Task) -> Option<Timestamp> {
            let due: Option<Timestamp> = $due;
            due.filter(|_| $look.is_released($task))
        }
    };
}

/// A store that wakes others than the first of those who can take the task.
macro_rules! wakes {
    (|$asleep:ident, $run_id:ident| $whom:expr) => {
        fn has_a_line(&self) -> bool {
            true
        }

        fn whom(&self, $asleep: &[&Sleeper], $run_id: RunId) -> Vec<u64> {
            let whom: Option<&&Sleeper> = $whom;
            whom.map(|sleeper| sleeper.number).into_iter().collect()
        }
    };
}

/// A store in which those who wait learn of a new time by some calls only.
macro_rules! rearms {
    (|$call:ident| $rearms:expr) => {
        fn has_a_line(&self) -> bool {
            true
        }

        fn rearms(&self, $call: &str) -> bool {
            $rearms
        }
    };
}

faults! {
    appended_tasks_wake_nobody [C11] { silent!(|call, _task| call == "append_tasks"); }

    a_replacing_plan_wakes_nobody [C11] { silent!(|call, _task| call == "replace_pending_tasks"); }

    a_requeue_wakes_nobody [C11] { silent!(|call, task| call == "requeue_task" && task.attempt_count > 0); }

    a_requeue_of_what_nobody_claimed_wakes_nobody [C11] {
        silent!(|call, task| call == "requeue_task" && task.attempt_count == 0);
    }

    a_resume_wakes_nobody [C11] { silent!(|call, _task| call == "requeue_in_progress_tasks"); }

    a_release_wakes_nobody [C11] { silent!(|call, task| call == "finish_task" && task.depends_on.is_empty()); }

    a_completion_by_a_report_wakes_nobody [C11] {
        silent!(|call, task| call == "finish_task" && !task.depends_on.is_empty());
    }

    a_completion_by_an_operator_wakes_nobody [C11] { silent!(|call, _task| call == "complete_task"); }

    what_was_claimed_before_wakes_nobody [C11] { silent!(|_call, task| task.attempt_count > 0); }

    what_waited_for_a_time_wakes_nobody [C11] { silent!(|_call, task| task.not_before.is_some()); }

    what_has_a_low_priority_wakes_nobody [C11] { silent!(|_call, task| task.priority < 0); }

    /// As many as there are calls, not as there are tasks.
    a_plan_wakes_one [C11] (Mutex<Option<TaskId>>) {
        fn has_a_line(&self) -> bool { true }

        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            *self.0.lock().unwrap() = tasks.first().map(|task| task.id);
            Ok(tasks)
        }
        fn tells(&self, call: &str, task: &Task) -> bool {
            call != "append_tasks" || *self.0.lock().unwrap() == Some(task.id)
        }
    }

    /// A completion looks no further than the first of those that depend on the task.
    a_completion_wakes_one [C11] (Mutex<Option<(TaskId, TaskId)>>) {
        fn has_a_line(&self) -> bool { true }

        fn tells(&self, call: &str, task: &Task) -> bool {
            let (Some(on), "complete_task" | "finish_task") = (task.depends_on.first(), call) else { return true };
            let mut told = self.0.lock().unwrap();
            let (of, first) = *told.get_or_insert((*on, task.id));
            if of != *on { *told = Some((*on, task.id)); }
            of != *on || first == task.id
        }
    }

    handles_do_not_tell_each_other [C11] {
        fn has_a_line(&self) -> bool { true }

        fn keeps_handles_apart(&self) -> bool { true }
    }

    the_newest_is_woken_first [C11] {
        wakes!(|asleep, run_id| asleep.iter().rfind(|one| one.waits_for(run_id)));
    }

    those_who_wait_for_any_run_are_not_woken [C11] {
        wakes!(|asleep, run_id| asleep.iter().find(|one| one.scope == Some(run_id)));
    }

    those_who_wait_for_the_run_are_woken_first [C11] {
        wakes!(|asleep, run_id| asleep.iter().filter(|one| one.waits_for(run_id)).min_by_key(|one| one.scope.is_none()));
    }

    those_who_wait_for_any_run_are_woken_first [C11] {
        wakes!(|asleep, run_id| asleep.iter().filter(|one| one.waits_for(run_id)).min_by_key(|one| one.scope.is_some()));
    }

    the_longest_waiting_is_woken_whatever_its_run [C11] { wakes!(|asleep, _run_id| asleep.first()); }

    the_second_is_woken_first [C11] {
        wakes!(|asleep, run_id| {
            let mut fit = asleep.iter().filter(|one| one.waits_for(run_id));
            let first = fit.next();
            fit.next().or(first)
        });
    }

    all_are_woken [C11] {
        fn has_a_line(&self) -> bool { true }

        fn whom(&self, asleep: &[&Sleeper], run_id: RunId) -> Vec<u64> {
            asleep.iter().filter(|one| one.waits_for(run_id)).map(|one| one.number).collect()
        }
    }

    one_of_each_kind_is_woken [C11] {
        fn has_a_line(&self) -> bool { true }

        fn whom(&self, asleep: &[&Sleeper], run_id: RunId) -> Vec<u64> {
            let first = |scope| asleep.iter().find(|one| one.scope == scope).map(|one| one.number);
            [first(None), first(Some(run_id))].into_iter().flatten().collect()
        }
    }

    a_wake_up_is_lost_with_the_one_it_was_for [C11] {
        fn has_a_line(&self) -> bool { true }

        fn passes_on(&self) -> bool {
            false
        }
    }

    who_is_gone_stays_in_the_line [C11] {
        fn has_a_line(&self) -> bool { true }

        fn leaves_the_line(&self) -> bool {
            false
        }
    }

    who_finds_nothing_goes_to_the_end_of_the_line [C11] {
        fn has_a_line(&self) -> bool { true }

        fn keeps_its_place(&self) -> bool {
            false
        }
    }

    a_planned_time_is_not_waited_for [C11] {
        due!(|_look, task| available_from(task).filter(|_| task.not_before.is_none()));
    }

    a_delay_is_not_waited_for [C11] {
        due!(|_look, task| available_from(task).filter(|_| task.delayed_until.is_none()));
    }

    the_end_of_a_lease_is_not_waited_for [C11] {
        due!(|_look, task| available_from(task).filter(|_| task.status == TaskStatus::Pending));
    }

    no_time_is_waited_for_in_any_run [C11] {
        due!(|look, task| available_from(task).filter(|_| look.scope.is_some()));
    }

    no_time_is_waited_for_in_a_run [C11] {
        due!(|look, task| available_from(task).filter(|_| look.scope.is_none()));
    }

    a_time_is_waited_for_a_microsecond_too_long [C11] {
        due!(|_look, task| Some(available_from(task)?.saturating_add_micros(1)));
    }

    a_time_is_waited_for_in_whole_milliseconds [C11] {
        due!(|_look, task| {
            let from = available_from(task)?;
            Some(from.saturating_add_micros((-from.as_micros()).rem_euclid(1_000)))
        });
    }

    the_delay_is_waited_for_and_not_the_planned_time [C11] {
        due!(|_look, task| task.delayed_until.or(available_from(task)));
    }

    the_planned_time_is_waited_for_and_not_the_delay [C11] {
        due!(|_look, task| match task.status {
            TaskStatus::Pending => task.not_before.or(task.delayed_until),
            _ => available_from(task),
        });
    }

    /// One is waited for at a time.
    only_the_first_open_task_is_waited_for [C11] {
        due!(|look, task| {
            let first = look.tasks().iter().find(|other| other.run_id == task.run_id && available_from(other).is_some());
            available_from(task).filter(|_| first.is_some_and(|first| first.id == task.id))
        });
    }

    only_the_highest_priority_is_waited_for [C11] {
        due!(|look, task| {
            let open = look.tasks().iter().filter(|other| other.run_id == task.run_id && available_from(other).is_some());
            available_from(task).filter(|_| open.map(|other| other.priority).max() == Some(task.priority))
        });
    }

    what_depends_on_others_is_not_waited_for [C11] {
        due!(|_look, task| available_from(task).filter(|_| task.depends_on.is_empty()));
    }

    times_from_before_a_reopen_are_not_waited_for [C11] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }

        fn has_a_line(&self) -> bool { true }

        fn due(&self, look: &Look<'_>, task: &Task) -> Option<Timestamp> {
            available_from(task).filter(|_| look.is_released(task) && !self.0.load(Ordering::SeqCst))
        }
    }

    /// When the claim was made says when its lease ends.
    a_lease_is_waited_for_without_its_heartbeats [C11] (Mutex<HashMap<ClaimToken, Timestamp>>) {
        fn has_a_line(&self) -> bool { true }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            if let Ok(Task { lease_expires_at: Some(end), .. }) = inner.get_task(beat.token.task_id).await {
                self.0.lock().unwrap().entry(beat.token).or_insert(end);
            }
            inner.heartbeat(beat).await
        }
        fn due(&self, look: &Look<'_>, task: &Task) -> Option<Timestamp> {
            let token = ClaimToken { task_id: task.id, attempt_number: task.attempt_count };
            let first = self.0.lock().unwrap().get(&token).copied();
            first.or(available_from(task)).filter(|_| look.is_released(task))
        }
    }

    no_time_that_comes_up_is_noticed [C11] { rearms!(|_call| false); }

    only_plans_make_a_time_noticed [C11] {
        rearms!(|call| ["append_tasks", "replace_pending_tasks"].contains(&call));
    }

    the_time_of_an_appended_task_is_not_noticed [C11] {
        rearms!(|call| call != "append_tasks" && is_a_write_of_tasks(call));
    }

    the_time_of_a_replacing_plan_is_not_noticed [C11] {
        rearms!(|call| call != "replace_pending_tasks" && is_a_write_of_tasks(call));
    }

    the_time_of_a_release_is_not_noticed [C11] {
        rearms!(|call| call != "finish_task" && is_a_write_of_tasks(call));
    }

    the_time_of_what_an_operator_released_is_not_noticed [C11] {
        rearms!(|call| call != "complete_task" && is_a_write_of_tasks(call));
    }

    the_time_of_what_was_requeued_is_not_noticed [C11] {
        rearms!(|call| call != "requeue_task" && is_a_write_of_tasks(call));
    }

    closing_wakes_nobody [C11 G10] {
        fn has_a_line(&self) -> bool { true }

        fn tells_the_end(&self, call: &str) -> bool {
            call != "close"
        }
    }

    deleting_a_run_wakes_nobody [C11] {
        fn has_a_line(&self) -> bool { true }

        fn tells_the_end(&self, call: &str) -> bool {
            call != "delete_run"
        }
    }
}

/// Whether the call may change when a task becomes due.
fn is_a_write_of_tasks(call: &str) -> bool {
    ["task", "claim"].iter().any(|word| call.contains(word))
}
