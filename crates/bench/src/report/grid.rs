//! The tables of a case, for whatever shows them.

use super::figures::{ABSENT, bytes, number, rate, ratio, time, whole_bytes};
use super::group::{Group, ratio_to_reference};
use super::{Percentiles, Report, Round, Row};

/// A table of text. The first column names the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A column with what it has for each row.
struct Column {
    title: String,
    cells: Vec<Option<String>>,
}

impl Column {
    fn of(title: &str, rows: &[&Row], cell: impl Fn(&Row) -> Option<String>) -> Self {
        Self {
            title: title.to_owned(),
            cells: rows.iter().map(|row| cell(row)).collect(),
        }
    }

    /// The median over the rounds.
    fn median(
        title: &str,
        rows: &[&Row],
        figure: impl Fn(&Round) -> Option<f64>,
        shown: fn(f64) -> String,
    ) -> Self {
        Self::of(title, rows, |row| Some(shown(row.spread(&figure)?.median)))
    }
}

impl Grid {
    /// Columns that no row has anything for are left out.
    fn of(columns: Vec<Column>) -> Self {
        let is_used = |column: &Column| column.cells.iter().any(Option::is_some);
        let columns: Vec<Column> = columns.into_iter().filter(is_used).collect();
        let length = columns.first().map_or(0, |column| column.cells.len());
        let cell = |column: &Column, row: usize| match column.cells.get(row) {
            Some(Some(cell)) => cell.clone(),
            _ => ABSENT.to_owned(),
        };
        let row = |row: usize| columns.iter().map(|column| cell(column, row)).collect();
        Self {
            rows: (0..length).map(row).collect(),
            header: columns.iter().map(|column| column.title.clone()).collect(),
        }
    }
}

/// How fast the engines are.
pub(crate) fn speed(report: &Report, group: &Group<'_>) -> Grid {
    Grid::of(speed_columns(report, group))
}

/// What the engines use for it; `None` if nothing of that is known.
pub(crate) fn costs(group: &Group<'_>) -> Option<Grid> {
    let grid = Grid::of(cost_columns(group));
    (grid.header.len() > 1).then_some(grid)
}

/// How long the steps of an operation took; `None` if it has only one.
pub(crate) fn steps(group: &Group<'_>) -> Option<Grid> {
    let mut names: Vec<&str> = Vec::new();
    let rounds = group.rows.iter().flat_map(|row| &row.rounds);
    for step in rounds.flat_map(|round| &round.steps) {
        if !names.contains(&step.step.as_str()) {
            names.push(&step.step);
        }
    }
    if names.is_empty() {
        return None;
    }
    let mut columns = vec![engine(group)];
    for name in names {
        let figure = |row: &Row, figure: fn(&Percentiles) -> f64| {
            let of_step = row.spread(|round| {
                let step = round.steps.iter().find(|step| step.step == name)?;
                Some(figure(&step.latency))
            });
            of_step.map(|spread| time(spread.median))
        };
        let title = format!("{name} p50 / p99");
        columns.push(Column::of(&title, &group.rows, |row| {
            let p50 = figure(row, |latency| latency.p50)?;
            let p99 = figure(row, |latency| latency.p99)?;
            Some(format!("{p50} / {p99}"))
        }));
    }
    Some(Grid::of(columns))
}

fn engine(group: &Group<'_>) -> Column {
    Column::of("engine", &group.rows, |row| Some(row.engine.clone()))
}

fn speed_columns(report: &Report, group: &Group<'_>) -> Vec<Column> {
    let rows = &group.rows;
    let durability = |row: &Row| Some(row.durability.to_string());
    let rounds = |row: &Row| {
        // One round has no spread.
        let spread = row.per_second().filter(|_| row.rounds.len() > 1)?;
        Some(format!("{}–{}", number(spread.least), number(spread.most)))
    };
    let to_bare = |row: &Row| ratio_to_reference(report, row).map(ratio);
    let latency = |title, figure: fn(&Percentiles) -> f64| {
        Column::median(title, rows, move |round| Some(figure(&round.latency)), time)
    };
    vec![
        engine(group),
        Column::of("durability", rows, durability),
        Column::median("ops/s", rows, |round| Some(round.per_second), rate),
        Column::of("least–most", rows, rounds),
        Column::of("store/bare", rows, to_bare),
        latency("p50", |latency| latency.p50),
        latency("p90", |latency| latency.p90),
        latency("p99", |latency| latency.p99),
        latency("p99.9", |latency| latency.p99_9),
        latency("max", |latency| latency.max),
    ]
}

fn cost_columns(group: &Group<'_>) -> Vec<Column> {
    let rows = &group.rows;
    let memory = |row: &Row| {
        let most = row.rounds.iter().filter_map(|round| round.memory_bytes);
        most.max().map(whole_bytes)
    };
    let file = |row: &Row| {
        let (before, after) = row.file_bytes?;
        Some(format!("{} → {}", whole_bytes(before), whole_bytes(after)))
    };
    vec![
        engine(group),
        Column::median("CPU/op", rows, |round| round.cpu_micros, time),
        Column::median("disk/op", rows, |round| round.disk_bytes, bytes),
        Column::of("peak memory", rows, memory),
        Column::of("file before → after", rows, file),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workload;
    use crate::report::group::groups;
    use crate::report::sample;

    #[test]
    fn what_no_engine_has_is_left_out_and_what_some_have_not_is_shown_as_absent() {
        let mut report = sample::report();
        let of = sample::case(Workload::Claim, 1, 10);
        report.rows = vec![sample::row("a", &of, 10.0), sample::row("b", &of, 20.0)];
        report.rows[1].file_bytes = None;
        for round in report.rows.iter_mut().flat_map(|row| &mut row.rounds) {
            round.cpu_micros = None;
            round.steps.clear();
        }
        let groups = groups(&report);
        let costs = costs(&groups[0]).unwrap();
        assert_eq!(
            costs.header,
            ["engine", "disk/op", "peak memory", "file before → after"]
        );
        assert_eq!(costs.rows[1].last().unwrap(), "–");
        assert!(
            !speed(&report, &groups[0])
                .header
                .contains(&"store/bare".to_owned())
        );
        assert_eq!(steps(&groups[0]), None);
    }
}
