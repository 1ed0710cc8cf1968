//! Commands that the reader can copy into a shell.

use std::borrow::Cow;
use std::env;

use runstore::RunId;

use crate::open::shown;

/// The command that shows a run, with this program named as it was called: it need not be in the path.
pub(crate) fn show_command(run_id: RunId, url: &str) -> String {
    let program = env::args_os().next().filter(|name| !name.is_empty());
    let program = program.unwrap_or_else(|| "runstore".into());
    let program = program.to_string_lossy();
    format!(
        "{} show {run_id} --store {}",
        word(&program),
        word(&shown(url))
    )
}

/// The text as one word of a shell, in quotes only if it needs them.
fn word(text: &str) -> Cow<'_, str> {
    // No `=` and no `~`: some shells give them a meaning, depending on where they stand.
    let is_plain =
        |c: char| c.is_alphanumeric() || "_-./:,+@%".contains(c) || (cfg!(windows) && c == '\\');
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else if cfg!(windows) {
        // A name of a file holds no such quote there.
        Cow::Owned(format!("\"{text}\""))
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_read_it_otherwise() {
        for plain in [
            "sqlite:runs.db",
            "redb:///srv/läufe.redb",
            "../bin/runstore",
        ] {
            assert_eq!(word(plain), plain);
        }
        assert_eq!(word(""), "''");
        assert_eq!(
            word("sqlite:a.db?durability=relaxed"),
            "'sqlite:a.db?durability=relaxed'"
        );
        assert_eq!(word("redb:it's $HOME"), r"'redb:it'\''s $HOME'");
    }
}
