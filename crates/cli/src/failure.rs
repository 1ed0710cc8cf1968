//! Why the command failed.

use std::error::Error;
use std::fmt::Display;
use std::io;

use crate::output::printable;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read the standard output went away.
    OutputClosed,
    /// What could not be done, and why.
    Told {
        what: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Told { what, source: None }
    }

    /// What could not be done, and why.
    pub(crate) fn told(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Told {
            what: what.into(),
            source: Some(source.into()),
        }
    }

    /// A failure to write to the standard output.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::told("cannot write the output", error),
        }
    }

    /// The failure with what to do about it. That nobody reads the output any more stays what it is.
    pub(crate) fn with_advice(self, advice: impl Display) -> Self {
        match self {
            Self::OutputClosed => Self::OutputClosed,
            told @ Self::Told { .. } => Self::new(format!("{}; {advice}", told.line())),
        }
    }

    /// The failure and all of its sources, in one line.
    pub(crate) fn line(&self) -> String {
        let Self::Told { what, source } = self else {
            return "nobody reads the output any more".to_owned();
        };
        let mut line = what.clone();
        let mut source = source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = source {
            let text = error.to_string();
            // Drivers differ in whether the text of an error holds that of its source.
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            source = error.source();
        }
        printable(&line)
    }
}

/// Says what could not be done when something fails.
pub(crate) trait Context<T> {
    fn or_fail(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Error + Send + Sync + 'static> Context<T> for Result<T, E> {
    fn or_fail(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::told(what, error))
    }
}

#[cfg(test)]
mod tests {
    use runstore::Cause;

    use super::*;

    #[test]
    fn a_failure_is_told_in_one_line_with_all_of_its_sources() {
        let source = Some(Cause::new(io::Error::other("disk\non fire")));
        let what = "commit".to_owned();
        let failed: Result<(), _> = Err(runstore::Error::Backend { what, source });
        let failure = failed.or_fail("cannot plan").unwrap_err();
        assert_eq!(
            failure.line(),
            "cannot plan: the engine failed: commit: disk\\non fire"
        );
    }

    /// An error that tells its source in its own text, or does not.
    #[derive(Debug)]
    struct Driver(&'static str, Option<Box<Driver>>);

    impl Display for Driver {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Driver {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|source| source as &dyn Error)
        }
    }

    #[test]
    fn a_source_that_was_told_already_is_not_told_again() {
        let root = Driver("sector 7 is gone", None);
        let code = Driver("(code: 26) file is not a database", Some(Box::new(root)));
        let driver = Driver(
            "error returned from database: (code: 26) file is not a database",
            Some(Box::new(code)),
        );
        let failed: Result<(), _> = Err(driver);
        let failure = failed.or_fail("cannot open").unwrap_err();
        assert_eq!(
            failure.line(),
            "cannot open: error returned from database: (code: 26) file is not a database: \
             sector 7 is gone"
        );
    }

    #[test]
    fn advice_comes_after_the_sources() {
        let failed: Result<(), _> = Err(Driver("it burns", None));
        let failure = failed.or_fail("cannot work").unwrap_err();
        let told = failure.with_advice("fetch water").line();
        assert_eq!(told, "cannot work: it burns; fetch water");
        let closed = Failure::OutputClosed.with_advice("fetch water");
        assert!(matches!(closed, Failure::OutputClosed));
    }
}
