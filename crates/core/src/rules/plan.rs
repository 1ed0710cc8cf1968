//! What a plan's drafts depend on (clause C9), and the tasks that they make.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{create, tasks};
use crate::{Dependency, Error, Result, Task, TaskDraft, TaskId, TaskPlan, TaskStatus, Timestamp};

/// What a dependency of a draft leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    /// The draft at this index.
    Draft(usize),
    /// A task that is none of the plan's.
    Stored(TaskId),
}

/// Checks what can be seen of the dependencies without the store.
pub(super) fn check(drafts: &[TaskDraft]) -> Result<()> {
    let targets = targets(drafts)?;
    match cycle(&targets) {
        None => Ok(()),
        Some(cycle) => {
            let first = cycle.first().copied().unwrap_or_default();
            let problem = format!("lead back to itself: {}", path(&cycle));
            Err(Error::invalid_input(
                format!("drafts[{first}].depends_on"),
                problem,
            ))
        }
    }
}

/// The most drafts of a cycle that are named: from each of its ends half of them.
const NAMED: usize = 20;

/// The path of a cycle, with the middle of a long one left out.
fn path(cycle: &[usize]) -> String {
    let names = |part: &[usize]| {
        let names: Vec<String> = part
            .iter()
            .map(|index| format!("drafts[{index}]"))
            .collect();
        names.join(" -> ")
    };
    if cycle.len() <= NAMED {
        return names(cycle);
    }
    let (first, rest) = cycle.split_at(NAMED / 2);
    let (between, last) = rest.split_at(rest.len() - NAMED / 2);
    format!(
        "{} -> {} more -> {}",
        names(first),
        between.len(),
        names(last)
    )
}

/// The tasks that a plan makes, at the positions from `first` on, with what they depend on by id.
///
/// # Errors
/// `InvalidInput` as [`Input::check`](super::input::Input::check) has it.
pub fn tasks(plan: TaskPlan, first: u64, now: Timestamp) -> Result<Vec<Task>> {
    let TaskPlan { run_id, drafts } = plan;
    let targets = targets(&drafts)?;
    let mut made: Vec<Task> = (first..)
        .zip(drafts)
        .map(|(position, draft)| create::task(run_id, position, draft, now))
        .collect();
    let ids: Vec<TaskId> = made.iter().map(|task| task.id).collect();
    for (task, targets) in made.iter_mut().zip(targets) {
        task.depends_on = targets
            .into_iter()
            .filter_map(|target| match target {
                Target::Draft(index) => ids.get(index).copied(),
                Target::Stored(task_id) => Some(task_id),
            })
            .collect();
    }
    Ok(made)
}

/// The tasks outside a plan that its tasks depend on, each once. Each must be a task of the run
/// (clause G7).
#[must_use]
pub fn outside(new: &[Task]) -> BTreeSet<TaskId> {
    let made: HashSet<TaskId> = new.iter().map(|task| task.id).collect();
    let all = new.iter().flat_map(|task| &task.depends_on);
    all.filter(|id| !made.contains(id)).copied().collect()
}

/// Checks that a plan which replaces another does not depend on what it abandons (clause C9). `status`
/// tells how a task outside the plan stands.
///
/// # Errors
/// `InvalidInput`, naming the first draft that does.
pub fn check_kept(new: &[Task], status: impl Fn(TaskId) -> Option<TaskStatus>) -> Result<()> {
    for (index, task) in new.iter().enumerate() {
        for (number, id) in task.depends_on.iter().enumerate() {
            if status(*id).is_some_and(tasks::is_replaceable) {
                let field = format!("drafts[{index}].depends_on[{number}]");
                let problem = format!("is task {id}, which this plan abandons");
                return Err(Error::invalid_input(field, problem));
            }
        }
    }
    Ok(())
}

