//! Goods, money and quest steps as a game sees them. The ledger itself is central's: what is asked here is
//! done when its answer is here, and no sooner.
//!
//! A game asks ([`Ledger::ask`]) and shows the thing as pending; some steps later the answer is among
//! [`Ledger::answers`], and what characters and the ground have ([`Ledger::sheet`], [`Ledger::ground`]) is as
//! it is after it. In a game's tests the same rules decide in memory, between two steps
//! ([`crate::Sim::own_ledger`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bevy_ecs::prelude::*;
use pangea_world::id::{AreaId, CharacterId, OpId, ServerId, StorageId};
use pangea_world::ledger::{
    Act, AreaFence, Asker, Book, Changes, CharacterFence, Fences, Holder, Operation, Sheet, Who, Writer,
    decide,
};
use pangea_world::{Code, Refusal};

/// Most asks that wait for their answers; a further one is refused with `storage_busy`.
pub const MOST_UNDECIDED: usize = 4_096;

/// Most sources whose spent lives are known; beyond it those with the lowest lives are forgotten.
pub const MOST_SPENT: usize = 65_536;

/// Number of an ask, in this life of the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask(pub u64);

/// What became of an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub ask: Ask,
    /// Done and durable, or why not; then nothing has changed.
    pub outcome: Result<(), Refusal>,
}

/// What an area knows of the ledger, and what it asks of it.
#[derive(Resource, Debug, Default)]
pub struct Ledger {
    last: u64,
    undecided: usize,
    /// In order, until the area server takes them.
    asked: Vec<Asked>,
    /// The next id that the game may give away.
    id: Option<OpId>,
    /// Of this step.
    answers: Vec<Answer>,
    /// Of the next one.
    coming: Vec<Answer>,
    sheets: HashMap<CharacterId, Sheet>,
    changed: News,
    coming_changed: News,
    ground: Sheet,
    /// What characters of this area have open, one each.
    opened: BTreeMap<CharacterId, (StorageId, Sheet)>,
    spent: BTreeMap<u64, u64>,
    own: Option<Arc<Mutex<Own>>>,
}

/// An ask that nobody has taken.
#[derive(Debug)]
pub struct Asked {
    /// Which.
    pub ask: Ask,
    /// The operation's id, if the game has chosen it.
    pub id: Option<OpId>,
    /// What for.
    pub act: Act,
}

/// What is new.
#[derive(Debug, Default)]
struct News {
    characters: BTreeSet<CharacterId>,
    ground: bool,
}

/// A character as an act names it; the area server fills in its epoch.
pub fn who(character: CharacterId) -> Who {
    Who { character, epoch: 0 }
}

/// Who has the storage of this act no longer open.
fn closes(act: &Act, outcome: &Result<Changes, Refusal>) -> Option<CharacterId> {
    match (act, outcome) {
        (Act::Release { who, .. }, Ok(_)) => Some(who.character),
        (
            Act::Reserve { who, .. }
            | Act::Release { who, .. }
            | Act::Put { who, .. }
            | Act::Fetch { who, .. },
            Err(refusal),
        ) if matches!(refusal.code, Code::StorageReserved | Code::NotOwner) => Some(who.character),
        _ => None,
    }
}

impl Ledger {
    // ---- the game ----

    /// Asks for this; it is done, or refused, when the answer is here. What is asked as a character leaves
    /// ([`crate::Builder::on_leave`]) comes too late.
    pub fn ask(&mut self, act: Act) -> Ask {
        self.ask_under(None, act)
    }

    /// The same under an id of [`Ledger::take_id`], which another area may know.
    pub fn ask_as(&mut self, id: OpId, act: Act) -> Ask {
        self.ask_under(Some(id), act)
    }

    /// An id for an operation that is asked later, or that another area may call off ([`Act::Void`]) and so learn
    /// what became of it. One a step; it is good for half a day.
    pub fn take_id(&mut self) -> Option<OpId> {
        self.id.take()
    }

