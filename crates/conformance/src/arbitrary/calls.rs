//! Random calls by subject, each with its weight.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::BoxedStrategy;
use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ApprovalVerdict, BlockTask, Change, CompleteTask,
    Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, RunStatus,
    RunUpdate, SaveAgentState, SnapshotRequest, TaskStatus,
};

use super::plans::plan;
use super::values::*;
use crate::call::Call;

type Weighted = Vec<(u32, BoxedStrategy<Call>)>;

fn change<T: Clone + Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Change<T>> {
    prop_oneof![
        Just(Change::Keep),
        Just(Change::Clear),
        value.prop_map(Change::Set)
    ]
    .boxed()
}

fn create_run() -> BoxedStrategy<Call> {
    let path = select(vec!["/repo", "", "/other"]);
    (1..=4_u128, 0..4, text_with_content(), path)
        .prop_map(|(number, other, goal, path)| {
            let goal = if other == 0 {
                goal
            } else {
                format!("goal {number}")
            };
            let path = if other == 0 { path } else { "/repo" };
            Call::CreateRun(NewRun::new(goal, path).with_id(run_id(number)))
        })
        .boxed()
}

pub(super) fn that_delete() -> Weighted {
    vec![(1, a_run().prop_map(Call::DeleteRun).boxed())]
}

pub(super) fn of_runs() -> Weighted {
    let update = (
        a_run(),
        proptest::option::of(word::<RunStatus>(RUN_WORDS)),
        change(text()),
        change(a_task()),
    )
        .prop_map(|(run_id, status, summary, current_task_id)| {
            let mut update = RunUpdate::new(run_id);
            update.status = status;
            update.summary = summary;
            update.current_task_id = current_task_id;
            Call::UpdateRun(update)
        });
    let mut calls = vec![
        (2, create_run()),
        (5, update.boxed()),
        (2, a_run().prop_map(Call::IncrementCycle).boxed()),
        (2, a_run().prop_map(Call::IncrementReplan).boxed()),
    ];
    calls.extend(that_delete());
    calls
}

pub(super) fn of_agents() -> Weighted {
    let paths = (optional_text(), optional_text(), optional_text());
    let counts = select(vec![(0, 0), (1, 2), (u32::MAX, 0), (0, u32::MAX)]);
    let save = (
        a_run(),
        word::<AgentRole>(ROLE_WORDS),
        paths,
        counts,
        a_time(),
    )
        .prop_map(
            |(run_id, role, (session, prompt, response), counts, time)| {
                let mut save = SaveAgentState::new(run_id, role)
                    .with_turns(counts.0)
                    .with_rotation_count(counts.1);
                save.session_id = session;
                save.last_prompt_path = prompt;
                save.last_response_path = response;
                save.updated_at = time;
                Call::SaveAgentState(save)
            },
        );
    let get = (a_run(), word(ROLE_WORDS)).prop_map(|(run, role)| Call::GetAgentState(run, role));
    vec![
        (4, save.boxed()),
        (2, get.boxed()),
        (1, a_run().prop_map(Call::ListAgentStates).boxed()),
    ]
}

pub(super) fn of_tasks() -> Weighted {
    let complete = (a_task(), text())
        .prop_map(|(task_id, summary)| Call::CompleteTask(CompleteTask::new(task_id, summary)));
    let block =
        (a_task(), optional_text(), optional_text()).prop_map(|(task_id, summary, signature)| {
            let mut block = BlockTask::new(task_id);
            block.summary = summary;
            block.blocker_signature = signature;
            Call::BlockTask(block)
        });
    let abandon =
        (a_task(), optional_text(), optional_text()).prop_map(|(task_id, summary, signature)| {
            let mut abandon = AbandonTask::new(task_id);
            abandon.summary = summary;
            abandon.blocker_signature = signature;
            Call::AbandonTask(abandon)
        });
    vec![
        (4, plan().prop_map(Call::AppendTasks).boxed()),
        (3, plan().prop_map(Call::ReplacePendingTasks).boxed()),
        (2, complete.boxed()),
        (2, block.boxed()),
        (2, abandon.boxed()),
        (4, a_task().prop_map(Call::RequeueTask).boxed()),
        (1, a_run().prop_map(Call::RequeueInProgressTasks).boxed()),
    ]
}

pub(super) fn of_claims() -> Weighted {
    let finish =
        (a_token(), finish_report()).prop_map(|(token, report)| Call::FinishTask(token, report));
    let number = prop_oneof![12 => 1..=4_u32, 1 => Just(1_000), 1 => select(vec![0, 1_001])];
    let several =
        (claim_request(), number).prop_map(|(request, limit)| Call::ClaimTasks(request, limit));
    let waiting = claim_request().prop_map(|request| Call::ClaimOrWait(request, Duration::ZERO));
    let beat = (a_token(), a_lease())
        .prop_map(|(token, lease)| Call::Heartbeat(Heartbeat::new(token, lease)));
    vec![
        (8, claim_request().prop_map(Call::ClaimNextTask).boxed()),
        (2, several.boxed()),
        (1, waiting.boxed()),
        (2, a_scope().prop_map(Call::RequeueExpiredTasks).boxed()),
        (4, beat.boxed()),
        (7, finish.boxed()),
    ]
}

