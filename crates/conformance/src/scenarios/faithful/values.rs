//! Texts and JSON values that a careless backend breaks.

use serde_json::{Map, Value, json};

/// Texts to be kept to the byte.
pub(super) fn texts() -> Vec<String> {
    let long_line = "0123456789".repeat(30);
    [
        "",
        " ",
        "  both ends  ",
        "\0",
        "\0at the beginning",
        "in the\0middle",
        "at the end\0",
        "\0\0",
        "'; DROP TABLE runs; --",
        "'single' \"double\" `back`",
        "''",
        "\\",
        "\\\\",
        "\\n is not a newline",
        "100% _ * ? [a-z] %s {} {0} $1 :name ?1 @x",
        "\\u0000",
        "\\\\u0000",
        "\\u0041",
        "\\ud83d",
        "\\udc00\\ud800",
        "\\x00 &#0; %00",
        "\u{1}\u{2}\u{8}\u{b}\u{c}\u{e}\u{1b}[31m\u{1f}\u{7f}",
        "\u{80}\u{85}\u{9f}\u{a0}\u{ad}",
        "e\u{301} is not \u{e9}",
        "\u{212b} \u{c5} A\u{30a}",
        "\u{fb01} \u{2126} \u{1e9b}\u{323}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}override\u{202c} \u{200f}",
        "\u{645}\u{631}\u{62d}\u{628}\u{627}",
        "\u{1f469}\u{200d}\u{1f4bb} \u{1f1e9}\u{1f1ea} \u{1f44d}\u{1f3fd}",
        "\u{10ffff}\u{10000}\u{ffff}\u{fffd}\u{e000}\u{d7ff}",
        "\u{feff}with a mark",
        "within\u{feff}it",
        "\u{200b}\u{2028}\u{2029}",
        "one\ntwo\r\nthree\rfour\n",
        "\n",
        "\r\n",
        "\t tabs \t",
        "null",
        "NULL",
        "true",
        "0",
        "007",
        "1e5",
        "NaN",
        "{\"a\":1}",
        "[]",
        "\"quoted\"",
        "2026-03-01T10:00:00Z",
        "00000000-0000-0000-0000-000000000001",
        "a,b;c|d\u{1f}e\u{1e}f",
        "\u{df} SS \u{130} I \u{131} i",
        "<a href=\"x\">&amp;</a>",
        "x'00ff'",
        "C:\\temp\\new",
        long_line.as_str(),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// JSON values of every shape.
pub(super) fn shapes() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(""),
        json!("text"),
        json!("null"),
        json!("{\"a\": 1}"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!([{}, [], null, "", 0, false]),
        json!({"a": null}),
        json!({"a": {}, "b": [], "c": ""}),
        json!({"": ""}),
        json!({"": {"": {"": null}}}),
        json!({"a": 1, "A": 2, " a": 3, "a ": 4, "a\0": 5, "\0a": 6, "a\u{301}": 7, "\u{e1}": 8}),
        json!({"e\u{301}": "decomposed", "\u{e9}": "composed"}),
        json!({"__proto__": 1, "constructor": 2, "$ref": 3, "a.b": 4, "a[0]": 5, "/": 6, "~0": 7}),
        json!({"id": 1, "runId": 2, "seq": 3, "payload": {"payload": {}}}),
        json!((0..2_000).collect::<Vec<u32>>()),
        json!(
            (0..200)
                .map(|n| json!({"n": n, "t": n.to_string()}))
                .collect::<Vec<_>>()
        ),
        Value::Object(
            (0..200)
                .map(|n| (format!("key {}", 199 - n), json!(n)))
                .collect(),
        ),
    ]
}

/// JSON numbers at their ends, and those that an engine's own number types bend.
pub(super) fn numbers() -> Vec<Value> {
    vec![
        json!(0),
        json!(-0.0),
        json!(0.0),
        json!(1),
        json!(1.0),
        json!(-1),
        json!(-1.0),
        json!(u64::MAX),
        json!(u64::MAX - 1),
        json!(i64::MAX),
        json!(i64::MAX as u64 + 1),
        json!(i64::MIN),
        json!(i64::MIN + 1),
        json!(u32::MAX),
        json!((1_u64 << 53) + 1),
        json!(-(1_i64 << 53) - 1),
        json!(9_007_199_254_740_993_f64),
        json!(18_446_744_073_709_551_616_f64),
        json!(0.1),
        json!(0.1 + 0.2),
        json!(1.0 / 3.0),
        json!(1e308),
        json!(-1e308),
        json!(f64::MAX),
        json!(f64::MIN),
        json!(f64::MIN_POSITIVE),
        json!(5e-324),
        json!(f64::EPSILON),
        json!(1e16),
        json!(1e21),
        json!(1e-7),
        json!(123_456_789.123_456_79),
        json!(2.225_073_858_507_201e-308),
        json!(std::f64::consts::PI),
        json!(100.0),
        json!(1_772_359_200.123_456),
    ]
}

/// Objects whose keys are in no order that a map or an engine would make.
pub(super) fn orders_of_keys() -> Vec<Value> {
    let object = |keys: &[&str]| {
        let fields = keys
            .iter()
            .zip(1..)
            .map(|(key, number)| ((*key).to_owned(), json!(number)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let rising = object(&["a", "b", "c"]);
    let falling = object(&["c", "b", "a"]);
    let by_length = object(&["aaa", "z", "bb", "b", "aa", "a"]);
    let digits = object(&["10", "9", "1", "02", "2"]);
    vec![
        json!({"outer": falling, "inner": {"z": rising, "a": by_length}}),
        json!([digits, falling]),
        rising,
        falling,
        by_length,
        digits,
    ]
}

/// A value nested to that many levels: of arrays, of objects, and of both in turns.
pub(super) fn nested(levels: usize) -> [Value; 3] {
    let nest = |wrap: fn(usize, Value) -> Value| {
        // The innermost array or object counts as a level.
        (1..levels).fold(wrap(0, json!("core")), |value, level| wrap(level, value))
    };
    [
        nest(|_, value| json!([value])),
        nest(|_, value| json!({ "k": value })),
        nest(|level, value| {
            if level % 2 == 0 {
                json!([level, value, null])
            } else {
                json!({"level": level, "k": value})
            }
        }),
    ]
}
