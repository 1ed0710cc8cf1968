//! Calls as values, so that one check can run over many of them.

use futures_util::future::BoxFuture;
use runstore_core::{Error, Result, Store};

use crate::check::{Outcome, Stop};
use crate::dump::{Dump, check_unchanged};

/// A call that was written down and not yet made.
pub(crate) struct Call<'s> {
    name: String,
    answer: BoxFuture<'s, Result<()>>,
}

impl<'s> Call<'s> {
    pub(crate) fn new<T: 's>(
        name: impl Into<String>,
        answer: impl Future<Output = Result<T>> + Send + 's,
    ) -> Self {
        Self {
            name: name.into(),
            answer: Box::pin(async move { answer.await.map(drop) }),
        }
    }

    /// What is called, for a message.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Writes a call down, under its own text: `call!(store, get_run(run.id))`.
macro_rules! call {
    ($store:expr, $method:ident($($argument:expr),* $(,)?)) => {
        $crate::calls::Call::new(
            stringify!($method($($argument),*)),
            $store.$method($($argument),*),
        )
    };
}
pub(crate) use call;

/// The refusal of a field, with a part of the text that tells the bound.
pub(crate) fn invalid(field: &str, bound: impl ToString) -> Error {
    Error::invalid_input(field, bound.to_string())
}

/// Makes the calls one after the other; each must be refused as it is written beside it, and change
/// nothing.
pub(crate) async fn check_each_refused(
    store: &dyn Store,
    calls: Vec<(Call<'_>, Error)>,
) -> Outcome {
    let before = Dump::of(store).await?;
    for (call, expected) in calls {
        let Call { name, answer } = call;
        match answer.await {
            Err(error) if is_refused_as(&error, &expected) => {}
            Err(error) => {
                return Err(Stop::failed(format_args!(
                    "{name} was refused with {error:?}; it must be refused with {expected:?}"
                )));
            }
            Ok(()) => {
                return Err(Stop::failed(format_args!(
                    "{name} was carried out; it must be refused with {expected:?}"
                )));
            }
        }
        check_unchanged(store, &before, &format!("{name}, refused,")).await?;
    }
    Ok(())
}

/// Makes the calls one after the other; all must be refused alike, and change nothing.
pub(crate) async fn check_all_refused(
    store: &dyn Store,
    calls: Vec<Call<'_>>,
    expected: &Error,
) -> Outcome {
    let calls = calls.into_iter().map(|call| (call, expected.clone()));
    check_each_refused(store, calls.collect()).await
}

/// Makes the calls one after the other; each must succeed.
pub(crate) async fn check_all_accepted(calls: Vec<Call<'_>>) -> Outcome {
    for Call { name, answer } in calls {
        if let Err(error) = answer.await {
            return Err(Stop::failed(format_args!(
                "{name} must be carried out, but was refused with {error:?}"
            )));
        }
    }
    Ok(())
}

/// Whether the refusal names the same kind, ids, states and fields. What is wrong with an input is told
/// in free words, in which the bound must stand.
fn is_refused_as(error: &Error, expected: &Error) -> bool {
    match (error, expected) {
        (
            Error::InvalidInput { field, problem },
            Error::InvalidInput {
                field: expected_field,
                problem: bound,
            },
        ) => field == expected_field && !problem.is_empty() && problem.contains(bound),
        _ => format!("{error:?}") == format!("{expected:?}"),
    }
}
