//! Fields by themselves: unset and empty, lists, words, numbers and ids.

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ArtifactDraft, AttemptReport, AttemptStatus, BlockTask,
    Change, EventDraft, ListApprovals, ListArtifacts, ListRuns, ListTasks, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, RunId, RunStatus, RunUpdate,
    SaveAgentState, TaskDraft, TaskPlan, Uuid,
};
use serde_json::Value;

use super::check_same;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::Dump;
use crate::world;

pub(crate) async fn an_unset_field_stays_unset_and_an_empty_text_empty(
    c: &mut Context<'_>,
) -> Outcome {
    for text in [None, Some(""), Some("\0"), Some(" ")] {
        let text = text.map(str::to_owned);
        let (run, tasks) = world::planned(&*c.store, 3).await?;
        let mut update = RunUpdate::new(run.id).with_status("running");
        update.summary = text.clone().map_or(Change::Clear, Change::Set);
        let updated = c.store.update_run(update).await?;
        check_eq!(updated.summary, text, "the summary of a run");
        let mut save = SaveAgentState::new(run.id, "checker");
        save.session_id = text.clone();
        save.last_prompt_path = text.clone();
        save.last_response_path = text.clone();
        let agent = c.store.save_agent_state(save).await?;
        check_eq!(
            [
                &agent.session_id,
                &agent.last_prompt_path,
                &agent.last_response_path
            ],
            [&text; 3],
            "session and paths of an agent"
        );
        let mut settled = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            let task = if index == 0 {
                let mut block = BlockTask::new(task.id);
                block.summary = text.clone();
                block.blocker_signature = text.clone();
                c.store.block_task(block).await?
            } else {
                let mut abandon = AbandonTask::new(task.id);
                abandon.summary = text.clone();
                abandon.blocker_signature = text.clone();
                c.store.abandon_task(abandon).await?
            };
            check_eq!(
                [&task.implementation_summary, &task.blocker_signature],
                [&text; 2],
                "summary and signature of a settled task"
            );
            let mut report = AttemptReport::new("failed", "s");
            report.blocker_signature = text.clone();
            let new = NewAttempt::new(task.id, 1, report);
            let attempt = c.store.add_attempt(new).await?;
            check_eq!(
                attempt.blocker_signature,
                text,
                "the signature of an attempt"
            );
            settled.push((task, attempt));
        }
        let mut draft = ArtifactDraft::new("", "");
        draft.role = text.clone().map(AgentRole::from);
        let new = NewArtifact::new(run.id, draft);
        let artifact = c.store.add_artifact(new).await?;
        check_eq!(
            artifact.role,
            text.clone().map(AgentRole::from),
            "the role of an artifact"
        );
        let before = Dump::of(&*c.store).await?;
        c.reopen().await?;
        for (task, attempt) in settled {
            check_eq!(
                c.store.get_task(task.id).await?,
                task,
                "a settled task after a reopen"
            );
            check_eq!(
                c.store.latest_attempt(task.id).await?,
                Some(attempt),
                "its attempt after a reopen"
            );
        }
        check_eq!(
            c.store.get_run(run.id).await?.summary,
            text,
            "the summary of a run after a reopen"
        );
        check_eq!(
            c.store.get_agent_state(run.id, AgentRole::Checker).await?,
            Some(agent),
            "the state of an agent after a reopen"
        );
        let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
        check_eq!(
            artifacts.items,
            vec![artifact],
            "the artifacts after a reopen"
        );
        check_same(c, &before).await?;
    }
    Ok(())
}

