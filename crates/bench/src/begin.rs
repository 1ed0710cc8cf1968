//! What comes before a benchmark: whether it can be made, and on what.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runstore_core::Durability;

use crate::measure::disk::{FileSystem, measure_flushes};
use crate::measure::machine;
use crate::report::{EngineFacts, LeftOut, Report, Rounds};
use crate::{Engine, Failure, Length, Plan, Result};

/// All crates of runstore have one version.
const PROGRAM: &str = concat!("runstore ", env!("CARGO_PKG_VERSION"));

/// Begins a report: looks at the engines and at the machine, and measures what a flush costs if the plan says so.
///
/// # Errors
/// If the plan cannot be carried out, an engine cannot begin, none of them does any of the workloads, or the folder
/// cannot be written to. Nothing was measured then.
pub async fn begin(engines: &[Box<dyn Engine>], plan: &Plan) -> Result<Report> {
    check(engines, plan)?;
    let engine_facts = looked_at(engines, plan).await?;
    let flushes = match plan.fsync {
        Some(duration) => Some(measure_flushes(&plan.folder, duration)?),
        None => None,
    };
    let began_at = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Report {
        version: 1,
        began_at: began_at.map_or(0, |since| since.as_secs()),
        program: Some(PROGRAM.to_owned()),
        rounds: Some(Rounds {
            count: plan.rounds,
            length: plan.length,
        }),
        machine: machine::look(&plan.folder),
        fsync: flushes.map(|of| of.growing),
        fsync_in_place: flushes.map(|of| of.in_place),
        engines: engine_facts,
        left_out: Vec::new(),
        rows: Vec::new(),
    })
}

/// Looks at each engine, and gives what those tell that tell anything.
async fn looked_at(engines: &[Box<dyn Engine>], plan: &Plan) -> Result<Vec<EngineFacts>> {
    let Some(first) = plan.cases.first() else {
        return Ok(Vec::new());
    };
    let is_in_memory = FileSystem::of(&plan.folder).is_some_and(|of| of.is_in_memory());
    let (mut told, mut left_out) = (Vec::new(), Vec::new());
    let mut is_any_done = false;
    for engine in engines {
        let about = engine.look(first.durability).await;
        let about = about.map_err(|error| error.before(engine.name()))?;
        if is_in_memory && !plan.allow_tmpfs && about.in_folder == Some(Durability::Full) {
            let engine = engine.name().to_owned();
            return Err(Failure::InMemory { engine });
        }
        for case in &plan.cases {
            match about.leaves_out.contains(&case.workload) {
                true => LeftOut::note(&mut left_out, case.workload, engine.name()),
                false => is_any_done = true,
            }
        }
        if !about.facts.is_empty() {
            told.push(EngineFacts {
                engine: engine.name().to_owned(),
                facts: about.facts,
            });
        }
    }
    if !is_any_done {
        let left_out = Vec::from_iter(left_out.iter().map(LeftOut::to_string));
        let why = format!("there is nothing to measure: {}", left_out.join("; "));
        return Err(Failure::Refused(why));
    }
    Ok(told)
}

/// Refuses a plan that cannot be carried out.
pub(crate) fn check(engines: &[Box<dyn Engine>], plan: &Plan) -> Result<()> {
    let refuse = |why: &str| Err(Failure::Refused(why.to_owned()));
    if engines.is_empty() || plan.cases.is_empty() {
        return refuse("there is nothing to measure: no engine, or no case");
    }
    if plan.rounds == 0 || matches!(plan.length, Length::Operations(0)) {
        return refuse("rounds and operations must be at least 1");
    }
    if plan.length == Length::Time(Duration::ZERO) {
        return refuse("the time of a round must be above 0");
    }
    for case in &plan.cases {
        if case.workers == 0 || case.runs == 0 {
            return refuse("workers and runs must be at least 1");
        }
        if case
            .rate
            .is_some_and(|rate| !rate.is_finite() || rate <= 0.0)
        {
            return refuse("a rate must be above 0");
        }
        // The time from when it was due would hold what is made before it.
        if case.rate.is_some() && case.workload.is_interrupted() {
            let workload = case.workload;
            return refuse(&format!(
                "{workload} cannot be measured at a rate, for each operation needs something made before it"
            ));
        }
    }
    Ok(())
}
