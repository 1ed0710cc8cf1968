//! Opening by URL, under whatever features the test is compiled with.

#![allow(clippy::unwrap_used, clippy::panic)]

use runstore::{BACKENDS, Error, open};

async fn refusal(url: &str) -> String {
    match open(url).await {
        Err(Error::InvalidInput { field, problem }) => {
            assert_eq!(field, "url", "{url}");
            problem
        }
        Err(error) => panic!("{url}: {error}"),
        Ok(store) => panic!("{url} opened {:?}", store.info()),
    }
}

#[cfg(any(
    feature = "memory",
    feature = "postgres",
    feature = "redb",
    feature = "sqlite"
))]
mod support;

#[cfg(any(
    feature = "memory",
    feature = "postgres",
    feature = "redb",
    feature = "sqlite"
))]
mod compiled_in {
    use std::sync::Arc;

    use runstore::{ManualClock, NewRun, Store, Timestamp, open_with_clock};

    use super::support::url;
    use super::*;

    #[tokio::test]
    async fn every_backend_that_is_compiled_in_opens_under_its_own_name() {
        for backend in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&url(backend, &directory)).await.unwrap();
            assert_eq!(store.info().backend, *backend);
            let run = store.create_run(NewRun::new("goal", "/srv/repo")).await;
            assert_eq!(store.get_run(run.unwrap().id).await.unwrap().goal, "goal");
            store.close().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_store_reads_the_time_from_the_clock_that_it_was_given() {
        let time = Timestamp::from_micros(1_772_359_201_000_000).unwrap();
        for backend in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let clock = Arc::new(ManualClock::new(time));
            let store = open_with_clock(&url(backend, &directory), clock).await;
            let store: Arc<dyn Store> = store.unwrap();
            let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
            assert_eq!(run.created_at, time, "{backend}");
            store.close().await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_option_that_a_backend_does_not_have_is_refused_and_creates_no_file() {
        for backend in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let url = url(backend, &directory);
            let mark = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{mark}colour=red");
            assert!(refusal(&url).await.contains("colour"), "{backend}");
            assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        }
    }
}

#[tokio::test]
async fn a_backend_that_is_not_compiled_in_is_refused_with_the_feature_to_enable() {
    for scheme in ["memory", "redb", "sqlite"] {
        if BACKENDS.contains(&scheme) {
            continue;
        }
        let problem = refusal(&format!("{scheme}:runs")).await;
        let advice = format!("cargo add runstore --features {scheme}");
        assert!(problem.contains(&advice), "{problem}");
    }
}

#[tokio::test]
async fn an_unknown_scheme_is_refused_with_those_that_exist() {
    let problem = refusal("mongodb:runs").await;
    assert_eq!(
        problem,
        "names the backend \"mongodb\", which does not exist; there are memory:, postgres:, redb:, sqlite:"
    );
}

#[tokio::test]
async fn what_is_no_url_is_refused() {
    for text in ["", "runs.db", ":runs"] {
        assert!(refusal(text).await.contains("sqlite:runs.db"), "{text}");
    }
}
