//! A trade between two characters as data: who has asked whom, what both agree to, whose area asks the ledger, and
//! how whoever sees no more of the other one learns what became of it.
//!
//! What one of the two does is its [`Deal`]. Its own area alone changes it; the other one's sees it late, and not
//! every state of it. One of the two, by their ids, decides: its area asks the ledger as soon as both agree to the
//! same, under an operation's id that both know, and nobody asks for the trade a second time. So nobody has to be
//! told how it ended: whoever has agreed and finds the other one gone calls that id off
//! ([`Act::Void`](crate::ledger::Act::Void)), and hears what became of it, or that nothing ever will.
//!
//! `tests/model` goes through every interleaving of it with these very functions, which games call. Time is counted
//! in ticks of the area, from 1. What is given is the game's: whoever changes it says so with [`Deal::offer`].

use crate::Code;
use crate::id::{CharacterId, OpId};

/// Why a trade ends that was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// One of them wished so.
    Ended,
    /// They are too far from each other.
    TooFar,
    /// The other one is not there any more, or trades no more.
    Gone,
}

impl Why {
    /// What players are told: `ended`, `too_far`, `gone`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::TooFar => "too_far",
            Self::Gone => "gone",
        }
    }
}

/// What a character has to do with another one. It is in the character's record, and shown to neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Deal {
    /// With whom.
    pub with: CharacterId,
    /// They trade; else it asks for it.
    pub open: bool,
    /// Its number among the deals of this character.
    pub began: u64,
    /// Number of what it gives: one more with each change, from that of the deal.
    pub offer: u64,
    /// The number of what the other one gives, if it gives its own for it; a change of either makes it nothing.
    pub agrees_to: Option<u64>,
    /// Under which epoch its character was owned when it agreed.
    pub epoch: u64,
    /// Under which id the ledger is, or will be, asked: who decides has chosen it.
    pub operation: Option<OpId>,
    /// For which deal of the other one it has chosen that id.
    pub chosen_for: Option<u64>,
    /// It has agreed to something under this id: how that ends, the ledger alone knows.
    pub bound: bool,
    /// Its area waits for the ledger's answer.
    pub asked: bool,
    /// It is to end for this reason, if the ledger has not done it.
    pub ends: Option<Why>,
    /// Since which tick it sees nothing of the other one, 0: it does; of one who asks, until when.
    pub since: u64,
}

/// What an area sees of both, when it looks after one of them.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    me: CharacterId,
    theirs: Option<&'a Deal>,
    both_here: bool,
}

impl<'a> Sight<'a> {
    /// `theirs`: the deal of the one with whom `me` has to do, as far as it is seen, whoever it is with. `both_here`:
    /// this area owns the other one too, and does not hand it on just now.
    pub fn new(me: CharacterId, theirs: Option<&'a Deal>, both_here: bool) -> Self {
        let theirs = theirs.filter(|theirs| theirs.with == me);
        Self { me, theirs, both_here: both_here && theirs.is_some() }
    }
}

/// What follows for a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Waits,
    /// It is over, and will never be done: it is taken away, and its player is told why; so is the other one's with
    /// it, if that is of this area too and [`Deal::ends_with`] says so.
    Over(Why),
}

/// Why a wish counts nothing; the code that its player is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No trade is open.
    Gone,
    /// It lies with the ledger.
    Busy,
    /// Not what both see now.
    OldVersion,
}

/// What the ledger's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was done.
    Done,
    /// It was called off, and will never be done.
    Not(Why),
    /// The ledger has refused it for this reason, and it will never be done.
    Refused(Code),
    /// The question has not been asked: it is asked again, with [`Deal::calls_off`].
    Again,
}

impl Deal {
    /// It asks for a trade until tick `until`, or accepts (`open`) if that one has asked it. `number`: above
    /// every number of an earlier deal of this character, in whichever area, and with room for as many changes as
    /// can be made before the next deal.
    pub fn new(with: CharacterId, open: bool, number: u64, until: u64) -> Self {
        let since = if open { 0 } else { until };
        Self { with, open, began: number, offer: number, since, ..Self::default() }
    }

    /// The number for [`Deal::new`]: of a character owned under this epoch, in this tick of its area, which makes fewer
    /// than 256 changes a tick.
    pub fn number(epoch: u64, tick: u64) -> u64 {
        epoch << 40 | (tick << 8) & 0xFF_FFFF_FFFF
    }

