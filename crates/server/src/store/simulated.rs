//! A connection for reads in a simulation: as long as one is held, nothing else goes on while its holder waits.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection};
use tokio::runtime::Runtime;

use crate::simulation::Elsewhere;

/// See [`super::Store::reader`].
#[derive(Debug)]
pub struct Reader {
    connection: Option<PoolConnection<Any>>,
    _elsewhere: Elsewhere,
}

pub(super) fn reader(connection: PoolConnection<Any>) -> Reader {
    Reader { connection: Some(connection), _elsewhere: Elsewhere::new() }
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
    /// Its way back to the pool is a task: of a runtime that goes on while this one waits.
    fn drop(&mut self) {
        let entered = beside().map(Runtime::enter);
        drop(self.connection.take());
        drop(entered);
    }
}

fn beside() -> Option<&'static Runtime> {
    static BESIDE: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok();
    BESIDE.get_or_init(build).as_ref()
}
