//! What is measured of the process, the machine and its disk.

pub(crate) mod disk;
pub(crate) mod machine;
pub(crate) mod process;
