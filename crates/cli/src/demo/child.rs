//! The process that does the work, from both of its ends.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::crew;
use super::message::{Job, Message};
use crate::failure::{Context, Failure};
use crate::open::{open, runtime};
use crate::output;

/// The worker process as the demo holds it. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Child,
    /// Kept open for as long as the process is to live.
    _input: ChildStdin,
}

/// What a worker process says.
#[derive(Debug)]
pub(crate) struct Voice(BufReader<ChildStdout>);

impl WorkerProcess {
    pub(crate) fn start(job: &Job) -> Result<(Self, Voice), Failure> {
        let what = "cannot start the worker process";
        let program = env::current_exe().or_fail(what)?;
        let mut child = Command::new(program)
            .arg("demo-worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .or_fail(what)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or_else(|| Failure::new(what))?;
        let mut line = serde_json::to_vec(job).or_fail(what)?;
        line.push(b'\n');
        input.write_all(&line).or_fail(what)?;
        let process = Self {
            child,
            _input: input,
        };
        Ok((process, Voice(BufReader::new(output))))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as `kill -9` does. What it said before can still be listened to.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().or_fail("cannot kill the worker process")
    }

    /// Waits until it is gone and has let go of its files.
    pub(crate) fn wait(&mut self) -> Result<std::process::ExitStatus, Failure> {
        let status = self.child.wait();
        status.or_fail("cannot wait for the worker process")
    }
}

impl Voice {
    /// What it says next; `None` if it is gone.
    pub(crate) fn listen(&mut self) -> Result<Option<Message>, Failure> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        read.or_fail("cannot hear the worker process")?;
        // What it was saying when it was killed, it has not said.
        if !line.ends_with('\n') {
            return Ok(None);
        }
        match serde_json::from_str(&line).or_fail("cannot understand the worker process")? {
            Message::Failed { problem } => Err(Failure::new(format!(
                "the worker process failed: {problem}"
            ))),
            message => Ok(Some(message)),
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Both fail if it is gone, and that is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The worker process itself.
pub(crate) fn work() -> ExitCode {
    match carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let problem = failure.line();
            // The demo tells it; if there is none any more, nobody does.
            let _ = tell(&Message::Failed { problem });
            ExitCode::FAILURE
        }
    }
}

fn carry_out() -> Result<(), Failure> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.or_fail("cannot read the job")?;
    let job: Job = serde_json::from_str(&line).or_fail("cannot read the job")?;
    let demo_gone = end_of_input()?;
    runtime()?.block_on(async {
        let store = open(&job.store).await?;
        let report = Box::new(|message| tell(&message));
        // Dropped half-way, a call is done or not done (clause G4), and the next process takes it up.
        let worked = tokio::select! {
            worked = crew::work(Arc::clone(&store), job, report) => worked,
            _ = demo_gone => Err(Failure::new("the demo is gone")),
        };
        store.close().await.or_fail("cannot close the store")?;
        worked
    })
}

/// Resolves when the input ends, which it does also when the demo is killed.
fn end_of_input() -> Result<oneshot::Receiver<()>, Failure> {
    let (alive, gone) = oneshot::channel::<()>();
    let watch = move || {
        let _alive = alive;
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    };
    let watching = thread::Builder::new().spawn(watch);
    watching.or_fail("cannot watch the input")?;
    Ok(gone)
}

fn tell(message: &Message) -> Result<(), Failure> {
    let line = serde_json::to_string(message).or_fail("cannot put a message into words")?;
    output::print(&line)
}
