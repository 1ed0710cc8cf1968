//! Lists read in pages.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use runstore_core::{Page, PageRequest, Result};

use crate::check::{Outcome, check, check_eq};

/// Checks that the list reads as `expected` in pages of every size up to one more than it has, and
/// whole: nothing left out, nothing twice, and a next page named exactly when there is more.
pub(crate) async fn check_pages<'s, T: Clone + Debug + PartialEq>(
    expected: &[T],
    what: &str,
    read: impl Fn(PageRequest) -> BoxFuture<'s, Result<Page<T>>>,
) -> Outcome {
    let whole = read(PageRequest::all()).await?;
    check_eq!(whole.items, expected, "{what}, read whole");
    check!(
        whole.next.is_none(),
        "{what}, read whole, must name no next page"
    );
    for size in 1..=expected.len() + 1 {
        let limit = u32::try_from(size).unwrap_or(u32::MAX);
        let mut request = PageRequest::first(limit);
        let mut pages = expected.chunks(size).peekable();
        if expected.is_empty() {
            check_eq!(
                read(request).await?.items,
                Vec::new(),
                "{what}, which is empty"
            );
        }
        while let Some(expected) = pages.next() {
            let page = read(request).await?;
            check_eq!(
                page.items,
                expected,
                "{what}, the page of {limit} at {:?}",
                request.after
            );
            check_eq!(
                page.next.is_some(),
                pages.peek().is_some(),
                "{what}, whether the page of {limit} at {:?} names a next one",
                request.after
            );
            if let Some(next) = page.next {
                request = request.after(next);
            }
        }
    }
    Ok(())
}
