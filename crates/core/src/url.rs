//! The URL that names a store: `scheme:location`, with options behind a question mark.

use std::fmt;
use std::str::FromStr;

use crate::{Durability, Error, Result};

/// The URL of a store: `sqlite:runs.db`, `redb:/var/lib/runs.redb`, `sqlite:runs.db?durability=relaxed`,
/// `memory:`.
///
/// The location is taken as it is, up to the first `?`; two slashes after the colon are passed over, so
/// that `sqlite:///var/lib/runs.db` names the absolute path. Nothing is percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    scheme: String,
    location: String,
    options: Vec<(String, String)>,
}

impl StoreUrl {
    /// The scheme, in lower case: the name of the backend.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between the scheme and the options.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The location as the path of a file.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty.
    pub fn file(&self) -> Result<&str> {
        match self.location.as_str() {
            "" => Err(invalid(format!(
                "names no file: write {}:FILE",
                self.scheme
            ))),
            file => Ok(file),
        }
    }

    /// The URL for others to see: `***` in the place of a password, be it before the host or an option.
    #[must_use]
    pub fn without_password(&self) -> String {
        let hidden = |(key, value): &(String, String)| match shown_name(key) {
            Some(key) if !is_secret(key) => (key.to_owned(), value.clone()),
            name => (name.unwrap_or("***").to_owned(), "***".to_owned()),
        };
        let location = match self.location.rsplit_once('@') {
            Some((login, host)) => match login.split_once(':') {
                Some((user, _)) => format!("//{user}:***@{host}"),
                None => format!("//{login}@{host}"),
            },
            None => match self.location.split_once(':') {
                // A password that goes on behind its question mark.
                Some((user, _)) if self.options().any(|(key, _)| shown_name(key).is_none()) => {
                    format!("{user}:***")
                }
                _ => self.location.clone(),
            },
        };
        let shown = Self {
            scheme: self.scheme.clone(),
            location,
            options: self.options.iter().map(hidden).collect(),
        };
        shown.to_string()
    }

    /// The options in their order.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The error for an option that the backend does not have.
    #[must_use]
    pub fn unknown_option(&self, key: &str, known: &[&str]) -> Error {
        let known = match known {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        let scheme = &self.scheme;
        invalid(match shown_name(key) {
            Some(key) => format!("has option {key:?}, which {scheme} does not have; {known}"),
            None => format!("has an option whose name is none; {known}"),
        })
    }

    /// Reads the value of an option `durability`: `full` or `relaxed`.
    ///
    /// # Errors
    /// `InvalidInput` for any other word.
    pub fn durability(value: &str) -> Result<Durability> {
        match value {
            "full" => Ok(Durability::Full),
            "relaxed" => Ok(Durability::Relaxed),
            other => Err(invalid(format!(
                "has durability {other:?}; it is full or relaxed"
            ))),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once(':')
            .filter(|(scheme, _)| {
                !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
            })
            .ok_or_else(|| {
                invalid(
                    "must begin with a backend's name and a colon, as in sqlite:runs.db".to_owned(),
                )
            })?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (location, options) = rest.split_once('?').unwrap_or((rest, ""));
        let option = |option: &str| match option.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(invalid(match shown_name(option) {
                Some(option) => format!("has option {option:?} without a value"),
                None => {
                    "has an option without a value; a ? in a password is written %3F".to_owned()
                }
            })),
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            location: location.to_owned(),
            options: options
                .split('&')
                .filter(|entry| !entry.is_empty())
                .map(option)
                .collect::<Result<_>>()?,
        })
    }
}

/// The name of an option, if it can be one: what else stands there may be a part of a password.
fn shown_name(key: &str) -> Option<&str> {
    let is_name = !key.is_empty()
        && key.len() <= 32
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    is_name.then_some(key)
}

/// Whether the option is a secret, also under a name that is misspelt.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pas", "pwd", "secret", "token"]
        .iter()
        .any(|part| key.contains(part))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.scheme, self.location)?;
        for (index, (key, value)) in self.options().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(formatter, "{mark}{key}={value}")?;
        }
        Ok(())
    }
}

fn invalid(problem: String) -> Error {
    Error::invalid_input("url", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_scheme_location_and_options() {
        let url: StoreUrl = "sqlite:runs.db?durability=relaxed&readers=3"
            .parse()
            .unwrap();
        assert_eq!((url.scheme(), url.file().unwrap()), ("sqlite", "runs.db"));
        assert_eq!(url.options().collect::<Vec<_>>()[1], ("readers", "3"));
        assert_eq!(
            url.to_string(),
            "sqlite:runs.db?durability=relaxed&readers=3"
        );
        let absolute: StoreUrl = "redb:///srv/runs.redb".parse().unwrap();
        assert_eq!(absolute.location(), "/srv/runs.redb");
        let memory: StoreUrl = "memory:".parse().unwrap();
        assert!(memory.file().is_err());
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "runs.db", ":x", "/srv/a:b", "sqlite:a?b"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
        assert!(StoreUrl::durability("Full").is_err());
    }

    #[test]
    fn a_password_is_not_for_others_to_see() {
        for (url, shown) in [
            (
                "postgres://me:secret@host:5432/db?schema=a",
                "postgres://me:***@host:5432/db?schema=a",
            ),
            (
                "postgres://me:se:c@ret@host/db",
                "postgres://me:***@host/db",
            ),
            (
                "postgres://me@host/db?password=secret",
                "postgres://me@host/db?password=***",
            ),
            (
                "postgres://me@host/db?pasword=secret&schema=x",
                "postgres://me@host/db?pasword=***&schema=x",
            ),
            ("postgres://me:se?cret@host/db=x", "postgres:me:***?***=***"),
            (
                "sqlite:/var/runs.db?readers=3",
                "sqlite:/var/runs.db?readers=3",
            ),
        ] {
            let url: StoreUrl = url.parse().unwrap();
            assert_eq!(url.without_password(), shown);
        }
    }
}
