//! `pangea trial crossing`.

pub(crate) mod plain;
