//! Bytes to records and back. `docs/formats.md` describes the file.

use std::any::type_name;
use std::error::Error;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use redb::{Key, Value};
use runstore_core::{Timestamp, Uuid};
use serde::{Deserialize, Serialize};

/// The first byte of every record: how the rest is laid out. A record with another one is of a later format.
const LAYOUT: u8 = 1;

/// How many bytes are set aside for a record that is written: enough for most of them.
const USUAL_LENGTH: usize = 256;

/// A record of the store, and the row that it is written as.
pub(crate) trait Record: Sized + 'static {
    /// The row. Its fields are written in their order and without their names.
    type Row<'a>: Serialize + Deserialize<'a>;

    /// The row of this record.
    fn row(&self) -> Result<Self::Row<'_>, CodecError>;

    /// The record of a row.
    fn of_row(row: Self::Row<'_>) -> Result<Self, CodecError>;
}

/// Why a value is not the record that belongs there.
#[derive(Debug)]
pub(crate) enum CodecError {
    /// It is laid out in a way that this version does not know.
    Layout(Option<u8>),
    /// It ends too early, or a part of it is not what belongs there.
    Parts(postcard::Error),
    /// Bytes are left over.
    LeftOver(usize),
    /// A part that is JSON does not read as such.
    Json(serde_json::Error),
    /// A time out of the range of times.
    Time(i64),
}

impl fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(Some(layout)) => write!(formatter, "layout {layout} is not known"),
            Self::Layout(None) => formatter.write_str("it is empty"),
            Self::Parts(_) => formatter.write_str("its parts cannot be told apart"),
            Self::LeftOver(count) => write!(formatter, "{count} bytes follow after its end"),
            Self::Json(_) => formatter.write_str("its JSON cannot be read"),
            Self::Time(micros) => write!(formatter, "{micros} is no time"),
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Parts(error) => Some(error),
            Self::Json(error) => Some(error),
            Self::Layout(_) | Self::LeftOver(_) | Self::Time(_) => None,
        }
    }
}

impl From<postcard::Error> for CodecError {
    fn from(error: postcard::Error) -> Self {
        Self::Parts(error)
    }
}

impl From<serde_json::Error> for CodecError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// The time of a row.
pub(crate) fn time(micros: i64) -> Result<Timestamp, CodecError> {
    Timestamp::from_micros(micros).ok_or(CodecError::Time(micros))
}

/// As [`time`], if there is one.
pub(crate) fn time_if_set(micros: Option<i64>) -> Result<Option<Timestamp>, CodecError> {
    micros.map(time).transpose()
}

pub(crate) fn to_bytes(row: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    let bytes = Vec::with_capacity(USUAL_LENGTH);
    Ok(postcard::to_extend(&(LAYOUT, row), bytes)?)
}

/// What it reads is never longer than `bytes`: a length that is damaged ends in an error before
/// anything of that length is made.
pub(crate) fn from_bytes<'b, R: Deserialize<'b>>(bytes: &'b [u8]) -> Result<R, CodecError> {
    let row = match bytes.split_first() {
        Some((&LAYOUT, row)) => row,
        other => return Err(CodecError::Layout(other.map(|(layout, _)| *layout))),
    };
    match postcard::take_from_bytes(row)? {
        (row, []) => Ok(row),
        (_, rest) => Err(CodecError::LeftOver(rest.len())),
    }
}

/// A value of a table, and what it is read as.
pub(crate) trait Stored: Value + 'static {
    /// What it is read as.
    type Decoded;

    /// Reads the value.
    fn decode(value: Self::SelfType<'_>) -> Result<Self::Decoded, CodecError>;
}

macro_rules! stored_as_it_is {
    ($($value:ty),+) => {
        $(
            impl Stored for $value {
                type Decoded = Self;

                fn decode(value: Self) -> Result<Self, CodecError> {
                    Ok(value)
                }
            }
        )+
    };
}
stored_as_it_is!((), u64, Uuid, (u64, u64));

/// A key that ends in a number, by which the rows of a list are ordered.
pub(crate) trait Numbered: Key + 'static {
    /// That number.
    fn number(key: Self::SelfType<'_>) -> u64;
}

impl Numbered for u64 {
    fn number(key: Self) -> u64 {
        key
    }
}

impl Numbered for (u64, u64) {
    fn number((_, number): Self) -> u64 {
        number
    }
}

/// A key of the former formats.
impl Numbered for (Uuid, u64) {
    fn number((_, number): Self) -> u64 {
        number
    }
}

/// A record as bytes. For redb these are plain: reading them as a record may fail, and redb's own
/// decoding must not.
pub(crate) struct Binary<T>(PhantomData<fn() -> T>);

impl<T> Debug for Binary<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Binary<{}>", type_name::<T>())
    }
}

/// A value that is plain bytes for redb.
macro_rules! plain_bytes {
    ($value:ident) => {
        impl<T: 'static> redb::Value for $value<T> {
            type SelfType<'a> = &'a [u8];
            type AsBytes<'a> = &'a [u8];

            fn fixed_width() -> Option<usize> {
                None
            }

            fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
            where
                Self: 'a,
            {
                data
            }

            fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
            where
                Self: 'b,
            {
                value
            }

            fn type_name() -> redb::TypeName {
                <&[u8] as redb::Value>::type_name()
            }
        }
    };
}
plain_bytes!(Binary);
pub(crate) use plain_bytes;

impl<T: Record> Stored for Binary<T> {
    type Decoded = T;

    fn decode(value: &[u8]) -> Result<T, CodecError> {
        T::of_row(from_bytes(value)?)
    }
}
