//! Figures as text: three digits that count, thousands set apart, and a unit.

/// Stands for a figure that there is not.
pub(crate) const ABSENT: &str = "–";

/// A whole number: `4,607`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number of things that has a name in the singular and with an s: `1 run`, `4 runs`.
pub(crate) fn counted(number: u64, name: &str) -> String {
    match number {
        1 => format!("1 {name}"),
        _ => format!("{} {name}s", count(number)),
    }
}

/// A number without a unit: `4,607`, `46.1`, `0.461`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    match decimals(rounded(value.abs())) {
        // From 100 on, all digits before the point are shown.
        0 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", count(whole(value.abs())))
        }
        decimals => format!("{value:.decimals$}"),
    }
}

/// Something in a second: `4,607/s`.
pub(crate) fn rate(per_second: f64) -> String {
    with_unit(per_second, "/s")
}

/// A time, given in microseconds: `850 ns`, `310 µs`, `1.52 ms`, `2.31 s`.
pub(crate) fn time(micros: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e-3, " ns"), (1.0, " µs"), (1e3, " ms"), (1e6, " s")];
    scaled(micros, UNITS)
}

/// A number of bytes: `512 B`, `12.3 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const KIB: f64 = 1_024.0;
    const UNITS: [(f64, &str); 4] = [
        (1.0, " B"),
        (KIB, " KiB"),
        (KIB * KIB, " MiB"),
        (KIB * KIB * KIB, " GiB"),
    ];
    scaled(bytes, UNITS)
}

/// A whole number of bytes.
pub(crate) fn whole_bytes(of: u64) -> String {
    plain(&bytes(float(of)))
}

/// How many times as much: `0.87×`.
pub(crate) fn ratio(ratio: f64) -> String {
    with_unit(ratio, "×")
}

/// A figure without zeros at its end, as for the ticks of an axis: `1 ms` for `1.00 ms`.
pub(crate) fn plain(figure: &str) -> String {
    let is_of_number = |of: char| of.is_ascii_digit() || matches!(of, '.' | ',' | '-');
    let end = figure.find(|of| !is_of_number(of)).unwrap_or(figure.len());
    let (number, unit) = figure.split_at(end);
    match number.contains('.') {
        true => format!(
            "{}{unit}",
            number.trim_end_matches('0').trim_end_matches('.')
        ),
        false => figure.to_owned(),
    }
}

/// A number of things in memory.
pub(crate) fn size(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// As a float, for figures far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^53")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and a cast ends at the bounds"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// In the largest unit of which there is at least one.
fn scaled<const UNITS: usize>(value: f64, units: [(f64, &str); UNITS]) -> String {
    let absolute = value.abs();
    // A zero has the unit in which the figures are kept.
    let kept = units.iter().find(|(scale, _)| *scale == 1.0);
    let fits = |(scale, _): &&(f64, &str)| rounded(absolute / scale) >= 1.0;
    let largest = units.iter().rev().find(fits);
    let smallest = units.first().filter(|_| absolute > 0.0);
    match largest.or(smallest).or(kept) {
        Some((scale, unit)) => with_unit(value / scale, unit),
        None => number(value),
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    match value.is_finite() {
        true => format!("{}{unit}", number(value)),
        false => ABSENT.to_owned(),
    }
}

/// How many digits after the point are shown of a number of this size.
fn decimals(size: f64) -> usize {
    match size {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    }
}

/// As it is shown, so that 999.6 has the unit and the digits of the 1,000 that it is rounded to.
fn rounded(size: f64) -> f64 {
    let scale = 10_f64.powi(i32::try_from(decimals(size)).unwrap_or(0));
    (size * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count_and_thousands_set_apart() {
        let cases = [
            (0.0, "0"),
            (0.0123, "0.0123"),
            (0.4567, "0.457"),
            (1.5, "1.50"),
            (9.999, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (4_607.4, "4,607"),
            (1_234_567.0, "1,234,567"),
            (-4_607.0, "-4,607"),
            (f64::INFINITY, "–"),
        ];
        for (value, shown) in cases {
            assert_eq!(number(value), shown);
        }
        assert_eq!([count(7), count(999), count(1_000)], ["7", "999", "1,000"]);
        assert_eq!([rate(4_607.2), ratio(0.871)], ["4,607/s", "0.871×"]);
        assert_eq!(rate(f64::NAN), "–");
        assert_eq!(
            [counted(1, "run"), counted(2_000, "run")],
            ["1 run", "2,000 runs"]
        );
    }

    #[test]
    fn times_have_the_unit_of_their_size_also_after_rounding() {
        let cases = [
            (0.0, "0 µs"),
            (0.000_5, "0.500 ns"),
            (0.85, "850 ns"),
            (0.999_7, "1.00 µs"),
            (310.0, "310 µs"),
            (999.4, "999 µs"),
            (999.6, "1.00 ms"),
            (1_524.0, "1.52 ms"),
            (2_310_000.0, "2.31 s"),
            (600_000_000.0, "600 s"),
        ];
        for (micros, shown) in cases {
            assert_eq!(time(micros), shown);
        }
    }

    #[test]
    fn bytes_go_by_powers_of_1024() {
        let cases = [
            (0.0, "0 B"),
            (512.0, "512 B"),
            (1_023.8, "1.00 KiB"),
            (12_595.2, "12.3 KiB"),
            (5.0 * 1_048_576.0, "5.00 MiB"),
            (2_000.0 * 1_073_741_824.0, "2,000 GiB"),
        ];
        for (of, shown) in cases {
            assert_eq!(bytes(of), shown);
        }
        assert_eq!([whole_bytes(200), whole_bytes(1_024)], ["200 B", "1 KiB"]);
    }

    #[test]
    fn a_plain_figure_ends_in_no_zero_after_the_point() {
        let cases = [
            ("1.00 ms", "1 ms"),
            ("1.50 s", "1.5 s"),
            ("100 µs", "100 µs"),
            ("10.0", "10"),
        ];
        for (figure, shown) in cases {
            assert_eq!(plain(figure), shown);
        }
    }
}
