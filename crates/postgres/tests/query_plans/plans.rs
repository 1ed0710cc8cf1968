//! The plans that statements really ran by, also those within functions, from the server's log.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use runstore_postgres::{PgConnectOptions, PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use serde_json::Value;

use crate::common;

/// What a connection is told so that the server logs the plan of every statement. Whoever has the superuser's
/// name may say so.
const LOGGING: [(&str, &str); 7] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_nested_statements", "on"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_timing", "off"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_parameter_max_length", "0"),
];

/// A store on a server of its own, over one connection, whose plans are logged.
pub(crate) struct Watched {
    pub(crate) cluster: Cluster,
    pub(crate) store: PostgresStore,
    pub(crate) schema: String,
    seen: u64,
}

/// What a statement did with a table.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) kind: String,
    pub(crate) table: String,
    /// None for a scan of the table itself.
    pub(crate) index: Option<String>,
    /// How many rows it looked at.
    pub(crate) rows: u64,
    pub(crate) statement: String,
}

impl fmt::Display for Scan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, table, rows, ..
        } = self;
        let index = self.index.as_deref().unwrap_or("no index");
        let statement: Vec<&str> = self.statement.split_whitespace().take(40).collect();
        let statement = statement.join(" ");
        write!(
            formatter,
            "{kind} of {table} by {index}: {rows} rows; {statement}"
        )
    }
}

impl Watched {
    pub(crate) async fn open() -> Self {
        // Nobody looks after the tables, so that the plans are by what a test says and by nothing else.
        let cluster = Cluster::start(&["autovacuum = off"]).unwrap();
        let connect: PgConnectOptions = cluster.url().parse().unwrap();
        let schema = common::schema();
        let options = PostgresOptions::new(connect.options(LOGGING))
            .with_schema(&schema)
            .with_connections(1);
        let store = PostgresStore::open(options).await.unwrap();
        Self {
            cluster,
            store,
            schema,
            seen: 0,
        }
    }

    /// Looks at nothing that was done so far.
    pub(crate) fn forget(&mut self) {
        self.seen = self.cluster.folder().join("log").metadata().unwrap().len();
    }

    /// The scans of the store's tables since the last look.
    pub(crate) fn scans(&mut self) -> Vec<Scan> {
        let mut log = File::open(self.cluster.folder().join("log")).unwrap();
        log.seek(SeekFrom::Start(self.seen)).unwrap();
        let mut new = String::new();
        self.seen += log.read_to_string(&mut new).unwrap() as u64;
        let mut scans = Vec::new();
        for entry in new.split("  plan:\n").skip(1) {
            let lines = entry.lines().take_while(|line| line.starts_with('\t'));
            let plan: String = lines.collect();
            let plan: Value = serde_json::from_str(&plan).unwrap();
            let statement = plan["Query Text"].as_str().unwrap();
            collect(&plan["Plan"], statement, &mut scans);
        }
        scans
    }
}

fn collect(node: &Value, statement: &str, scans: &mut Vec<Scan>) {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let text = |name: &str| node[name].as_str().map(str::to_owned);
    let kind = text("Node Type").unwrap();
    if kind.contains("Scan")
        && (node["Relation Name"].is_string() || node["Index Name"].is_string())
    {
        let looked = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        scans.push(Scan {
            kind,
            table: text("Relation Name").unwrap_or_default(),
            index: text("Index Name"),
            rows: (looked * number("Actual Loops")) as u64,
            statement: statement.to_owned(),
        });
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        collect(child, statement, scans);
    }
}

/// The indexes that were used.
pub(crate) fn indexes(scans: &[Scan]) -> BTreeSet<&str> {
    scans
        .iter()
        .filter_map(|scan| scan.index.as_deref())
        .collect()
}
