//! Plots of bars as SVG: one bar an engine, in groups.

use maud::{Markup, html};

use super::palette::Style;
use super::scale::Axis;
use super::svg::{WIDTH, frame, head, path, px, shortened};

/// The room for the names of the engines.
const LEFT: f64 = 170.0;

/// The room for the figure beyond the end of the longest bar.
const RIGHT: f64 = WIDTH - 86.0;

/// The height of a bar with the room below it.
const BAR: f64 = 22.0;

/// The height of what is above the bars of a group.
const ABOVE: f64 = 26.0;

/// The most letters of a name before a bar.
const LETTERS: usize = 24;

/// A plot of bars.
#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) axis: Axis,
    pub(crate) groups: Vec<BarGroup>,
}

/// Bars that belong together.
#[derive(Debug)]
pub(crate) struct BarGroup {
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) style: Style,
    pub(crate) value: f64,
    /// The value as text.
    pub(crate) figure: String,
}

/// The plot as SVG.
pub(crate) fn draw(plot: &Bars) -> Markup {
    let mut names: Vec<(&str, Style)> = Vec::new();
    for bar in plot.groups.iter().flat_map(|group| &group.bars) {
        if !names.iter().any(|(name, _)| *name == bar.name) {
            names.push((&bar.name, bar.style));
        }
    }
    let (head, top) = head(&plot.title, &plot.subtitle, names.into_iter());
    let across = |place: f64| LEFT + place * (RIGHT - LEFT);
    let mut bottom = top;
    let mut groups = Vec::new();
    for group in &plot.groups {
        groups.push((bottom, group));
        bottom += group.bars.iter().fold(ABOVE, |height, _| height + BAR);
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    let drawing = html! {
        (head)
        @for (place, text) in &plot.axis.ticks {
            @let x = across(*place);
            @for (top, group) in &groups {
                @let end = group.bars.iter().fold(top + ABOVE, |height, _| height + BAR);
                path.grid d=(path([(x, top + ABOVE - 4.0), (x, end - 2.0)])) {}
            }
            text.tick text-anchor="middle" x=(px(x)) y=(px(bottom + 14.0)) { (text) }
        }
        text.axis text-anchor="middle" x=(px(middle)) y=(px(bottom + 35.0)) { (plot.axis.label) }
        @for (top, group) in &groups {
            text.axis x="8" y=(px(top + 15.0)) { (group.name) }
            @for (bar, y) in group.bars.iter().zip(tops(top + ABOVE)) {
                @let end = across(plot.axis.place(bar.value).unwrap_or(0.0));
                text.tick text-anchor="end" x=(px(LEFT - 8.0)) y=(px(y + 12.0)) { (shortened(&bar.name, LETTERS)) }
                g class=(bar.style.classes()) {
                    rect.bar x=(px(LEFT)) y=(px(y)) width=(px(end - LEFT)) height=(px(BAR - 6.0)) {
                        title { (bar.name) ": " (bar.figure) }
                    }
                }
                text.tick x=(px(end + 6.0)) y=(px(y + 12.0)) { (bar.figure) }
            }
        }
    };
    frame(&plot.title, bottom + 47.0, &drawing)
}

/// The tops of the bars of a group.
fn tops(first: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(first), |top| Some(top + BAR))
}
