//! The benchmark of stores on servers.

use runstore_postgres_testing::Cluster;
use serde_json::Value;

use crate::support::{Folder, json};

/// A benchmark of few operations in these stores.
fn small<'a>(stores: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["bench", "append", "--json", "--workers=1", "--tasks=5"];
    arguments.extend(["--operations=3", "--rounds=1"]);
    for store in stores {
        arguments.extend(["--store", store]);
    }
    arguments
}

fn engines(report: &Value) -> Vec<&str> {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| row["engine"].as_str().unwrap()).collect()
}

#[test]
fn stores_on_servers_are_told_apart_as_far_as_needed() {
    // Of its own, for what is in the database that others are made after would be in theirs.
    let cluster = Cluster::start(&[]).unwrap();
    let url = cluster.url();
    let folder = Folder::new();

    let in_schema = format!("{url}?schema=other");
    let report = json(&folder.succeed(small(&[&url, &in_schema])));
    let expected = ["postgres", "bare postgres", "postgres?schema=other"];
    assert_eq!(engines(&report), expected);
    let facts = report["engines"].as_array().unwrap();
    let told = facts.iter().map(|of| of["engine"].as_str().unwrap());
    let expected = ["postgres", "postgres?schema=other", "bare postgres"];
    let mut told = Vec::from_iter(told);
    told.sort_by_key(|engine| expected.iter().position(|of| of == engine));
    assert_eq!(told, expected);
    for of in facts {
        assert_eq!(of["facts"], facts[0]["facts"], "one server");
        assert_eq!(
            of["facts"][1],
            serde_json::json!({ "name": "fsync", "value": "off" })
        );
    }

    let server = url.strip_suffix("/postgres").unwrap();
    let elsewhere = format!("{server}/template1");
    let report = json(&folder.succeed(small(&[&url, &elsewhere])));
    let place = |url: &str| url.split_once('@').unwrap().1.to_owned();
    let names = [&url, &elsewhere].map(|url| {
        let name = format!("postgres {}", place(url));
        let bare = format!("bare {name}");
        [name, bare]
    });
    assert_eq!(engines(&report), names.concat());

    let told = folder.fail(small(&[&url, &url]));
    assert!(told.contains("--store names postgres twice"), "{told}");
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn a_server_that_is_not_there_is_told_before_anything_is_measured() {
    let folder = Folder::new();
    let nowhere = "postgres://me:secret@127.0.0.1:1/none";
    let told = folder.fail(small(&["memory", nowhere]));
    let expected = "error: cannot begin the benchmark: postgres: ";
    assert!(
        told.starts_with(expected) && !told.contains("secret"),
        "{told}"
    );
}
