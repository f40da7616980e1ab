//! What can go wrong for a client.

use pangea_world::Refusal;

/// What can go wrong for a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side says no; branch on the code, show the text.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not reached, or the connection was lost; try again later.
    #[error("{0}")]
    Transport(String),
    /// The other side does not speak this protocol: wrong address or version.
    #[error("{0}")]
    Protocol(String),
}

impl Error {
    /// A transport error of anything that says what happened.
    pub(crate) fn transport(what: &str, cause: impl std::fmt::Display) -> Self {
        Error::Transport(format!("{what}: {cause}"))
    }

    /// The refusal's code as text, or `transport`, `protocol`: for figures by kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Refused(refusal) => refusal.code.as_str(),
            Error::Transport(_) => "transport",
            Error::Protocol(_) => "protocol_error",
        }
    }
}
