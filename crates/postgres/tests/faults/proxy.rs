//! A way to the server that can be cut.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;

/// When the way is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    Never,
    /// The server gets what comes next, and its answer is lost.
    Answer,
    /// The server gets the next COMMIT, and its answer is lost.
    AnswerToCommit,
    /// What comes next is lost.
    Question,
}

impl Cut {
    fn of(number: u8) -> Self {
        let all = [
            Self::Never,
            Self::Answer,
            Self::AnswerToCommit,
            Self::Question,
        ];
        all.into_iter()
            .find(|cut| *cut as u8 == number)
            .unwrap_or(Self::Never)
    }
}

/// Passes on what store and server say, until it is told to cut. One cut ends one connection.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    port: u16,
    cut: Arc<AtomicU8>,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::default(),
            cuts: Arc::default(),
        };
        let passing = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passing = passing.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await {
                        // An end of either side is the end of the connection.
                        let _ = passing.pass(client, server).await;
                    }
                });
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Cuts once.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// How often it was cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    /// Whether what the client says is to be cut, and how; asked once for each.
    fn is_cut(&self, said: &[u8]) -> Option<Cut> {
        let cut = Cut::of(self.cut.load(Ordering::SeqCst));
        let concerns = match cut {
            Cut::Never => false,
            Cut::Answer | Cut::Question => true,
            Cut::AnswerToCommit => said.windows(7).any(|part| part == b"COMMIT\0"),
        };
        let taken = concerns && self.cut.swap(Cut::Never as u8, Ordering::SeqCst) == cut as u8;
        taken.then_some(cut)
    }

    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut from_client, mut from_server) = ([0; 16384], [0; 16384]);
        loop {
            select! {
                read = client.read(&mut from_client) => {
                    let Some(said @ [_, ..]) = from_client.get(..read?) else { return Ok(()) };
                    let cut = self.is_cut(said);
                    if cut == Some(Cut::Question) {
                        self.cuts.fetch_add(1, Ordering::SeqCst);
                        return Ok(());
                    }
                    server.write_all(said).await?;
                    if cut.is_some() {
                        // The answer says that it is done; nobody hears it.
                        let _answered = server.read(&mut from_server).await?;
                        self.cuts.fetch_add(1, Ordering::SeqCst);
                        return Ok(());
                    }
                }
                read = server.read(&mut from_server) => {
                    let Some(said @ [_, ..]) = from_server.get(..read?) else { return Ok(()) };
                    client.write_all(said).await?;
                }
            }
        }
    }
}
