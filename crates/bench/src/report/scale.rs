//! The axes of plots: where a value lies, and which values are marked.

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
    /// Shares from 0 to 1 by how many nines they have: 90 %, 99 % and 99.9 % are equally far apart.
    Nines,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// What it shows, with its unit.
    pub(crate) label: String,
    /// The marked places, from 0 to 1, and what is written there.
    pub(crate) ticks: Vec<(f64, String)>,
    kind: Kind,
    /// The ends, as `Kind::spread` gives them.
    least: f64,
    most: f64,
}

/// What the distance of ticks is a multiple of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// 1, 2 and 5 with any number of zeros.
    Decimal,
    /// Powers of two.
    Binary,
}

/// How many ticks an axis that is not logarithmic has at most, besides 0.
const MOST_TICKS: f64 = 5.0;

/// From how many decades on only whole decades are marked.
const MANY_DECADES: f64 = 3.0;

/// Below any difference that can be seen.
const NEGLIGIBLE: f64 = 1e-9;

impl Kind {
    fn spread(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::Nines => -(1.0 - value).log10(),
        }
    }
}

impl Axis {
    fn of(label: &str, kind: Kind, ends: (f64, f64), ticks: Vec<(f64, String)>) -> Self {
        let (least, most) = (kind.spread(ends.0), kind.spread(ends.1));
        let mut axis = Self {
            label: label.to_owned(),
            ticks: Vec::new(),
            kind,
            least,
            // An axis with both ends at one place has no places between.
            most: if most - least > NEGLIGIBLE {
                most
            } else {
                least + 1.0
            },
        };
        let placed = ticks.into_iter().filter_map(|(value, text)| {
            let place = axis.place(value)?;
            (-NEGLIGIBLE..=1.0 + NEGLIGIBLE)
                .contains(&place)
                .then_some((place, text))
        });
        axis.ticks = placed.collect();
        axis
    }

    /// Where a value lies, from 0 to 1; `None` if it lies nowhere, as 0 on a logarithmic axis.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let place = (self.kind.spread(value) - self.least) / (self.most - self.least);
        place.is_finite().then_some(place)
    }

    /// From 0 to the tick above the most.
    pub(crate) fn linear(
        label: &str,
        most: f64,
        steps: Steps,
        shown: impl Fn(f64) -> String,
    ) -> Self {
        let least_step = (most / MOST_TICKS).max(f64::MIN_POSITIVE);
        let step = match steps {
            Steps::Binary => least_step.log2().ceil().exp2().max(1.0),
            Steps::Decimal => {
                let decade = 10_f64.powf(least_step.log10().floor());
                let factors = [1.0, 2.0, 5.0, 10.0].into_iter();
                let mut fitting = factors.filter(|factor| factor * decade >= least_step);
                fitting.next().unwrap_or(10.0) * decade
            }
        };
        let mut ticks = vec![0.0];
        let mut last = 0.0;
        while last < most {
            last += step;
            ticks.push(last);
        }
        let written = ticks
            .into_iter()
            .map(|value| (value, shown(value)))
            .collect();
        Self::of(label, Kind::Linear, (0.0, last), written)
    }

    /// Logarithmic, between ticks around the least and the most, which are both above 0.
    pub(crate) fn log(label: &str, least: f64, most: f64, shown: impl Fn(f64) -> String) -> Self {
        let factors: &[f64] = match (most / least).log10() >= MANY_DECADES {
            true => &[1.0],
            false => &[1.0, 2.0, 5.0],
        };
        let mut ticks = Vec::new();
        let mut decade = least.log10().floor();
        let end = most.log10().ceil();
        while decade <= end {
            ticks.extend(factors.iter().map(|factor| factor * 10_f64.powf(decade)));
            decade += 1.0;
        }
        let within = 1.0 + NEGLIGIBLE;
        let below = ticks.iter().filter(|tick| **tick <= least * within);
        let above = ticks.iter().filter(|tick| **tick * within >= most);
        let first = below.copied().fold(f64::NAN, f64::max);
        let last = above.copied().fold(f64::NAN, f64::min);
        let written = ticks
            .into_iter()
            .map(|value| (value, shown(value)))
            .collect();
        Self::of(label, Kind::Log, (first, last), written)
    }

    /// Logarithmic, with these values marked, which are above 0 and rising.
    pub(crate) fn at(label: &str, values: &[f64], shown: impl Fn(f64) -> String) -> Self {
        let ends = values.first().copied().zip(values.last().copied());
        let written = values.iter().map(|value| (*value, shown(*value))).collect();
        Self::of(label, Kind::Log, ends.unwrap_or((1.0, 10.0)), written)
    }

    /// Shares of operations from none to this one, which is below 1.
    pub(crate) fn nines(label: &str, most: f64) -> Self {
        const SHARES: [(f64, &str); 9] = [
            (0.0, "0 %"),
            (0.5, "50 %"),
            (0.9, "90 %"),
            (0.99, "99 %"),
            (0.999, "99.9 %"),
            (0.999_9, "99.99 %"),
            (0.999_99, "99.999 %"),
            (0.999_999, "99.9999 %"),
            (0.999_999_9, "99.99999 %"),
        ];
        let ticks = SHARES.map(|(share, text)| (share, text.to_owned()));
        Self::of(label, Kind::Nines, (0.0, most), ticks.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn plain(value: f64) -> String {
        format!("{value}")
    }

    fn is_near(place: Option<f64>, expected: f64) -> bool {
        (place.unwrap() - expected).abs() < 1e-6
    }

    #[test]
    fn a_linear_axis_begins_at_nothing_and_ends_above_the_most() {
        let axis = Axis::linear("x", 4_300.0, Steps::Decimal, plain);
        assert_eq!(texts(&axis), ["0", "1000", "2000", "3000", "4000", "5000"]);
        assert!(is_near(axis.place(2_500.0), 0.5));
        let axis = Axis::linear("x", 13_000.0, Steps::Binary, plain);
        assert_eq!(texts(&axis), ["0", "4096", "8192", "12288", "16384"]);
        let nothing = Axis::linear("x", 0.0, Steps::Binary, plain);
        assert_eq!(
            (texts(&nothing), nothing.place(0.0)),
            (vec!["0"], Some(0.0))
        );
    }

    #[test]
    fn a_logarithmic_axis_marks_decades_or_more_where_there_are_few() {
        let axis = Axis::log("x", 130.0, 900.0, plain);
        assert_eq!(texts(&axis), ["100", "200", "500", "1000"]);
        assert!(is_near(axis.place(1_000.0), 1.0) && axis.place(0.0).is_none());
        let axis = Axis::log("x", 3.0, 40_000.0, plain);
        assert_eq!(texts(&axis), ["1", "10", "100", "1000", "10000", "100000"]);
        let one = Axis::log("x", 10.0, 10.0, plain);
        assert!(is_near(one.place(10.0), 0.0));
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let axis = Axis::nines("x", 0.999_9);
        assert_eq!(texts(&axis).last(), Some(&"99.99 %"));
        assert!(is_near(axis.place(0.99), 0.5) && is_near(axis.place(0.0), 0.0));
        assert_eq!(axis.place(1.0), None);
    }
}
