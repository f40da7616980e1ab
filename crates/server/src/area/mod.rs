//! todo
mod admission; mod clock; mod mailbox; mod websocket; mod socket; mod client; mod here; mod handoff; mod inbox; mod saved; mod tick;
