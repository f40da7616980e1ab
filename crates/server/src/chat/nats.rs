//! The bus of chats over NATS: one subject for each chat. NATS core alone: it carries, and keeps nothing.

use pangea_world::messages::Passed;
use tokio::sync::mpsc;

use super::bus::Publish;
use crate::config;

/// Connects in the background, again and again; what comes is given to `heard`, and waits where that is full.
///
/// # Errors
/// If the address is none, or this program was built without NATS.
#[cfg(feature = "nats")]
pub async fn open(config: &config::Chat, heard: mpsc::Sender<Passed>) -> anyhow::Result<Publish> {
    use anyhow::Context as _;
    use futures_util::StreamExt as _;
    use prost::Message as _;

    /// Most messages that wait for NATS; those beyond are lost, and that is found.
    const QUEUE: usize = 16_384;

    let prefix = config.nats_prefix.clone();
    let subject = move |name: &str| format!("{prefix}.{}", pangea_world::id::hex(name.as_bytes()));
    let options = async_nats::ConnectOptions::new()
        .name(format!("pangea chat {}", config.name))
        .event_callback(|event| async move { tracing::info!(%event, "NATS") })
        .retry_on_initial_connect();
    let client =
        options.connect(&config.nats).await.with_context(|| format!("chat.nats = {:?}", config.nats))?;
    let mut coming = client.subscribe(subject(&config.name)).await?;
    tokio::spawn(async move {
        while let Some(message) = coming.next().await {
            let Ok(passed) = Passed::decode(message.payload) else {
                tracing::warn!("something on NATS is of no chat");
                continue;
            };
            if heard.send(passed).await.is_err() {
                return;
            }
        }
    });
    let (out, mut going) = mpsc::channel::<(String, Passed)>(QUEUE);
    tokio::spawn(async move {
        while let Some((to, passed)) = going.recv().await {
            if let Err(error) = client.publish(subject(&to), passed.encode_to_vec().into()).await {
                tracing::warn!(%error, chat = to, "something cannot be said over NATS");
            }
        }
    });
    Ok(Box::new(move |to, passed| drop(out.try_send((to.to_owned(), passed)))))
}

/// # Errors
/// Always: this program was built without NATS.
#[cfg(not(feature = "nats"))]
pub async fn open(config: &config::Chat, _: mpsc::Sender<Passed>) -> anyhow::Result<Publish> {
    anyhow::bail!(
        "chat.nats = {:?}: this program was built without NATS; build it with --features nats",
        config.nats
    )
}
