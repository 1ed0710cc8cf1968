//! Stores on a server.

use std::sync::Arc;

use async_trait::async_trait;
use runstore::{Durability, Store, StoreUrl};
#[cfg(feature = "postgres")]
use runstore_bench::Fact;
use runstore_bench::{Engine, Opened, Opener, StoreEngine};
#[cfg(feature = "postgres")]
use runstore_bench_reference::BarePostgres;

use super::Result;
use crate::failure::{Context, Failure};
use crate::open::shown;

/// The schema of a database in which stores are measured, unless their URL names another.
const SCHEMA: &str = "runstore_bench";

/// What a URL may say of the connection, by which a bare loop finds the server as a store does.
#[cfg(feature = "postgres")]
const OF_CONNECTION: [&str; 10] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

/// The URL without what only a store understands.
#[cfg(feature = "postgres")]
fn without_options(url: &str) -> String {
    let Some((place, options)) = url.split_once('?') else {
        return url.to_owned();
    };
    let kept = options.split('&').filter(|option| {
        let (key, _) = option.split_once('=').unwrap_or((option, ""));
        OF_CONNECTION.contains(&key)
    });
    let kept = Vec::from_iter(kept).join("&");
    match kept.as_str() {
        "" => place.to_owned(),
        kept => format!("{place}?{kept}"),
    }
}

/// The options of a store on a server that make another engine of it, in a report.
const OF_ENGINE: [&str; 6] = [
    "connections",
    "durability",
    "poll_ms",
    "pooler",
    "runtime",
    "together",
];

/// A store on a server, as it was asked for.
pub(super) struct OnServer {
    url: String,
    parsed: StoreUrl,
    /// The server and the database; `None` if the URL does not tell.
    place: Option<String>,
}

impl OnServer {
    /// What a URL asks for; `None` if it is of no server.
    pub(super) fn read(url: &str) -> std::result::Result<Option<Self>, Failure> {
        if !(url.starts_with("postgres") && url.contains(':')) {
            return Ok(None);
        }
        let what = || format!("cannot read the URL --store {}", shown(url));
        let parsed: StoreUrl = url.parse().or_fail(what())?;
        Ok(Some(Self {
            place: place(url, &parsed),
            url: url.to_owned(),
            parsed,
        }))
    }

    /// The engine over it, named so that it is told from the others.
    pub(super) fn engine<'o>(&self, all: impl Iterator<Item = &'o Self> + Clone) -> StoreEngine {
        let server = Server {
            url: match self.option("schema") {
                Some(_) => self.url.clone(),
                None => with_option(&self.url, "schema", SCHEMA),
            },
            has_durability: self.option("durability").is_some(),
        };
        StoreEngine::new(self.name(all), server)
    }

    /// The bare loop in its database, named after it.
    #[cfg(feature = "postgres")]
    pub(super) fn reference<'o>(
        &self,
        all: impl Iterator<Item = &'o Self>,
    ) -> Option<Box<dyn Engine>> {
        let bare = BarePostgres::new(without_options(&self.url));
        Some(Box::new(bare.with_name(format!("bare {}", self.base(all)))))
    }

    #[cfg(not(feature = "postgres"))]
    pub(super) fn reference<'o>(
        &self,
        _: impl Iterator<Item = &'o Self>,
    ) -> Option<Box<dyn Engine>> {
        None
    }

    /// The name with the options that make another engine of it, and with its schema if another store has the same name
    /// else.
    fn name<'o>(&self, all: impl Iterator<Item = &'o Self> + Clone) -> String {
        let of = |store: &Self| store.with_options(store.base(all.clone()));
        let name = of(self);
        let mut others = all.clone().filter(|other| other.schema() != self.schema());
        match self.schema() {
            Some(schema) if others.any(|other| of(other) == name) => {
                with_option(&name, "schema", printable(schema))
            }
            _ => name,
        }
    }

    /// The name without options, which is that of the bare loop too: with the place if there are several.
    fn base<'o>(&self, mut all: impl Iterator<Item = &'o Self>) -> String {
        match &self.place {
            Some(place) if all.any(|other| other.place != self.place) => {
                format!("postgres {place}")
            }
            _ => "postgres".to_owned(),
        }
    }

    fn with_options(&self, mut name: String) -> String {
        let options = self.parsed.options();
        for (key, value) in options.filter(|(key, _)| OF_ENGINE.contains(key)) {
            name = with_option(&name, key, printable(value));
        }
        name
    }

    /// The schema, if it is not the one that a store has anyway.
    fn schema(&self) -> Option<&str> {
        self.option("schema").filter(|schema| *schema != SCHEMA)
    }

    fn option(&self, name: &str) -> Option<&str> {
        let found = self.parsed.options().find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }
}

/// The server and the database of a URL, unless a part of it may be one of a password with a question mark.
#[cfg(feature = "postgres")]
fn place(url: &str, parsed: &StoreUrl) -> Option<String> {
    let is_option =
        |(key, value): (&str, &str)| is_plain(key) && (key == "password" || !value.contains('@'));
    match parsed.options().all(is_option) {
        true => BarePostgres::new(without_options(url)).place().ok(),
        false => None,
    }
}