    /// Whether this one's area asks the ledger: that of the lower id.
    fn decides(&self, me: CharacterId) -> bool {
        me < self.with
    }

    /// The version that both see: players name it when they agree. `None`: the other one is not seen.
    pub fn version(&self, sight: Sight<'_>) -> Option<u32> {
        let theirs = sight.theirs?;
        Some((self.offer as u32).wrapping_add(theirs.offer as u32).wrapping_add(1))
    }

    /// Whether it agrees to what `theirs` gives, and gives its own for it.
    pub fn agrees(&self, theirs: &Self) -> bool {
        self.agrees_to == Some(theirs.offer)
    }

    /// They have one operation.
    fn is_same(&self, theirs: &Self) -> bool {
        self.operation == theirs.operation
    }

    /// Whether `theirs` is over with this one, in one area: if they have one operation. Whoever has none yet has nothing
    /// that could be done.
    pub fn ends_with(&self, theirs: &Self, done: bool) -> bool {
        self.is_same(theirs) || !done && (self.operation.is_none() || theirs.operation.is_none())
    }

    /// Whether either of them waits for the ledger.
    fn is_asked(&self, sight: Sight<'_>) -> bool {
        let asked = |deal: &Self| deal.asked || deal.ends.is_some();
        asked(self) || sight.theirs.is_some_and(asked)
    }

    /// Sees that the other one wants the same: it is open, and has its operation's id as soon as possible. `take_id`
    /// gives one that nobody has.
    ///
    /// Who decides chooses it, for this very deal of the other one: either may have begun anew before the other one saw
    /// it. That one takes it over, also another one, with which the first has begun anew; but not as long as it must
    /// learn what becomes of the one under which it has agreed.
    pub fn meet(&mut self, sight: Sight<'_>, take_id: impl FnOnce() -> Option<OpId>) {
        let Some(theirs) = sight.theirs else { return };
        if !self.open {
            (self.open, self.since) = (true, 0);
        }
        if self.decides(sight.me) {
            if self.chosen_for != Some(theirs.began) && !self.is_asked(sight) {
                self.operation = take_id();
                self.chosen_for = self.operation.map(|_| theirs.began);
            }
        } else if !self.bound && theirs.chosen_for == Some(self.began) {
            self.operation = theirs.operation;
        }
    }

    /// Whether it may give something else now.
    ///
    /// # Errors
    /// If no trade is open, or it lies with the ledger.
    pub fn may_offer(&self, sight: Sight<'_>) -> Result<(), Refused> {
        match self.open {
            false => Err(Refused::Gone),
            true if self.is_asked(sight) => Err(Refused::Busy),
            true => Ok(()),
        }
    }

    /// It gives something else from now on: nobody agrees to it.
    pub fn offer(&mut self) {
        (self.offer, self.agrees_to) = (self.offer + 1, None);
    }

    /// Agrees to the version that its player has seen; its character is owned under `epoch`.
    ///
    /// # Errors
    /// If no trade is open, or that is not what both see now, or not both know under which id yet.
    pub fn agree(&mut self, sight: Sight<'_>, version: u32, epoch: u64) -> Result<(), Refused> {
        if !self.open {
            return Err(Refused::Gone);
        }
        let theirs = sight.theirs.filter(|_| self.version(sight) == Some(version) && !self.is_asked(sight));
        let Some(theirs) = theirs.filter(|theirs| self.knows_its_id(sight.me, theirs)) else {
            return Err(Refused::OldVersion);
        };
        (self.agrees_to, self.epoch, self.bound) = (Some(theirs.offer), epoch, true);
        Ok(())
    }

    /// Whether it has an id, and that of who decides.
    fn knows_its_id(&self, me: CharacterId, theirs: &Self) -> bool {
        self.operation.is_some() && (self.decides(me) || self.is_same(theirs))
    }

    /// Under which id the ledger is to be asked for the trade now: both agree to the same under it, and this one's
    /// area decides. It must not hand its character on just now: whoever gets it would not know.
    pub fn asks(&self, sight: Sight<'_>) -> Option<OpId> {
        let theirs = sight.theirs.filter(|theirs| self.agrees(theirs) && theirs.agrees(self))?;
        let may = self.open && self.decides(sight.me) && !self.is_asked(sight);
        self.operation.filter(|_| may && self.is_same(theirs))
    }

