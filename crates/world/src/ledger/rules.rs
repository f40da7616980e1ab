//! What each act does to the rows, and when it is refused.

use std::collections::HashMap;

use super::book::{Book, Changes, Chest, Sheet, Stack, Standing};
use super::operation::{
    Act, Asker, Bundle, Coins, Goods, Holder, MOST_CURRENCIES, MOST_MONEY, MOST_ON_GROUND, MOST_QUESTS,
    OLDEST_MS, Operation, Part, Side, Who, Writer,
};
use crate::id::{AreaId, CharacterId, OpId, ParcelId, ServerId, StorageId};
use crate::{Code, Refusal};

/// Who owns an area now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaFence {
    /// The game server; `None`: the store.
    pub owner: Option<ServerId>,
    /// At this epoch.
    pub epoch: u64,
    /// The area's life.
    pub incarnation: u64,
}

/// Who owns a character now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterFence {
    /// The area; `None`: the store.
    pub owner: Option<AreaId>,
    /// At this epoch.
    pub epoch: u64,
}

/// Ownership as the transaction found it. What is not in it does not exist.
#[derive(Debug, Default)]
pub struct Fences {
    /// Of areas.
    pub areas: HashMap<AreaId, AreaFence>,
    /// Of characters that are not deleted.
    pub characters: HashMap<CharacterId, CharacterFence>,
}

/// Does one operation, which is no repeat, to the rows of `book`; everything that it touches is loaded.
/// `now_ms` is central's clock.
///
/// # Errors
/// The refusal; then no row has changed.
pub fn decide(
    book: &mut Book,
    fences: &Fences,
    asker: Asker,
    operation: &Operation,
    now_ms: u64,
) -> Result<Changes, Refusal> {
    operation.check()?;
    if operation.id.time_ms().saturating_add(OLDEST_MS) < now_ms {
        return Refusal::err(Code::OpExpired, "the operation was made more than half a day ago");
    }
    let mark = book.mark();
    let mut turn = Turn { book, fences, operation: operation.id, area: None, made: 0, now_ms: now_ms as i64 };
    match turn.fence(asker, &operation.by).and_then(|()| turn.act(&operation.act)) {
        Ok(()) => Ok(book.changes_since(mark)),
        Err(refusal) => {
            book.take_back(mark);
            Err(refusal)
        }
    }
}

struct Turn<'a> {
    book: &'a mut Book,
    fences: &'a Fences,
    operation: OpId,
    /// The writer's; `None`: an operator.
    area: Option<AreaId>,
    /// How many stacks it has made.
    made: u16,
    now_ms: i64,
}

