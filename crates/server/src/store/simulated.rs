//! A connection for reads in a simulation: as long as one is held, nothing else goes on while its holder waits.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool};
use tokio::runtime::Runtime;

use crate::simulation::Elsewhere;

/// Longest way of a connection back to its pool, by the machine's clock.
const RETURNED: Duration = Duration::from_secs(5);

/// See [`super::Store::reader`].
#[derive(Debug)]
pub struct Reader {
    connection: Option<PoolConnection<Any>>,
    pool: AnyPool,
    _elsewhere: Elsewhere,
}

pub(super) fn reader(connection: PoolConnection<Any>, pool: &AnyPool) -> Reader {
    Reader { connection: Some(connection), pool: pool.clone(), _elsewhere: Elsewhere::new() }
}

impl Deref for Reader {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        #[allow(clippy::expect_used)]
        self.connection.as_deref().expect("until it is dropped")
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        #[allow(clippy::expect_used)]
        self.connection.as_deref_mut().expect("until it is dropped")
    }
}

impl Drop for Reader {
    /// Its way back to the pool is a task: of a runtime that goes on while this one waits, so that the next reader
    /// finds the same connections in each run.
    fn drop(&mut self) {
        let in_use = |pool: &AnyPool| (pool.size() as usize).saturating_sub(pool.num_idle());
        let before = in_use(&self.pool);
        let entered = beside().map(Runtime::enter);
        drop(self.connection.take());
        drop(entered);
        let began = std::time::Instant::now();
        while in_use(&self.pool) >= before && !self.pool.is_closed() && began.elapsed() < RETURNED {
            std::thread::yield_now();
        }
    }
}

fn beside() -> Option<&'static Runtime> {
    static BESIDE: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok();
    BESIDE.get_or_init(build).as_ref()
}
