//! Who may come in: only a character that central announced, once, with its own ticket (G10, K3).
//! A seat is taken from the announcement until the character is gone.

use std::collections::HashMap;

use pangea_world::character::CharacterDoc;
use pangea_world::id::{CharacterId, EnterId, SessionId};
use pangea_world::social::SocialDoc;
use pangea_world::ticket::{self, Claims, PublicKey};
use pangea_world::{Code, Refusal};

use super::given_back::GivenBack;
use super::mailbox::Guest;

/// An announcement.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// The enter or transfer: `jti` of the ticket.
    pub enter: EnterId,
    /// Who comes.
    pub doc: CharacterDoc,
    /// Whose login.
    pub session: SessionId,
    /// Under which epoch it is, or will be, owned here.
    pub epoch: u64,
    /// Whether it is owned already.
    pub granted: bool,
    /// How long it is waited for, ms.
    pub wait_ms: u64,
    /// If it is owned already: what its last owner wrote of it; empty: it is new.
    pub record: Vec<u8>,
    /// [`ticket::digest`] of its ticket, if central told it.
    pub ticket: Option<[u8; 32]>,
    /// It is near the border: it may see as long as its client is connected.
    pub beside: bool,
    /// Whom it is with.
    pub social: SocialDoc,
}

/// One character that is announced or inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Who.
    pub doc: CharacterDoc,
    /// Under which epoch.
    pub epoch: u64,
    /// Whether it is owned here.
    pub granted: bool,
    /// Whether the loop has it.
    pub inside: bool,
    /// Whether its client is connected.
    pub connected: bool,
    /// Whose login.
    pub session: SessionId,
    /// The ticket that is waited for, and until when, ms of the clock.
    pub expected: Option<(EnterId, u64)>,
    enter: EnterId,
    wait_ms: u64,
    /// The digest of its ticket, and until when that is good, ms of the clock.
    ticket: Option<([u8; 32], u64)>,
    beside: bool,
    social: SocialDoc,
    /// Goes to the loop with the one who shows the ticket.
    record: Vec<u8>,
    resume: Option<[u8; 16]>,
}

/// One who never came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Who.
    pub character: CharacterId,
    /// Under which epoch.
    pub epoch: u64,
    /// Its enter or transfer.
    pub enter: EnterId,
}

/// The list of one area server.
#[derive(Debug)]
pub struct Admissions {
    /// Most seats.
    capacity: usize,
    seats: HashMap<CharacterId, Seat>,
    /// Tickets that were used, and when they can be forgotten, seconds since 1970.
    used: HashMap<EnterId, u64>,
    given_back: GivenBack,
    /// When forgotten tickets were looked for last, seconds since 1970.
    looked_s: u64,
    /// No seat expires before, ms of the clock.
    expires_ms: u64,
}