impl Turn<'_> {
    // ---- who may ----

    fn fence(&mut self, asker: Asker, by: &Writer) -> Result<(), Refusal> {
        let stale = || Refusal::err(Code::StaleEpoch, "this server does not own the area at that epoch");
        match (asker, by) {
            (Asker::Operator, Writer::Operator { .. }) | (Asker::Player, Writer::Player { .. }) => Ok(()),
            (Asker::Server(server), Writer::Area { area, epoch, incarnation }) => {
                let owned = AreaFence { owner: Some(server), epoch: *epoch, incarnation: *incarnation };
                if self.fences.areas.get(area) != Some(&owned) {
                    return stale();
                }
                self.area = Some(*area);
                Ok(())
            }
            _ => Refusal::err(Code::Forbidden, "the writer is not who it says"),
        }
    }

    /// The character's account, if the writer owns it at that epoch.
    fn own(&self, who: &Who) -> Result<Holder, Refusal> {
        let fence = self.fences.characters.get(&who.character);
        let owned = CharacterFence { owner: self.area, epoch: who.epoch };
        if self.area.is_none() || fence != Some(&owned) {
            return Refusal::err(Code::StaleEpoch, "this area does not own the character at that epoch");
        }
        Ok(Holder::Character(who.character))
    }

    /// The account of a character that the writer or another area owns at that epoch: who names the epoch has the
    /// word of that area.
    fn named(&self, who: &Who) -> Result<Holder, Refusal> {
        let fence = self.fences.characters.get(&who.character);
        if self.area.is_none() || fence.is_none_or(|fence| fence.owner.is_none() || fence.epoch != who.epoch)
        {
            return Refusal::err(Code::StaleEpoch, "no area owns the character at that epoch");
        }
        Ok(Holder::Character(who.character))
    }

    fn anybody(&self, character: CharacterId) -> Result<Holder, Refusal> {
        if !self.fences.characters.contains_key(&character) {
            return Refusal::err(Code::UnknownCharacter, "there is no such character");
        }
        Ok(Holder::Character(character))
    }

    fn ground(&self) -> Holder {
        Holder::Ground(self.area.unwrap_or_default())
    }

    // ---- what happens ----

    fn act(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Pick { who, source, gets } => {
                let holder = self.named(who)?;
                let area = self.area.unwrap_or_default();
                if source.life <= self.book.source(area, source.number).life {
                    return Refusal::err(Code::SourceSpent, "it has given that already");
                }
                self.book.spend(area, source.number, source.life);
                self.make(holder, gets)
            }
            Act::Take { who, part } => {
                let holder = self.named(who)?;
                self.shift(self.ground(), holder, part)
            }
            Act::Drop { who, part, spot } => {
                let holder = self.own(who)?;
                self.lay_down(holder, part, *spot)
            }
            Act::Consume { who, gives } => {
                let holder = self.own(who)?;
                self.unmake(holder, gives)
            }
            Act::Exchange { who, gives, gets } => {
                let holder = self.own(who)?;
                self.unmake(holder, gives)?;
                self.make(holder, gets)
            }
            Act::Arrange { who, part, to_slot } => {
                let holder = self.own(who)?;
                self.arrange(holder, part, *to_slot)
            }
            Act::Pay { who, to, coins } => {
                let holder = self.own(who)?;
                let to = self.anybody(*to)?;
                self.pay(holder, to, coins)
            }
            Act::Trade { a, b } => self.trade(a, b),
            Act::Void {} => Refusal::err(Code::OpVoid, "it was called off before it was decided"),
            Act::QuestAccept { who, quest, gets } => {
                let holder = self.own(who)?;
                if self.standing(who.character, quest).is_some() {
                    return Refusal::err(Code::QuestOrder, "this quest was accepted before");
                }
                self.room_for_quest(who.character)?;
                self.book.set_quest(who.character, quest, 0, false);
                self.make(holder, gets)
            }
            Act::QuestStep { who, quest, step, gives, gets } => {
                let holder = self.own(who)?;
                self.open_step(who.character, quest, *step)?;
                let next = step.checked_add(1).ok_or_else(too_much)?;
                self.book.set_quest(who.character, quest, next, false);
                self.unmake(holder, gives)?;
                self.make(holder, gets)
            }
            Act::QuestReward { who, quest, step, gives, gets } => {
                let holder = self.own(who)?;
                self.open_step(who.character, quest, *step)?;
                self.book.set_quest(who.character, quest, *step, true);
                self.unmake(holder, gives)?;
                self.make(holder, gets)
            }
            Act::Claim { who, storage } => {
                self.own(who)?;
                self.claim(who.character, *storage)
            }
            Act::Reserve { who, storage, for_ms } => {
                self.own(who)?;
                self.reserve(who.character, *storage, *for_ms)
            }
            Act::Release { who, storage } => {
                self.own(who)?;
                let (holder, chest) = self.reserved(who.character, *storage)?;
                self.book.set_chest(holder, Chest { reserved_by: None, reserved_until: 0, ..chest });
                Ok(())
            }
            Act::Put { who, storage, part } => {
                let holder = self.own(who)?;
                let (chest, _) = self.reserved(who.character, *storage)?;
                self.shift(holder, chest, part)
            }
            Act::Fetch { who, storage, part } => {
                let holder = self.own(who)?;
                let (chest, _) = self.reserved(who.character, *storage)?;
                self.shift(chest, holder, part)
            }
            Act::Send { from, parcel, parts, coins } => {
                let from = self.anybody(*from)?;
                let parcel = Holder::Parcel(*parcel);
                if !self.is_empty(parcel) {
                    return Refusal::err(Code::BadRequest, "something is in that parcel already");
                }
                for part in parts {
                    let (slot, stack) = self.find(from, part)?;
                    let free = self.free_slot(parcel)?;
                    self.part_to(from, slot, stack, part.quantity, parcel, free)?;
                }
                coins.iter().try_for_each(|coins| self.pay(from, parcel, coins))
            }
            Act::Receive { to, parcel } => {
                let to = self.anybody(*to)?;
                self.open(*parcel, to)
            }
            Act::Buy { by, seller, parcel, price } => {
                let (by, seller) = (self.anybody(*by)?, self.anybody(*seller)?);
                self.open(*parcel, by)?;
                self.pay(by, seller, price)
            }
            Act::Grant { to, gets } => {
                let holder = self.anybody(*to)?;
                self.make(holder, gets)
            }
            Act::Seize { from, gives } => {
                let holder = self.anybody(*from)?;
                self.unmake(holder, gives)
            }
            Act::QuestSet { of, quest, step, completed } => {
                self.anybody(*of)?;
                if self.standing(*of, quest).is_none() {
                    self.room_for_quest(*of)?;
                }
                self.book.set_quest(*of, quest, *step, *completed);
                Ok(())
            }
        }
    }

    // ---- goods ----

    fn make(&mut self, holder: Holder, gets: &Bundle) -> Result<(), Refusal> {
        for goods in &gets.goods {
            self.add(holder, goods)?;
        }
        gets.coins.iter().try_for_each(|coins| self.pay(Holder::Bank, holder, coins))
    }

    fn unmake(&mut self, holder: Holder, gives: &Bundle) -> Result<(), Refusal> {
        for goods in &gives.goods {
            self.remove(holder, goods)?;
        }
        gives.coins.iter().try_for_each(|coins| self.pay(holder, Holder::Bank, coins))
    }

    /// Fills stacks that have room, lowest slot first, then makes new ones.
    fn add(&mut self, holder: Holder, goods: &Goods) -> Result<(), Refusal> {
        let mut left = goods.quantity;
        let has_room = |(slot, stack): (&u32, &Stack)| {
            let fits = stack.template == goods.template && stack.most == goods.most;
            (fits && stack.quantity < stack.most).then_some(*slot)
        };
        let open: Vec<u32> = self.stacks(holder).filter_map(has_room).collect();
        for slot in open {
            left -= self.grow(holder, slot, left);
        }
        while left > 0 {
            let quantity = left.min(goods.most);
            self.made = self.made.checked_add(1).ok_or_else(too_much)?;
            let id = self.operation.item(self.made).ok_or_else(too_much)?;
            let stack =
                Stack { id, template: goods.template.clone(), quantity, most: goods.most, version: 0 };
            let slot = self.free_slot(holder)?;
            self.book.set_slot(holder, slot, Some(stack));
            left -= quantity;
        }
        Ok(())
    }

    /// Takes from stacks, lowest slot first.
    fn remove(&mut self, holder: Holder, goods: &Goods) -> Result<(), Refusal> {
        let of_it = |(slot, stack): (&u32, &Stack)| {
            (stack.template == goods.template).then_some((*slot, stack.quantity))
        };
        let stacks: Vec<(u32, i64)> = self.stacks(holder).filter_map(of_it).collect();
        let mut left = goods.quantity;
        for (slot, quantity) in stacks {
            let taken = quantity.min(left);
            if taken > 0 {
                self.shrink(holder, slot, taken);
                left -= taken;
            }
        }
        if left > 0 {
            return Refusal::err(Code::NotEnough, format!("{left} «{}» too few", goods.template));
        }
        Ok(())
    }

    /// Some of a stack goes from one holder to another: onto a stack that has room for all of it, else into
    /// the lowest free slot.
    fn shift(&mut self, from: Holder, to: Holder, part: &Part) -> Result<(), Refusal> {
        let (slot, stack) = self.find(from, part)?;
        let fits = |(_, other): &(&u32, &Stack)| {
            let same = other.template == stack.template && other.most == stack.most;
            same && other.most - other.quantity >= part.quantity
        };
        let onto = self.stacks(to).find(fits).map(|(slot, _)| *slot);
        if let Some(onto) = onto {
            self.shrink(from, slot, part.quantity);
            self.grow(to, onto, part.quantity);
            return Ok(());
        }
        let free = self.free_slot(to)?;
        self.part_to(from, slot, stack, part.quantity, to, free)
    }

    /// On the ground nothing is heaped up: each part lies alone, where it was laid.
    fn lay_down(&mut self, from: Holder, part: &Part, spot: u32) -> Result<(), Refusal> {
        let (slot, stack) = self.find(from, part)?;
        let to = self.ground();
        let lies = self.book.sheet(to).map(|sheet| &sheet.stacks);
        if lies.is_some_and(|lies| lies.len() >= MOST_ON_GROUND) {
            return Refusal::err(Code::NoRoom, "too much lies on the ground here");
        }
        let is_free = |spot: &u32| lies.is_none_or(|lies| !lies.contains_key(spot));
        let free = (spot..=u32::MAX).chain(0..spot).find(is_free).unwrap_or(spot);
        self.part_to(from, slot, stack, part.quantity, to, free)
    }

    fn arrange(&mut self, holder: Holder, part: &Part, to_slot: u32) -> Result<(), Refusal> {
        let (slot, stack) = self.find(holder, part)?;
        let there = self.stacks(holder).find(|(slot, _)| **slot == to_slot).map(|(_, there)| there.clone());
        match there {
            _ if slot == to_slot => Ok(()),
            None => self.part_to(holder, slot, stack, part.quantity, holder, to_slot),
            Some(there) if there.template == stack.template && there.most == stack.most => {
                if there.most - there.quantity < part.quantity {
                    return Refusal::err(Code::NoRoom, "that stack has no room for it");
                }
                self.shrink(holder, slot, part.quantity);
                self.grow(holder, to_slot, part.quantity);
                Ok(())
            }
            Some(there) if part.quantity == stack.quantity => {
                // They change places.
                self.book.set_slot(holder, slot, Some(there));
                self.book.set_slot(holder, to_slot, Some(stack));
                Ok(())
            }
            Some(_) => Refusal::err(Code::NoRoom, "something else lies there"),
        }
    }

    /// The whole stack keeps its id; a part of it becomes a new one.
    fn part_to(
        &mut self,
        from: Holder,
        slot: u32,
        stack: Stack,
        quantity: i64,
        to: Holder,
        to_slot: u32,
    ) -> Result<(), Refusal> {
        if quantity == stack.quantity {
            self.book.set_slot(from, slot, None);
            self.book.set_slot(to, to_slot, Some(stack));
            return Ok(());
        }
        self.made = self.made.checked_add(1).ok_or_else(too_much)?;
        let id = self.operation.item(self.made).ok_or_else(too_much)?;
        self.shrink(from, slot, quantity);
        self.book.set_slot(to, to_slot, Some(Stack { id, quantity, version: 0, ..stack }));
        Ok(())
    }

    /// Puts up to so much onto a stack; how much fitted.
    fn grow(&mut self, holder: Holder, slot: u32, wished: i64) -> i64 {
        let Some(stack) = self.book.sheet(holder).and_then(|sheet| sheet.stacks.get(&slot)) else { return 0 };
        let added = wished.min(stack.most - stack.quantity);
        if added > 0 {
            let stack = Stack { quantity: stack.quantity + added, ..stack.clone() };
            self.book.set_slot(holder, slot, Some(stack));
        }
        added.max(0)
    }

    /// Takes so much, which is there, from a stack; an empty one is gone.
    fn shrink(&mut self, holder: Holder, slot: u32, taken: i64) {
        let Some(stack) = self.book.sheet(holder).and_then(|sheet| sheet.stacks.get(&slot)) else { return };
        let quantity = stack.quantity - taken;
        assert!(quantity >= 0, "no stack holds less than nothing");
        let left = (quantity > 0).then(|| Stack { quantity, ..stack.clone() });
        self.book.set_slot(holder, slot, left);
    }

    fn find(&self, holder: Holder, part: &Part) -> Result<(u32, Stack), Refusal> {
        let found = self.stacks(holder).find(|(_, stack)| stack.id == part.item);
        let Some((slot, stack)) = found else {
            return Refusal::err(Code::UnknownItem, "there is no such thing there");
        };
        if stack.quantity < part.quantity {
            return Refusal::err(Code::NotEnough, "there are not so many on that stack");
        }
        Ok((*slot, stack.clone()))
    }

    fn stacks(&self, holder: Holder) -> impl Iterator<Item = (&u32, &Stack)> {
        self.book.sheet(holder).into_iter().flat_map(|sheet| &sheet.stacks)
    }

    fn free_slot(&self, holder: Holder) -> Result<u32, Refusal> {
        self.book.free_slot(holder).ok_or_else(|| Refusal::new(Code::NoRoom, "no slot is free"))
    }

    // ---- money ----

    /// From one account to another. The bank may owe, up to what can be counted; nobody else may.
    fn pay(&mut self, from: Holder, to: Holder, coins: &Coins) -> Result<(), Refusal> {
        let has = |holder| self.book.sheet(holder).map_or(0, |sheet| sheet.amount(&coins.currency));
        let least = if from == Holder::Bank { -MOST_MONEY } else { 0 };
        let left = has(from).checked_sub(coins.amount).ok_or_else(too_much)?;
        if left < least {
            let code = if from == Holder::Bank { Code::AmountInvalid } else { Code::NotEnough };
            return Refusal::err(code, format!("not enough «{}»", coins.currency));
        }
        let sum = has(to).checked_add(coins.amount).filter(|sum| *sum <= MOST_MONEY).ok_or_else(too_much)?;
        let accounts =
            |sheet: &Sheet| sheet.money.contains_key(&coins.currency) || sheet.money.len() < MOST_CURRENCIES;
        if ![from, to].iter().all(|holder| self.book.sheet(*holder).is_none_or(accounts)) {
            return Refusal::err(Code::NoRoom, "as many currencies as an account may have");
        }
        self.book.set_money(from, &coins.currency, left);
        self.book.set_money(to, &coins.currency, sum);
        Ok(())
    }

    fn trade(&mut self, a: &Side, b: &Side) -> Result<(), Refusal> {
        let (one, other) = (self.own(&a.who)?, self.named(&b.who)?);
        // What is given is taken away from both first, so that nobody gives what he only gets.
        let gives_a = self.hand_over(one, a)?;
        let gives_b = self.hand_over(other, b)?;
        for (to, stacks) in [(other, gives_a), (one, gives_b)] {
            for stack in stacks {
                let slot = self.free_slot(to)?;
                self.book.set_slot(to, slot, Some(stack));
            }
        }
        a.coins.iter().try_for_each(|coins| self.pay(one, other, coins))?;
        b.coins.iter().try_for_each(|coins| self.pay(other, one, coins))
    }

    /// Takes a side's parts away from it; they come back as the stacks that the other one gets.
    fn hand_over(&mut self, holder: Holder, side: &Side) -> Result<Vec<Stack>, Refusal> {
        let mut stacks = Vec::with_capacity(side.parts.len());
        for part in &side.parts {
            let (slot, stack) = match self.find(holder, part) {
                Err(refusal) if refusal.code == Code::UnknownItem => {
                    return Refusal::err(Code::NotOwner, "one of the things is not his who gives it");
                }
                found => found?,
            };
            if part.quantity == stack.quantity {
                self.book.set_slot(holder, slot, None);
                stacks.push(stack);
            } else {
                self.made = self.made.checked_add(1).ok_or_else(too_much)?;
                let id = self.operation.item(self.made).ok_or_else(too_much)?;
                self.shrink(holder, slot, part.quantity);
                stacks.push(Stack { id, quantity: part.quantity, version: 0, ..stack });
            }
        }
        Ok(stacks)
    }

    // ---- parcels ----

    fn is_empty(&self, holder: Holder) -> bool {
        let sheet = self.book.sheet(holder);
        sheet.is_none_or(|sheet| {
            sheet.stacks.is_empty() && sheet.money.values().all(|money| money.amount == 0)
        })
    }

    /// All that is in a parcel goes to a character; what was in it is in it once.
    fn open(&mut self, parcel: ParcelId, to: Holder) -> Result<(), Refusal> {
        let parcel = Holder::Parcel(parcel);
        if self.is_empty(parcel) {
            return Refusal::err(Code::SourceSpent, "it is not there any more");
        }
        let sheet = self.book.sheet(parcel).cloned().unwrap_or_default();
        for stack in sheet.stacks.values() {
            self.shift(parcel, to, &Part { item: stack.id, quantity: stack.quantity })?;
        }
        for (currency, money) in sheet.money.iter().filter(|(_, money)| money.amount > 0) {
            self.pay(parcel, to, &Coins::new(currency, money.amount))?;
        }
        Ok(())
    }

    // ---- quests ----

    fn standing(&self, character: CharacterId, quest: &str) -> Option<Standing> {
        self.book.sheet(Holder::Character(character))?.quests.get(quest).copied()
    }

    fn room_for_quest(&self, character: CharacterId) -> Result<(), Refusal> {
        let sheet = self.book.sheet(Holder::Character(character));
        if sheet.is_some_and(|sheet| sheet.quests.len() >= MOST_QUESTS) {
            return Refusal::err(Code::NoRoom, "as many quests as a character may have");
        }
        Ok(())
    }

    fn open_step(&self, character: CharacterId, quest: &str, step: u32) -> Result<(), Refusal> {
        match self.standing(character, quest) {
            Some(standing) if standing.step == step && !standing.completed => Ok(()),
            Some(standing) if standing.completed => {
                Refusal::err(Code::QuestOrder, "this quest was completed before")
            }
            Some(standing) => {
                Refusal::err(Code::QuestOrder, format!("step {} of this quest is open", standing.step))
            }
            None => Refusal::err(Code::QuestOrder, "this quest was not accepted"),
        }
    }

    // ---- storages ----

    fn chest(&self, storage: StorageId) -> (Holder, Chest) {
        let holder = Holder::Storage(storage);
        (holder, self.book.sheet(holder).and_then(|sheet| sheet.chest).unwrap_or_default())
    }

    fn claim(&mut self, character: CharacterId, storage: StorageId) -> Result<(), Refusal> {
        let (holder, chest) = self.chest(storage);
        match chest.owner {
            Some(owner) if owner != character => Refusal::err(Code::NotOwner, "it is somebody else's"),
            _ if self.is_reserved_from(character, &chest) => {
                Refusal::err(Code::StorageReserved, "somebody else has it open")
            }
            _ => {
                self.book.set_chest(holder, Chest { owner: Some(character), ..chest });
                Ok(())
            }
        }
    }

    fn reserve(&mut self, character: CharacterId, storage: StorageId, for_ms: i64) -> Result<(), Refusal> {
        let (holder, chest) = self.chest(storage);
        if chest.owner.is_some_and(|owner| owner != character) {
            return Refusal::err(Code::NotOwner, "it is somebody else's");
        }
        if self.is_reserved_from(character, &chest) {
            return Refusal::err(Code::StorageReserved, "somebody else has it open");
        }
        let reserved_until = self.now_ms.checked_add(for_ms).ok_or_else(too_much)?;
        self.book.set_chest(holder, Chest { reserved_by: Some(character), reserved_until, ..chest });
        Ok(())
    }

    fn is_reserved_from(&self, character: CharacterId, chest: &Chest) -> bool {
        chest.reserved_until > self.now_ms && chest.reserved_by.is_some_and(|by| by != character)
    }

    fn reserved(&self, character: CharacterId, storage: StorageId) -> Result<(Holder, Chest), Refusal> {
        let (holder, chest) = self.chest(storage);
        if chest.reserved_by != Some(character) || chest.reserved_until <= self.now_ms {
            return Refusal::err(Code::StorageReserved, "reserve it first");
        }
        Ok((holder, chest))
    }
}

fn too_much() -> Refusal {
    Refusal::new(Code::AmountInvalid, "more than can be counted")
}