    fn ask_under(&mut self, id: Option<OpId>, act: Act) -> Ask {
        self.last += 1;
        let ask = Ask(self.last);
        if self.undecided >= MOST_UNDECIDED {
            let text = "too many things wait to be written; try again in a moment";
            self.coming.push(Answer { ask, outcome: Refusal::err(Code::StorageBusy, text) });
        } else {
            self.undecided += 1;
            self.asked.push(Asked { ask, id, act });
        }
        ask
    }

    /// What was decided since the last step, in order: each ask once.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// What a character of this area has, as far as it is durable; `None` while that is not known.
    pub fn sheet(&self, character: CharacterId) -> Option<&Sheet> {
        self.sheets.get(&character)
    }

    /// The storage that a character of this area has reserved last, and what lies in it. `None`: none, or it was
    /// released, or the ledger says that the reservation has ended.
    pub fn opened(&self, character: CharacterId) -> Option<(StorageId, &Sheet)> {
        self.opened.get(&character).map(|(storage, lies)| (*storage, lies))
    }

    /// Whose sheets changed since the last step, or what lies in the storage that they have open, whoever did it.
    pub fn changed(&self) -> &BTreeSet<CharacterId> {
        &self.changed.characters
    }

    /// What lies on the ground of the area. The slot is the spot at which it was dropped.
    pub fn ground(&self) -> &Sheet {
        &self.ground
    }

    /// Whether something else lies there than in the last step.
    pub fn ground_changed(&self) -> bool {
        self.changed.ground
    }

    /// The last life of a source that is spent; 0: none, or one that is long past. A game takes lives from
    /// [`crate::Clock::tick`]: the area's clock never starts before the newest life that was spent.
    pub fn spent(&self, source: u64) -> u64 {
        self.spent.get(&source).copied().unwrap_or(0)
    }

    /// All spent lives that are known, by source: number and life.
    pub fn all_spent(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.spent.iter().map(|(number, life)| (*number, *life))
    }

    // ---- the area server ----

    /// What was asked and nobody has taken, in order.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// The next id for [`Ledger::take_id`].
    pub fn give_id(&mut self, id: OpId) {
        self.id = Some(id);
    }

    /// An ask is decided for good; with the next step the game knows.
    pub fn decided(&mut self, ask: Ask, act: &Act, outcome: Result<Changes, Refusal>) {
        self.undecided = self.undecided.saturating_sub(1);
        if let Ok(changes) = &outcome {
            if let Act::Pick { source, .. } = act {
                self.spend([(source.number, source.life)]);
            }
            if let Act::Reserve { who, storage, .. } = act
                && self.sheets.contains_key(&who.character)
            {
                self.opened.insert(who.character, (*storage, Sheet::default()));
                self.coming_changed.characters.insert(who.character);
            }
            // What was decided long ago is in what characters have.
            if !matches!(act, Act::Void {}) {
                self.apply(changes);
            }
        }
        if let Some(character) = closes(act, &outcome)
            && self.opened.remove(&character).is_some()
        {
            self.coming_changed.characters.insert(character);
        }
        self.coming.push(Answer { ask, outcome: outcome.map(drop) });
    }

    /// What a character has.
    pub fn show(&mut self, character: CharacterId, sheet: Sheet) {
        self.sheets.insert(character, sheet);
        self.coming_changed.characters.insert(character);
    }

    /// The character is not here any more.
    pub fn forget(&mut self, character: CharacterId) {
        self.sheets.remove(&character);
        self.opened.remove(&character);
    }

    /// What lies on the ground, and which sources are spent, as an area begins.
    pub fn begin(&mut self, ground: Sheet, spent: impl IntoIterator<Item = (u64, u64)>) {
        self.ground = ground;
        self.coming_changed.ground = true;
        self.spend(spent);
    }

    /// How many asks have no answer yet.
    pub fn undecided(&self) -> usize {
        self.undecided
    }

