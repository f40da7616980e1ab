//! What was offered for too long goes back to whose it is, by mail.

use pangea_world::Refusal;
use serde_json::json;

use super::core::Core;
use super::social;
use crate::store::now_ms;
use crate::store::social::{mail, market};

/// Sends back what nobody bought in time, a bounded number of things.
///
/// # Errors
/// If the store fails; what was not sent is sent the next time.
pub async fn send_back(core: &Core) -> Result<(), Refusal> {
    let now = now_ms();
    if !market::any_over(&mut *core.store.reader().await?, now).await? {
        return Ok(());
    }
    let to = core.store.write(move |tx| Box::pin(async move { market::expire(tx, now).await })).await?;
    for seller in to {
        let unread = mail::unread(&mut *core.store.reader().await?, seller).await?;
        social::notify(core, seller, &json!({"type": "mail", "unread": unread}));
    }
    Ok(())
}