    /// It shall end, unless the ledger is deciding. Whoever has agreed asks first, if another area decides.
    pub fn end(&mut self, sight: Sight<'_>, why: Why) -> Next {
        if self.is_asked(sight) {
            return Next::Waits;
        }
        let ends_both = sight.both_here && sight.theirs.is_some_and(|theirs| self.is_same(theirs));
        if !self.bound || self.decides(sight.me) || ends_both {
            return Next::Over(why);
        }
        self.ends = Some(why);
        Next::Waits
    }

    /// Looks at the other one, once a tick. `near`: whether they stand where they can trade. Who sees nothing of the other
    /// one for `misses` ticks is left alone; between two areas one may be out of sight for so long.
    pub fn look(&mut self, sight: Sight<'_>, near: Result<(), Why>, tick: u64, misses: u64) -> Next {
        if let Some(theirs) = sight.theirs {
            self.since = 0;
            let anew = theirs.operation.is_some() && !self.knows_its_id(sight.me, theirs);
            return match near {
                // The other one has begun anew, and this one has agreed to something before.
                Ok(()) if anew && self.bound => self.end(sight, Why::Gone),
                Ok(()) => Next::Waits,
                Err(why) => self.end(sight, why),
            };
        }
        if self.since == 0 {
            self.since = tick;
        } else if self.since + misses <= tick {
            return self.end(sight, Why::Gone);
        }
        Next::Waits
    }

    /// Which id is to be called off now. The ledger is asked with [`Act::Void`](crate::ledger::Act::Void), which tells
    /// what was decided before.
    pub fn calls_off(&self) -> Option<OpId> {
        self.operation.filter(|_| self.ends.is_some() && !self.asked)
    }

    /// The ledger's answer to what was asked for this deal; an answer to anything else is none of its own.
    pub fn hear(&mut self, answer: Result<(), Code>) -> Heard {
        match answer {
            Ok(()) => Heard::Done,
            Err(Code::OpVoid | Code::OpMismatch) => Heard::Not(self.ends.unwrap_or(Why::Ended)),
            // That is no answer, and the other one's area may still ask.
            Err(Code::StorageBusy) if self.ends.is_some() => {
                self.asked = false;
                Heard::Again
            }
            Err(code) => Heard::Refused(code),
        }
    }

