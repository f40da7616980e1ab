//! What may happen to messages: any order, any delay; losses and repeats as many as the budget says.

/// Messages under way, as a sorted bag: two states that differ only in the order of sending are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Net<M>(Vec<M>);

impl<M> Default for Net<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M: Copy + Ord> Net<M> {
    /// Sends; what is under way already in the same words is not sent again.
    pub fn send(&mut self, message: M) {
        if let Err(at) = self.0.binary_search(&message) {
            self.0.insert(at, message);
        }
    }

    /// Whether such a message is under way.
    pub fn has(&self, is: impl FnMut(&M) -> bool) -> bool {
        self.0.iter().any(is)
    }

    /// Takes one out.
    pub fn take(&mut self, message: M) {
        if let Ok(at) = self.0.binary_search(&message) {
            self.0.remove(at);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = M> {
        self.0.iter().copied()
    }

    /// Forgets what nobody will listen to: keeps the number of states down, changes no verdict.
    pub fn forget(&mut self, mut dead: impl FnMut(&M) -> bool) {
        self.0.retain(|message| !dead(message));
    }
}

/// Some small numbers in a row, at most 15 of 1..=15: operations, inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Row(u64);

impl Row {
    /// How many.
    pub fn len(self) -> u8 {
        (0..16).find(|n| self.0 >> (4 * n) == 0).unwrap_or(16)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One more at the end.
    pub fn push(&mut self, number: u8) {
        debug_assert!((1..=15).contains(&number));
        self.0 |= u64::from(number) << (4 * self.len());
    }

    /// The one at this place, from 0.
    pub fn get(self, n: u8) -> u8 {
        ((self.0 >> (4 * n)) & 15) as u8
    }

    /// From the first to the last.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..self.len()).map(move |n| self.get(n))
    }

    /// Without the first `n`.
    pub fn skip(self, n: u8) -> Self {
        Self(self.0.checked_shr(4 * u32::from(n)).unwrap_or(0))
    }

    /// Whether it begins with `other`.
    pub fn begins_with(self, other: Self) -> bool {
        other.iter().enumerate().all(|(n, number)| self.get(n as u8) == number)
    }
}

/// How many faults of each kind a model may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// Messages that never arrive.
    pub losses: u8,
    /// Messages that arrive once more.
    pub repeats: u8,
    /// Processes that end with all they had in memory, central's among them.
    pub crashes: u8,
    /// Processes that stand still and go on later as if nothing was.
    pub pauses: u8,
    /// Leases that run out.
    pub expiries: u8,
    /// Changes of mind: what was begun is taken back.
    pub aborts: u8,
}

/// Takes one from a budget; `None` when it is spent.
pub fn spend(budget: &mut u8) -> Option<()> {
    *budget = budget.checked_sub(1)?;
    Some(())
}
