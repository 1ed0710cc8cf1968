//! A program at work.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::thread::yield_now;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// A program at work. Dropped, it is killed, and gone: until then it could write into a folder that is removed.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map(Self)
    }

    /// What it printed, once it has ended.
    pub(crate) async fn told(mut self) -> io::Result<(ExitStatus, String)> {
        let mut told = Vec::new();
        if let Some(mut output) = self.0.stdout.take() {
            output.read_to_end(&mut told).await?;
        }
        let status = self.0.wait().await?;
        Ok((status, String::from_utf8_lossy(&told).into_owned()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error says that it has ended.
        if self.0.start_kill().is_ok() {
            while let Ok(None) = self.0.try_wait() {
                yield_now();
            }
        }
    }
}