    fn apply(&mut self, changes: &Changes) {
        let slots = changes.slots.iter().map(|(holder, ..)| *holder);
        let money = changes.money.iter().map(|(holder, ..)| *holder);
        let quests = changes.quests.iter().map(|(character, ..)| Holder::Character(*character));
        let holders: BTreeSet<Holder> = slots.chain(money).chain(quests).collect();
        for holder in holders {
            match holder {
                Holder::Character(character) => {
                    if let Some(sheet) = self.sheets.get_mut(&character) {
                        sheet.apply(holder, changes);
                        self.coming_changed.characters.insert(character);
                    }
                }
                Holder::Ground(_) => {
                    self.ground.apply(holder, changes);
                    self.coming_changed.ground = true;
                }
                Holder::Storage(storage) => {
                    for (character, (open, lies)) in &mut self.opened {
                        if *open == storage {
                            lies.apply(holder, changes);
                            self.coming_changed.characters.insert(*character);
                        }
                    }
                }
                Holder::Parcel(_) | Holder::Bank => {}
            }
        }
    }

    fn spend(&mut self, spent: impl IntoIterator<Item = (u64, u64)>) {
        for (number, life) in spent {
            let known = self.spent.entry(number).or_default();
            *known = life.max(*known);
        }
        if self.spent.len() > MOST_SPENT {
            let mut lives: Vec<u64> = self.spent.values().copied().collect();
            let (_, oldest_kept, _) = lives.select_nth_unstable(MOST_SPENT / 4);
            let oldest_kept = *oldest_kept;
            self.spent.retain(|_, life| *life > oldest_kept);
        }
    }

    // ---- the step ----

    /// Before a step: what came since the last one is this one's.
    pub(crate) fn turn(&mut self) {
        if let Some(own) = self.own.clone() {
            for Asked { ask, id, act } in self.take_asked() {
                let outcome = lock(&own).decide(id, act.clone());
                self.decided(ask, &act, outcome);
            }
            let mut own = lock(&own);
            self.id = Some(own.next_id());
            // Another area may have changed what these have.
            for (character, sheet) in &mut self.sheets {
                let now = own.book.sheet(Holder::Character(*character)).cloned().unwrap_or_default();
                if *sheet != now {
                    *sheet = now;
                    self.coming_changed.characters.insert(*character);
                }
            }
        }
        self.answers = std::mem::take(&mut self.coming);
        self.changed = std::mem::take(&mut self.coming_changed);
    }

    /// A character came in: with the next step the game hears of what it has, which is known already or will be.
    pub(crate) fn came(&mut self, character: CharacterId) {
        self.coming_changed.characters.insert(character);
        if let Some(own) = self.own.clone() {
            let mut own = lock(&own);
            let fence = CharacterFence { owner: Some(AreaId::default()), epoch: 0 };
            own.fences.characters.insert(character, fence);
            let sheet = own.book.sheet(Holder::Character(character)).cloned().unwrap_or_default();
            drop(own);
            self.show(character, sheet);
        }
    }

    // ---- tests ----

    pub(crate) fn decide_alone(&mut self) {
        self.own = Some(Arc::default());
    }

    pub(crate) fn share(&mut self, with: &Self) {
        self.own.clone_from(&with.own);
    }

    /// As an operator would: at once.
    pub(crate) fn operate(&mut self, act: Act) -> Result<(), Refusal> {
        let own = self.own.clone().expect("an own ledger");
        let changes = lock(&own).decide(None, act)?;
        self.apply(&changes);
        Ok(())
    }
}

/// The ledger of a test: one area, and every character that ever came in.
#[derive(Debug)]
struct Own {
    book: Book,
    fences: Fences,
    operations: u64,
    /// Those with an id of the game's own.
    decided: HashMap<OpId, (Act, Result<Changes, Refusal>)>,
}

