//! What of a report is plotted.

use maud::Markup;

use super::bars::{self, Bar, BarGroup, Bars};
use super::figures::{bytes, counted, float, number, plain, rate, size, time};
use super::group::{Group, Parameter, groups, parameters};
use super::palette::Palette;
use super::scale::{Axis, Steps};
use super::svg::{self, Line, Plot, Point};
use super::{Report, Row, Spread};
use crate::Case;

/// From which ratio of the most to the least on an axis is logarithmic, as the least would be a flat line else.
const FAR_APART: f64 = 30.0;

/// Rows whose cases differ in one parameter alone.
struct Sweep<'r> {
    /// The case without that parameter.
    key: Case,
    /// The parameters that all have, in words.
    fixed: String,
    rows: Vec<&'r Row>,
}

/// Adds a row to its sweep.
fn add<'r>(sweeps: &mut Vec<Sweep<'r>>, key: Case, row: &'r Row, fixed: impl Fn() -> String) {
    match sweeps.iter_mut().find(|sweep| sweep.key == key) {
        Some(sweep) => sweep.rows.push(row),
        None => sweeps.push(Sweep {
            key,
            fixed: fixed(),
            rows: vec![row],
        }),
    }
}

/// Operations in a second by the number of workers.
pub(crate) fn throughput(report: &Report, palette: &Palette<'_>) -> Vec<Markup> {
    let mut sweeps = Vec::new();
    for row in &report.rows {
        let case = &row.case;
        let same_runs = Case {
            workers: 0,
            ..case.clone()
        };
        if case.runs == case.workers {
            // It may belong to a sweep in which each worker has a run of its own, which no number of runs names.
            let own_runs = Case {
                runs: 0,
                ..same_runs.clone()
            };
            add(&mut sweeps, own_runs, row, || {
                let without = [Parameter::Workers, Parameter::Runs];
                format!(
                    "a run for each worker · {}",
                    parameters(case, &without).join(" · ")
                )
            });
        }
        add(&mut sweeps, same_runs, row, || {
            parameters(case, &[Parameter::Workers]).join(" · ")
        });
    }
    let workers = |row: &Row| float(size(row.case.workers));
    let plots = sweeps.iter().filter_map(|sweep| {
        let values = several(sweep, workers)?;
        let lines = lines(sweep, palette, |row| {
            let spread = row.per_second()?;
            Some(point(workers(row), spread, rate))
        });
        let y = Axis::fitting("operations per second", &lines, |value| {
            plain(&number(value))
        })?;
        Some(svg::draw(&Plot {
            title: format!("{}: throughput by workers", sweep.key.workload),
            subtitle: sweep.fixed.clone(),
            x: Axis::at("workers (logarithmic)", &values, |value| {
                plain(&number(value))
            }),
            y,
            lines,
        }))
    });
    plots.collect()
}

/// Half of the times by the number of tasks.
pub(crate) fn growth(report: &Report, palette: &Palette<'_>) -> Vec<Markup> {
    let mut sweeps = Vec::new();
    // No tasks at all have no place on a logarithmic axis.
    for row in report.rows.iter().filter(|row| row.case.tasks > 0) {
        let key = Case {
            tasks: 0,
            ..row.case.clone()
        };
        add(&mut sweeps, key, row, || {
            parameters(&row.case, &[Parameter::Tasks]).join(" · ")
        });
    }
    let tasks = |row: &Row| float(row.case.tasks);
    let plots = sweeps.iter().filter_map(|sweep| {
        let values = several(sweep, tasks)?;
        let lines = lines(sweep, palette, |row| {
            let spread = row.spread(|round| Some(round.latency.p50))?;
            Some(point(tasks(row), spread, time))
        });
        let (least, most) = ends(&lines)?;
        Some(svg::draw(&Plot {
            title: format!("{}: time of an operation by tasks", sweep.key.workload),
            subtitle: sweep.fixed.clone(),
            x: Axis::at("tasks (logarithmic)", &values, |value| {
                plain(&number(value))
            }),
            y: Axis::log(
                "time of half of the operations, p50 (logarithmic)",
                least,
                most,
                |value| plain(&time(value)),
            ),
            lines,
        }))
    });
    plots.collect()
}