/// How many tasks that this one depends on are not completed. `status` tells how a task stands; one that
/// it does not know is not completed.
pub fn unmet(task: &Task, status: impl Fn(TaskId) -> Option<TaskStatus>) -> u32 {
    let unmet = task
        .depends_on
        .iter()
        .filter(|id| status(**id) != Some(TaskStatus::Completed));
    u32::try_from(unmet.count()).unwrap_or(u32::MAX)
}

/// What each draft depends on, each once, in the order given.
fn targets(drafts: &[TaskDraft]) -> Result<Vec<Vec<Target>>> {
    // A plan without dependencies needs no look at its keys and ids.
    if drafts.iter().all(|draft| draft.depends_on.is_empty()) {
        return Ok(vec![Vec::new(); drafts.len()]);
    }
    let mut by_key = HashMap::new();
    let mut by_id = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(key) = &draft.key {
            by_key.entry(key.as_str()).or_insert(index);
        }
        if let Some(id) = draft.id {
            by_id.entry(id).or_insert(index);
        }
    }
    let target = |dependency: &Dependency| match dependency {
        Dependency::Index(index) if *index < drafts.len() => Ok(Target::Draft(*index)),
        Dependency::Index(index) => Err(format!(
            "names draft {index}; the plan has {} drafts, counted from 0",
            drafts.len()
        )),
        Dependency::Key(key) => match by_key.get(key.as_str()) {
            Some(index) => Ok(Target::Draft(*index)),
            None => Err(format!("names key {key:?}, which no draft of the plan has")),
        },
        Dependency::Task { task_id } => Ok(match by_id.get(task_id) {
            Some(index) => Target::Draft(*index),
            None => Target::Stored(*task_id),
        }),
    };
    let mut all = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let mut seen = HashSet::new();
        let mut of_draft = Vec::with_capacity(draft.depends_on.len());
        for (number, dependency) in draft.depends_on.iter().enumerate() {
            let found = target(dependency).map_err(|problem| {
                Error::invalid_input(format!("drafts[{index}].depends_on[{number}]"), problem)
            })?;
            if seen.insert(found) {
                of_draft.push(found);
            }
        }
        all.push(of_draft);
    }
    Ok(all)
}

