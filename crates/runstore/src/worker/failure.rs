//! The words for a failure of a handler, which become the summary of the failed attempt.

use std::any::Any;
use std::error::Error;

/// The most bytes of them. A longer text helps nobody, and the store would refuse one that is too long.
const MAX_BYTES: usize = 64 * 1024;

/// The text of an error with those of its sources.
pub(super) fn text_of(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        // Errors differ in whether their text holds that of their source.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = error.source();
    }
    shortened(text)
}

/// The text of a panic.
pub(super) fn text_of_panic(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    shortened(match message {
        Some(message) => format!("the handler panicked: {message}"),
        None => "the handler panicked".to_owned(),
    })
}

fn shortened(mut text: String) -> String {
    const MARK: &str = " …";
    if text.len() > MAX_BYTES {
        let mut end = MAX_BYTES - MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = shortened("ä".repeat(MAX_BYTES));
        assert!(text.len() <= MAX_BYTES && text.ends_with("ä …"));
        assert_eq!(shortened("short".to_owned()), "short");
    }

    #[test]
    fn a_panic_is_told_with_its_message_if_it_has_one() {
        let told = [
            text_of_panic(&"a text"),
            text_of_panic(&"a string".to_owned()),
            text_of_panic(&5),
        ];
        let expected = [
            "the handler panicked: a text",
            "the handler panicked: a string",
            "the handler panicked",
        ];
        assert_eq!(told, expected);
    }
}
