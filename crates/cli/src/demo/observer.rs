//! What the demo sees of the work, and what it tells of it meanwhile.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::message::{Acknowledgement, Message};
use crate::failure::Failure;
use crate::output::{complain, print, printable};

/// Hears the messages of the workers, keeps what was acknowledged, and tells the reader: with a bar on a
/// terminal, in plain lines elsewhere.
#[derive(Debug)]
pub(crate) struct Observer {
    to_standard_error: bool,
    bar: Option<ProgressBar>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<Acknowledgement>,
    settled: u64,
    expected: u64,
    kept: u64,
}

impl Observer {
    pub(crate) fn new(to_standard_error: bool, tasks: u64) -> Self {
        let (is_terminal, target) = if to_standard_error {
            (io::stderr().is_terminal(), ProgressDrawTarget::stderr())
        } else {
            (io::stdout().is_terminal(), ProgressDrawTarget::stdout())
        };
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(tasks), target);
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} settled  {wide_msg}");
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        let seen = Seen {
            expected: tasks,
            ..Seen::default()
        };
        Self {
            to_standard_error,
            bar,
            seen: Mutex::new(seen),
        }
    }

    /// Tells a line.
    pub(crate) fn say(&self, line: &str) -> Result<(), Failure> {
        let write = || {
            if self.to_standard_error {
                complain(line);
                Ok(())
            } else {
                print(line)
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Hears a message of the workers.
    pub(crate) fn hear(&self, message: Message) -> Result<(), Failure> {
        match message {
            Message::TookUp {
                process_id,
                in_progress,
            } => self.say(&format!(
                "process {process_id} takes the run up, with {in_progress} tasks still leased to others"
            )),
            Message::TookOver {
                task_id,
                attempt_number,
                title,
            } => self.say(&format!(
                "the lease of attempt {attempt_number} ran out, and {task_id} is taken over  {}",
                printable(&title)
            )),
            Message::Acknowledged(acknowledgement) => self.acknowledge(acknowledgement),
            Message::Kept { .. } => {
                self.seen().kept += 1;
                Ok(())
            }
            Message::Stale { task_id } => self.say(&format!(
                "a report on {task_id} is not taken: its claim is stale by a newer plan or claim"
            )),
            Message::Replanned { settlements } => {
                self.seen().expected = settlements;
                if let Some(bar) = &self.bar {
                    bar.set_length(settlements);
                }
                self.say("a task is blocked; the remaining work is planned anew")
            }
            Message::Failed { problem } => Err(Failure::new(problem)),
        }
    }

    fn acknowledge(&self, acknowledgement: Acknowledgement) -> Result<(), Failure> {
        let title = printable(&acknowledgement.title);
        let mut seen = self.seen();
        if acknowledgement.is_settlement() {
            seen.settled += 1;
        }
        let line = format!(
            "{:>3}/{} {:<9} {} attempt {}  {title}",
            seen.settled,
            seen.expected,
            acknowledgement.status.as_str(),
            acknowledgement.task_id,
            acknowledgement.attempt_number,
        );
        let settled = seen.settled;
        seen.acknowledged.push(acknowledgement);
        drop(seen);
        match &self.bar {
            Some(bar) => {
                bar.set_position(settled);
                bar.set_message(title);
                Ok(())
            }
            None => self.say(&line),
        }
    }

    /// How many tasks were settled.
    pub(crate) fn settled(&self) -> u64 {
        self.seen().settled
    }

    /// How many tasks are worked on by a process that will not report on them.
    pub(crate) fn kept(&self) -> u64 {
        self.seen().kept
    }

    /// All that was acknowledged, in the order in which it was heard.
    pub(crate) fn acknowledged(&self) -> Vec<Acknowledgement> {
        self.seen().acknowledged.clone()
    }

    /// Takes the bar away.
    pub(crate) fn rest(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Each change of it is whole, so a panic elsewhere cannot have left half of one.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
