//! What a replay found, as text.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::report::{Differences, Replayed, Timing};
use crate::report::figures::{count, counted, time};
use crate::report::terminal::printable;

const HEADER: [&str; 6] = [
    "method",
    "calls",
    "recorded p50",
    "p99",
    "replayed p50",
    "p99",
];

impl Replayed {
    /// What was found as text for a terminal: the times of the methods then and now, and the answers that differ and
    /// should not.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut lines = vec![self.methods().to_string(), self.course()];
        if self.timing == Timing::AsRecorded {
            lines.push(format!(
                "a call began at most {} later than in the recording",
                seconds(self.behind_seconds)
            ));
        }
        if self.dropped > 0 {
            lines.push(format!(
                "{} of them had been dropped: there is no answer to compare theirs with",
                count(self.dropped)
            ));
        }
        if self.left_out > 0 {
            lines.push(format!(
                "{} more were left out, for the trace does not hold what they were given",
                count(self.left_out)
            ));
        }
        lines.push(format!(
            "answered otherwise: {}; and {} that overlapped others, or follow from such, as the contract lets them",
            count(self.differences.count),
            count(self.overlapped.count)
        ));
        lines.extend(shown(&self.differences));
        printable(&lines.join("\n"))
    }

    fn course(&self) -> String {
        format!(
            "{} in {} on {} ({}); recorded in {} on {} ({})",
            counted(self.calls, "call"),
            seconds(self.seconds),
            self.replayed_on.backend,
            self.replayed_on.durability,
            seconds(self.recorded_seconds),
            self.recorded_on.backend,
            self.recorded_on.durability,
        )
    }

    fn methods(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(HEADER);
        for method in &self.methods {
            table.add_row([
                method.method.clone(),
                count(method.calls),
                time(method.recorded.p50),
                time(method.recorded.p99),
                time(method.replayed.p50),
                time(method.replayed.p99),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn seconds(of: f64) -> String {
    time(of * 1e6)
}

fn shown(differences: &Differences) -> impl Iterator<Item = String> + '_ {
    differences.first.iter().map(|difference| {
        format!(
            "line {}: {}, {}: {} in place of {}",
            difference.line,
            difference.method,
            difference.path,
            // A line each, whatever a text holds.
            difference.replayed.replace('\n', "\\n"),
            difference.recorded.replace('\n', "\\n")
        )
    })
}

#[cfg(test)]
mod tests {
    use runstore_core::{Store, StoreInfo};
    use runstore_memory::MemoryStore;

    use super::*;
    use crate::MethodLatency;
    use crate::replay::Difference;
    use crate::report::Percentiles;

    fn replayed(timing: Timing) -> Replayed {
        let store: StoreInfo = MemoryStore::new().info();
        let of = |p50, p99| Percentiles {
            p50,
            p99,
            ..Percentiles::default()
        };
        Replayed {
            recorded_on: store.clone(),
            replayed_on: store,
            timing,
            calls: 1_500,
            dropped: 0,
            left_out: 0,
            seconds: 0.0151,
            recorded_seconds: 2.5,
            behind_seconds: 0.000_42,
            methods: vec![MethodLatency {
                method: "claim_next_task".to_owned(),
                calls: 1_500,
                recorded: of(0.85, 2.25),
                replayed: of(310.4, 12_345.0),
            }],
            differences: Differences::default(),
            overlapped: Differences::default(),
        }
    }

    #[test]
    fn times_are_told_as_in_the_report_of_a_benchmark() {
        let told = replayed(Timing::AsFastAsPossible).terminal();
        for part in [
            "┆ 1,500 ┆       850 ns ┆ 2.25 µs ┆       310 µs ┆ 12.3 ms │",
            "1,500 calls in 15.1 ms on memory (volatile); recorded in 2.50 s on memory (volatile)",
        ] {
            assert!(told.contains(part), "no {part:?} in\n{told}");
        }
    }

    #[test]
    fn how_far_it_fell_behind_is_told_where_it_kept_to_the_recording() {
        let behind = "a call began at most 420 µs later than in the recording";
        assert!(replayed(Timing::AsRecorded).terminal().contains(behind));
        let as_fast = replayed(Timing::AsFastAsPossible).terminal();
        assert!(!as_fast.contains("later than"), "{as_fast}");
    }

    #[test]
    fn a_difference_is_a_line_that_cannot_steer_the_terminal() {
        let mut found = replayed(Timing::AsFastAsPossible);
        found.differences = Differences {
            count: 1,
            first: vec![Difference {
                line: 7,
                method: "get_run".to_owned(),
                path: "answer.goal".to_owned(),
                recorded: "\"a\nb\"".to_owned(),
                replayed: "\u{1b}[2J".to_owned(),
            }],
        };
        let told = found.terminal();
        let line = "line 7: get_run, answer.goal: \u{fffd}[2J in place of \"a\\nb\"";
        assert_eq!(told.lines().last(), Some(line));
    }
}
