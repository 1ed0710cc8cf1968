//! Runs and snapshots as tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use runstore::{Run, RunSnapshot, Task};

use crate::output::printable;

/// As wide as most terminals are; wider text is wrapped.
const WIDTH: u16 = 120;

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
pub(crate) fn snapshot(snapshot: &RunSnapshot) -> String {
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
    lines.push(tasks(snapshot).to_string());
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

fn tasks(snapshot: &RunSnapshot) -> Table {
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
    let mut table = table(["#", "status", "claims", "title", "outcome"]);
    for task in tasks {
        let signature = task.blocker_signature.as_deref();
        let outcome = signature.or(task.implementation_summary.as_deref());
        table.add_row([
            task.position.to_string(),
            task.status.to_string(),
            task.attempt_count.to_string(),
            printable(&task.title),
            printable(outcome.unwrap_or_default()),
        ]);
    }
    table
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    table
}