impl Admissions {
    /// An empty list.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            seats: HashMap::new(),
            used: HashMap::new(),
            given_back: GivenBack::default(),
            looked_s: 0,
            expires_ms: u64::MAX,
        }
    }

    /// All seats, in no order.
    pub fn seats(&self) -> impl Iterator<Item = (&CharacterId, &Seat)> {
        self.seats.iter()
    }

    /// Whether nobody is inside or announced.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Announces a character. The same announcement again changes nothing; a new one for a character that
    /// is inside lets its new client take over.
    ///
    /// # Errors
    /// `server_full`; `stale_epoch` under a lower epoch than known, or under one that was given back; `no_server_fits` for a handoff of a
    /// character that is here already.
    pub fn announce(&mut self, now_ms: u64, new: Announcement) -> Result<(), Refusal> {
        let until = now_ms.saturating_add(new.wait_ms);
        self.expires_ms = self.expires_ms.min(until);
        let ticket = new.ticket.map(|digest| (digest, now_ms.saturating_add(ticket::LIFE_S * 1_000)));
        if new.granted && self.given_back.holds(now_ms, new.doc.id, new.epoch) {
            // Central did not know of the leave yet; it knows when it reads this.
            return Refusal::err(Code::StaleEpoch, "this character has just left");
        }
        if let Some(seat) = self.seats.get_mut(&new.doc.id) {
            if new.epoch < seat.epoch {
                return Refusal::err(Code::StaleEpoch, "this character is here under a higher epoch");
            }
            if seat.inside && seat.granted && !new.granted {
                return Refusal::err(Code::NoServerFits, "this character is here already");
            }
            if !(seat.inside && seat.enter == new.enter) {
                seat.expected = Some((new.enter, until));
            }
            let plays = seat.inside && seat.granted;
            seat.granted |= new.granted;
            (seat.epoch, seat.session, seat.enter) = (new.epoch, new.session, new.enter);
            (seat.wait_ms, seat.beside) = (new.wait_ms, new.beside);
            (seat.record, seat.ticket, seat.social) = (new.record, ticket, new.social);
            // Who plays here stands where he stands; who only sees comes to where he is said to be now.
            if plays {
                seat.doc.quests = new.doc.quests;
            } else {
                seat.doc = new.doc;
            }
            return Ok(());
        }
        // Central counts; where players change places there is one more until somebody has gone.
        if self.seats.len() > self.capacity {
            return Refusal::err(Code::ServerFull, "this server is full");
        }
        let seat = Seat {
            epoch: new.epoch,
            granted: new.granted,
            inside: false,
            connected: false,
            session: new.session,
            expected: Some((new.enter, until)),
            enter: new.enter,
            wait_ms: new.wait_ms,
            beside: new.beside,
            social: new.social,
            record: new.record,
            ticket,
            resume: None,
            doc: new.doc,
        };
        self.seats.insert(seat.doc.id, seat);
        Ok(())
    }

    /// A client shows a ticket; `resume` is the token for its next time. `now` is ms of the clock and seconds since
    /// 1970: only a ticket that was not told before is looked at by a clock that must agree with central's.
    ///
    /// # Errors
    /// What [`ticket::check`] finds, `ticket_used`, `not_announced`.
    pub fn present(
        &mut self,
        ticket: &str,
        keys: &[PublicKey],
        audience: &str,
        (now_ms, now_s): (u64, u64),
        resume: [u8; 16],
    ) -> Result<Guest, Refusal> {
        let announced = |claims: &Claims| {
            let (told, until_ms) = self.seats.get(&claims.sub).and_then(|seat| seat.ticket)?;
            (told == ticket::digest(ticket)).then_some(until_ms)
        };
        let said = ticket::claims(ticket).ok();
        let announced = said.and_then(|claims| Some((announced(&claims)?, claims)));
        let claims = match announced {
            Some((until_ms, _)) if until_ms < now_ms => {
                return Refusal::err(Code::TicketExpired, "this ticket's time is over");
            }
            Some((_, claims)) => ticket::check_announced(claims, audience)?,
            None => ticket::check(ticket, keys, audience, now_s)?,
        };
        // Once a second: there are as many of them as players came in half a minute.
        if std::mem::replace(&mut self.looked_s, now_s) != now_s {
            self.used.retain(|_, until| *until >= now_s);
        }
        if self.used.contains_key(&claims.jti) {
            return Refusal::err(Code::TicketUsed, "this ticket was used before");
        }
        let seat = self.seats.get_mut(&claims.sub).filter(|seat| seat.expects(&claims));
        let Some(seat) = seat else {
            return Refusal::err(Code::NotAnnounced, "this character was not announced here");
        };
        self.used.insert(claims.jti, claims.exp.max(now_s + ticket::LIFE_S) + ticket::SKEW_S);
        seat.expected = None;
        Ok(seat.enter(resume, false))
    }

    /// A client shows the token of a connection that it lost.
    ///
    /// # Errors
    /// `resume_invalid` for one that was never given out, or was used.
    pub fn resume(&mut self, token: [u8; 16], resume: [u8; 16]) -> Result<Guest, Refusal> {
        let holds = |seat: &&mut Seat| seat.inside && seat.resume == Some(token);
        match self.seats.values_mut().find(holds) {
            Some(seat) => Ok(seat.enter(resume, true)),
            None => Refusal::err(Code::ResumeInvalid, "this connection cannot be resumed: enter again"),
        }
    }

    /// Central called it off. One that has not come is taken out and given back; whom the loop has, it has to
    /// decide about.
    pub fn withdraw(&mut self, character: CharacterId, enter: EnterId) -> Option<Missing> {
        let seat = self.seats.get_mut(&character).filter(|seat| seat.enter == enter)?;
        seat.expected = None;
        if seat.inside {
            return None;
        }
        let missing = Missing { character, epoch: seat.epoch, enter };
        self.seats.remove(&character);
        Some(missing)
    }

    /// The character is this area's under this epoch from now on. The loop gives back one that is not inside.
    pub fn grant(&mut self, now_ms: u64, character: CharacterId, epoch: u64) {
        if !self.stays(character, epoch) {
            self.given_back.insert(now_ms, character, epoch);
        }
    }

    /// The character is owned here under this epoch; false if it is not inside.
    pub fn stays(&mut self, character: CharacterId, epoch: u64) -> bool {
        let Some(seat) = self.seats.get_mut(&character).filter(|seat| seat.inside) else { return false };
        if epoch >= seat.epoch {
            (seat.epoch, seat.granted) = (epoch, true);
        }
        true
    }

    /// It was handed on: it may be announced anew before the loop has let it go.
    pub fn handed_on(&mut self, character: CharacterId) {
        if let Some(seat) = self.seats.get_mut(&character) {
            seat.granted = false;
        }
    }

    /// Lets go one that was announced and has not come; `None` if it is inside or unknown.
    pub fn remove_announced(&mut self, character: CharacterId, epoch: u64) -> Option<Missing> {
        let seat = self.seats.get(&character).filter(|seat| !seat.inside && seat.epoch <= epoch)?;
        let missing = Missing { character, epoch: seat.epoch, enter: seat.enter };
        self.seats.remove(&character);
        Some(missing)
    }

    /// Whom it is with now.
    pub fn set_social(&mut self, character: CharacterId, social: &SocialDoc) {
        if let Some(seat) = self.seats.get_mut(&character) {
            seat.social = social.clone();
        }
    }

    /// The loop lost its client.
    pub fn lost(&mut self, character: CharacterId) {
        if let Some(seat) = self.seats.get_mut(&character) {
            seat.connected = false;
        }
    }

    /// The loop let it go, and with it the ownership under this epoch. One that is announced anew under a
    /// higher one keeps its seat; the announcement under an epoch that is given back is void, and missing.
    /// `resume`: the token of the client that the loop saw last.
    pub fn gone(
        &mut self,
        now_ms: u64,
        character: CharacterId,
        (epoch, resume): (u64, [u8; 16]),
    ) -> Option<Missing> {
        // Of another one: it came anew before we read this, and the loop has it again, or says of that one too that it
        // is gone.
        let seat =
            self.seats.get_mut(&character).filter(|seat| seat.inside && seat.resume == Some(resume))?;
        if seat.granted {
            self.given_back.insert(now_ms, character, epoch);
        }
        (seat.inside, seat.connected, seat.resume) = (false, false, None);
        if seat.epoch > epoch && seat.expected.is_some() {
            return None;
        }
        let seat = self.seats.remove(&character)?;
        seat.expected.map(|(enter, _)| Missing { character, epoch: seat.epoch, enter })
    }

    /// Takes out whom nobody waits for any more.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Missing> {
        let mut missing = Vec::new();
        // Seats are many, and this is asked after every message.
        if now_ms < self.expires_ms {
            return missing;
        }
        self.seats.retain(|character, seat| {
            let Some((enter, _)) = seat.expected.filter(|(_, until)| *until <= now_ms) else { return true };
            seat.expected = None;
            if !seat.inside {
                missing.push(Missing { character: *character, epoch: seat.epoch, enter });
            }
            seat.inside
        });
        self.expires_ms =
            self.seats.values().filter_map(|seat| Some(seat.expected?.1)).min().unwrap_or(u64::MAX);
        missing
    }

    /// No seat expires before this, ms of the clock.
    pub fn next_expiry_ms(&self) -> u64 {
        self.expires_ms
    }
}

