//! Whether this central leads still. A write finds that out by itself; what counts without one (a lease that is
//! renewed, a server that is told to end) is said only after this.

use pangea_world::{Code, Refusal};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Store, gone, prepare};
use crate::task::on_the_spot;

/// Most who wait for the answer; a further one is refused with `storage_busy`.
pub(super) const QUEUE_MAX: usize = 4_096;

/// Said by the store that ends.
pub(super) const TAKEN_OVER: &str = "another central has taken over the database";

/// Who asks.
pub(super) type Question = oneshot::Sender<Result<(), Refusal>>;

impl Store {
    /// Finds that no other central had taken over when this was asked.
    ///
    /// # Errors
    /// `stopping`: one has, and the store ends ([`Store::failed`]). `storage_busy` if too many ask, `internal` if
    /// the database failed: nobody knows then, and the same must be left unsaid.
    pub async fn leads(&self) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.questions.try_send(reply).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Refusal::new(Code::StorageBusy, "too many ask the database; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A connection that asks nothing but this.
async fn connect(options: &AnyConnectOptions) -> sqlx::Result<AnyConnection> {
    let mut connection = sqlx::ConnectOptions::connect(options).await?;
    prepare(&mut connection).await?;
    connection.execute("PRAGMA query_only = ON").await?;
    Ok(connection)
}

/// Answers all that wait at a moment by one look, until every [`Store`] is gone, or the store is closed.
pub(super) async fn serve(
    options: AnyConnectOptions,
    readers: AnyPool,
    epoch: u64,
    mut questions: mpsc::Receiver<Question>,
    fail: watch::Sender<Option<String>>,
) {
    let (mut waiting, mut connection) = (Vec::new(), None);
    loop {
        tokio::select! {
            biased;
            () = readers.close_event() => break,
            count = questions.recv_many(&mut waiting, QUEUE_MAX) => if count == 0 {
                break;
            },
        }
        let newest = on_the_spot(newest(&options, &mut connection)).await;
        #[cfg(feature = "simulation")]
        let newest = newest.and_then(crate::simulation::disk::before_read).map(|newest| {
            let unasked = crate::simulation::without(crate::simulation::Check::Leader);
            if unasked { epoch } else { newest }
        });
        let answer = match newest {
            Ok(newest) if newest == epoch => Ok(()),
            Ok(newest) => {
                tracing::error!(newest, epoch, "the store stops: {TAKEN_OVER}");
                fail.send_replace(Some(TAKEN_OVER.to_owned()));
                Err(gone())
            }
            Err(error) => Err(super::Error::Database(error).into()),
        };
        // Whoever asked may have gone away.
        waiting.drain(..).for_each(|question: Question| drop(question.send(answer.clone())));
    }
    if let Some(connection) = connection
        && let Err(error) = on_the_spot(connection.close()).await
    {
        tracing::debug!(%error, "the database was not closed cleanly");
    }
}

/// The epoch of whoever leads. A connection that failed is not asked again.
async fn newest(options: &AnyConnectOptions, kept: &mut Option<AnyConnection>) -> sqlx::Result<u64> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => connect(options).await?,
    };
    let row = connection.fetch_one("SELECT epoch FROM leader WHERE id = 1").await?;
    *kept = Some(connection);
    Ok(row.try_get::<i64, _>(0)? as u64)
}