#[cfg(not(feature = "postgres"))]
fn place(_: &str, _: &StoreUrl) -> Option<String> {
    None
}

/// The value of an option, unless it may be a part of a password.
fn printable(value: &str) -> &str {
    if is_plain(value) { value } else { "***" }
}

fn is_plain(word: &str) -> bool {
    word.bytes()
        .all(|of| of.is_ascii_alphanumeric() || of == b'_')
}

fn with_option(url: &str, key: &str, value: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{key}={value}")
}

/// Stores on a server: all in one schema, each case with runs of its own, which are deleted in the end.
struct Server {
    url: String,
    /// Whether its URL says what a write survives, whatever a case asks for.
    has_durability: bool,
}

#[async_trait]
impl Opener for Server {
    async fn open(&self, durability: Durability) -> Result<Opened> {
        let url = match self.has_durability {
            true => self.url.clone(),
            false => with_option(&self.url, "durability", &durability.to_string()),
        };
        Ok(Opened {
            store: runstore::open(&url).await?,
            place: url,
            files: Vec::new(),
            is_in_process: false,
        })
    }

    async fn open_again(&self, opened: &Opened) -> Result<Option<Arc<dyn Store>>> {
        Ok(Some(runstore::open(&opened.place).await?))
    }

    async fn remove(&self, _: &Opened) -> Result<()> {
        Ok(())
    }

    #[cfg(feature = "postgres")]
    async fn facts(&self, opened: &Opened) -> Result<Vec<Fact>> {
        let url: StoreUrl = opened.place.parse()?;
        let durability = url.options().find(|(key, _)| *key == "durability");
        let durability = match durability {
            Some((_, durability)) => StoreUrl::durability(durability)?,
            None => Durability::Full,
        };
        let server = BarePostgres::new(without_options(&self.url));
        server.facts(durability).await
    }
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests {
    use runstore_bench::Engine;

    use super::*;

    /// The names of the stores, each with that of its bare loop.
    fn names(urls: &[&str]) -> Vec<(String, String)> {
        let read = urls.iter().map(|url| OnServer::read(url).unwrap().unwrap());
        let all = Vec::from_iter(read);
        let names = all.iter().map(|store| {
            let bare = store.reference(all.iter()).unwrap();
            let engine = store.engine(all.iter());
            (engine.name().to_owned(), bare.name().to_owned())
        });
        names.collect()
    }

    fn assert_named(urls: &[&str], expected: &[(&str, &str)]) {
        let owned = |(name, bare): &(&str, &str)| ((*name).to_owned(), (*bare).to_owned());
        assert_eq!(names(urls), Vec::from_iter(expected.iter().map(owned)));
    }

    #[test]
    fn a_store_alone_and_stores_with_other_options_need_no_more() {
        let one = ("postgres", "bare postgres");
        assert_named(&["postgres://me:pw@h/d?schema=a"], &[one]);
        let urls = [
            "postgres://h/d?schema=a",
            "postgres://h/d?schema=b&runtime=caller",
        ];
        assert_named(&urls, &[one, ("postgres?runtime=caller", "bare postgres")]);
    }

    #[test]
    fn schemas_of_a_database_are_told_apart_and_share_a_bare_loop() {
        let urls = [
            "postgres://h/d",
            "postgres://h/d?schema=a",
            "postgres://h/d?schema=b",
        ];
        let expected = [
            ("postgres", "bare postgres"),
            ("postgres?schema=a", "bare postgres"),
            ("postgres?schema=b", "bare postgres"),
        ];
        assert_named(&urls, &expected);
    }

    #[test]
    fn databases_and_servers_are_told_apart_and_have_a_bare_loop_each() {
        let urls = [
            "postgres://me:secret@one/d",
            "postgres://me:secret@two:6432/d?schema=a&runtime=caller",
            "postgres://two:6432/d?schema=b&runtime=caller",
        ];
        let expected = [
            ("postgres one/d", "bare postgres one/d"),
            (
                "postgres two:6432/d?runtime=caller&schema=a",
                "bare postgres two:6432/d",
            ),
            (
                "postgres two:6432/d?runtime=caller&schema=b",
                "bare postgres two:6432/d",
            ),
        ];
        assert_named(&urls, &expected);
    }

    #[test]
    fn the_same_store_has_the_same_name() {
        let urls = [
            "postgres://me:one@h/d?schema=runstore_bench",
            "postgresql://you:two@h:5432/d?application_name=x",
        ];
        let [(one, _), (other, _)] = &*names(&urls) else {
            panic!("two names");
        };
        assert_eq!(one, other);
    }

    #[test]
    fn no_part_of_a_password_is_in_a_name() {
        let others = "postgres://h/d";
        for url in [
            "postgres://me:12?secret@h/d=x",
            "postgres://me:secret@h/d?password=secret",
            "postgres://me:12?runtime=secret@h/d",
            "postgres://me:12?schema=secret@h/d",
        ] {
            let told = format!("{:?}", names(&[others, url]));
            assert!(!told.contains("secret") && !told.contains("12"), "{told}");
        }
    }
}