impl Seat {
    fn expects(&self, claims: &Claims) -> bool {
        let expected = self.expected.is_some_and(|(enter, _)| enter == claims.jti);
        expected && self.epoch == claims.epoch && self.session == claims.ses && self.doc.account == claims.acc
    }

    fn enter(&mut self, resume: [u8; 16], resumed: bool) -> Guest {
        (self.inside, self.connected, self.resume) = (true, true, Some(resume));
        Guest {
            doc: self.doc.clone(),
            enter: self.enter,
            epoch: self.epoch,
            granted: self.granted,
            resume,
            resumed,
            wait_ms: self.wait_ms,
            beside: self.beside,
            record: if resumed { Vec::new() } else { std::mem::take(&mut self.record) },
            social: self.social.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use pangea_world::id::{AccountId, ServerId};
    use pangea_world::space::Place;
    use pangea_world::ticket::{Signer, audience};

    use super::super::given_back;
    use super::*;

    pub(crate) const KEY: [u8; 32] = [9; 32];

    pub(crate) fn doc(n: u8) -> CharacterDoc {
        CharacterDoc {
            id: CharacterId([n; 16]),
            account: AccountId([n; 16]),
            name: format!("Ada{n}"),
            faction: None,
            place: Place { world: "wilds".into(), map: None, x: 256.0, y: 256.0 },
            quests: Vec::new(),
        }
    }

    pub(crate) fn announcement(n: u8) -> Announcement {
        Announcement {
            enter: EnterId([n; 16]),
            doc: doc(n),
            session: SessionId([n; 16]),
            epoch: 4,
            granted: true,
            wait_ms: 30_000,
            record: Vec::new(),
            ticket: None,
            beside: false,
            social: SocialDoc::default(),
        }
    }

    pub(crate) fn claims(n: u8, now_s: u64) -> Claims {
        Claims {
            iss: "pangea".into(),
            aud: audience(ServerId([7; 16]), 3),
            sub: CharacterId([n; 16]),
            jti: EnterId([n; 16]),
            iat: now_s,
            exp: now_s + 30,
            acc: AccountId([n; 16]),
            ses: SessionId([n; 16]),
            epoch: 4,
            name: format!("Ada{n}"),
        }
    }

    fn present(list: &mut Admissions, claims: &Claims) -> Result<Guest, Code> {
        present_text(list, &sign(claims))
    }

    fn present_text(list: &mut Admissions, ticket: &str) -> Result<Guest, Code> {
        present_with(list, ticket, [1; 16])
    }

    /// A client whose token is this one comes.
    fn present_with(list: &mut Admissions, ticket: &str, resume: [u8; 16]) -> Result<Guest, Code> {
        let keys = [Signer::from_seed(&KEY).public()];
        list.present(ticket, &keys, &audience(ServerId([7; 16]), 3), (30_000, 1_000), resume)
            .map_err(|refusal| refusal.code)
    }

    fn sign(claims: &Claims) -> String {
        Signer::from_seed(&KEY).sign(claims)
    }

    fn list() -> Admissions {
        let mut list = Admissions::new(2);
        list.announce(0, announcement(1)).expect("announced");
        list
    }

    #[test]
    fn the_announced_character_enters_once() {
        let mut list = list();
        let guest = present(&mut list, &claims(1, 1_000)).expect("let in");
        assert_eq!((guest.doc, guest.granted, guest.resumed), (doc(1), true, false));
        assert_eq!(present(&mut list, &claims(1, 1_000)), Err(Code::TicketUsed));
        assert_eq!(list.gone(0, CharacterId([1; 16]), (4, [1; 16])), None);
        assert!(list.is_empty());
        assert_eq!(present(&mut list, &claims(1, 1_000)), Err(Code::TicketUsed), "also when it has left");
    }

    #[test]
    fn every_other_ticket_is_refused() {
        let ok = || claims(1, 1_000);
        let other = Claims { aud: audience(ServerId([8; 16]), 3), ..ok() };
        let earlier_life = Claims { aud: audience(ServerId([7; 16]), 2), ..ok() };
        for (what, claims, code) in [
            ("expired", claims(1, 900), Code::TicketExpired),
            ("not yet valid", claims(1, 1_100), Code::TicketExpired),
            ("of another server", other, Code::TicketForeign),
            ("of an earlier life", earlier_life, Code::TicketForeign),
            ("not announced", claims(2, 1_000), Code::NotAnnounced),
            ("another enter", Claims { jti: EnterId([2; 16]), ..ok() }, Code::NotAnnounced),
            ("another session", Claims { ses: SessionId([2; 16]), ..ok() }, Code::NotAnnounced),
            ("another account", Claims { acc: AccountId([2; 16]), ..ok() }, Code::NotAnnounced),
            ("a lower epoch", Claims { epoch: 3, ..ok() }, Code::NotAnnounced),
            ("a higher epoch", Claims { epoch: 5, ..ok() }, Code::NotAnnounced),
        ] {
            assert_eq!(present(&mut list(), &claims), Err(code), "{what}");
        }
        let forged = Signer::from_seed(&[1; 32]).sign(&ok());
        assert_eq!(present_text(&mut list(), &forged), Err(Code::TicketInvalid));
        assert_eq!(present_text(&mut list(), ""), Err(Code::TicketInvalid));
        assert_eq!(present_text(&mut list(), &"a".repeat(5_000)), Err(Code::TicketInvalid));
        assert!(present(&mut list(), &ok()).is_ok(), "the table's good ticket is good");
    }

    /// Whoever shows the very text that central announced need not be asked who signed it.
    #[test]
    fn an_announced_ticket_is_known_by_its_digest() {
        let forged = Signer::from_seed(&[1; 32]).sign(&claims(1, 1_000));
        let told = |ticket: &str| {
            let mut list = Admissions::new(2);
            let ticket = Some(ticket::digest(ticket));
            list.announce(0, Announcement { ticket, ..announcement(1) }).expect("announced");
            list
        };
        assert!(present_text(&mut told(&forged), &forged).is_ok(), "central told of this text");
        let other = Signer::from_seed(&[1; 32]).sign(&Claims { name: "Eve".into(), ..claims(1, 1_000) });
        assert_eq!(present_text(&mut told(&forged), &other), Err(Code::TicketInvalid));
        // Clocks need not agree, and may jump: its time counts from when it was told.
        for now_s in [0, 900, 1_100, 1_000_000] {
            let ticket = Signer::from_seed(&KEY).sign(&claims(1, now_s));
            assert!(present_text(&mut told(&ticket), &ticket).is_ok(), "made at {now_s}");
        }
        let ticket = Signer::from_seed(&KEY).sign(&claims(1, 1_000));
        let audience = audience(ServerId([7; 16]), 3);
        let late = told(&ticket).present(&ticket, &[], &audience, (30_001, 1_000), [1; 16]);
        assert_eq!(late.map_err(|refusal| refusal.code), Err(Code::TicketExpired));
        assert!(present(&mut told(&forged), &claims(1, 1_000)).is_ok(), "another one that is signed");
    }

    #[test]
    fn a_seat_is_freed_when_nobody_comes() {
        let mut list = list();
        list.announce(5_000, announcement(1)).expect("a repeat holds longer");
        list.announce(0, announcement(2)).expect("announced");
        list.announce(0, announcement(4)).expect("one who changes places with another");
        assert_eq!(list.announce(0, announcement(3)).map_err(|r| r.code), Err(Code::ServerFull));
        assert_eq!(list.next_expiry_ms(), 30_000);
        let missing = list.expire(30_000).into_iter().map(|missing| missing.character.0[0]);
        assert_eq!(missing.collect::<std::collections::BTreeSet<u8>>(), [2, 4].into());
        list.announce(30_000, announcement(3)).expect("its seat is free");
        assert!(present(&mut list, &claims(1, 1_000)).is_ok());
        assert_eq!(list.expire(99_999).len(), 1, "the one inside is not expected any more");
    }

    #[test]
    fn a_lost_connection_resumes_by_its_token_once() {
        let mut list = list();
        present(&mut list, &claims(1, 1_000)).expect("let in");
        list.lost(CharacterId([1; 16]));
        let code = |result: Result<Guest, Refusal>| {
            result.map(|guest| guest.resumed).map_err(|refusal| refusal.code)
        };
        assert_eq!(code(list.resume([2; 16], [3; 16])), Err(Code::ResumeInvalid));
        assert_eq!(code(list.resume([1; 16], [3; 16])), Ok(true));
        assert_eq!(code(list.resume([1; 16], [4; 16])), Err(Code::ResumeInvalid), "each token once");
        assert_eq!(list.gone(0, CharacterId([1; 16]), (4, [3; 16])), None);
        assert_eq!(code(list.resume([3; 16], [4; 16])), Err(Code::ResumeInvalid));
    }

    #[test]
    fn a_new_announcement_takes_over_and_survives_the_old_ones_end() {
        let mut list = list();
        present(&mut list, &claims(1, 1_000)).expect("let in");
        let again = Announcement {
            enter: EnterId([5; 16]),
            session: SessionId([6; 16]),
            epoch: 5,
            ..announcement(1)
        };
        list.announce(0, again).expect("announced anew");
        assert_eq!(
            list.announce(0, Announcement { epoch: 3, ..announcement(1) }).map_err(|r| r.code),
            Err(Code::StaleEpoch)
        );
        assert_eq!(list.gone(0, CharacterId([1; 16]), (4, [1; 16])), None);
        let new = Claims { jti: EnterId([5; 16]), ses: SessionId([6; 16]), epoch: 5, ..claims(1, 1_000) };
        assert!(present(&mut list, &new).is_ok());
    }

    /// Its client was quicker than the loop's word that it had let go of the time before.
    #[test]
    fn who_has_come_anew_keeps_the_seat_when_the_end_of_the_time_before_is_read() {
        let mut list = list();
        present(&mut list, &claims(1, 1_000)).expect("let in");
        list.handed_on(CharacterId([1; 16]));
        let back = Announcement { enter: EnterId([5; 16]), epoch: 6, granted: false, ..announcement(1) };
        list.announce(0, back).expect("it comes back");
        let new = Claims { jti: EnterId([5; 16]), epoch: 6, ..claims(1, 1_000) };
        assert!(present_with(&mut list, &sign(&new), [2; 16]).is_ok());
        assert_eq!(list.gone(0, CharacterId([1; 16]), (4, [1; 16])), None);
        list.grant(0, CharacterId([1; 16]), 6);
        let seats: Vec<_> = list.seats().map(|(_, seat)| (seat.epoch, seat.granted, seat.inside)).collect();
        assert_eq!(seats, [(6, true, true)]);
        assert_eq!(list.gone(0, CharacterId([1; 16]), (6, [2; 16])), None);
        assert!(list.is_empty());
    }

    /// What was prepared for a border was called off and prepared anew, under the same epoch.
    #[test]
    fn who_has_come_anew_under_the_same_epoch_keeps_the_seat() {
        let mut list = list();
        let beside = |enter| Announcement { enter, epoch: 6, granted: false, ..announcement(2) };
        let claims = |jti| Claims {
            jti,
            sub: CharacterId([2; 16]),
            ses: SessionId([2; 16]),
            acc: AccountId([2; 16]),
            epoch: 6,
            ..claims(1, 1_000)
        };
        let (first, second) = (EnterId([2; 16]), EnterId([3; 16]));
        list.announce(0, beside(first)).expect("announced");
        assert!(present(&mut list, &claims(first)).is_ok());
        assert!(list.withdraw(CharacterId([2; 16]), first).is_none(), "the loop has it");
        list.announce(0, beside(second)).expect("announced anew");
        assert!(present_with(&mut list, &sign(&claims(second)), [2; 16]).is_ok());
        // It may be owned here by now: under the epoch that the word of the time before names.
        list.grant(0, CharacterId([2; 16]), 6);
        assert_eq!(list.gone(0, CharacterId([2; 16]), (6, [1; 16])), None);
        let login = Announcement { enter: EnterId([4; 16]), epoch: 6, ..announcement(2) };
        assert_eq!(list.announce(0, login), Ok(()), "nothing was given back");
        assert!(present_with(&mut list, &sign(&claims(EnterId([4; 16]))), [3; 16]).is_ok());
        assert!(list.seats().any(|(id, seat)| *id == CharacterId([2; 16]) && seat.inside));
        list.gone(0, CharacterId([2; 16]), (6, [3; 16]));
        assert!(list.seats().all(|(id, _)| *id != CharacterId([2; 16])));
    }

    /// It left while it was announced anew: what was given back is not owned, so nobody plays it.
    #[test]
    fn an_announcement_under_an_epoch_that_was_given_back_is_void() {
        let mut list = list();
        present(&mut list, &claims(1, 1_000)).expect("let in");
        let again = || Announcement { enter: EnterId([5; 16]), ..announcement(1) };
        list.announce(0, again()).expect("it is inside");
        let old = (4, [1; 16]);
        let missing = list.gone(0, CharacterId([1; 16]), old).expect("the new one does not come");
        assert_eq!((missing.enter, missing.epoch), (EnterId([5; 16]), 4));
        let new = Claims { jti: EnterId([5; 16]), ..claims(1, 1_000) };
        assert_eq!(present(&mut list, &new), Err(Code::NotAnnounced));
        assert_eq!(list.announce(0, again()).map_err(|r| r.code), Err(Code::StaleEpoch), "late");
        list.announce(0, Announcement { epoch: 5, ..again() }).expect("granted anew");
    }

    /// He is granted when his client has gone: the loop gives him back, so he is not let in under that epoch.
    #[test]
    fn who_is_granted_and_is_not_inside_is_given_back() {
        let mut list = list();
        list.grant(0, CharacterId([7; 16]), 4);
        let announced = |list: &mut Admissions, now_ms, epoch| {
            let doc = CharacterDoc { id: CharacterId([7; 16]), ..announcement(1).doc };
            list.announce(now_ms, Announcement { epoch, doc, ..announcement(1) }).map_err(|r| r.code)
        };
        assert_eq!(announced(&mut list, 0, 4), Err(Code::StaleEpoch));
        assert_eq!(announced(&mut list, 0, 5), Ok(()));
        // Who is announced and has not come is not inside either.
        list.grant(0, CharacterId([7; 16]), 6);
        assert_eq!(announced(&mut list, 0, 6), Err(Code::StaleEpoch));
        assert_eq!(announced(&mut list, given_back::KEPT_MS + 1, 6), Ok(()), "long after");
    }

    #[test]
    fn nobody_is_handed_to_the_area_where_he_is() {
        let mut list = list();
        present(&mut list, &claims(1, 1_000)).expect("let in");
        let handoff = Announcement { enter: EnterId([5; 16]), epoch: 5, granted: false, ..announcement(1) };
        assert_eq!(list.announce(0, handoff).map_err(|r| r.code), Err(Code::NoServerFits));
    }

    #[test]
    fn a_withdrawn_one_does_not_enter() {
        let mut list = list();
        assert_eq!(list.withdraw(CharacterId([1; 16]), EnterId([9; 16])), None, "another enter");
        assert!(list.withdraw(CharacterId([1; 16]), EnterId([1; 16])).is_some());
        assert_eq!(present(&mut list, &claims(1, 1_000)), Err(Code::NotAnnounced));
    }
}
