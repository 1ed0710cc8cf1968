//! A comparison as text and as a part of the page.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use maud::{Markup, html};

use super::{Compared, Comparison};
use crate::report::facts::date;
use crate::report::figures::{count, number, plain, ratio, size};
use crate::report::group::Naming;
use crate::report::terminal::printable;

/// As wide as most terminals are; longer names of cases are wrapped.
const WIDTH: u16 = 120;

const HEADER: [&str; 6] = ["engine", "case", "figure", "old", "new", "new/old"];

impl Comparison {
    /// The comparison as text for a terminal: what makes it mean less, what got worse and better beyond the
    /// spread, how many figures did not, and what only one of the reports has.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut text = format!("{}\n", self.headline());
        // Writing to a text does not fail.
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        let naming = self.naming();
        if !naming.common().is_empty() {
            let _ = writeln!(text, "in all cases: {}", naming.common());
        }
        for (title, changed) in self.parts() {
            if !changed.is_empty() {
                let _ = write!(text, "\n{title}\n{}\n", table(&changed, &naming));
            }
        }
        let _ = write!(text, "\n{}\n", self.rest());
        for (title, names) in self.lonely() {
            if !names.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for name in names {
                    let _ = writeln!(text, "  {name}");
                }
            }
        }
        printable(&text)
    }

    /// The comparison as a section of the page.
    pub(crate) fn section(&self) -> Markup {
        html! {
            section id="comparison" {
                h2 { "Comparison" }
                p { (self.headline()) "." }
                @if !self.warnings.is_empty() {
                    ul.warnings {
                        @for warning in &self.warnings { li { "Warning: " (warning) } }
                    }
                }
                @let naming = self.naming();
                @if !naming.common().is_empty() { p.quiet { "In all cases: " (naming.common()) "." } }
                @for (title, changed) in self.parts() {
                    @if !changed.is_empty() {
                        h3 { (title) }
                        div.wide { table {
                            thead { tr { @for title in HEADER { th { (title) } } } }
                            tbody {
                                @for of in changed {
                                    tr { @for cell in cells(of, &naming) { td { (cell) } } }
                                }
                            }
                        } }
                    }
                }
                p { (self.rest()) }
                @for (title, names) in self.lonely() {
                    @if !names.is_empty() {
                        h3 { (title) }
                        ul { @for name in names { li { (name) } } }
                    }
                }
            }
        }
    }

    fn naming(&self) -> Naming {
        Naming::of(self.figures.iter().map(|of| &of.case))
    }

    fn headline(&self) -> String {
        let mut dates = [self.new_began_at, self.old_began_at].map(date);
        if self.new_program != self.old_program {
            let programs = [&self.new_program, &self.old_program];
            for (date, by) in dates.iter_mut().zip(programs) {
                let _ = write!(
                    date,
                    " by {}",
                    by.as_deref().unwrap_or("an unknown program")
                );
            }
        }
        let [new, old] = dates;
        format!("The report of {new} beside the one of {old}")
    }

    fn parts(&self) -> [(&'static str, Vec<&Compared>); 2] {
        [
            ("Worse, beyond the spread", self.worse()),
            ("Better, beyond the spread", self.better()),
        ]
    }

    fn rest(&self) -> String {
        let shown = |number: usize| count(size(number));
        let (unchanged, all) = (shown(self.unchanged()), shown(self.figures.len()));
        let by_chance = plain(&number(self.by_chance()));
        let rest = format!(
            "{unchanged} of {all} figures did not change beyond the spread. With this number of rounds, about \
             {by_chance} would lie beyond it by chance alone."
        );
        match self.one_sided {
            0 => rest,
            number => format!(
                "{rest} {} more have a value in one report only.",
                shown(number)
            ),
        }
    }

    fn lonely(&self) -> [(&'static str, &[String]); 2] {
        [
            ("Only in the old report", &self.only_old),
            ("Only in the new report", &self.only_new),
        ]
    }
}

fn cells(of: &Compared, naming: &Naming) -> [String; 6] {
    [
        of.engine.clone(),
        naming.name(&of.case),
        of.figure.to_string(),
        of.figure.shown(of.old.median),
        of.figure.shown(of.new.median),
        ratio(of.ratio()),
    ]
}

fn table(changed: &[&Compared], naming: &Naming) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(HEADER)
        .add_rows(changed.iter().map(|of| cells(of, naming)));
    for (at, column) in table.column_iter_mut().enumerate() {
        if at > 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // The name of the case is what may be wrapped.
        if at != 1 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use crate::Workload;
    use crate::report::compare;
    use crate::report::sample::{case, report, row};

    #[test]
    fn the_text_tells_what_changed_and_how_much_did_not() {
        let (mut old, mut new) = (report(), report());
        let of = case(Workload::AppendBesideSnapshots, 16, 100_000);
        old.rows = vec![row("bare postgres", &of, 4_000.0), row("a", &of, 100.0)];
        new.rows = vec![row("bare postgres", &of, 2_000.0)];
        new.machine.cores = 2;
        let comparison = compare(&old, &new);
        let text = comparison.terminal();
        for part in [
            "warning: another number of cores: 8 then, 2 now",
            "Worse, beyond the spread\n",
            "4,000/s",
            "2,000/s",
            "0.500×",
            "1 of 5 figures did not change beyond the spread. With this number of rounds, about 0.5 would",
            "Only in the old report\n  a: append-beside-snapshots · 16 workers",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains("Better") && !text.contains("Only in the new report"));
        assert!(
            text.lines().all(|line| line.chars().count() <= 130),
            "{text}"
        );

        assert!(!text.contains("runstore 0.1.0"), "{text}");

        let same = compare(&old, &old).terminal();
        assert!(same.contains("10 of 10 figures did not change"), "{same}");
    }

    #[test]
    fn the_programs_are_told_where_they_differ() {
        let (mut old, mut new) = (report(), report());
        new.program = Some("runstore 0.2.0".to_owned());
        let told = compare(&old, &new).terminal();
        let headline = "The report of 2026-03-01 10:01 UTC by runstore 0.2.0 beside the one of \
                        2026-03-01 10:01 UTC by runstore 0.1.0\n";
        assert!(told.starts_with(headline), "{told}");
        old.program = None;
        let told = compare(&old, &new).terminal();
        assert!(told.contains("UTC by an unknown program\n"), "{told}");
    }
}
