//! A pooler of a test's own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Cluster, binaries};

/// What a machine without a pooler is told.
const MISSING: &str = "no PgBouncer is installed for the tests: install it with \
    `apt-get install -y pgbouncer`";

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the pooler, and stops it by its process id when the caller's end of the pipe is closed: on purpose, or
/// because the caller is gone.
const KEEPER: &str = r#"
"$1" "$2/pgbouncer.ini" >>"$2/log" 2>&1 </dev/null &
pooler=$!
read -r word
kill -TERM "$pooler"; wait "$pooler"; rm -rf "$2"
"#;

/// PgBouncer before a server, in `pool_mode = transaction`: whoever comes is the server's superuser. It knows no
/// startup parameter but its own, so that what a store may not say behind one is refused. Dropped, it is stopped
/// and its folder removed.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    port: u16,
    keeper: Child,
}

impl Pooler {
    /// Starts a pooler that has at most so many connections to a database of the server.
    ///
    /// # Errors
    /// What is missing, with the command that installs it, or what the pooler logged instead of starting.
    pub fn start(server: &Cluster, connections: u32) -> Result<Self, String> {
        let program = program()?;
        let user = binaries::user()?;
        let folder = TempDir::with_prefix("runstore-pgbouncer-").map_err(text)?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.map_err(text)?.port();
        let settings = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={} user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = {connections}\n\
             max_client_conn = 200\n",
            server.port()
        );
        fs::write(folder.path().join("pgbouncer.ini"), settings).map_err(text)?;
        let mut command = Command::new("/bin/sh");
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).map_err(text)?;
            command.uid(user).gid(group);
        }
        let keeper = command
            .args(["-c", KEEPER, "keeper"])
            .arg(program)
            .arg(folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            // In a group of its own, so that a signal to the tests from a terminal leaves it its work.
            .process_group(0)
            .spawn()
            .map_err(text)?;
        let pooler = Self {
            // From here on the keeper removes it, so that it also goes when this process is killed.
            folder: folder.keep(),
            port,
            keeper,
        };
        pooler.wait_until_ready()?;
        Ok(pooler)
    }

    /// The URL of the server's database `postgres` by way of the pooler.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(5));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("the pooler does not start; its log: {log}"))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It removes the folder; nothing is left to do if that fails.
        let _ = self.keeper.wait();
    }
}

fn program() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .ok_or_else(|| MISSING.to_owned())
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