fn lock(own: &Mutex<Own>) -> MutexGuard<'_, Own> {
    own.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Own {
    fn default() -> Self {
        let mut fences = Fences::default();
        let owner = AreaFence { owner: Some(ServerId::default()), epoch: 0, incarnation: 0 };
        fences.areas.insert(AreaId::default(), owner);
        Self { book: Book::default(), fences, operations: 0, decided: HashMap::new() }
    }
}

impl Own {
    fn next_id(&mut self) -> OpId {
        self.operations += 1;
        OpId::new(0, self.operations.to_be_bytes())
    }

    fn decide(&mut self, id: Option<OpId>, act: Act) -> Result<Changes, Refusal> {
        let Some(id) = id else {
            let id = self.next_id();
            return self.apply(id, act);
        };
        match self.decided.get(&id) {
            Some((known, outcome)) if *known == act || matches!(act, Act::Void {}) => outcome.clone(),
            Some(_) => Refusal::err(Code::OpMismatch, "this id was another operation's"),
            None => {
                let outcome = self.apply(id, act.clone());
                self.decided.insert(id, (act, outcome.clone()));
                outcome
            }
        }
    }

    fn apply(&mut self, id: OpId, act: Act) -> Result<Changes, Refusal> {
        let (asker, by) = match act {
            Act::Grant { .. } | Act::Seize { .. } | Act::QuestSet { .. } => {
                (Asker::Operator, Writer::Operator { reason: "a test".into() })
            }
            _ => {
                let area = AreaId::default();
                (Asker::Server(ServerId::default()), Writer::Area { area, epoch: 0, incarnation: 0 })
            }
        };
        let operation = Operation { id, by, act };
        let changes = decide(&mut self.book, &self.fences, asker, &operation, 0)?;
        // As central tells it.
        Ok(match operation.act {
            Act::Reserve { storage, .. } => self.book.lies(Holder::Storage(storage)),
            _ => changes,
        })
    }
}

#[cfg(test)]
mod tests {
    use pangea_world::ledger::{Bundle, Coins, Goods, Source};

    use super::*;
    use crate::{Game, Sim};

