//! Why the command failed.

use std::error::Error;
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

    /// A failure to write to the standard output.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Told {
                what: "cannot write the output".to_owned(),
                source: Some(Box::new(error)),
            },
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
            line.push_str(": ");
            line.push_str(&error.to_string());
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
        self.map_err(|error| Failure::Told {
            what: what.into(),
            source: Some(Box::new(error)),
        })
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
}
