//! What is told of a trace that cannot be read.
#![allow(clippy::unwrap_used)]

use runstore_bench::{Failure, read_trace};

const HEADER: &str = r#"{"runstoreTrace":1,"beganAt":"2026-03-01T10:00:01.000000Z","store":{"backend":"memory","durability":"volatile"}}"#;
const CALL: &str = r#"{"method":"info","input":{},"number":0,"end":1,"began":0.5,"took":1.25,"outcome":{"answer":null}}"#;

fn told(lines: &[&str]) -> String {
    let refused = read_trace(lines.join("\n").as_bytes()).unwrap_err();
    assert!(matches!(refused, Failure::Trace { .. }), "{refused:?}");
    refused.to_string()
}

#[test]
fn the_line_is_named_and_what_is_wrong_with_it() {
    assert_eq!(
        read_trace([HEADER, CALL].join("\n").as_bytes())
            .unwrap()
            .len(),
        1
    );
    let off = |line: &str| told(&[HEADER, CALL, line]);
    assert_eq!(
        off("{nonsense"),
        "line 3 of the trace: this is not JSON: key must be a string at column 2"
    );
    let half = &CALL[..CALL.len() / 2];
    assert_eq!(
        off(&format!("{half}\n")),
        "line 3 of the trace: the line is empty or cut off"
    );
    assert_eq!(
        off(&CALL.replace("info", "drop_table")),
        "line 3 of the trace: no store has a method \"drop_table\""
    );
    assert_eq!(
        off(&CALL.replace("info", "get_run")),
        "line 3 of the trace: the input of get_run is off: missing field `runId`"
    );
    assert_eq!(
        off(&CALL.replace("\"end\":1,", "")),
        "line 3 of the trace: this is not the line of a call: missing field `end`"
    );
    assert_eq!(
        off(&CALL.replace("\"end\":1", "\"end\":0")),
        "line 3 of the trace: the call ends before it begins"
    );
    assert!(off(&CALL.replace("0.5", "-1")).starts_with("line 3 of the trace: began is off: "));
}

#[test]
fn what_an_application_that_died_left_is_read_up_to_where_it_died() {
    let read = |lines: &[&str]| read_trace(lines.join("\n").as_bytes()).unwrap();
    for length in 1..CALL.len() {
        let trace = read(&[HEADER, CALL, &CALL[..length]]);
        assert_eq!((trace.len(), trace.is_cut_off()), (1, true), "{length}");
    }
    let trace = read(&[HEADER, "", CALL, "", ""]);
    assert_eq!((trace.len(), trace.is_cut_off()), (1, false));
}

#[test]
fn lines_that_are_missing_are_counted_and_a_line_that_is_there_twice_is_refused() {
    let call = |number: u64, end: u64| {
        let moments = format!("\"number\":{number},\"end\":{end},");
        CALL.replace("\"number\":0,\"end\":1,", &moments)
    };
    let missing = |lines: &[&str]| read_trace(lines.join("\n").as_bytes()).unwrap().missing();
    let (overlapping, within, last) = (call(2, 5), call(3, 4), call(6, 7));
    assert_eq!(missing(&[HEADER]), 0);
    assert_eq!(missing(&[HEADER, &within, &last, CALL, &overlapping]), 0);
    assert_eq!(missing(&[HEADER, CALL, &overlapping, &last]), 2);
    assert_eq!(missing(&[HEADER, &last]), 6);
    // One that was under way to the end.
    assert_eq!(missing(&[HEADER, CALL, &call(3, 4)]), 1);
    assert_eq!(missing(&[HEADER, &call(1, u64::MAX)]), u64::MAX - 2);
    assert_eq!(
        told(&[HEADER, CALL, &overlapping, &within, &within]),
        "line 5 of the trace: its call begins or ends at the moment 3, and so does that of line 4"
    );
    assert_eq!(
        told(&[HEADER, &call(1, 2), CALL]),
        "line 3 of the trace: its call begins or ends at the moment 1, and so does that of line 2"
    );
}

#[test]
fn only_a_trace_is_read_and_none_of_a_newer_form() {
    assert_eq!(
        told(&[]),
        "line 1 of the trace: there is none, and the header of the trace should be there"
    );
    assert_eq!(
        told(&[CALL]),
        "line 1 of the trace: this is not a trace of runstore: its header is missing"
    );
    assert_eq!(
        told(&[
            &HEADER.replace("\"runstoreTrace\":1", "\"runstoreTrace\":2"),
            CALL
        ]),
        "line 1 of the trace: the trace has the form of version 2, and this version of runstore reads up to 1"
    );
}
