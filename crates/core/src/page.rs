//! Lists in pages.

use serde::{Deserialize, Serialize};

/// Where a page of a list ended; give it back as [`PageRequest::after`] to go on from there.
///
/// It names a place in the order of the list, not a row: it stays good when rows are added, changed
/// or removed, and means nothing to another list or another store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(u64);

impl Cursor {
    /// For backends: the cursor of the row with that number in the list's order.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// For backends: the number that the cursor was made from.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Which part of a list is wanted. The default is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageRequest {
    /// Only what comes after this place; from the beginning if unset.
    pub after: Option<Cursor>,
    /// At most that many, from 1 to [`MAX_PAGE`](crate::limits::MAX_PAGE); all there are if unset.
    pub limit: Option<u32>,
}

impl PageRequest {
    /// The whole list.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            after: None,
            limit: None,
        }
    }

    /// The first `limit` rows.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self {
            after: None,
            limit: Some(limit),
        }
    }

    /// The same number of rows after `cursor`.
    #[must_use]
    pub const fn after(self, cursor: Cursor) -> Self {
        Self {
            after: Some(cursor),
            ..self
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// Where to go on; unset when the list ended here.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// For backends: makes the page from the rows that follow its beginning, each with its number in
    /// the list's order. Give it one row more than the limit, so that it knows whether the list ended.
    #[must_use]
    pub fn from_numbered(rows: impl IntoIterator<Item = (u64, T)>, request: PageRequest) -> Self {
        let limit = request.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut items = Vec::new();
        let mut last = None;
        for (number, row) in rows {
            if items.len() == limit {
                return Self { items, next: last };
            }
            items.push(row);
            last = Some(Cursor::new(number));
        }
        Self { items, next: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_only_when_there_is_more() {
        let rows = || [(3, 'a'), (5, 'b'), (9, 'c')];
        let page = Page::from_numbered(rows(), PageRequest::first(2));
        assert_eq!(page.items, ['a', 'b']);
        assert_eq!(page.next, Some(Cursor::new(5)));
        assert_eq!(
            Page::from_numbered(rows(), PageRequest::first(3)).next,
            None
        );
        assert_eq!(
            Page::from_numbered(rows(), PageRequest::all()).items.len(),
            3
        );
    }
}
