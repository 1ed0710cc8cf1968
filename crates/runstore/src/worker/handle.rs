use tokio::sync::watch;

/// How far a worker goes on; what was said once is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Course {
    Work,
    Stop,
    Abort,
}

/// Stops a [`Worker`](super::Worker), from anywhere: from the handler of a signal, say. Clones stop the
/// same worker; dropping one does nothing.
#[derive(Debug, Clone)]
pub struct WorkerHandle(watch::Sender<Course>);

impl WorkerHandle {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Course::Work))
    }

    /// Lets the worker claim no more and come to an end once the handlers that run are through and their
    /// reports are answered. A wait for a claim ends at once; a task that was claimed at that very moment
    /// is still carried out.
    pub fn stop(&self) {
        self.raise(Course::Stop);
    }

    /// Cancels the handlers as well and gives their tasks back at once, each with an attempt that is
    /// [`Interrupted`](runstore_core::AttemptStatus::Interrupted). It counts like any other (clause C8).
    ///
    /// A handler is cancelled where it awaits something next; one that is ready with its report by then
    /// is still heard. The task of a handler that blocks its thread is held until it comes back: two
    /// handlers must not be at one task.
    pub fn abort(&self) {
        self.raise(Course::Abort);
    }

    fn raise(&self, course: Course) {
        self.0.send_if_modified(|current| {
            let raised = *current < course;
            *current = course.max(*current);
            raised
        });
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow() >= Course::Stop
    }

    pub(super) fn is_aborted(&self) -> bool {
        *self.0.borrow() >= Course::Abort
    }

    pub(super) async fn stopped(&self) {
        self.reached(Course::Stop).await;
    }

    pub(super) async fn aborted(&self) {
        self.reached(Course::Abort).await;
    }

    async fn reached(&self, course: Course) {
        // No error: the sender is here.
        let _ = self.0.subscribe().wait_for(|now| *now >= course).await;
    }
}
