//! The bounds of clause G8.

use std::time::Duration;

/// The most bytes that a call may give for one record, 16 MiB: the bytes of its texts and of its JSON
/// values written compactly.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes of an open word (a status of a run, a role, a source, a verdict …), which a backend
/// may keep in an index; what an index takes in one entry is bounded (2,704 bytes in PostgreSQL).
pub const MAX_WORD_BYTES: usize = 255;

/// The most levels of arrays and objects in a JSON value. `serde_json` and others stop reading at 128;
/// a value must still be readable where a record, a list and a snapshot enclose it.
pub const MAX_JSON_DEPTH: usize = 100;

/// The most rows that a limit may ask for; the least is 1.
pub const MAX_PAGE: u32 = 10_000;

/// The most drafts in one plan.
pub const MAX_PLAN_TASKS: usize = 100_000;

/// The most tasks that one task may depend on.
pub const MAX_DEPENDENCIES: usize = 10_000;

/// The most tasks that one call may claim; the least is 1.
pub const MAX_CLAIMS: u32 = 1_000;

/// The longest lease, the longest delay of a release and the longest wait for a claim: 365 days. The
/// shortest lease is a microsecond.
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most events in one report, and the most artifacts.
pub const MAX_REPORT_ITEMS: usize = 1_000;

/// How many events a snapshot shows.
pub const SNAPSHOT_EVENTS: u32 = 50;

/// How many attempts a snapshot shows.
pub const SNAPSHOT_ATTEMPTS: u32 = 12;