pub(super) fn of_the_journal() -> Weighted {
    let attempt = (
        a_task(),
        select(vec![1, 2, 0, 7, u32::MAX]),
        attempt_report(),
        a_fence(),
    )
        .prop_map(|(task_id, number, report, fence)| {
            let mut new = NewAttempt::new(task_id, number, report);
            new.fence = fence;
            Call::AddAttempt(new)
        });
    let event = (a_run(), event_draft(), a_fence()).prop_map(|(run_id, draft, fence)| {
        let mut new = NewEvent::new(run_id, draft);
        new.fence = fence;
        Call::AddEvent(new)
    });
    let artifact = (a_run(), artifact_draft(), a_fence()).prop_map(|(run_id, draft, fence)| {
        let mut new = NewArtifact::new(run_id, draft);
        new.fence = fence;
        Call::AddArtifact(new)
    });
    let words = (
        word::<ApprovalSource>(SOURCE_WORDS),
        word::<ApprovalVerdict>(VERDICT_WORDS),
        text(),
    );
    let approval = (a_run(), id(), words, json_value()).prop_map(
        |(run_id, id, (source, verdict, rationale), payload)| {
            let mut new = NewApproval::new(run_id, source, verdict, rationale);
            new.id = Some(id);
            Call::AddApproval(new.with_payload(payload))
        },
    );
    let checkpoint = (
        a_run(),
        id(),
        word::<RunStatus>(RUN_WORDS),
        json_value(),
        a_fence(),
    )
        .prop_map(|(run_id, id, status, payload, fence)| {
            let mut new = NewCheckpoint::new(run_id, status, payload);
            new.id = Some(id);
            new.fence = fence;
            Call::AddCheckpoint(new)
        });
    vec![
        (3, attempt.boxed()),
        (3, event.boxed()),
        (3, artifact.boxed()),
        (3, approval.boxed()),
        (3, checkpoint.boxed()),
    ]
}

/// The calls that G9 speaks of.
pub(super) fn that_create() -> Weighted {
    let mut calls = of_the_journal();
    calls.push((3, create_run()));
    calls
}

pub(super) fn that_read_tasks() -> Weighted {
    let statuses = subsequence(TaskStatus::ALL.to_vec(), 0..=3);
    let tasks = (a_run(), statuses, numbered_page()).prop_map(|(run_id, statuses, page)| {
        Call::ListTasks(
            ListTasks::new(run_id)
                .with_statuses(statuses)
                .with_page(page),
        )
    });
    let cap = proptest::option::of(limit());
    let snapshot = (a_run(), cap).prop_map(|(run_id, cap)| {
        let mut request = SnapshotRequest::of_run(run_id);
        request.max_per_list = cap;
        Call::Snapshot(request)
    });
    vec![
        (2, a_task().prop_map(Call::GetTask).boxed()),
        (3, a_task().prop_map(Call::WaitingReason).boxed()),
        (2, tasks.boxed()),
        (2, snapshot.boxed()),
    ]
}

pub(super) fn that_read() -> Weighted {
    let runs = (proptest::option::of(word(RUN_WORDS)), page()).prop_map(|(status, page)| {
        let mut list = ListRuns::all().with_page(page);
        list.status = status;
        Call::ListRuns(list)
    });
    let attempts =
        (a_run(), proptest::option::of(a_task()), page()).prop_map(|(run, task, page)| {
            let mut list = ListAttempts::new(run).with_page(page);
            list.task_id = task;
            Call::ListAttempts(list)
        });
    let artifacts =
        (a_run(), proptest::option::of(word(ROLE_WORDS)), page()).prop_map(|(run, role, page)| {
            let mut list = ListArtifacts::new(run).with_page(page);
            list.role = role;
            Call::ListArtifacts(list)
        });
    let source = proptest::option::of(word(SOURCE_WORDS));
    let approvals = (a_run(), source, page()).prop_map(|(run, source, page)| {
        let mut list = ListApprovals::new(run).with_page(page);
        list.source = source;
        Call::ListApprovals(list)
    });
    let checkpoints = (a_run(), page())
        .prop_map(|(run, page)| Call::ListCheckpoints(ListCheckpoints::new(run).with_page(page)));
    let events = (a_run(), numbered_page())
        .prop_map(|(run, page)| Call::ListEvents(ListEvents::new(run).with_page(page)));
    let latest_approval =
        (a_run(), word(SOURCE_WORDS)).prop_map(|(run, source)| Call::LatestApproval(run, source));
    let recent = (a_run(), limit());
    let mut calls = that_read_tasks();
    calls.extend([
        (1, a_run().prop_map(Call::GetRun).boxed()),
        (1, runs.boxed()),
        (1, a_task().prop_map(Call::LatestAttempt).boxed()),
        (1, attempts.boxed()),
        (1, artifacts.boxed()),
        (1, approvals.boxed()),
        (1, checkpoints.boxed()),
        (1, events.boxed()),
        (1, latest_approval.boxed()),
        (1, a_run().prop_map(Call::LatestCheckpoint).boxed()),
        (
            1,
            recent
                .clone()
                .prop_map(|(run, limit)| Call::RecentAttempts(run, limit))
                .boxed(),
        ),
        (
            1,
            recent
                .prop_map(|(run, limit)| Call::RecentEvents(run, limit))
                .boxed(),
        ),
    ]);
    calls
}
