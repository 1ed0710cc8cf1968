//! A server of a test's own.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binaries;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server, and stops it by its process id when the caller's end of the pipe is closed: on purpose, or
/// because the caller is gone.
///
/// A background process of a shell ignores SIGQUIT until the server has its own handler: it is sent until it is
/// heard.
const KEEPER: &str = r#"
stop() {
    kill -QUIT "$server" 2>/dev/null
    (while sleep 0.1 && kill -QUIT "$server" 2>/dev/null; do :; done) &
    wait "$server"
}
"$1" -D "$2" >>"$3/log" 2>&1 </dev/null &
server=$!
echo "$server" >"$3/pid"
read -r word
case "$word" in
    leave) stop ;;
    *) stop; rm -rf "$3" ;;
esac
"#;

/// What every server is told. It is small, and it flushes nothing.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
shared_buffers = 64MB
max_connections = 200
log_min_messages = warning
";

/// A server of a test's own: for what would disturb others. Dropped, it is stopped and its folder removed.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    keeper: Option<Child>,
}

impl Cluster {
    /// Starts a server with further settings, each a line as in `postgresql.conf`.
    ///
    /// # Errors
    /// What is missing, with the command that installs it, or what the server logged instead of starting.
    pub fn start(settings: &[&str]) -> Result<Self, String> {
        let binaries = binaries::folder()?;
        let user = binaries::user()?;
        let folder = TempDir::with_prefix("runstore-postgres-").map_err(text)?;
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).map_err(text)?;
        }
        let mut cluster = Self {
            // From here on the keeper removes it, so that it also goes when this process is killed.
            folder: folder.keep(),
            binaries,
            user,
            port: 0,
            keeper: None,
        };
        cluster.initialise(settings)?;
        cluster.run()?;
        Ok(cluster)
    }

    /// The URL of its database `postgres`, for its superuser of the same name, who needs no password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of the same database for a user.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data, its log and whatever a test puts there.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The folder with the server's programs.
    #[must_use]
    pub fn binaries(&self) -> &std::path::Path {
        &self.binaries
    }

    /// Stops the server at once, as a crash would: no transaction is ended and nothing is written that was not.
    ///
    /// # Errors
    /// If it was not running.
    pub fn crash(&mut self) -> Result<(), String> {
        let mut keeper = self.keeper.take().ok_or("the server is not running")?;
        leave(&mut keeper)
    }

    /// Kills every process of the server (`SIGKILL` to the first, on which the others end).
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<(), String> {
        let mut keeper = self.keeper.take().ok_or("the server is not running")?;
        let pid = fs::read_to_string(self.folder.join("pid")).map_err(text)?;
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status();
        killed.map_err(text)?;
        leave(&mut keeper)
    }

    /// Starts it again on the same data and the same port.
    ///
    /// # Errors
    /// What the server logged instead of starting.
    pub fn restart(&mut self) -> Result<(), String> {
        self.run()
    }

    /// Makes a running server a standby that only reads: it stays in recovery, on the data that it has.
    ///
    /// # Errors
    /// If it was not running, or what it logged instead of starting again.
    pub fn become_standby(&mut self) -> Result<(), String> {
        self.crash()?;
        fs::write(self.folder.join("data/standby.signal"), "").map_err(text)?;
        self.run()
    }

    /// Changes a setting for the next start.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn set(&self, line: &str) -> Result<(), String> {
        let file = self.folder.join("data/postgresql.conf");
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(file)
            .map_err(text)?;
        writeln!(file, "{line}").map_err(text)
    }

    /// Says who may connect, and how they prove who they are, as lines of `pg_hba.conf`: from the next start on.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn set_access(&self, lines: &[&str]) -> Result<(), String> {
        let file = self.folder.join("data/pg_hba.conf");
        fs::write(file, lines.join("\n") + "\n").map_err(text)
    }

    /// Puts a file that only the server's user can read into the folder, and gives its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let file = self.folder.join(name);
        fs::write(&file, content).map_err(text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(text)?;
        if let Some((user, group)) = self.user {
            chown(&file, Some(user), Some(group)).map_err(text)?;
        }
        Ok(file)
    }

    /// What the server logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(&self.folder);
        command
    }

    fn initialise(&mut self, settings: &[&str]) -> Result<(), String> {
        let initdb = self.binaries.join("initdb");
        let made = self
            .command(&initdb.to_string_lossy())
            .args([
                "--pgdata",
                "data",
                "--username",
                "postgres",
                "--auth",
                "trust",
            ])
            .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .output()
            .map_err(text)?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        self.port = free.map_err(text)?.port();
        self.set(&format!(
            "{SETTINGS}port = {}\n{}",
            self.port,
            settings.join("\n")
        ))
    }

    /// Starts the server. Processes of one that was killed hold the data's memory for a moment longer, and a
    /// server that finds them ends at once: it is tried again.
    fn run(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let mut keeper = self.start_keeper()?;
            if self.wait_until_ready(&mut keeper, begun)? {
                self.keeper = Some(keeper);
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                leave(&mut keeper)?;
                let log = self.log();
                let end = Vec::from_iter(log.lines().rev().take(20));
                let end = Vec::from_iter(end.into_iter().rev()).join("\n");
                return Err(format!("the server does not start; its log ends: {end}"));
            }
        }
    }

    fn start_keeper(&self) -> Result<Child, String> {
        // Of the server before.
        let _ = fs::remove_file(self.folder.join("pid"));
        let postgres = self.binaries.join("postgres");
        self.command("/bin/sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(postgres)
            .arg(self.folder.join("data"))
            .arg(&self.folder)
            .stdin(Stdio::piped())
            // In a group of its own, so that a signal to the tests from a terminal leaves it its work.
            .process_group(0)
            .spawn()
            .map_err(text)
    }

    /// Waits until the keeper's server takes connections; `false` if it ended instead, or takes too long.
    fn wait_until_ready(&self, keeper: &mut Child, begun: Instant) -> Result<bool, String> {
        let state = self.folder.join("data/postmaster.pid");
        while begun.elapsed() < PATIENCE {
            let own = fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
            // The first line is the process, also of one that was killed, and the eighth says how far it is:
            // https://www.postgresql.org/docs/current/storage-file-layout.html
            let state = fs::read_to_string(&state).unwrap_or_default();
            let mut lines = state.lines().map(str::trim);
            let is_own = lines.next() == Some(own.trim()) && !own.is_empty();
            if is_own && matches!(lines.nth(6), Some("ready" | "standby")) {
                return Ok(true);
            }
            if has_ended(own.trim()) {
                leave(keeper)?;
                return Ok(false);
            }
            sleep(Duration::from_millis(5));
        }
        Ok(false)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        match self.keeper.take() {
            Some(mut keeper) => {
                drop(keeper.stdin.take());
                // It removes the folder; nothing is left to do if that fails.
                let _ = keeper.wait();
            }
            None => drop(fs::remove_dir_all(&self.folder)),
        }
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// Has the keeper stop its server, if it runs, and leave the folder.
fn leave(keeper: &mut Child) -> Result<(), String> {
    if let Some(mut stdin) = keeper.stdin.take() {
        stdin.write_all(b"leave\n").map_err(text)?;
    }
    keeper.wait().map_err(text)?;
    Ok(())
}

/// Whether the process has come to its end, also if the keeper has not taken note of it; a number that nobody has
/// is of one that has.
fn has_ended(pid: &str) -> bool {
    // The state stands behind the name in brackets: proc(5).
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    !pid.is_empty() && state.is_none_or(|state| state.starts_with('Z'))
}