/// The times of the operations of a case, from the fastest to the slowest.
pub(crate) fn distribution(group: &Group<'_>, palette: &Palette<'_>) -> Option<Markup> {
    let with_times = group.rows.iter().filter(|row| !row.distribution.is_empty());
    let lines = with_times.map(|row| {
        let operations: u64 = row.rounds.iter().map(|round| round.operations).sum();
        // The slowest is one of so many: its share is not told from a larger one.
        let most = 1.0 - 1.0 / float(operations.max(2));
        let points = row.distribution.iter().map(|(share, micros)| Point {
            x: share.min(most),
            y: *micros,
            spread: None,
            told: String::new(),
        });
        Line {
            name: name(row),
            style: palette.style(row),
            points: points.collect(),
            has_marks: false,
        }
    });
    let lines: Vec<Line> = lines.collect();
    let (least, most) = ends(&lines)?;
    let shares = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.x);
    Some(svg::draw(&Plot {
        title: format!("{}: times of the operations", group.case.workload),
        subtitle: parameters(group.case, &[]).join(" · "),
        x: Axis::nines(
            "share of the operations that took at most that long",
            shares.fold(0.5, f64::max),
        ),
        y: Axis::log("time of an operation (logarithmic)", least, most, |value| {
            plain(&time(value))
        }),
        lines,
    }))
}

/// The bytes to disk for an operation, one plot a workload.
pub(crate) fn disk(report: &Report, palette: &Palette<'_>) -> Vec<Markup> {
    let mut plots: Vec<(crate::Workload, Vec<BarGroup>)> = Vec::new();
    for group in groups(report) {
        let bars = group.rows.iter().filter_map(|row| {
            let value = row.spread(|round| round.disk_bytes)?.median;
            Some(Bar {
                name: name(row),
                style: palette.style(row),
                value,
                figure: bytes(value),
            })
        });
        let bars: Vec<Bar> = bars.collect();
        // Nothing written by any of them, as by a reading workload, needs no plot.
        if !bars.iter().any(|bar| bar.value > 0.0) {
            continue;
        }
        let workload = group.case.workload;
        let bar_group = BarGroup {
            name: parameters(group.case, &[]).join(" · "),
            bars,
        };
        match plots.iter_mut().find(|(of, _)| *of == workload) {
            Some((_, groups)) => groups.push(bar_group),
            None => plots.push((workload, vec![bar_group])),
        }
    }
    let drawn = plots.into_iter().map(|(workload, groups)| {
        let values = groups
            .iter()
            .flat_map(|group| &group.bars)
            .map(|bar| bar.value);
        let most = values.fold(0.0, f64::max);
        bars::draw(&Bars {
            title: format!("{workload}: bytes to disk an operation"),
            subtitle: format!(
                "median over the rounds; {}",
                counted(size(groups.len()), "case")
            ),
            axis: Axis::linear("bytes to disk an operation", most, Steps::Binary, |value| {
                plain(&bytes(value))
            }),
            groups,
        })
    });
    drawn.collect()
}

impl Axis {
    /// From 0, or logarithmic if the values are far apart; `None` without values.
    fn fitting(label: &str, lines: &[Line], shown: impl Fn(f64) -> String) -> Option<Self> {
        let (least, most) = ends(lines)?;
        Some(match most / least > FAR_APART {
            true => Self::log(&format!("{label} (logarithmic)"), least, most, shown),
            false => Self::linear(label, most, Steps::Decimal, shown),
        })
    }
}

/// The different values of the parameter, rising, if there are several.
fn several(sweep: &Sweep<'_>, parameter: impl Fn(&Row) -> f64) -> Option<Vec<f64>> {
    let mut values: Vec<f64> = sweep.rows.iter().map(|row| parameter(row)).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    (values.len() > 1).then_some(values)
}

