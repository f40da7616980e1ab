//! Tasks of the roles. Each belongs to the process that began it; there is one, but in a simulation, which has many
//! in one, ends them with theirs and stops them with theirs.

use std::future::Future;

use tokio::task::JoinHandle;

#[cfg(feature = "simulation")]
pub use crate::simulation::{mine, on_the_spot};

/// As [`tokio::spawn`].
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(mine(work))
}

/// As [`tokio::task::spawn_blocking`], and waits for it.
///
/// # Errors
/// If the work has panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    on_the_spot(tokio::task::spawn_blocking(work)).await
}

/// Work that somebody else's executor will run, as one of this process.
#[cfg(not(feature = "simulation"))]
pub fn mine<F: Future>(work: F) -> F {
    work
}

/// Work that other threads do. A simulation, whose time they do not know, waits for it before anything else goes on.
#[cfg(not(feature = "simulation"))]
pub fn on_the_spot<F: Future>(work: F) -> F {
    work
}

/// The process that is running, for work that begins elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Here(#[cfg(feature = "simulation")] crate::simulation::NodeId);

impl Here {
    /// Where this is called.
    pub fn now() -> Self {
        Self(
            #[cfg(feature = "simulation")]
            crate::simulation::here(),
        )
    }

    /// As [`spawn`], there.
    pub fn spawn<F>(self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        #[cfg(feature = "simulation")]
        let work = crate::simulation::of(self.0, work);
        tokio::spawn(work)
    }
}
