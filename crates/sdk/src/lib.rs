//! For game servers: the verbs of the Agones SDK.
//!
//! A server that speaks them runs under Pangea's spawner and under Agones alike. [`Sdk`] is a client for
//! them; [`agones`] is the protocol itself, generated from proto/agones/ (client and server).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};

pub mod agones;

use agones::sdk::sdk_client::SdkClient;
use agones::sdk::{Empty, KeyValue};

pub use agones::sdk::GameServer;

/// gRPC port of the SDK when the environment names none.
pub const DEFAULT_GRPC_PORT: u16 = 9357;

/// Longest wait for one answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// First and longest pause between two tries of [`Sdk::watch`].
const WATCH_RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Whatever started this server did not answer, or refused.
#[derive(Debug, thiserror::Error)]
pub enum SdkError {
    /// The environment variable is there, but is no port.
    #[error("AGONES_SDK_GRPC_PORT is «{0}», not a port")]
    BadPort(String),
    /// The call failed; try again if it was lost, give up if it was refused.
    #[error("the SDK endpoint answered: {0}")]
    Call(#[from] tonic::Status),
    /// The address cannot be used.
    #[error("the SDK endpoint cannot be used: {0}")]
    Connect(#[from] tonic::transport::Error),
}

/// A client of the SDK endpoint on this machine; cheap to clone, reconnects by itself.
#[derive(Debug, Clone)]
pub struct Sdk {
    client: SdkClient<Channel>,
}

impl Sdk {
    /// A client for the port in `AGONES_SDK_GRPC_PORT`, or 9357. Connects with the first call.
    ///
    /// # Errors
    /// If the variable is no port.
    pub fn from_env() -> Result<Self, SdkError> {
        let port = match std::env::var("AGONES_SDK_GRPC_PORT") {
            Ok(text) => text.trim().parse().map_err(|_| SdkError::BadPort(text.clone()))?,
            Err(_) => DEFAULT_GRPC_PORT,
        };
        Self::on_port(port)
    }

    /// A client for `127.0.0.1:port`. Connects with the first call.
    ///
    /// # Errors
    /// Never in practice: every port makes an address.
    pub fn on_port(port: u16) -> Result<Self, SdkError> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .initial_stream_window_size(65_536)
            .initial_connection_window_size(65_536);
        Ok(Self { client: SdkClient::new(endpoint.connect_lazy()) })
    }

    /// A client over a connection of one's own making.
    pub fn over(channel: Channel) -> Self {
        Self { client: SdkClient::new(channel) }
    }

    /// This server can take an area.
    ///
    /// # Errors
    /// [`SdkError::Call`].
    pub async fn ready(&self) -> Result<(), SdkError> {
        self.client.clone().ready(timed(Empty {})).await?;
        Ok(())
    }

    /// This server gives itself out.
    ///
    /// # Errors
    /// [`SdkError::Call`].
    pub async fn allocate(&self) -> Result<(), SdkError> {
        self.client.clone().allocate(timed(Empty {})).await?;
        Ok(())
    }

    /// This server is done; its process will be stopped.
    ///
    /// # Errors
    /// [`SdkError::Call`].
    pub async fn shutdown(&self) -> Result<(), SdkError> {
        self.client.clone().shutdown(timed(Empty {})).await?;
        Ok(())
    }

    /// This server is alive; to be called more often than the health timeout.
    ///
    /// # Errors
    /// [`SdkError::Call`]; the spawner may be away for a moment, so try again at the next beat.
    pub async fn health(&self) -> Result<(), SdkError> {
        self.client.clone().health(timed(tokio_stream::once(Empty {}))).await?;
        Ok(())
    }

    /// This server as its spawner sees it.
    ///
    /// # Errors
    /// [`SdkError::Call`].
    pub async fn get(&self) -> Result<GameServer, SdkError> {
        Ok(self.client.clone().get_game_server(timed(Empty {})).await?.into_inner())
    }

    /// Sets the label `agones.dev/sdk-<key>`.
    ///
    /// # Errors
    /// [`SdkError::Call`], with INVALID_ARGUMENT if key or value is not allowed.
    pub async fn set_label(&self, key: &str, value: &str) -> Result<(), SdkError> {
        let pair = KeyValue { key: key.to_owned(), value: value.to_owned() };
        self.client.clone().set_label(timed(pair)).await?;
        Ok(())
    }

    /// Sets the annotation `agones.dev/sdk-<key>`.
    ///
    /// # Errors
    /// [`SdkError::Call`], with INVALID_ARGUMENT if key or value is not allowed.
    pub async fn set_annotation(&self, key: &str, value: &str) -> Result<(), SdkError> {
        let pair = KeyValue { key: key.to_owned(), value: value.to_owned() };
        self.client.clone().set_annotation(timed(pair)).await?;
        Ok(())
    }

    /// Reserved for so many seconds, then Ready by itself; 0: until another state is set.
    ///
    /// # Errors
    /// [`SdkError::Call`].
    pub async fn reserve(&self, seconds: u32) -> Result<(), SdkError> {
        let span = agones::sdk::Duration { seconds: seconds.into() };
        self.client.clone().reserve(timed(span)).await?;
        Ok(())
    }

    /// This server at once and after every change, until the receiver is dropped. While the spawner is away
    /// it tries again with a growing pause; the first message after that is the state by then. Must be called
    /// inside a tokio runtime.
    pub fn watch(&self) -> mpsc::Receiver<GameServer> {
        let (tx, rx) = mpsc::channel(4);
        let mut client = self.client.clone();
        tokio::spawn(async move {
            let mut pause = WATCH_RETRY.0;
            loop {
                if let Ok(stream) = client.watch_game_server(Empty {}).await {
                    let mut stream = stream.into_inner();
                    loop {
                        let next = tokio::select! {
                            biased;
                            () = tx.closed() => return,
                            next = stream.next() => next,
                        };
                        let Some(Ok(server)) = next else { break };
                        pause = WATCH_RETRY.0;
                        if tx.send(server).await.is_err() {
                            return;
                        }
                    }
                }
                tokio::select! {
                    biased;
                    () = tx.closed() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(WATCH_RETRY.1);
            }
        });
        rx
    }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}
