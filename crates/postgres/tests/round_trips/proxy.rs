//! A proxy between a store and its server that counts the trips of the store: how often the server said that it
//! is ready for the next statement.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstore_postgres::{PgConnectOptions, PostgresOptions};
use sqlx::postgres::PgSslMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::common;

/// What a store's connections go through.
pub(crate) struct Proxy {
    address: SocketAddr,
    counts: Arc<Counts>,
}

struct Counts {
    trips: AtomicUsize,
    /// Whether what the store says is passed on.
    is_open: watch::Sender<bool>,
    /// How many connections said something that is held back.
    held: watch::Sender<usize>,
}

impl Proxy {
    /// Listens for the connections of a store, for the time of the test's runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts {
            trips: AtomicUsize::new(0),
            is_open: watch::Sender::new(true),
            held: watch::Sender::new(0),
        });
        let server = server();
        let of_task = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = (server.get_host(), server.get_port());
                let server = TcpStream::connect(server).await.unwrap();
                server.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(from_client, to_server, Arc::clone(&of_task)));
                tokio::spawn(count(from_server, to_client, Arc::clone(&of_task)));
            }
        });
        Self { address, counts }
    }

    /// The options of a store in a schema of its own, that goes through the proxy.
    pub(crate) fn options(&self) -> PostgresOptions {
        let connect = server()
            .host("127.0.0.1")
            .port(self.address.port())
            .ssl_mode(PgSslMode::Disable);
        PostgresOptions::new(connect).with_schema(common::schema())
    }

    /// How many trips were made so far.
    pub(crate) fn trips(&self) -> usize {
        self.counts.trips.load(Ordering::SeqCst)
    }

    /// Holds back what the store says from now on.
    pub(crate) fn hold(&self) {
        self.counts.is_open.send_replace(false);
    }

    /// Waits until so many connections said something that is held back.
    pub(crate) async fn holds(&self, connections: usize) {
        let mut held = self.counts.held.subscribe();
        held.wait_for(|held| *held >= connections).await.unwrap();
    }

    /// Passes on what was held back, and all that comes.
    pub(crate) fn let_go(&self) {
        self.counts.is_open.send_replace(true);
    }
}

fn server() -> PgConnectOptions {
    let url = runstore_postgres_testing::url().unwrap();
    url.parse().unwrap()
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counts: Arc<Counts>) {
    let mut is_open = counts.is_open.subscribe();
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if !*is_open.borrow() {
            counts.held.send_modify(|held| *held += 1);
            is_open.wait_for(|is_open| *is_open).await.unwrap();
            counts.held.send_modify(|held| *held -= 1);
        }
        let said = bytes.get(..length).unwrap();
        if to.write_all(said).await.is_err() {
            return;
        }
    }
}

async fn count(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counts: Arc<Counts>) {
    let mut said = Messages::default();
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let Some(answer) = said.add(bytes.get(..length).unwrap()) else {
            continue;
        };
        // Before the store hears of it, so that a call that returned was counted.
        counts.trips.fetch_add(answer.trips, Ordering::SeqCst);
        if to.write_all(&answer.bytes).await.is_err() {
            return;
        }
    }
    // What a server says before it hangs up.
    let _ = to.write_all(&said.bytes).await;
}

/// What a server says, cut into messages: a letter, a length that counts itself, and what it has to say.
#[derive(Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Where the first message that is not whole begins.
    whole: usize,
    trips: usize,
}

/// What can be passed on.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trips: usize,
}

impl Messages {
    /// Adds what was read, and gives what is an answer as a whole: up to a message for which the server waits
    /// (that it is ready, or how it wants to be told who is there), or one that it sends of itself.
    pub(crate) fn add(&mut self, read: &[u8]) -> Option<Answer> {
        self.bytes.extend_from_slice(read);
        let mut last = 0;
        while let Some([letter, length @ ..]) = self.bytes.get(self.whole..self.whole + 5) {
            let length = u32::from_be_bytes(length.try_into().unwrap());
            let end = self.whole + 1 + usize::try_from(length).unwrap();
            if self.bytes.len() < end {
                break;
            }
            last = *letter;
            self.whole = end;
            self.trips += usize::from(last == b'Z');
        }
        matches!(last, b'Z' | b'R' | b'A').then(|| {
            let rest = self.bytes.split_off(self.whole);
            let bytes = std::mem::replace(&mut self.bytes, rest);
            self.whole = 0;
            let trips = std::mem::take(&mut self.trips);
            Answer { bytes, trips }
        })
    }
}
