//! Stores on a server.

use std::sync::Arc;

use async_trait::async_trait;
use runstore::{Durability, Store, StoreUrl};
#[cfg(feature = "postgres")]
use runstore_bench::Fact;
use runstore_bench::{Opened, Opener, StoreEngine};
#[cfg(feature = "postgres")]
use runstore_bench_reference::BarePostgres;

use super::Result;
use crate::failure::{Context, Failure};
use crate::open::shown;

/// The schema of a database in which stores are measured, unless their URL names another.
const SCHEMA: &str = "runstore_bench";

/// The bare loop on the server of this URL.
#[cfg(feature = "postgres")]
pub(super) fn bare(store: &str) -> BarePostgres {
    BarePostgres::new(without_options(store))
}

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

/// The engine over the server of this URL.
pub(super) fn engine(store: &str) -> std::result::Result<StoreEngine, Failure> {
    let url: StoreUrl = store
        .parse()
        .or_fail(format!("cannot read the URL --store {}", shown(store)))?;
    let has = |option| url.options().any(|(key, _)| key == option);
    let mut name = "postgres".to_owned();
    for (key, value) in url.options().filter(|(key, _)| OF_ENGINE.contains(key)) {
        name = with_option(&name, key, value);
    }
    let server = Server {
        url: match has("schema") {
            true => store.to_owned(),
            false => with_option(store, "schema", SCHEMA),
        },
        has_durability: has("durability"),
    };
    Ok(StoreEngine::new(name, server))
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
        bare(&self.url).facts(durability).await
    }
}
