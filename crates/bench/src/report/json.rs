//! A report as JSON, and read back.

use serde_json::Value;

use super::Report;
use crate::{Failure, Result};

/// The version that this program writes, and the newest that it reads.
const VERSION: u64 = 1;

impl Report {
    /// The report as JSON.
    ///
    /// # Errors
    /// Only if it cannot be written at all.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Failure::engine)
    }

    /// Reads a report.
    ///
    /// # Errors
    /// The text is no JSON, or of a version that this program does not know, or a field is missing or makes no
    /// sense; the error names the place.
    pub fn from_json(text: &str) -> Result<Self> {
        let refused = |why: String| Failure::Refused(why);
        let value: Value = serde_json::from_str(text)
            .map_err(|error| refused(format!("the report is not JSON: {error}")))?;
        // Before its fields are looked at: those of another version may well be others.
        let version = value.get("version").and_then(Value::as_u64);
        if let Some(version) = version.filter(|version| *version != VERSION) {
            return Err(refused(format!(
                "the report has version {version}; this program reads version {VERSION}"
            )));
        }
        // From the text once more, so that the error tells line and column.
        let mut deserializer = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let place = error.path().to_string();
            let reason = error.into_inner();
            refused(match place.as_str() {
                "." => format!("the report makes no sense: {reason}"),
                place => format!("the report makes no sense: {place}: {reason}"),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn refusal(text: &str) -> String {
        Report::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn a_report_comes_back_as_it_was() {
        let report = sample::report();
        let text = report.to_json().unwrap();
        assert_eq!(Report::from_json(&text).unwrap(), report);
    }

    #[test]
    fn a_report_from_before_the_program_its_rounds_and_the_engines_were_told_is_read() {
        let report = sample::report();
        let mut value = serde_json::to_value(&report).unwrap();
        assert_eq!(value["program"], "runstore 0.1.0");
        assert_eq!(value["rounds"]["length"]["seconds"], 1.0);
        let fields = value.as_object_mut().unwrap();
        for later in ["program", "rounds", "engines", "leftOut"] {
            assert!(fields.remove(later).is_some(), "{later}");
        }
        let read = Report::from_json(&value.to_string()).unwrap();
        let expected = Report {
            program: None,
            rounds: None,
            engines: Vec::new(),
            left_out: Vec::new(),
            ..report
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_where() {
        assert!(refusal("{\"version\": 1").starts_with("the report is not JSON: EOF"));
        assert!(refusal("[]").contains("makes no sense"));
        assert!(refusal("{}").contains("missing field `version`"));
        let newer = refusal("{\"version\": 7, \"somethingNew\": true}");
        assert_eq!(
            newer,
            "the report has version 7; this program reads version 1"
        );

        let mut value = serde_json::to_value(sample::report()).unwrap();
        let case = value["rows"][1]["case"].as_object_mut().unwrap();
        case.remove("workers");
        let missing = refusal(&value.to_string());
        assert!(
            missing.contains("rows[1].case: missing field `workers`"),
            "{missing}"
        );

        value["rows"][1]["case"]["workers"] = "many".into();
        let wrong = refusal(&value.to_string());
        assert!(
            wrong.contains("rows[1].case.workers: invalid type: string"),
            "{wrong}"
        );
    }
}
