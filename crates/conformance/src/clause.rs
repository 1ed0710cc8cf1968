//! The clauses of the contract, as the scenarios cite them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

macro_rules! clauses {
    ($($code:ident $title:literal),+ $(,)?) => {
        /// A clause of the contract of [`Store`](runstore_core::Store); its text is there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Clause {
            $(#[doc = $title] $code,)+
        }

        impl Clause {
            /// All clauses, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// Its code, as in `G1`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)+
                }
            }

            /// Its title.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$code => $title,)+
                }
            }
        }
    };
}

clauses! {
    G1 "Atomic",
    G2 "Durable",
    G3 "Linearizable",
    G4 "Safe to cancel",
    G5 "Faithful",
    G6 "Ordered by the store",
    G7 "Unknown ids are refused",
    G8 "Input is bounded",
    G9 "Safe to retry",
    G10 "Closed for good",
    G11 "Lists and pages",
    R1 "Create a run",
    R2 "Read runs",
    R3 "Update a run",
    R4 "Count cycles and replans",
    R5 "Delete a run",
    R6 "A run left alone",
    A1 "Save an agent's state",
    A2 "Read agents' states",
    T1 "Replace the plan",
    T2 "Append tasks",
    T3 "Read tasks",
    T4 "States of a task",
    T5 "Requeue on resume",
    T6 "Requeue one task",
    T7 "Requeue what expired",
    C1 "Claims in order",
    C2 "A claim to one",
    C3 "A claim with a token",
    C4 "A token until it is stale",
    C5 "Finished in one change",
    C6 "Operators need no token",
    C7 "A claim with a lease",
    C8 "Attempts end",
    C9 "Not before its time",
    C10 "Many claims, and from any run",
    C11 "A claim that is waited for",
    J1 "Events",
    J3 "Attempts",
    J4 "Artifacts",
    J5 "Approvals",
    J6 "Checkpoints",
    S1 "A snapshot of one instant",
    S2 "A snapshot in nobody's way",
    S3 "A bounded snapshot",
}

impl fmt::Display for Clause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl FromStr for Clause {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let same = |clause: &Self| clause.code().eq_ignore_ascii_case(code);
        let found = Self::ALL.iter().copied().find(same);
        found.ok_or_else(|| format!("there is no clause {code:?}"))
    }
}
