//! What a store says of itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What survives once a write has returned (clause G2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Every write that returned survives a killed process and a loss of power.
    Full,
    /// Every write that returned survives a killed process; the last ones may be lost at a loss of
    /// power, in order, and the store is never torn.
    Relaxed,
    /// Nothing survives the process.
    Volatile,
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
            Self::Volatile => "volatile",
        })
    }
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreInfo {
    /// The name of the backend, in lower case.
    pub backend: String,
    /// How durable its writes are.
    pub durability: Durability,
}
