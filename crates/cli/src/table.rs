//! Runs and snapshots as tables.

use std::collections::HashMap;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use runstore::{Run, RunSnapshot, Task, TaskId, Timestamp, WaitingReason};

use crate::output::printable;

/// As wide as most terminals are; wider text is wrapped.
const WIDTH: u16 = 120;

/// Why tasks wait.
pub(crate) type Reasons = HashMap<TaskId, WaitingReason>;

/// The runs, one a row.
pub(crate) fn runs(runs: &[Run]) -> String {
    let mut table = table(["run", "status", "created", "goal"]);
    for run in runs {
        table.add_row([
            run.id.to_string(),
            printable(run.status.as_str()),
            run.created_at.to_string(),
            printable(&run.goal),
        ]);
    }
    table.to_string()
}

/// The run, its tasks in position order, and what else there is of it.
pub(crate) fn snapshot(snapshot: &RunSnapshot, reasons: &Reasons) -> String {
    let RunSnapshot { run, counts, .. } = snapshot;
    let mut lines = vec![
        format!("run      {}", run.id),
        format!("goal     {}", printable(&run.goal)),
        format!("repo     {}", printable(&run.repo_path)),
        format!(
            "status   {}, cycles {}, replans {}",
            printable(run.status.as_str()),
            run.cycle_count,
            run.replan_count
        ),
    ];
    if let Some(summary) = &run.summary {
        lines.push(format!("summary  {}", printable(summary)));
    }
    lines.push(tasks(snapshot, reasons).to_string());
    lines.push(format!(
        "tasks    pending {}, in progress {}, completed {}, blocked {}, abandoned {}",
        counts.pending, counts.in_progress, counts.completed, counts.blocked, counts.abandoned
    ));
    lines.push(format!(
        "journal  attempts {}, events {}, artifacts {}, checkpoints {}, approvals {}",
        counts.attempts, counts.events, counts.artifacts, counts.checkpoints, counts.approvals
    ));
    for (role, agent) in &snapshot.agents {
        lines.push(format!(
            "agent    {}, turns {}",
            printable(role.as_str()),
            agent.turns
        ));
    }
    for approval in &snapshot.approvals {
        lines.push(format!(
            "approval {}, {}: {}",
            printable(approval.source.as_str()),
            printable(approval.verdict.as_str()),
            printable(&approval.rationale)
        ));
    }
    lines.join("\n")
}

fn tasks(snapshot: &RunSnapshot, reasons: &Reasons) -> Table {
    let mut tasks: Vec<&Task> = [
        &snapshot.pending_tasks,
        &snapshot.in_progress_tasks,
        &snapshot.completed_tasks,
        &snapshot.blocked_tasks,
    ]
    .into_iter()
    .flatten()
    .collect();
    tasks.sort_by_key(|task| task.position);
    let positions = tasks.iter().map(|task| (task.id, task.position)).collect();
    let mut table = table(["#", "status", "priority", "claims", "title", "outcome"]);
    for task in tasks {
        let outcome = match reasons.get(&task.id) {
            Some(reason) => standing(task, reason, &positions),
            None => {
                let signature = task.blocker_signature.as_deref();
                let outcome = signature.or(task.implementation_summary.as_deref());
                outcome.unwrap_or_default().to_owned()
            }
        };
        table.add_row([
            task.position.to_string(),
            task.status.to_string(),
            task.priority.to_string(),
            task.attempt_count.to_string(),
            printable(&task.title),
            printable(&outcome),
        ]);
    }
    table
}

/// Who has an open task, or what it waits for, in a few words.
fn standing(task: &Task, reason: &WaitingReason, positions: &HashMap<TaskId, u64>) -> String {
    match reason {
        WaitingReason::Claimable => match task.lease_expires_at {
            Some(expires) => format!("claimable: {}, whose lease ran out {expires}", held(task)),
            None => "claimable".to_owned(),
        },
        WaitingReason::Until { time } => format!("waits until {time}"),
        WaitingReason::Dependencies { tasks, until } => {
            let names = tasks.iter().map(|task| {
                let name = positions.get(&task.task_id);
                let name = name.map_or_else(
                    || task.task_id.to_string(),
                    |position| format!("#{position}"),
                );
                match task.can_complete {
                    true => name,
                    false => format!("{name} ({}, stuck)", task.status),
                }
            });
            let names: Vec<String> = names.collect();
            let until = until.map_or_else(String::new, |time| format!(", and until {time}"));
            format!("waits for {}{until}", names.join(", "))
        }
        WaitingReason::InProgress {
            worker,
            lease_expires_at,
        } => in_hands(worker.as_deref(), *lease_expires_at),
        WaitingReason::Exhausted => format!("attempts used up: {}", held(task)),
        // It was settled since the snapshot.
        WaitingReason::Settled { status } => format!("{status} meanwhile"),
        _ => String::new(),
    }
}

fn held(task: &Task) -> String {
    format!(
        "it was with {}",
        task.worker.as_deref().unwrap_or("somebody")
    )
}

fn in_hands(worker: Option<&str>, lease_expires_at: Option<Timestamp>) -> String {
    let worker = worker.unwrap_or("somebody");
    match lease_expires_at {
        Some(expires) => format!("with {worker}, lease until {expires}"),
        None => format!("with {worker}, no lease"),
    }
}

/// An empty table.
pub(crate) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    table
}
