//! TLS: the server proves who it is, or nothing is said to it.
#![allow(clippy::unwrap_used)]

mod common;

use std::error::Error as StdError;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runstore_core::{Error, NewRun, Store};
use runstore_postgres::{PgConnectOptions, PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use sqlx::{ConnectOptions, query_scalar};

const SECRET: &str = "s3cret-word";

/// Who signs certificates.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    /// A certificate for these names, and its key.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server that speaks TLS only, with a certificate for these names.
struct Server {
    cluster: Cluster,
    authority: Authority,
}

impl Server {
    fn start(names: &[&str]) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.sign(names);
        let mut cluster = Cluster::start(&["log_connections = on"]).unwrap();
        let certificate = cluster.put("server.crt", &certificate).unwrap();
        let key = cluster.put("server.key", &key).unwrap();
        cluster.set("ssl = on").unwrap();
        let file = format!("ssl_cert_file = '{}'", certificate.display());
        cluster.set(&file).unwrap();
        let file = format!("ssl_key_file = '{}'", key.display());
        cluster.set(&file).unwrap();
        let access = ["hostssl all all 127.0.0.1/32 trust"];
        cluster.set_access(&access).unwrap();
        cluster.crash().unwrap();
        cluster.restart().unwrap();
        Self { cluster, authority }
    }

    /// The options of a store that trusts this authority.
    fn options(&self, host: &str, authority: &Authority) -> PostgresOptions {
        let name = format!("{}.crt", common::schema());
        let file = self.cluster.put(&name, &authority.certificate).unwrap();
        let url = format!(
            "postgres://postgres:{SECRET}@{host}:{}/postgres?tls=true&sslrootcert={}&schema={}",
            self.cluster.port(),
            file.display(),
            common::schema(),
        );
        PostgresOptions::from_url(&url.parse().unwrap()).unwrap()
    }

    /// How many connections it was asked for.
    fn connections(&self) -> usize {
        self.cluster.log().matches("connection received").count()
    }
}

/// All that an error says, with its causes.
fn all_of(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(of) = cause {
        said += &format!(" {of} {of:?}");
        cause = of.source();
    }
    said
}

/// Opens a store that must be refused before anything was said.
async fn refused(server: &Server, options: PostgresOptions) {
    let before = server.connections();
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    let said = all_of(&error);
    assert!(!said.contains(SECRET), "{said}");
    let tries = server.connections() - before;
    assert_eq!(tries, 1, "what will not pass is not tried again");
}

#[tokio::test]
async fn a_certificate_of_the_named_authority_for_the_host_opens_the_store() {
    let server = Server::start(&["localhost", "127.0.0.1"]);
    for host in ["localhost", "127.0.0.1"] {
        let options = server.options(host, &server.authority);
        let store = PostgresStore::open(options).await.unwrap();
        let run = store.create_run(NewRun::new("goal", "/repo")).await;
        let run = run.unwrap();
        assert_eq!(store.get_run(run.id).await.unwrap(), run);
        let connect: PgConnectOptions = server.cluster.url().parse().unwrap();
        let mut look = connect.connect().await.unwrap();
        let is_tls = query_scalar::<_, Option<bool>>(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'runstore'",
        );
        let is_tls = is_tls.fetch_one(&mut look).await.unwrap();
        assert_eq!(is_tls, Some(true));
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let server = Server::start(&["localhost", "127.0.0.1"]);
    let options = server.options("localhost", &Authority::new());
    refused(&server, options).await;
    // Nor is it known to the system.
    let url = format!(
        "postgres://postgres:{SECRET}@localhost:{}/postgres?tls=true",
        server.cluster.port()
    );
    let options = PostgresOptions::from_url(&url.parse().unwrap()).unwrap();
    refused(&server, options).await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let server = Server::start(&["db.example", "10.0.0.1"]);
    for host in ["localhost", "127.0.0.1"] {
        let options = server.options(host, &server.authority);
        refused(&server, options).await;
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_refuses_what_is_plain() {
    let server = Server::start(&["localhost"]);
    let before = server.connections();
    let url = format!("{}?tls=false", server.cluster.url());
    let options = PostgresOptions::from_url(&url.parse().unwrap()).unwrap();
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(all_of(&error).contains("28000"), "{error:?}");
    assert_eq!(server.connections() - before, 1);
}

#[tokio::test]
async fn a_server_without_tls_is_refused_by_who_wants_it() {
    let cluster = Cluster::start(&["log_connections = on"]).unwrap();
    let url = cluster
        .url()
        .replace("postgres@", &format!("postgres:{SECRET}@"));
    let options = PostgresOptions::from_url(&format!("{url}?tls=true").parse().unwrap()).unwrap();
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(!all_of(&error).contains(SECRET), "{error:?}");
    assert_eq!(cluster.log().matches("connection received").count(), 1);
}
