//! The records of a run's agents (clauses A1 and A2).

use runstore_core::{
    AgentRole, AgentState, Clock, RunId, SaveAgentState, SnapshotRequest, Store, Timestamp,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::race::together;
use crate::world;

/// A record whose fields are all set and all different.
fn full(run_id: RunId, role: &str) -> SaveAgentState {
    SaveAgentState::new(run_id, role)
        .with_session_id("session")
        .with_turns(7)
        .with_rotation_count(3)
        .with_last_prompt_path("prompt.md")
        .with_last_response_path("response.md")
}

/// What a save stores, at this time.
fn stored(save: &SaveAgentState, updated_at: Timestamp) -> AgentState {
    AgentState {
        run_id: save.run_id,
        role: save.role.clone(),
        session_id: save.session_id.clone(),
        turns: save.turns,
        rotation_count: save.rotation_count,
        last_prompt_path: save.last_prompt_path.clone(),
        last_response_path: save.last_response_path.clone(),
        updated_at,
    }
}

/// Checks that the run has exactly these records, in this order, by every call that shows them.
async fn check_agents(
    store: &dyn Store,
    run_id: RunId,
    expected: &[AgentState],
    what: &str,
) -> Outcome {
    let listed = store.list_agent_states(run_id).await?;
    check_eq!(listed, expected, "the agents of the run, {what}");
    for agent in expected {
        let read = store.get_agent_state(run_id, agent.role.clone()).await?;
        check_eq!(
            read.as_ref(),
            Some(agent),
            "the agent of role {}, {what}",
            agent.role
        );
    }
    let snapshot = store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    let pairs = |agent: &AgentState| (agent.role.clone(), agent.clone());
    check_eq!(
        snapshot.agents,
        expected.iter().map(pairs).collect(),
        "the agents in the snapshot, {what}"
    );
    Ok(())
}

pub(crate) async fn a_saved_record_reads_back_whole(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let saves = [
        SaveAgentState::new(run_id, "a"),
        full(run_id, "b"),
        full(run_id, "c")
            .with_turns(u32::MAX)
            .with_rotation_count(u32::MAX),
        SaveAgentState::new(run_id, "d").with_session_id("only a session"),
        SaveAgentState::new(run_id, "e").with_last_prompt_path("only a prompt"),
        SaveAgentState::new(run_id, "f").with_last_response_path("only a response"),
        SaveAgentState::new(run_id, "g")
            .with_session_id("")
            .with_last_prompt_path("")
            .with_last_response_path("\0"),
    ];
    let mut expected = Vec::new();
    for save in saves {
        let agent = stored(&save, c.clock.now());
        let what = format!("what {save:?} returns");
        check_eq!(c.store.save_agent_state(save).await?, agent, "{what}");
        expected.push(agent);
        c.clock.advance_micros(1);
    }
    check_agents(&*c.store, run_id, &expected, "as saved").await?;
    let second = c.second_handle().await?;
    check_agents(&*second, run_id, &expected, "at a second handle").await?;
    c.reopen().await?;
    check_agents(&*c.store, run_id, &expected, "after a reopen").await
}

pub(crate) async fn the_last_saved_record_wins_whole(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let role = "strategy";
    let saves = [
        full(run_id, role),
        SaveAgentState::new(run_id, role),
        SaveAgentState::new(run_id, role).with_turns(9),
        SaveAgentState::new(run_id, role).with_rotation_count(1),
        SaveAgentState::new(run_id, role).with_session_id("another"),
        full(run_id, role)
            .with_last_prompt_path("p2")
            .with_last_response_path("r2"),
        full(run_id, role),
    ];
    for (index, save) in saves.into_iter().enumerate() {
        c.clock
            .advance_micros(if index % 2 == 0 { 10 } else { -1_000 });
        let agent = stored(&save, c.clock.now());
        let answer = c.store.save_agent_state(save).await?;
        check_eq!(answer, agent, "what save number {} returns", index + 1);
        let what = format!("after save number {} of one role", index + 1);
        check_agents(&*c.store, run_id, &[agent], &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_records_time_is_the_callers_or_the_clocks(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let now = c.clock.now();
    // Later than the clock, earlier than the record that is there, at both ends of time, and none.
    let times = [
        Some(now.saturating_add_micros(5_000_000)),
        Some(now.saturating_add_micros(-5_000_001)),
        None,
        Some(Timestamp::MAX),
        Some(Timestamp::MIN),
        None,
    ];
    for time in times {
        c.clock.advance_micros(3);
        let mut save = SaveAgentState::new(run_id, "checker");
        save.updated_at = time;
        let agent = stored(&save, time.unwrap_or_else(|| c.clock.now()));
        let answer = c.store.save_agent_state(save).await?;
        let what = format!("saved with time {time:?}");
        check_eq!(answer, agent, "the record, {what}");
        check_agents(&*c.store, run_id, &[agent], &what).await?;
    }
    Ok(())
}

pub(crate) async fn each_role_has_a_record_of_its_own_in_order_of_its_word(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    // In order of bytes; each differs from another by case, by a blank, by what follows or by nothing.
    let words = [
        "",
        " strategy",
        "Checker",
        "checker",
        "checker ",
        "checker2",
        "implementation",
        "strategy",
        "strategy\0",
        "z",
        "É",
        "é",
        "判",
    ];
    let mut expected = Vec::new();
    for (word, turns) in words.into_iter().zip(1..) {
        let save = SaveAgentState::new(run_id, word).with_turns(turns);
        expected.push(stored(&save, c.clock.now()));
    }
    // Saved in quite another order.
    for step in 0..words.len() {
        let index = (step * 5 + 3) % words.len();
        if let Some(agent) = expected.get(index) {
            let save = SaveAgentState::new(run_id, agent.role.clone()).with_turns(agent.turns);
            c.store.save_agent_state(save).await?;
        }
    }
    check_agents(&*c.store, run_id, &expected, "saved for thirteen roles").await?;
    let checker = AgentRole::Other("checker".to_owned());
    let read = c.store.get_agent_state(run_id, checker).await?;
    check_eq!(
        read.map(|agent| agent.turns),
        Some(4),
        "the turns of role Other(\"checker\"), which is the same word as Checker"
    );
    Ok(())
}

pub(crate) async fn each_run_has_records_of_its_own(c: &mut Context<'_>) -> Outcome {
    let mut expected = Vec::new();
    for turns in 1..=3 {
        let run_id = world::run(&*c.store).await?.id;
        let save = full(run_id, "strategy").with_turns(turns);
        expected.push(c.store.save_agent_state(save).await?);
    }
    for agent in &expected {
        let one = std::slice::from_ref(agent);
        check_agents(&*c.store, agent.run_id, one, "one of three runs").await?;
    }
    Ok(())
}

pub(crate) async fn a_role_without_a_record_reads_as_none(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let other = world::run(&*c.store).await?.id;
    check_agents(&*c.store, run_id, &[], "before any was saved").await?;
    let agent = c.store.save_agent_state(full(other, "strategy")).await?;
    check_agents(&*c.store, run_id, &[], "after one of another run was saved").await?;
    check_agents(&*c.store, other, &[agent], "after it was saved").await?;
    for (run_id, role) in [
        (run_id, "strategy"),
        (other, "checker"),
        (other, "Strategy"),
    ] {
        let read = c
            .store
            .get_agent_state(run_id, AgentRole::from(role))
            .await?;
        check!(
            read.is_none(),
            "a role of which nothing was saved ({role:?}) must read as none, but reads {read:?}"
        );
    }
    Ok(())
}

pub(crate) async fn a_save_changes_no_other_record(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let (run, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1);
    c.store.save_agent_state(full(run.id, "strategy")).await?;
    let others = c.store.list_agent_states(run.id).await?;
    let turns: Vec<u32> = others.iter().map(|agent| agent.turns).collect();
    check_eq!(
        turns,
        [2, 2, 7],
        "the turns of implementation, narrator and strategy after strategy was saved with 7"
    );
    c.store.delete_run(run.id).await?;
    check_unchanged(&*c.store, &before, "saving an agent of another run").await
}

pub(crate) async fn records_saved_at_once_are_never_mixed(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let handles = c.handles(4).await?;
    for round in 0..10_u32 {
        let callers = handles.iter().zip(0..).map(|(store, caller)| {
            let store = std::sync::Arc::clone(store);
            let number = round * 10 + caller;
            let save = SaveAgentState::new(run_id, "strategy")
                .with_session_id(number.to_string())
                .with_turns(number)
                .with_rotation_count(number)
                .with_last_prompt_path(number.to_string())
                .with_last_response_path(number.to_string());
            async move { store.save_agent_state(save).await }
        });
        let mut answers = Vec::new();
        for answer in together(callers.collect::<Vec<_>>()).await? {
            answers.push(answer?);
        }
        let listed = c.store.list_agent_states(run_id).await?;
        check_eq!(listed.len(), 1, "the number of records of one role");
        let last = world::first(listed)?;
        check!(
            answers.contains(&last),
            "of four records saved at once one must win whole, but {last:?} is none of {answers:?}"
        );
    }
    Ok(())
}
