//! The size of a record: the bytes of its fields, added up.

use std::io;

use serde_json::Value;

use super::check_word;
use crate::limits::{MAX_JSON_DEPTH, MAX_RECORD_BYTES, MAX_WORD_BYTES};
use crate::{Error, Result};

/// The fields of one record: adds up their bytes and remembers where the record is in the call.
pub(super) struct Record<'a> {
    path: &'a str,
    bytes: usize,
}

impl<'a> Record<'a> {
    pub(super) const fn at(path: &'a str) -> Self {
        Self { path, bytes: 0 }
    }

    fn field(&self, name: &str) -> String {
        match self.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<&mut Self> {
        self.add(name, text.len())
    }

    pub(super) fn optional_text(&mut self, name: &str, text: Option<&str>) -> Result<&mut Self> {
        self.text(name, text.unwrap_or_default())
    }

    pub(super) fn text_with_content(&mut self, name: &str, text: &str) -> Result<&mut Self> {
        if text.is_empty() {
            return Err(Error::invalid_input(self.field(name), "must not be empty"));
        }
        self.text(name, text)
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[String]) -> Result<&mut Self> {
        self.add(name, texts.iter().map(String::len).sum())
    }

    /// Ids count with the 16 bytes that each has.
    pub(super) fn ids(&mut self, name: &str, count: usize) -> Result<&mut Self> {
        self.add(name, count.saturating_mul(16))
    }

    pub(super) fn word(&mut self, name: &str, word: &str) -> Result<&mut Self> {
        // The path is put together only for the error: this runs at every call.
        if word.len() > MAX_WORD_BYTES {
            check_word(&self.field(name), word)?;
        }
        self.add(name, word.len())
    }

    pub(super) fn json(&mut self, name: &str, value: &Value) -> Result<&mut Self> {
        // Depth first: writing a value walks it recursively, and a deep one would end the stack.
        if is_deeper_than(value, MAX_JSON_DEPTH) {
            let problem = format!("is nested deeper than {MAX_JSON_DEPTH} levels");
            return Err(Error::invalid_input(self.field(name), problem));
        }
        self.add(name, written_bytes(value))
    }

    fn add(&mut self, name: &str, bytes: usize) -> Result<&mut Self> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_RECORD_BYTES {
            let problem = format!("takes its record over {MAX_RECORD_BYTES} bytes");
            return Err(Error::invalid_input(self.field(name), problem));
        }
        Ok(self)
    }
}

/// Whether arrays and objects are nested deeper than `levels`, without recursion.
fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        match value {
            Value::Array(_) | Value::Object(_) if level > levels => return true,
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|field| (field, level + 1))),
            _ => {}
        }
    }
    false
}

/// How many bytes the value takes when written compactly.
fn written_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // Neither a value nor a count can fail to be written; if one did, it could not be stored either.
        Err(_) => usize::MAX,
    }
}