/// The first cycle among the drafts: their indexes, from one back to itself. Without recursion, for a
/// plan may be one long chain.
fn cycle(targets: &[Vec<Target>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnThePath,
        Done,
    }
    let mut seen = vec![Seen::Not; targets.len()];
    for start in 0..targets.len() {
        // The path from `start`: each draft with the number of its dependencies that were followed.
        let mut path = vec![(start, 0)];
        while let Some((index, followed)) = path.last_mut() {
            let index = *index;
            if *followed == 0 {
                match seen.get(index) {
                    Some(Seen::Not) => mark(&mut seen, index, Seen::OnThePath),
                    _ => {
                        path.pop();
                        continue;
                    }
                }
            }
            let next = targets.get(index).and_then(|of| of.get(*followed));
            *followed += 1;
            match next {
                None => {
                    mark(&mut seen, index, Seen::Done);
                    path.pop();
                }
                Some(Target::Draft(next)) if seen.get(*next) == Some(&Seen::OnThePath) => {
                    let on_path = path.iter().map(|(index, _)| *index);
                    let mut cycle: Vec<usize> = on_path.skip_while(|on| on != next).collect();
                    cycle.push(*next);
                    return Some(cycle);
                }
                Some(Target::Draft(next)) if seen.get(*next) == Some(&Seen::Not) => {
                    path.push((*next, 0));
                }
                Some(_) => {}
            }
        }
    }
    return None;

    fn mark(seen: &mut [Seen], index: usize, mark: Seen) {
        if let Some(place) = seen.get_mut(index) {
            *place = mark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunId;

    fn plan(depends_on: &[&[usize]]) -> TaskPlan {
        let drafts = depends_on
            .iter()
            .map(|indexes| TaskDraft::new("t", "o").with_depends_on(indexes.iter().copied()));
        TaskPlan::new(RunId::generate(), drafts)
    }

    fn problem(depends_on: &[&[usize]]) -> Option<(String, String)> {
        match check(&plan(depends_on).drafts) {
            Err(Error::InvalidInput { field, problem }) => Some((field, problem)),
            Err(other) => panic!("{other:?}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn a_cycle_is_named_with_its_path() {
        assert_eq!(problem(&[&[1], &[2], &[]]), None);
        assert_eq!(problem(&[&[1, 2], &[2], &[], &[0, 1, 2]]), None);
        let (field, problem_) = problem(&[&[3], &[2], &[3], &[1]]).unwrap();
        assert_eq!(field, "drafts[3].depends_on");
        assert_eq!(
            problem_,
            "lead back to itself: drafts[3] -> drafts[1] -> drafts[2] -> drafts[3]"
        );
        let (field, problem_) = problem(&[&[], &[0, 1]]).unwrap();
        assert_eq!(field, "drafts[1].depends_on");
        assert_eq!(problem_, "lead back to itself: drafts[1] -> drafts[1]");
    }

    #[test]
    fn a_long_cycle_is_named_by_its_ends() {
        let next: Vec<[usize; 1]> = (0..100).map(|index| [(index + 1) % 100]).collect();
        let ring: Vec<&[usize]> = next.iter().map(<[usize; 1]>::as_slice).collect();
        let (field, problem) = problem(&ring).unwrap();
        assert_eq!(field, "drafts[0].depends_on");
        assert!(
            problem.contains("drafts[9] -> 81 more -> drafts[91]"),
            "{problem}"
        );
        assert!(problem.ends_with("drafts[99] -> drafts[0]"), "{problem}");
    }

    #[test]
    fn what_no_draft_is_called_is_named_with_its_place() {
        let (field, problem_) = problem(&[&[], &[0, 2]]).unwrap();
        assert_eq!(field, "drafts[1].depends_on[1]");
        assert!(problem_.contains("draft 2; the plan has 2"), "{problem_}");
        let draft = TaskDraft::new("t", "o")
            .with_key("a")
            .with_depends_on(["b"]);
        let Err(Error::InvalidInput { field, problem }) = check(&[draft]) else {
            panic!("an unknown key was taken");
        };
        assert_eq!(field, "drafts[0].depends_on[0]");
        assert!(problem.contains("\"b\""), "{problem}");
    }

    #[test]
    fn a_chain_of_many_drafts_ends_no_stack() {
        const MANY: usize = 100_000;
        let forward: Vec<Vec<usize>> = (1..MANY).map(|next| vec![next]).chain([vec![]]).collect();
        let chain: Vec<&[usize]> = forward.iter().map(Vec::as_slice).collect();
        assert_eq!(problem(&chain), None);
    }

    #[test]
    fn indexes_keys_and_ids_lead_to_the_same_tasks_each_once() {
        let id = TaskId::generate();
        let stored = TaskId::generate();
        let first = TaskDraft::new("a", "o").with_id(id).with_key("a");
        let second = TaskDraft::new("b", "o").with_depends_on([
            Dependency::from(stored),
            Dependency::from(0),
            Dependency::from("a"),
            Dependency::from(id),
        ]);
        let plan = TaskPlan::new(RunId::generate(), [first, second]);
        let made = tasks(plan, 7, Timestamp::MIN).unwrap();
        assert_eq!(made[1].depends_on, [stored, id]);
        assert_eq!(made[1].position, 8);
        assert_eq!(Vec::from_iter(outside(&made)), [stored]);
        assert_eq!(unmet(&made[1], |_| Some(TaskStatus::Completed)), 0);
        let only_outside = |of| (of == stored).then_some(TaskStatus::Completed);
        assert_eq!(unmet(&made[1], only_outside), 1);
        assert!(check_kept(&made, only_outside).is_ok());
        let Err(Error::InvalidInput { field, .. }) =
            check_kept(&made, |of| (of == stored).then_some(TaskStatus::Pending))
        else {
            panic!("a plan that depends on what it abandons was taken");
        };
        assert_eq!(field, "drafts[1].depends_on[0]");
    }
}
