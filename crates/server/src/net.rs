//! TCP as the roles use it: the kernel's, or a simulation's.

use std::io;

use futures_util::Stream;

#[cfg(feature = "simulation")]
pub use crate::simulation::net::{Reserved, TcpListener, TcpSocket, TcpStream};
/// A port that is taken before anybody answers on it.
#[cfg(not(feature = "simulation"))]
pub use std::net::TcpListener as Reserved;
#[cfg(not(feature = "simulation"))]
pub use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// The connections of a listener, for a server of gRPC.
pub fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    futures_util::stream::unfold(listener, |listener| async move {
        let tcp = listener.accept().await.map(|(tcp, _)| {
            let _ = tcp.set_nodelay(true);
            tcp
        });
        Some((tcp, listener))
    })
}
