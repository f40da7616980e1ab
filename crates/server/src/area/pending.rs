//! Sockets that have not shown a ticket yet: a bounded number, in which a new one takes the place of the
//! oldest. Whoever connects and says nothing keeps nobody out; an honest client is done within milliseconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All of one port.
#[derive(Debug, Clone)]
pub struct Pending {
    most: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    /// By age.
    sockets: BTreeMap<u64, Arc<Notify>>,
}

/// One socket's place; dropped, it is free.
#[derive(Debug)]
pub struct Place {
    number: u64,
    lost: Arc<Notify>,
    pending: Pending,
}

impl Pending {
    /// Room for this many.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), inner: Arc::default() }
    }

    /// A place for a new socket; the oldest one loses its own if there is no other.
    pub fn take(&self) -> Place {
        let mut inner = self.lock();
        if inner.sockets.len() >= self.most
            && let Some((_, oldest)) = inner.sockets.pop_first()
        {
            oldest.notify_one();
        }
        inner.last += 1;
        let (number, lost) = (inner.last, Arc::new(Notify::new()));
        inner.sockets.insert(number, lost.clone());
        Place { number, lost, pending: self.clone() }
    }

    /// How many have a place.
    pub fn count(&self) -> usize {
        self.lock().sockets.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Rings when the place is another's.
    pub fn lost(&self) -> Arc<Notify> {
        self.lost.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pending.lock().sockets.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_lost(place: &Place) -> bool {
        tokio::select! {
            biased;
            () = place.lost.notified() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let pending = Pending::new(2);
        let (first, second) = (pending.take(), pending.take());
        assert!(!is_lost(&first).await);
        let third = pending.take();
        assert!(is_lost(&first).await && !is_lost(&second).await);
        drop(third);
        let _fourth = pending.take();
        assert!(!is_lost(&second).await, "a place was free");
        drop(first);
        assert_eq!(pending.lock().sockets.len(), 2, "who lost his place gives none back");
    }
}
