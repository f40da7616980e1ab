//! Certificates from files or made at start.
