//! A report as a page that needs nothing beside it.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::compare::Comparison;
use super::figures::{ABSENT, counted, rate, size};
use super::grid::{self, Grid};
use super::group::{Group, Naming, engines, explanation, groups, headline};
use super::palette::Palette;
use super::{Report, Row, facts, plots};

const STYLE: &str = include_str!("html.css");

/// The report as one page of HTML, with its style and its plots inside, and at its end the comparison with another
/// report if there is one.
#[must_use]
pub fn html(report: &Report, comparison: Option<&Comparison>) -> String {
    let groups = groups(report);
    let palette = Palette::of(report);
    let title = format!("Benchmark of {}", facts::date(report.began_at));
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (summary(report, &groups, comparison.is_some()))
                    (overview(report, &groups))
                    (chapter("Throughput by workers", &plots::throughput(report, &palette)))
                    (chapter("Growth with the number of tasks", &plots::growth(report, &palette)))
                    (chapter("Bytes to disk", &plots::disk(report, &palette)))
                    @if !groups.is_empty() { h2 { "Cases" } }
                    @for (at, group) in groups.iter().enumerate() {
                        (case(report, group, &anchor(at), &palette))
                    }
                    @if let Some(comparison) = comparison { (comparison.section()) }
                }
            }
        }
    };
    page.into_string()
}

fn anchor(case: usize) -> String {
    format!("case-{}", case + 1)
}