pub(crate) async fn lists_of_texts_keep_their_entries(c: &mut Context<'_>) -> Outcome {
    let many: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let lists: [&[&str]; 12] = [
        &many,
        &[],
        &[""],
        &["", ""],
        &["a", "", "a"],
        &["b", "a"],
        &["a,b", "c"],
        &["a", "b,c"],
        &["a\nb", "c\r\n"],
        &["[\"a\"]", "null", "{}"],
        &["\0", "\0\0", "a\0"],
        &["\"", "\\", "\\\"", "'", "\u{1f}", "e\u{301}", "\u{e9}"],
    ];
    let run = world::run(&*c.store).await?;
    let none: &[&str] = &[];
    let mut written = Vec::new();
    for list in lists {
        // Each field alone too, so that none can stand in for another.
        for [criteria, steps, paths] in [
            [list, none, none],
            [none, list, none],
            [none, none, list],
            [list, list, list],
        ] {
            let draft = TaskDraft::new("t", "o")
                .with_acceptance_criteria(criteria.iter().copied())
                .with_verification_steps(steps.iter().copied())
                .with_allowed_paths(paths.iter().copied());
            let plan = TaskPlan::new(run.id, [draft]);
            let task = world::first(c.store.append_tasks(plan).await?)?;
            check!(
                task.acceptance_criteria == criteria
                    && task.verification_steps == steps
                    && task.allowed_paths == paths,
                "a task must keep its lists {criteria:?}, {steps:?} and {paths:?}, but has {task:?}"
            );
            written.push(task);
        }
    }
    let list = ListTasks::new(run.id);
    for when in ["at once", "after a reopen"] {
        let tasks = c.store.list_tasks(list.clone()).await?.items;
        for (read, written) in tasks.iter().zip(&written) {
            check_eq!(read, written, "a task with lists of texts, listed {when}");
            let read = c.store.get_task(written.id).await?;
            check_eq!(read, *written, "a task with lists of texts, read {when}");
        }
        check_eq!(tasks.len(), written.len(), "the tasks listed {when}");
        c.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn words_are_told_apart_to_the_byte(c: &mut Context<'_>) -> Outcome {
    let words = [
        "", "a", "A", "a ", " a", "a\0", "\0", "\0a", "\u{e1}", "a\u{301}", "\u{c1}", "aa", "a%",
        "_", "%", "\\u0000", "null", "a\n", "\u{df}", "ss",
    ];
    let run = world::run(&*c.store).await?;
    let mut runs = Vec::new();
    for word in words {
        let new = world::run(&*c.store).await?;
        let update = RunUpdate::new(new.id).with_status(word);
        runs.push(c.store.update_run(update).await?);
        let save = SaveAgentState::new(run.id, word).with_session_id(word);
        c.store.save_agent_state(save).await?;
        let draft = ArtifactDraft::new("k", word).with_role(word);
        c.store
            .add_artifact(NewArtifact::new(run.id, draft))
            .await?;
        let new = NewApproval::new(run.id, word, "approved", word);
        c.store.add_approval(new).await?;
    }
    for when in ["at once", "after a reopen"] {
        for (word, changed) in words.into_iter().zip(&runs) {
            let list = ListRuns::all().with_status(RunStatus::from(word));
            let listed = c.store.list_runs(list).await?.items;
            check_eq!(
                listed.iter().collect::<Vec<_>>(),
                vec![changed],
                "the runs of status {word:?}, {when}"
            );
            let agent = c.store.get_agent_state(run.id, word.into()).await?;
            check_eq!(
                agent.and_then(|agent| agent.session_id).as_deref(),
                Some(word),
                "the session of role {word:?}, {when}"
            );
            let list = ListArtifacts::new(run.id).with_role(word);
            let artifacts = c.store.list_artifacts(list).await?.items;
            let paths: Vec<_> = artifacts.iter().map(|it| it.path.as_str()).collect();
            check_eq!(paths, [word], "the artifacts of role {word:?}, {when}");
            let list = ListApprovals::new(run.id).with_source(word);
            let approvals = c.store.list_approvals(list).await?.items;
            let given: Vec<_> = approvals.iter().map(|it| it.rationale.as_str()).collect();
            check_eq!(given, [word], "the approvals of source {word:?}, {when}");
            let source = ApprovalSource::from(word);
            let latest = c.store.latest_approval(run.id, source).await?;
            check_eq!(
                latest.map(|latest| latest.rationale).as_deref(),
                Some(word),
                "the latest approval of source {word:?}, {when}"
            );
        }
        let agents = c.store.list_agent_states(run.id).await?;
        let roles: Vec<_> = agents.iter().map(|agent| agent.role.as_str()).collect();
        let mut sorted = words.to_vec();
        sorted.sort_unstable();
        check_eq!(roles, sorted, "the roles in order of their words, {when}");
        c.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn counts_and_numbers_are_kept_to_their_ends(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task = world::first(tasks)?;
    let mut agents = Vec::new();
    let mut attempts = Vec::new();
    let ends = [0, 1, 127, 128, 65_535, 65_536, i32::MAX as u32];
    for number in ends.into_iter().chain([i32::MAX as u32 + 1, u32::MAX]) {
        let save = SaveAgentState::new(run.id, format!("{number:010}"))
            .with_turns(number)
            .with_rotation_count(u32::MAX - number);
        let agent = c.store.save_agent_state(save).await?;
        check_eq!(
            (agent.turns, agent.rotation_count),
            (number, u32::MAX - number),
            "turns and rotations"
        );
        agents.push(agent);
        let report = AttemptReport::new(AttemptStatus::Failed, "s");
        let new = NewAttempt::new(task.id, number, report);
        let attempt = c.store.add_attempt(new).await?;
        check_eq!(attempt.attempt_number, number, "the number of an attempt");
        attempts.push(attempt);
    }
    for when in ["at once", "after a reopen"] {
        check_eq!(
            c.store.list_agent_states(run.id).await?,
            agents,
            "the agents' states with counts to their ends, {when}"
        );
        check_eq!(
            c.store.recent_attempts(run.id, 100).await?,
            attempts,
            "the attempts with numbers to their ends, {when}"
        );
        c.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn any_uuid_names_a_record_of_each_kind(c: &mut Context<'_>) -> Outcome {
    let uuids = [
        Uuid::nil(),
        Uuid::max(),
        Uuid::from_u128(1),
        Uuid::from_u128(1 << 127),
        Uuid::from_u128(0x0a27_5c00_2520_4025_8000_0022_0d0a_0000),
        Uuid::from_u128(0x936d_a01f_9abd_4d9d_80c7_02af_85c8_22a8),
    ];
    // The same UUID for a record of every kind: ids are told apart by kind.
    for uuid in uuids {
        let new = NewRun::new("goal", uuid.to_string()).with_id(uuid);
        let run_id = c.store.create_run(new).await?.id;
        check_eq!(run_id, RunId::from(uuid), "the id of a run");
        let draft = TaskDraft::new("t", "o").with_id(uuid);
        let plan = TaskPlan::new(run_id, [draft]);
        let task = world::first(c.store.append_tasks(plan).await?)?;
        check_eq!(task.id.as_uuid(), uuid, "the id of a task");
        let report = AttemptReport::new("failed", "s").with_id(uuid);
        let attempt = c
            .store
            .add_attempt(NewAttempt::new(task.id, 1, report))
            .await?;
        check_eq!(attempt.id.as_uuid(), uuid, "the id of an attempt");
        let draft = EventDraft::new("s", "k", "m").with_id(uuid);
        let event = c.store.add_event(NewEvent::new(run_id, draft)).await?;
        check_eq!(
            event.event_id.map(|id| id.as_uuid()),
            Some(uuid),
            "the id of an event"
        );
        let draft = ArtifactDraft::new("k", "p").with_id(uuid);
        let artifact = c
            .store
            .add_artifact(NewArtifact::new(run_id, draft))
            .await?;
        check_eq!(artifact.id.as_uuid(), uuid, "the id of an artifact");
        let new = NewApproval::new(run_id, "human", "approved", "r").with_id(uuid);
        let approval = c.store.add_approval(new).await?;
        check_eq!(approval.id.as_uuid(), uuid, "the id of an approval");
        let new = NewCheckpoint::new(run_id, "running", Value::Null).with_id(uuid);
        let checkpoint = c.store.add_checkpoint(new).await?;
        check_eq!(checkpoint.id.as_uuid(), uuid, "the id of a checkpoint");
        check_eq!(
            c.store.get_task(task.id).await?,
            task,
            "the task read by that id"
        );
        check_eq!(
            c.store.latest_attempt(task.id).await?,
            Some(attempt),
            "the attempt read by that id of a task"
        );
    }
    let before = Dump::of(&*c.store).await?;
    c.reopen().await?;
    check_same(c, &before).await
}
