//! A report as text for a terminal.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::grid::{self, Grid};
use super::group::{groups, headline};
use super::{Report, facts};

/// The report as text. What an engine did in a case stands in two tables, its speed and its costs, as one would be
/// wider than most terminals are.
#[must_use]
pub fn terminal(report: &Report) -> String {
    let mut text = format!("Benchmark of {}\n\n", facts::date(report.began_at));
    for (name, fact) in facts::head(report) {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name:<12} {fact}");
    }
    for group in groups(report) {
        let _ = write!(text, "\n{}\n", headline(group.case));
        let speed = Some(grid::speed(report, &group));
        let grids = [speed, grid::costs(&group), grid::steps(&group)];
        for grid in grids.into_iter().flatten() {
            let _ = writeln!(text, "{}", table(&grid));
        }
    }
    printable(&text)
}

/// The grid with its figures to the right.
fn table(grid: &Grid) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(&grid.header)
        .add_rows(&grid.rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Without what would steer the terminal: a report that is read back may hold anything.
pub(crate) fn printable(text: &str) -> String {
    let shown = |of: char| match of.is_control() && of != '\n' {
        true => char::REPLACEMENT_CHARACTER,
        false => of,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_text_has_the_machine_and_each_case_with_its_engines_and_fits_a_terminal() {
        let report = sample::report();
        let text = terminal(&report);
        for part in [
            "Benchmark of 2026-03-01 10:01 UTC",
            "program      runstore 0.1.0\nrounds       3 of 1 s\n",
            "file system  ext4 on /dev/vda",
            "flush        3,214/s, p50 290 µs, p99 910 µs, where the file grows\n",
            "flush        8,021/s, p50 110 µs, p99 352 µs, in place\n",
            "engine       sqlite, bare sqlite: SQLite 3.51.0\nleft out     open is not done by memory\n",
            "cycle · 4 workers · 1,000 tasks · 1 run · 200 B payload · full durability",
            "│ bare sqlite",
            "store/bare",
            "claim p50 / p99",
            "file before → after",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= 130, "{widest:?}\n{text}");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut report = sample::report();
        report.rows[0].engine = "\u{1b}[2Jx".to_owned();
        assert!(!terminal(&report).contains('\u{1b}'));
    }

    #[test]
    fn a_report_without_rows_or_facts_is_told_as_such() {
        let mut report = sample::report();
        report.rows.clear();
        report.fsync = None;
        report.fsync_in_place = None;
        report.machine.processor = None;
        report.engines.clear();
        report.left_out.clear();
        let text = terminal(&report);
        assert!(text.contains("processor    –\n") && text.ends_with("flush        –\n"));
    }
}
