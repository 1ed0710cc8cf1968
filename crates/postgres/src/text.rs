//! Texts as PostgreSQL can keep them: any but for the character NUL.

use std::borrow::Cow;

/// The character that PostgreSQL's texts cannot hold.
const NUL: char = '\u{0}';

/// The character by which it is written: U+0010, "data link escape".
const ESCAPE: char = '\u{10}';

/// What stands for a NUL after the escape.
const NUL_ESCAPED: char = '0';

/// A text as it is stored: NUL is the escape and a `0`, the escape itself stands twice.
pub(crate) fn text(text: &str) -> String {
    if !text.contains([NUL, ESCAPE]) {
        return text.to_owned();
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            NUL => stored.extend([ESCAPE, NUL_ESCAPED]),
            ESCAPE => stored.extend([ESCAPE, ESCAPE]),
            other => stored.push(other),
        }
    }
    stored
}

/// The same for a text that may be unset.
pub(crate) fn optional_text(optional: Option<&str>) -> Option<String> {
    optional.map(text)
}

/// The text that is stored like this; `None` if none is.
pub(crate) fn from_stored(stored: &str) -> Option<Cow<'_, str>> {
    if !stored.contains(ESCAPE) {
        return Some(Cow::Borrowed(stored));
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            ESCAPE => match characters.next()? {
                NUL_ESCAPED => NUL,
                ESCAPE => ESCAPE,
                _ => return None,
            },
            other => other,
        });
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_stored_without_a_nul_and_reads_back() {
        for given in [
            "",
            "plain",
            "\0",
            "\u{10}",
            "\u{10}0",
            "a\0b\u{10}\u{10}c\0\0",
            "0\u{10}\0",
        ] {
            let stored = text(given);
            assert!(!stored.contains('\0'));
            assert_eq!(from_stored(&stored).as_deref(), Some(given));
        }
        assert_eq!(text("a\0b"), "a\u{10}0b");
    }

    #[test]
    fn an_escape_that_nothing_wrote_is_no_text() {
        assert_eq!(from_stored("\u{10}"), None);
        assert_eq!(from_stored("\u{10}x"), None);
    }
}