    const WORLD: &str = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 9.0, y = 9.0 }";

    fn sim() -> (Sim, CharacterId) {
        let game = Game { name: "t", land: |_, _| Box::new(|_, _| 0), build: |_, _| {} };
        let mut sim = Sim::of_world(&game, WORLD);
        let ada = sim.join("Ada", (9.0, 9.0));
        let ada = sim.character(ada);
        (sim, ada)
    }

    fn pick(ada: CharacterId, life: u64) -> Act {
        let gets = Bundle::goods([Goods::new("wood", 3)]);
        Act::Pick { who: who(ada), source: Source { number: 7, life }, gets }
    }

    fn codes(sim: &mut Sim) -> Vec<(Ask, Option<Code>)> {
        let told = |answer: &Answer| (answer.ask, answer.outcome.as_ref().err().map(|refusal| refusal.code));
        sim.ledger().answers().iter().map(told).collect()
    }

    #[test]
    fn what_is_asked_in_one_step_is_answered_in_the_next_by_the_real_rules() {
        let (mut sim, ada) = sim();
        sim.step(1.0);
        assert!(sim.ledger().changed().contains(&ada), "what she has is known");
        let (one, two) = (sim.ledger().ask(pick(ada, 4)), sim.ledger().ask(pick(ada, 4)));
        assert_eq!(sim.ledger().sheet(ada).map(|sheet| sheet.count("wood")), Some(0), "not before");
        sim.step(1.0);
        assert_eq!(codes(&mut sim), [(one, None), (two, Some(Code::SourceSpent))]);
        assert_eq!(sim.ledger().sheet(ada).map(|sheet| sheet.count("wood")), Some(3));
        assert_eq!((sim.ledger().spent(7), sim.ledger().spent(8)), (4, 0));
        sim.step(1.0);
        assert!(sim.ledger().answers().is_empty() && sim.ledger().changed().is_empty());
        let grant = Act::Grant { to: ada, gets: Bundle::coins([Coins::new("coin", 9)]) };
        sim.operate(grant).expect("granted");
        sim.step(1.0);
        assert!(sim.ledger().changed().contains(&ada));
        assert_eq!(sim.ledger().sheet(ada).map(|sheet| sheet.amount("coin")), Some(9));
    }

    #[test]
    fn what_was_known_before_a_character_came_is_told_when_it_is_there() {
        let (mut sim, ada) = sim();
        *sim.ledger() = Ledger::default();
        let bob = CharacterId([9; 16]);
        sim.ledger().show(bob, Sheet::default());
        sim.step(1.0);
        assert!(sim.ledger().changed().contains(&bob) && !sim.ledger().changed().contains(&ada));
        let id = sim.reserve().expect("an id");
        let character = crate::Character { name: "Bob".into(), faction: String::new() };
        sim.spawn(id, bob, character, (9.0, 9.0), crate::Enter::Spawn, None).expect("no record");
        sim.step(1.0);
        assert!(sim.ledger().changed().contains(&bob));
    }

    #[test]
    fn what_lies_on_the_ground_is_known_with_its_spot() {
        let (mut sim, ada) = sim();
        sim.ledger().ask(pick(ada, 1));
        sim.step(1.0);
        let item = sim.ledger().sheet(ada).expect("a sheet").stacks[&0].id;
        let part = pangea_world::ledger::Part { item, quantity: 2 };
        sim.ledger().ask(Act::Drop { who: who(ada), part, spot: 81 });
        sim.step(1.0);
        assert!(sim.ledger().ground_changed());
        assert_eq!(sim.ledger().ground().stacks[&81].quantity, 2);
        assert_eq!(sim.ledger().sheet(ada).map(|sheet| sheet.count("wood")), Some(1));
    }

    #[test]
    fn a_reserved_storage_is_known_until_it_is_released_or_the_ledger_says_so() {
        let (mut sim, ada) = sim();
        sim.ledger().ask(pick(ada, 1));
        sim.step(1.0);
        let (storage, who) = (StorageId([5; 16]), who(ada));
        let reserve = Act::Reserve { who, storage, for_ms: 9 };
        let item = sim.ledger().sheet(ada).expect("a sheet").stacks[&0].id;
        let part = pangea_world::ledger::Part { item, quantity: 2 };
        let lies = |sim: &mut Sim| sim.ledger().opened(ada).map(|(of, lies)| (of, lies.count("wood")));
        for (act, after) in [
            (Act::Put { who, storage, part }, None),
            (reserve.clone(), Some((storage, 0))),
            (Act::Put { who, storage, part }, Some((storage, 2))),
            (Act::Release { who, storage }, None),
            (reserve.clone(), Some((storage, 2))),
        ] {
            sim.ledger().ask(act.clone());
            sim.step(1.0);
            assert_eq!(lies(&mut sim), after, "{act:?}");
        }
        assert!(sim.ledger().changed().contains(&ada));
        let late = Refusal::new(Code::StorageReserved, "reserve it first");
        sim.ledger().decided(Ask(0), &Act::Put { who, storage, part }, Err(late));
        assert_eq!(lies(&mut sim), None);
        sim.ledger().ask(reserve);
        sim.step(1.0);
        sim.ledger().forget(ada);
        assert_eq!(lies(&mut sim), None);
    }

    #[test]
    fn the_oldest_spent_lives_are_forgotten() {
        let mut ledger = Ledger::default();
        ledger.begin(Sheet::default(), (0..MOST_SPENT as u64 + 1).map(|n| (n, n + 1)));
        assert!(ledger.all_spent().count() <= MOST_SPENT);
        assert_eq!((ledger.spent(3), ledger.spent(MOST_SPENT as u64)), (0, MOST_SPENT as u64 + 1));
    }
}
