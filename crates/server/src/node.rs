//! Starts the roles of one process.