/// One line for each engine of the sweep.
fn lines(
    sweep: &Sweep<'_>,
    palette: &Palette<'_>,
    point: impl Fn(&Row) -> Option<Point>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in &sweep.rows {
        let Some(point) = point(row) else { continue };
        let name = name(row);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                style: palette.style(row),
                points: vec![point],
                has_marks: true,
            }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|one, other| one.x.total_cmp(&other.x));
    }
    lines
}

/// The engine's name, and what its writes survive where that is not what the case asks for.
fn name(row: &Row) -> String {
    match row.durability == row.case.durability {
        true => row.engine.clone(),
        false => format!("{} ({})", row.engine, row.durability),
    }
}

fn point(x: f64, of: Spread, shown: fn(f64) -> String) -> Point {
    Point {
        x,
        y: of.median,
        spread: Some((of.least, of.most)),
        told: format!(
            "{} ({}–{})",
            shown(of.median),
            shown(of.least),
            shown(of.most)
        ),
    }
}

/// The least and the most of what is drawn above 0.
fn ends(lines: &[Line]) -> Option<(f64, f64)> {
    let points = lines.iter().flat_map(|line| &line.points);
    let values = points.flat_map(|point| {
        let (least, most) = point.spread.unwrap_or((point.y, point.y));
        [least, point.y, most]
    });
    let all = Spread::of(values.filter(|value| value.is_finite() && *value > 0.0))?;
    Some((all.least, all.most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workload;
    use crate::report::sample::{case, report, row};

    fn throughput_of(cases: &[Case]) -> Vec<String> {
        let mut report = report();
        report.rows = cases
            .iter()
            .map(|case| row("sqlite", case, 100.0))
            .collect();
        let plots = throughput(&report, &Palette::of(&report));
        plots.into_iter().map(Markup::into_string).collect()
    }

    #[test]
    fn workers_are_plotted_from_two_numbers_on() {
        let of = |workers| case(Workload::Claim, workers, 10);
        assert_eq!(throughput_of(&[of(4)]).len(), 0);
        let plots = throughput_of(&[of(4), of(1), of(16)]);
        assert_eq!(plots.len(), 1);
        assert!(plots[0].contains("claim: throughput by workers"));
        assert_eq!(plots[0].matches("<circle").count(), 3);
        // Those that differ in something else as well are not the same line.
        let mut other = of(1);
        other.payload_bytes = 1;
        assert_eq!(throughput_of(&[of(4), other]).len(), 0);
    }

    #[test]
    fn workers_with_a_run_each_are_plotted_together() {
        let of = |workers| Case {
            runs: workers,
            ..case(Workload::Claim, workers, 10)
        };
        let plots = throughput_of(&[of(1), of(4), of(16)]);
        assert_eq!(plots.len(), 1);
        assert!(plots[0].contains("a run for each worker"));
    }

    #[test]
    fn growth_needs_two_numbers_of_tasks_above_0() {
        let mut report = report();
        let of = |tasks| row("sqlite", &case(Workload::Snapshot, 1, tasks), 100.0);
        report.rows = vec![of(0), of(10)];
        assert!(growth(&report, &Palette::of(&report)).is_empty());
        report.rows.push(of(1_000));
        let plots = growth(&report, &Palette::of(&report));
        assert_eq!(plots.len(), 1);
        assert_eq!(plots[0].0.matches("<circle").count(), 2);
    }

    #[test]
    fn what_has_no_data_is_not_plotted() {
        let mut report = report();
        for row in &mut report.rows {
            row.distribution.clear();
            for round in &mut row.rounds {
                round.disk_bytes = Some(0.0);
            }
        }
        let palette = Palette::of(&report);
        assert!(disk(&report, &palette).is_empty());
        assert!(
            groups(&report)
                .iter()
                .all(|group| distribution(group, &palette).is_none())
        );
    }
}
