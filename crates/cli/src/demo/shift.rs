//! The processes that work on a run at the same time.

use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;

use super::child::WorkerProcess;
use super::message::{Job, Message};
use crate::failure::{Context, Failure};

/// What is heard of them.
pub(crate) enum Heard {
    Message(Message),
    /// One is gone, with this status.
    Gone(ExitStatus),
}

/// Processes that work on a run. Dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Shift {
    processes: Vec<WorkerProcess>,
    heard: mpsc::Receiver<(usize, Result<Option<Message>, Failure>)>,
}

impl Shift {
    /// Starts a process for each job.
    pub(crate) fn start(jobs: &[Job]) -> Result<Self, Failure> {
        let (told, heard) = mpsc::channel();
        let mut processes = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            let (process, mut voice) = WorkerProcess::start(job)?;
            processes.push(process);
            let told = told.clone();
            let listen = move || {
                loop {
                    let said = voice.listen();
                    let is_last = !matches!(said, Ok(Some(_)));
                    // Whoever does not listen any more has given the work up.
                    if told.send((number, said)).is_err() || is_last {
                        return;
                    }
                }
            };
            let listening = thread::Builder::new().spawn(listen);
            listening.or_fail("cannot listen to a worker process")?;
        }
        Ok(Self { processes, heard })
    }

    /// What is heard next; `None` once all are gone.
    pub(crate) fn listen(&mut self) -> Result<Option<Heard>, Failure> {
        let Ok((number, said)) = self.heard.recv() else {
            return Ok(None);
        };
        match (said?, self.processes.get_mut(number)) {
            (Some(message), _) => Ok(Some(Heard::Message(message))),
            (None, Some(process)) => process.wait().map(|status| Some(Heard::Gone(status))),
            (None, None) => Ok(None),
        }
    }

    /// Kills them all, as `kill -9` does. What they said before can still be listened to.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.processes.iter_mut().try_for_each(WorkerProcess::kill)
    }

    /// Their process ids, as they are told.
    pub(crate) fn ids(&self) -> String {
        let ids = self
            .processes
            .iter()
            .map(|process| process.id().to_string());
        Vec::from_iter(ids).join(", ")
    }
}
