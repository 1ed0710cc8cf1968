//! What is looked at before anything is measured.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use runstore_bench::{
    About, Case, Engine, EngineFacts, Fact, Failure, Length, Plan, Result, Subject, Workload, begin,
};
use runstore_core::Durability;

/// An engine that tells this of itself, and begins nothing.
struct Told {
    name: &'static str,
    about: Option<About>,
}

#[async_trait]
impl Engine for Told {
    fn name(&self) -> &str {
        self.name
    }

    async fn look(&self, _: Durability) -> Result<About> {
        let missing = || Failure::Refused("there is no server".to_owned());
        self.about.clone().ok_or_else(missing)
    }

    async fn begin(&self, _: &Case) -> Result<Option<Box<dyn Subject>>> {
        Ok(None)
    }
}

fn engine(name: &'static str, about: Option<About>) -> Box<dyn Engine> {
    Box::new(Told { name, about })
}

fn plan(workloads: &[Workload]) -> Plan {
    let case = |workload: &Workload| Case {
        workload: *workload,
        workers: 1,
        tasks: 1,
        runs: 1,
        payload_bytes: 1,
        rate: None,
        durability: Durability::Full,
    };
    Plan {
        cases: workloads.iter().map(case).collect(),
        rounds: 1,
        length: Length::Operations(1),
        // A flush that is measured there fails.
        folder: PathBuf::from("/nowhere/at/all"),
        allow_tmpfs: true,
        fsync: Some(Duration::from_millis(1)),
    }
}

fn without(workloads: &[Workload]) -> Option<About> {
    Some(About {
        facts: Vec::new(),
        leaves_out: workloads.to_vec(),
        in_folder: None,
    })
}

#[tokio::test]
async fn an_engine_that_cannot_begin_is_told_before_the_flush_is_measured() {
    let engines = [engine("a", without(&[])), engine("b", None)];
    let refused = begin(&engines, &plan(&[Workload::Append])).await;
    assert_eq!(refused.unwrap_err().to_string(), "b: there is no server");
}

#[tokio::test]
async fn a_plan_of_which_no_engine_does_anything_is_refused_with_who_does_not_do_what() {
    let (open, wake) = (Workload::Open, Workload::Wake);
    let engines = [
        engine("a", without(&[open, wake])),
        engine("b", without(&[open])),
    ];
    let plan_of_both = Plan {
        fsync: None,
        ..plan(&[open, wake])
    };
    begin(&engines, &plan_of_both).await.unwrap();
    let refused = begin(&engines, &plan(&[open])).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "there is nothing to measure: open is not done by a, b"
    );
}

#[tokio::test]
async fn the_report_keeps_what_an_engine_tells_of_itself() {
    let facts = vec![Fact::new("version", "7")];
    let about = About {
        facts: facts.clone(),
        ..About::default()
    };
    let engines = [engine("a", Some(about)), engine("b", without(&[]))];
    let plan = Plan {
        fsync: None,
        ..plan(&[Workload::Append])
    };
    let report = begin(&engines, &plan).await.unwrap();
    let engine = "a".to_owned();
    assert_eq!(report.engines, [EngineFacts { engine, facts }]);
}