fn summary(report: &Report, groups: &[Group<'_>], has_comparison: bool) -> Markup {
    let rounds = |row: &Row| size(row.rounds.len());
    let cases = counted(size(groups.len()), "case");
    let engines = counted(size(engines(report).len()), "engine");
    let rounds = match report.rows.iter().map(rounds).max() {
        Some(most) => format!(", {} each", counted(most, "round")),
        None => String::new(),
    };
    markup! {
        p {
            (cases) " with " (engines) (rounds) "."
            @if has_comparison { " It is " a href="#comparison" { "compared with another report" } " at the end." }
        }
        dl { @for (name, fact) in facts::head(report) { dt { (name) } dd { (fact) } } }
        h2 { "How to read it" }
        ul {
            li {
                "In a case, the engines take turns over the rounds, so that a slow moment of the machine does not "
                "fall on one of them alone. A figure is the median of the rounds; least–most are the slowest and "
                "the fastest round. Engines whose ranges overlap are not told apart by it."
            }
            li { "p99 is the time that 99 of a hundred operations took at most. max is the longest operation." }
            li {
                "An engine called “bare” is a loop on the storage engine’s own API, without the contract of a "
                "store; it is dashed in the plots. store/bare is how many operations the store carries out for "
                "each of the bare loop’s."
            }
            li {
                "Durability: what returned writes survive. full: a killed process and a loss of power. relaxed: a "
                "killed process. volatile: neither. Compare engines of the same durability."
            }
            li {
                "flush is what one flush of four KiB costs where the stores were: more where the file grows with it, "
                "for its size is flushed too, than in place. A write with full durability that is not grouped with "
                "others cannot take less than the latter."
            }
            li {
                "CPU/op, disk/op and memory are those of the benchmark’s own process. " (ABSENT) " stands for what "
                "was not measured or is not the engine’s own, as with a server beside."
            }
        }
    }
}

/// One line a case, one column an engine.
fn overview(report: &Report, groups: &[Group<'_>]) -> Markup {
    let engines = engines(report);
    let naming = Naming::of(groups.iter().map(|group| group.case));
    let cell = |group: &Group<'_>, engine: &str| {
        let row = group.rows.iter().find(|row| row.engine == engine);
        let spread = row.and_then(|row| row.per_second());
        spread.map_or_else(|| ABSENT.to_owned(), |spread| rate(spread.median))
    };
    markup! {
        @if !groups.is_empty() {
            h2 { "Overview: operations per second" }
            @if !naming.common().is_empty() { p.quiet { "In all cases: " (naming.common()) "." } }
            div.wide.overview { table {
                thead { tr { th { "case" } @for engine in &engines { th { (engine) } } } }
                tbody {
                    @for (at, group) in groups.iter().enumerate() {
                        tr {
                            td { a href=(format!("#{}", anchor(at))) { (naming.name(group.case)) } }
                            @for engine in &engines { td { (cell(group, engine)) } }
                        }
                    }
                }
            } }
        }
    }
}

fn chapter(title: &str, plots: &[Markup]) -> Markup {
    markup! {
        @if !plots.is_empty() {
            h2 { (title) }
            div.plots { @for plot in plots { (plot) } }
        }
    }
}

fn case(report: &Report, group: &Group<'_>, anchor: &str, palette: &Palette<'_>) -> Markup {
    let speed = Some(grid::speed(report, group));
    let grids = [speed, grid::costs(group), grid::steps(group)];
    markup! {
        section id=(anchor) {
            h3 { (headline(group.case)) }
            p.quiet { (explanation(group.case.workload)) }
            @for grid in grids.iter().flatten() { (table(grid, group)) }
            @if let Some(plot) = plots::distribution(group, palette) { (plot) }
        }
    }
}

fn table(grid: &Grid, group: &Group<'_>) -> Markup {
    markup! {
        div.wide { table {
            thead { tr { @for title in &grid.header { th { (title) } } } }
            tbody {
                @for (cells, row) in grid.rows.iter().zip(&group.rows) {
                    tr.reference[row.is_reference] { @for cell in cells { td { (cell) } } }
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workload;
    use crate::report::compare::compare;
    use crate::report::sample;

    /// Panics unless each element that is opened is closed in order, and no `<`, `"` or `&` is left unescaped.
    fn check(page: &str) {
        const VOID: [&str; 1] = ["meta"];
        let mut open: Vec<&str> = Vec::new();
        let style = page
            .split_once("<style>")
            .unwrap()
            .1
            .split_once("</style>")
            .unwrap()
            .0;
        let page = page.replace(style, "");
        let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
        while let Some((text, markup)) = rest.split_once('<') {
            assert!(!text.contains('>'), "{text}");
            for reference in text.split('&').skip(1) {
                assert!(
                    ["amp;", "lt;", "gt;", "quot;"]
                        .iter()
                        .any(|of| reference.starts_with(of))
                );
            }
            let (tag, after) = markup.split_once('>').unwrap();
            assert!(
                !tag.contains('<') && tag.matches('"').count() % 2 == 0,
                "{tag}"
            );
            let name = tag.split(' ').next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if VOID.contains(&name) => {}
                None => open.push(name),
            }
            rest = after;
        }
        assert!(open.is_empty() && rest.is_empty(), "{open:?}");
    }

    #[test]
    fn the_page_is_well_formed_and_needs_nothing_beside_it() {
        let (old, mut report) = (sample::report(), sample::report());
        for row in &mut report.rows[..6] {
            row.rounds
                .iter_mut()
                .for_each(|round| round.per_second *= 2.0);
        }
        report.machine.cores = 2;
        let page = html(&report, Some(&compare(&old, &report)));
        check(&page);
        assert_eq!(
            page.matches("<svg ").count(),
            page.matches("</svg>").count()
        );
        let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
        let elsewhere = page.replace(namespace, "");
        for part in [
            "http:", "https:", "src=", "url(", "@import", "<script", "<link",
        ] {
            assert!(!elsewhere.contains(part), "{part}");
        }
        for href in page.split("href=\"").skip(1) {
            assert!(href.starts_with('#'), "{}", &href[..20]);
        }
        for part in [
            "prefers-color-scheme: dark",
            "Better, beyond the spread",
            "Warning: another number",
            "<dd>sqlite, bare sqlite: SQLite 3.51.0</dd><dt>left out</dt><dd>open is not done by memory</dd>",
            "<dt>program</dt><dd>runstore 0.1.0</dd><dt>rounds</dt><dd>3 of 1 s</dd>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // Workers, tasks, bytes of two workloads, and the times of five cases.
        assert_eq!(page.matches("<svg ").count(), 1 + 1 + 2 + 5);
        assert!(page.contains("class=\"c1 dashed\"") && page.contains("claim p50 / p99"));
    }

    #[test]
    fn a_name_is_escaped_wherever_it_stands() {
        let mut report = sample::report();
        for row in &mut report.rows {
            row.engine = row.engine.replace("sqlite", "<&\"script>");
        }
        report.machine.folder = "/a<b>&c".to_owned();
        let page = html(&report, Some(&compare(&sample::report(), &report)));
        check(&page);
        assert!(page.contains("&lt;&amp;&quot;script&gt;") && !page.contains("<&"));
    }

    #[test]
    fn a_report_of_one_case_has_no_plot_by_workers_and_one_of_none_has_no_plot() {
        let mut report = sample::report();
        let of = sample::case(Workload::Claim, 1, 10);
        report.rows = vec![sample::row("sqlite", &of, 10.0)];
        let page = html(&report, None);
        check(&page);
        assert!(!page.contains("by workers") && page.contains("times of the operations"));
        assert!(html(&sample::report(), None).contains("cycle: throughput by workers"));

        report.rows.clear();
        let page = html(&report, None);
        check(&page);
        assert!(!page.contains("<svg"));
    }
}
