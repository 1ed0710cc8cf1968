//! Opening a store.

use std::sync::Arc;

use runstore_core::Result;
use tokio::sync::watch;

use crate::PostgresOptions;
use crate::background::Background;
use crate::connections::Connections;
use crate::listener;
use crate::schema;
use crate::shared::Shared;

/// An opened store: where it talks to the server, what its handles share, and the word that it is closed.
pub(crate) type Opened = (Background, Arc<Shared>, watch::Sender<bool>);

pub(crate) async fn open(options: PostgresOptions) -> Result<Opened> {
    let background = match options.on_callers_runtime {
        true => Background::of_caller()?,
        false => Background::own()?,
    };
    let connections = Connections::new(&options);
    let listen_by = (!options.is_pooled).then(|| connections.connect_options());
    let shared = background.run(prepared(options, connections)).await?;
    let (closing, closed) = watch::channel(false);
    if let Some(connect) = listen_by {
        background.start(listener::run(Arc::clone(&shared), connect, closed));
    }
    Ok((background, shared, closing))
}

async fn prepared(options: PostgresOptions, connections: Connections) -> Result<Arc<Shared>> {
    let mut held = connections.acquire().await?;
    let begin = connections.begin();
    let server = schema::check_server(&mut held.session, begin).await?;
    let prepared = schema::prepare(&mut held.session, &options, begin, &server).await;
    held.end(&prepared);
    prepared?;
    let durability = server.durability(options.durability);
    Ok(Arc::new(Shared::new(
        connections,
        durability,
        options.clock,
        options.poll_interval,
    )))
}