    /// What is left of it in the area to which its character comes: as another area says (`handed_on`), or from a
    /// record that may be older than what happened last. Nobody here has agreed to anything, and whoever was to hear the
    /// ledger's answer is not here.
    pub fn entered(self, handed_on: bool) -> Option<Self> {
        // Of a record from before it had an id nobody can say any more what it became.
        if !self.open || !handed_on && self.operation.is_none() {
            return None;
        }
        let ends = if self.asked || !handed_on { Some(Why::Gone) } else { self.ends };
        Some(Self { ends, asked: false, agrees_to: None, since: 0, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: CharacterId = CharacterId([1; 16]);
    const BOB: CharacterId = CharacterId([2; 16]);

    fn id(n: u8) -> OpId {
        OpId([n; 16])
    }

    /// Both sides, in two areas; hers decides.
    struct Two {
        ada: Deal,
        bob: Deal,
    }

    impl Two {
        /// They have met.
        fn new() -> Self {
            let (ada, bob) = (Deal::new(BOB, false, 256, 40), Deal::new(ADA, true, 512, 0));
            let mut two = Self { ada, bob };
            two.meet(1);
            two
        }

        fn meet(&mut self, n: u8) {
            self.ada.meet(Sight::new(ADA, Some(&self.bob), false), || Some(id(n)));
            self.bob.meet(Sight::new(BOB, Some(&self.ada), false), || panic!("she decides"));
        }

        fn hers(&self) -> Sight<'_> {
            Sight::new(ADA, Some(&self.bob), false)
        }

        fn his(&self) -> Sight<'_> {
            Sight::new(BOB, Some(&self.ada), false)
        }

        fn version(&self) -> u32 {
            self.ada.version(self.hers()).expect("both are seen")
        }

        fn ada_agrees(&mut self) -> Result<(), Refused> {
            let version = self.version();
            self.ada.agree(Sight::new(ADA, Some(&self.bob), false), version, 3)
        }

        fn bob_agrees(&mut self) -> Result<(), Refused> {
            let version = self.version();
            self.bob.agree(Sight::new(BOB, Some(&self.ada), false), version, 5)
        }
    }

    #[test]
    fn the_lower_id_asks_once_both_agree_to_the_same() {
        let mut two = Two::new();
        assert!(two.ada.open && two.bob.operation == Some(id(1)));
        assert_eq!(two.bob_agrees(), Ok(()));
        assert_eq!(two.ada.asks(two.hers()), None, "she has not agreed");
        assert_eq!(two.ada_agrees(), Ok(()));
        assert_eq!((two.ada.asks(two.hers()), two.bob.asks(two.his())), (Some(id(1)), None));
        two.ada.asked = true;
        assert_eq!(two.ada.asks(two.hers()), None, "once");
        assert_eq!(two.bob.may_offer(two.his()), Err(Refused::Busy));
        assert_eq!(two.ada.hear(Ok(())), Heard::Done);
    }

    #[test]
    fn a_change_of_either_makes_what_was_agreed_nothing() {
        let mut two = Two::new();
        let version = two.version();
        assert_eq!(two.bob_agrees(), Ok(()));
        two.ada.offer();
        let hers = Sight::new(ADA, Some(&two.bob), false);
        assert_eq!(two.ada.agree(hers, version, 3), Err(Refused::OldVersion));
        assert_eq!(two.ada_agrees(), Ok(()));
        assert_eq!(two.ada.asks(two.hers()), None, "he has agreed to the one before");
        assert_eq!(two.bob_agrees(), Ok(()));
        two.bob.offer();
        assert_eq!(two.ada.asks(two.hers()), None);
        assert_eq!(two.bob.agrees_to, None);
    }

    #[test]
    fn whoever_has_agreed_and_does_not_decide_asks_before_it_ends() {
        let mut two = Two::new();
        assert_eq!(two.bob.end(Sight::new(BOB, Some(&two.ada), false), Why::Ended), Next::Over(Why::Ended));
        assert_eq!(two.bob_agrees(), Ok(()));
        let mut both_here = two.bob;
        assert_eq!(
            both_here.end(Sight::new(BOB, Some(&two.ada), true), Why::TooFar),
            Next::Over(Why::TooFar)
        );
        assert_eq!(two.bob.end(Sight::new(BOB, None, false), Why::Ended), Next::Waits);
        assert_eq!(two.bob.calls_off(), Some(id(1)));
        two.bob.asked = true;
        assert_eq!(two.bob.calls_off(), None, "once");
        let hear = |answer| two.bob.clone().hear(answer);
        assert_eq!(hear(Ok(())), Heard::Done, "she was faster");
        assert_eq!(hear(Err(Code::OpVoid)), Heard::Not(Why::Ended));
        assert_eq!(hear(Err(Code::NotOwner)), Heard::Refused(Code::NotOwner));
        assert_eq!(two.ada_agrees(), Err(Refused::OldVersion), "it lies with the ledger");
        // Who decides has not asked, and never will.
        assert_eq!(two.ada.end(Sight::new(ADA, None, false), Why::Gone), Next::Over(Why::Gone));
    }

    /// The area had no room for the question: nobody was asked.
    #[test]
    fn no_room_for_the_question_is_no_answer() {
        let mut two = Two::new();
        assert_eq!(two.bob_agrees(), Ok(()));
        assert_eq!(two.bob.end(Sight::new(BOB, None, false), Why::Gone), Next::Waits);
        two.bob.asked = true;
        assert_eq!(two.bob.hear(Err(Code::StorageBusy)), Heard::Again);
        assert_eq!(two.bob.calls_off(), Some(id(1)), "it is asked again");
        // Who decides never asks twice: then nothing will be done.
        two.ada.asked = true;
        assert_eq!(two.ada.hear(Err(Code::StorageBusy)), Heard::Refused(Code::StorageBusy));
    }

    #[test]
    fn out_of_sight_for_long_it_ends() {
        let mut two = Two::new();
        let look =
            |deal: &mut Deal, tick| deal.look(Sight::new(ADA, None, false), Err(Why::TooFar), tick, 20);
        assert_eq!((look(&mut two.ada, 7), two.ada.since), (Next::Waits, 7));
        assert_eq!(look(&mut two.ada, 26), Next::Waits);
        let sight = Sight::new(ADA, Some(&two.bob), false);
        assert_eq!((two.ada.look(sight, Ok(()), 26, 20), two.ada.since), (Next::Waits, 0), "seen again");
        assert_eq!(look(&mut two.ada, 30), Next::Waits);
        assert_eq!(look(&mut two.ada, 50), Next::Over(Why::Gone));
        let sight = Sight::new(ADA, Some(&two.bob), false);
        assert_eq!(two.ada.look(sight, Err(Why::TooFar), 30, 20), Next::Over(Why::TooFar));
        // Who trades with somebody else is out of sight too.
        let with_another = Deal { with: CharacterId([3; 16]), ..two.bob };
        assert_eq!(two.ada.look(Sight::new(ADA, Some(&with_another), false), Ok(()), 9, 20), Next::Waits);
        assert_eq!(two.ada.since, 9);
    }

    /// She has left the trade and begun another one before he saw it.
    #[test]
    fn what_was_agreed_is_not_of_the_trade_that_begins_anew() {
        let anew = || Deal::new(BOB, true, Deal::number(1, 0), 0);
        let mut two = Two::new();
        two.ada = anew();
        two.meet(2);
        assert_eq!(two.bob.operation, Some(id(2)), "he has agreed to nothing, and goes on with it");

        let mut two = Two::new();
        assert_eq!(two.bob_agrees(), Ok(()));
        two.ada = anew();
        assert_eq!(two.bob_agrees(), Err(Refused::OldVersion), "nobody knows under which id");
        two.meet(2);
        assert_eq!((two.ada.operation, two.bob.operation), (Some(id(2)), Some(id(1))));
        assert_eq!((two.bob_agrees(), two.ada_agrees()), (Err(Refused::OldVersion), Ok(())));
        assert_eq!(two.ada.asks(two.hers()), None);
        assert_eq!(two.bob.look(Sight::new(BOB, Some(&two.ada), false), Ok(()), 9, 20), Next::Waits);
        assert_eq!(two.bob.calls_off(), Some(id(1)), "he hears first what became of it");
    }

    /// He has heard how it ended before she has, and asks her anew.
    #[test]
    fn what_begins_anew_is_not_done_because_the_one_before_was() {
        let mut two = Two::new();
        assert_eq!((two.bob_agrees(), two.ada_agrees()), (Ok(()), Ok(())));
        let before = two.ada;
        two.ada.asked = true;
        two.bob = Deal::new(ADA, true, 768, 0);
        two.meet(2);
        assert_eq!((two.ada.operation, two.bob.operation), (Some(id(1)), None), "it lies with the ledger");
        // What he sees of her may be older.
        two.ada = before;
        two.bob.meet(Sight::new(BOB, Some(&two.ada), false), || None);
        assert_eq!((two.bob.operation, two.bob_agrees()), (None, Err(Refused::OldVersion)));
        // If nobody was asked, it goes on under another id.
        two.meet(2);
        assert_eq!((two.ada.operation, two.bob.operation), (Some(id(2)), Some(id(2))));
    }

    #[test]
    fn nobody_has_agreed_in_the_next_area_and_who_may_have_been_done_asks() {
        let mut two = Two::new();
        assert_eq!((two.bob_agrees(), two.ada_agrees()), (Ok(()), Ok(())));
        let next = two.ada.entered(true).expect("it goes on");
        assert_eq!((next.agrees_to, next.ends, next.bound, next.offer), (None, None, true, two.ada.offer));
        two.ada.asked = true;
        let next = two.ada.entered(true).expect("it ends");
        assert_eq!((next.ends, next.calls_off()), (Some(Why::Gone), Some(id(1))));
        let next = two.bob.entered(false).expect("it ends");
        assert_eq!(next.calls_off(), Some(id(1)), "its record may be old");
        // What it became after it had an id, nobody knows.
        assert_eq!(Deal { operation: None, ..two.bob }.entered(false), None);
        assert_eq!(Deal::new(BOB, false, 256, 40).entered(true), None, "who asks asks no more");
    }

    #[test]
    fn numbers_of_deals_rise_with_epochs_and_ticks() {
        let numbers =
            [(0, 1), (0, 2), (1, 0), (1, 1 << 31), (2, 5)].map(|(epoch, tick)| Deal::number(epoch, tick));
        assert!(numbers.is_sorted_by(|a, b| a + 255 < *b), "{numbers:?}");
    }
}
