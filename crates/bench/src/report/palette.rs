//! Which line belongs to which engine.

use super::group::{engines, is_named_after};
use super::{Report, Row};

/// How many colours the page's style has; with more engines than that, colours are used again.
const COLOURS: usize = 8;

/// How what belongs to an engine is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// The number of the colour.
    pub(crate) colour: usize,
    /// References are dashed.
    pub(crate) is_dashed: bool,
}

impl Style {
    /// The classes by which the page's style knows it.
    pub(crate) fn classes(self) -> String {
        let dashed = if self.is_dashed { " dashed" } else { "" };
        format!("c{}{dashed}", self.colour)
    }
}

/// The same colour for an engine throughout the page, and for its references.
#[derive(Debug)]
pub(crate) struct Palette<'r> {
    /// Those with a colour of their own.
    engines: Vec<&'r str>,
}

impl<'r> Palette<'r> {
    pub(crate) fn of(report: &'r Report) -> Self {
        let is_reference = |name: &str| {
            report
                .rows
                .iter()
                .any(|row| row.engine == name && row.is_reference)
        };
        let (references, mut engines): (Vec<&str>, Vec<&str>) = engines(report)
            .into_iter()
            .partition(|name| is_reference(name));
        for reference in references {
            if !engines
                .iter()
                .any(|engine| is_named_after(reference, engine))
            {
                engines.push(reference);
            }
        }
        Self { engines }
    }

    /// The style of what this row's engine did.
    pub(crate) fn style(&self, row: &Row) -> Style {
        let named = self.engines.iter().enumerate().filter(|(_, engine)| {
            **engine == row.engine || (row.is_reference && is_named_after(&row.engine, engine))
        });
        // The longest, as a reference to `fast sqlite` is named after `sqlite` too.
        let nearest = named.max_by_key(|(_, engine)| engine.len());
        Style {
            colour: nearest.map_or(0, |(at, _)| at) % COLOURS,
            is_dashed: row.is_reference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workload;
    use crate::report::sample::{case, report, row};

    #[test]
    fn a_reference_has_the_colour_of_its_engine_and_is_dashed() {
        let of = case(Workload::Claim, 1, 10);
        let names = [
            "bare fast sqlite",
            "bare sqlite",
            "sqlite",
            "fast sqlite",
            "bare redb",
        ];
        let mut report = report();
        report.rows = names.iter().map(|name| row(name, &of, 10.0)).collect();
        let palette = Palette::of(&report);
        let styles: Vec<_> = report.rows.iter().map(|row| palette.style(row)).collect();
        let expected = [(1, true), (0, true), (0, false), (1, false), (2, true)];
        let expected = expected.map(|(colour, is_dashed)| Style { colour, is_dashed });
        assert_eq!(styles, expected);
    }
}
