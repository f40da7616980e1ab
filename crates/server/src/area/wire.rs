//! A connection to the game port before the loop has it: TCP, with TLS if the port speaks it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use crate::address::Held;
use crate::net::TcpStream;

/// One connection.
#[derive(Debug)]
pub enum Wire {
    /// As it comes.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// For the loop, with the bytes that were read already.
    ///
    /// # Errors
    /// If the system does not give the socket back.
    pub fn into_socket(self, mut rest: Vec<u8>, held: Held) -> io::Result<(Socket, Vec<u8>)> {
        match self {
            Self::Plain(stream) => Ok((Socket::new(stream.into_std()?, None, held), rest)),
            Self::Tls(stream) => {
                let (stream, mut tls) = stream.into_inner();
                // What TLS has decrypted and nobody has read; it would never be announced by the socket again.
                let _ = io::Read::read_to_end(&mut tls.reader(), &mut rest);
                Ok((Socket::new(stream.into_std()?, Some(Box::new(tls.into())), held), rest))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, bytes),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
