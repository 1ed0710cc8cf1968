//! Plots of lines as SVG, in the page's own style: it tells the colours, so that they follow the page's mode.

use maud::{Markup, html};

use super::palette::Style;
use super::scale::Axis;

/// The width of every plot, in the units of its drawing.
pub(crate) const WIDTH: f64 = 640.0;

/// The room for the ticks of the vertical axis.
const LEFT: f64 = 70.0;

/// Where the area of the plot ends.
const RIGHT: f64 = WIDTH - 20.0;

/// The height of the area of the plot.
const HEIGHT: f64 = 260.0;

/// How far the first and the last value lie within the area, so that their marks are whole.
const INSET: f64 = 14.0;

/// The height of a line of text.
const LINE: f64 = 19.0;

/// The width of a letter of small text, on average. There is no font at hand to measure.
const LETTER: f64 = 6.6;

/// The sample of a line in the legend, with the room around it.
const SAMPLE: f64 = 34.0;

/// A plot.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What else holds for all of it.
    pub(crate) subtitle: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

/// A line of a plot.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) style: Style,
    pub(crate) points: Vec<Point>,
    /// Whether its points are marked, as they are few and each was measured by itself.
    pub(crate) has_marks: bool,
}

/// A point of a line.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The least and the most that was measured there.
    pub(crate) spread: Option<(f64, f64)>,
    /// What is told when it is pointed at.
    pub(crate) told: String,
}

/// A place in a drawing.
type Place = (f64, f64);

/// The plot as SVG.
pub(crate) fn draw(plot: &Plot) -> Markup {
    let names = plot
        .lines
        .iter()
        .map(|line| (line.name.as_str(), line.style));
    let (head, top) = head(&plot.title, &plot.subtitle, names);
    let top = top + LINE;
    let bottom = top + HEIGHT;
    let across = |place: f64| LEFT + INSET + place * (RIGHT - LEFT - 2.0 * INSET);
    let up = |place: f64| bottom - place * HEIGHT;
    let at = |x: f64, y: f64| Some((across(plot.x.place(x)?), up(plot.y.place(y)?)));
    let drawing = html! {
        (head)
        text.axis x=(LEFT - 8.0) y=(px(top - 12.0)) { (plot.y.label) }
        @for (place, text) in &plot.y.ticks {
            @let y = up(*place);
            path.grid d=(path([(LEFT, y), (RIGHT, y)])) {}
            text.tick text-anchor="end" x=(px(LEFT - 8.0)) y=(px(y + 4.0)) { (text) }
        }
        @for (x, text) in apart(&plot.x, across) {
            path.grid d=(path([(x, bottom), (x, bottom + 5.0)])) {}
            text.tick text-anchor="middle" x=(px(x)) y=(px(bottom + 19.0)) { (text) }
        }
        text.axis text-anchor="middle" x=(px(f64::midpoint(LEFT, RIGHT))) y=(px(bottom + 40.0)) { (plot.x.label) }
        @for line in &plot.lines { (draw_line(line, at)) }
    };
    frame(&plot.title, bottom + 52.0, &drawing)
}

fn draw_line(line: &Line, at: impl Fn(f64, f64) -> Option<Place>) -> Markup {
    let places = line.points.iter().filter_map(|point| at(point.x, point.y));
    html! {
        g class=(line.style.classes()) {
            path.line d=(path(places)) { title { (line.name) } }
            @if line.has_marks {
                @for point in &line.points {
                    @if let Some((x, y)) = at(point.x, point.y) {
                        @if let Some((least, most)) = ends(point, &at) {
                            path.spread d=(path([least, most])) {}
                        }
                        circle.mark cx=(px(x)) cy=(px(y)) r="4" { title { (line.name) ": " (point.told) } }
                    }
                }
            }
        }
    }
}

fn ends(point: &Point, at: impl Fn(f64, f64) -> Option<Place>) -> Option<(Place, Place)> {
    let (least, most) = point.spread?;
    Some((at(point.x, least)?, at(point.x, most)?))
}

/// The ticks of a horizontal axis that do not run into the one before.
fn apart(axis: &Axis, across: impl Fn(f64) -> f64) -> Vec<(f64, &str)> {
    let mut end = f64::NEG_INFINITY;
    let mut shown = Vec::new();
    for (place, text) in &axis.ticks {
        let (x, half) = (across(*place), width(text) / 2.0);
        if x - half > end {
            shown.push((x, text.as_str()));
            end = x + half + 2.0 * LETTER;
        }
    }
    shown
}

/// The drawing with what is told to those who cannot see it.
pub(crate) fn frame(title: &str, height: f64, drawing: &Markup) -> Markup {
    html! {
        figure.plot {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {}", px(height))) role="img" aria-label=(title) {
                (drawing)
            }
        }
    }
}

/// The title, the subtitle and the legend, and where they end.
pub(crate) fn head<'n>(
    title: &str,
    subtitle: &str,
    names: impl Iterator<Item = (&'n str, Style)>,
) -> (Markup, f64) {
    let mut top = 2.0 * LINE + 20.0;
    let mut left = 8.0;
    let mut samples = Vec::new();
    for (name, style) in names {
        let name = shortened(name, 60);
        let needed = SAMPLE + width(&name) + 14.0;
        if left > 8.0 && left + needed > WIDTH {
            left = 8.0;
            top += LINE;
        }
        samples.push(((left, top), name, style));
        left += needed;
    }
    let head = html! {
        text.title x="8" y="20" { (title) }
        text.subtitle x="8" y="39" { (subtitle) }
        @for ((x, y), name, style) in samples {
            g class=(style.classes()) {
                path.line d=(path([(x, y - 4.0), (x + SAMPLE - 8.0, y - 4.0)])) {}
                text.tick x=(px(x + SAMPLE)) y=(px(y)) { (name) }
            }
        }
    };
    (head, top + LINE)
}

/// A text of at most so many letters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// About how wide a small text is.
fn width(text: &str) -> f64 {
    text.chars().map(|_| LETTER).sum()
}

/// A line through these places.
pub(crate) fn path(places: impl IntoIterator<Item = Place>) -> String {
    let mut path = String::new();
    for (x, y) in places {
        path.push(if path.is_empty() { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", px(x), px(y)));
    }
    path
}

/// A length to a tenth, which is finer than a screen shows.
pub(crate) fn px(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}
