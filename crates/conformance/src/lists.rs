//! Lists in pages and by their last entries.

use std::fmt::Debug;

use runstore_core::{Page, PageRequest, Result};

use crate::check::{Outcome, check_eq};

/// Checks that a list is `whole`, and that its pages of every size join to it without a row missing
/// or doubled. `what` names the list.
pub(crate) async fn check_pages<T, F>(
    what: &str,
    whole: &[T],
    read: impl Fn(PageRequest) -> F,
) -> Outcome
where
    T: Debug + PartialEq,
    F: Future<Output = Result<Page<T>>>,
{
    let all = read(PageRequest::all()).await?;
    check_eq!(all.items, whole, "{what}, all at once");
    check_eq!(all.next, None, "the cursor after {what}, all at once");
    for limit in 1..=whole.len() + 1 {
        let mut request = PageRequest::first(u32::try_from(limit).unwrap_or(u32::MAX));
        let mut seen = 0;
        loop {
            let page = read(request).await?;
            let rest = whole.get(seen..).unwrap_or_default();
            let expected = rest.get(..limit).unwrap_or(rest);
            check_eq!(
                page.items,
                expected,
                "{what}, page after {seen} rows with limit {limit}"
            );
            seen += expected.len();
            check_eq!(
                page.next.is_some(),
                seen < whole.len(),
                "{what}: whether a page that ends after {seen} of {} rows names a next one",
                whole.len()
            );
            let Some(cursor) = page.next else { break };
            request = request.after(cursor);
            let rest = read(PageRequest::all().after(cursor)).await?;
            check_eq!(
                rest.items,
                whole.get(seen..).unwrap_or_default(),
                "{what}, all after the cursor of a page that ended after {seen} rows"
            );
        }
    }
    Ok(())
}

/// Checks that a call for the last `n` gives the last `n` of `whole`, oldest first, for every `n` from
/// 1 to more than there are. `what` names the list.
pub(crate) async fn check_last<T, F>(what: &str, whole: &[T], read: impl Fn(u32) -> F) -> Outcome
where
    T: Debug + PartialEq,
    F: Future<Output = Result<Vec<T>>>,
{
    for limit in 1..=whole.len() + 2 {
        let last = read(u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        let start = whole.len().saturating_sub(limit);
        check_eq!(
            last,
            whole.get(start..).unwrap_or_default(),
            "the last {limit} of {what}, oldest first"
        );
    }
    Ok(())
}
