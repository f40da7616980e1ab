//! What an operation is, and which shapes are allowed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AreaId, CharacterId, ItemId, OpId, ParcelId, ServerId, StorageId};
use crate::{Code, Refusal};

/// Most stacks of one character or storage.
pub const MOST_STACKS: u32 = 256;
/// From this slot on only [`Act::Arrange`] puts something: what a character wears is there.
pub const FIRST_WORN: u32 = 240;
/// Most stacks that lie on the ground of one area.
pub const MOST_ON_GROUND: usize = 4_096;
/// Most goods, parts or coins that one side of an operation names.
pub const MOST_NAMED: usize = 16;
/// Most bytes of a template's, a currency's or a quest's name.
pub const MOST_NAME: usize = 48;
/// Most of one stack.
pub const MOST_QUANTITY: i64 = 1_000_000_000;
/// Most money of one currency on one account, and in one payment: what JavaScript counts exactly.
pub const MOST_MONEY: i64 = (1 << 53) - 1;
/// Longest reservation of a storage, ms.
pub const MOST_RESERVE_MS: i64 = 10 * 60_000;
/// Most quests of a character, and most currencies of an account.
pub const MOST_QUESTS: usize = 1_024;
/// See [`MOST_QUESTS`].
pub const MOST_CURRENCIES: usize = 64;
/// How old a new operation's id may be, ms: half of the time for which at least the journal is kept.
pub const OLDEST_MS: u64 = 12 * 3_600_000;

/// Who holds goods or money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A character.
    Character(CharacterId),
    /// It lies on the ground of an area.
    Ground(AreaId),
    /// A storage.
    Storage(StorageId),
    /// It is on its way between characters.
    Parcel(ParcelId),
    /// The world itself, where money comes from and goes to; it holds no goods, and may owe.
    Bank,
}

impl Holder {
    /// 17 bytes for a row: the kind, then the id.
    pub fn to_vec(self) -> Vec<u8> {
        let (kind, id) = match self {
            Self::Character(id) => (1, id.0),
            Self::Ground(id) => (2, id.0),
            Self::Storage(id) => (3, id.0),
            Self::Bank => (4, [0; 16]),
            Self::Parcel(id) => (5, id.0),
        };
        let mut bytes = vec![kind; 17];
        bytes[1..].copy_from_slice(&id);
        bytes
    }

    /// From a row; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, id) = bytes.split_first()?;
        let id = id.try_into().ok()?;
        match kind {
            1 => Some(Self::Character(CharacterId(id))),
            2 => Some(Self::Ground(AreaId(id))),
            3 => Some(Self::Storage(StorageId(id))),
            4 => Some(Self::Bank),
            5 => Some(Self::Parcel(ParcelId(id))),
            _ => None,
        }
    }
}

/// So much of a kind of goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    /// The game's name for it: 1 to 48 of `a-z 0-9 _ - . /`.
    pub template: String,
    /// 1 to 1,000,000,000.
    pub quantity: i64,
    /// How many fit on one stack, from 1; counts where goods are made.
    #[serde(default = "most")]
    pub most: i64,
}

fn most() -> i64 {
    MOST_QUANTITY
}

impl Goods {
    /// Goods of which any number fits on one stack.
    pub fn new(template: &str, quantity: i64) -> Self {
        Self { template: template.to_owned(), quantity, most: MOST_QUANTITY }
    }
}

/// So much of one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which stack.
    pub item: ItemId,
    /// From 1 to all of it.
    pub quantity: i64,
}

/// So much money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coins {
    /// The game's name for it, as of a template.
    pub currency: String,
    /// 1 to 2^53 - 1.
    pub amount: i64,
}

impl Coins {
    /// So much of this currency.
    pub fn new(currency: &str, amount: i64) -> Self {
        Self { currency: currency.to_owned(), amount }
    }
}

/// Goods and money that come from, or go to, the world itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goods: Vec<Goods>,
    /// At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coins: Vec<Coins>,
}

impl Bundle {
    /// Only goods.
    pub fn goods(goods: impl Into<Vec<Goods>>) -> Self {
        Self { goods: goods.into(), coins: Vec::new() }
    }

    /// Only money.
    pub fn coins(coins: impl Into<Vec<Coins>>) -> Self {
        Self { goods: Vec::new(), coins: coins.into() }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.goods.is_empty() && self.coins.is_empty()
    }
}

/// A character under the epoch at which the writer owns it; in [`Act::Pick`], [`Act::Take`] and as the second of
/// [`Act::Trade`] at which any area does, whose word the writer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// Who.
    pub character: CharacterId,
    /// Its epoch.
    pub epoch: u64,
}

/// What gives goods: a tree, a chest, a corpse. It lies in the writer's area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which, stable over the area's lives; below 2^63.
    pub number: u64,
    /// Counts from 1 each time that it has something to give again; below 2^63.
    pub life: u64,
}

/// What one character gives in a trade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Who.
    pub who: Who,
    /// At most 16.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// At most 16.
    #[serde(default)]
    pub coins: Vec<Coins>,
}

/// Everything that can happen to goods, money and quest steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Takes from a source: the source is spent, the goods and the money come into being.
    Pick {
        /// Who gets it.
        who: Who,
        /// What gives it.
        source: Source,
        /// What it gives.
        gets: Bundle,
    },
    /// Takes what lies on the ground of the writer's area.
    Take {
        /// Who gets it.
        who: Who,
        /// Of which stack.
        part: Part,
    },
    /// Lays down on the ground of the writer's area.
    Drop {
        /// Whose.
        who: Who,
        /// Of which stack.
        part: Part,
        /// Where: the game numbers its places. It lies in this slot of the ground, or in the next free one.
        #[serde(default)]
        spot: u32,
    },
    /// Uses up.
    Consume {
        /// Whose.
        who: Who,
        /// What passes away.
        gives: Bundle,
    },
    /// Crafts, buys or sells: gives some to the world and gets other.
    Exchange {
        /// Whose.
        who: Who,
        /// What passes away.
        gives: Bundle,
        /// What comes into being.
        gets: Bundle,
    },
    /// Puts some of a stack on another slot of its own: moves it, splits it, or joins it to what lies there.
    Arrange {
        /// Whose.
        who: Who,
        /// Of which stack.
        part: Part,
        /// Below 256.
        to_slot: u32,
    },
    /// Pays another character, wherever that one is.
    Pay {
        /// Who pays.
        who: Who,
        /// Who gets it.
        to: CharacterId,
        /// How much.
        coins: Coins,
    },
    /// Two characters exchange.
    Trade {
        /// One; the writer's.
        a: Side,
        /// The other; another area may own it.
        b: Side,
    },
    /// Under this id nothing shall happen any more: always refused. If the id's operation was decided before, the
    /// answer is what became of that one.
    Void {},
    /// Accepts a quest.
    QuestAccept {
        /// Whose.
        who: Who,
        /// The game's name for it.
        quest: String,
        /// What comes along with it.
        #[serde(default, skip_serializing_if = "Bundle::is_empty")]
        gets: Bundle,
    },
    /// Does the open step of a quest; the next one is open then.
    QuestStep {
        /// Whose.
        who: Who,
        /// Which.
        quest: String,
        /// The step that is done, from 0: must be the open one.
        step: u32,
        /// What it takes.
        #[serde(default, skip_serializing_if = "Bundle::is_empty")]
        gives: Bundle,
        /// What it gives.
        #[serde(default, skip_serializing_if = "Bundle::is_empty")]
        gets: Bundle,
    },
    /// Completes a quest and gives its reward, once.
    QuestReward {
        /// Whose.
        who: Who,
        /// Which.
        quest: String,
        /// The open step, with which it ends.
        step: u32,
        /// What that step takes.
        #[serde(default, skip_serializing_if = "Bundle::is_empty")]
        gives: Bundle,
        /// What it gives.
        gets: Bundle,
    },
    /// Makes a storage that nobody has this character's own.
    Claim {
        /// Whose it becomes.
        who: Who,
        /// Which.
        storage: StorageId,
    },
    /// Opens a storage for this character alone, for a time. One that is claimed opens to its own alone.
    Reserve {
        /// For whom.
        who: Who,
        /// Which.
        storage: StorageId,
        /// 1 ms to 10 minutes; a repeated reservation extends it.
        for_ms: i64,
    },
    /// Ends the reservation.
    Release {
        /// Whose.
        who: Who,
        /// Which.
        storage: StorageId,
    },
    /// Puts into a reserved storage.
    Put {
        /// Whose.
        who: Who,
        /// Which.
        storage: StorageId,
        /// Of which stack.
        part: Part,
    },
    /// Takes out of a reserved storage.
    Fetch {
        /// Whose it becomes.
        who: Who,
        /// Which.
        storage: StorageId,
        /// Of which stack.
        part: Part,
    },
    /// A player sends what his character has, wherever it is: into a parcel of which nobody has heard.
    Send {
        /// Whose.
        from: CharacterId,
        /// Which.
        parcel: ParcelId,
        /// At most 16.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parts: Vec<Part>,
        /// At most 16.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coins: Vec<Coins>,
    },
    /// A player's character gets all that is in a parcel. Whether it is meant for him, its row says.
    Receive {
        /// Who gets it.
        to: CharacterId,
        /// Which.
        parcel: ParcelId,
    },
    /// A player's character buys all that is in a parcel.
    Buy {
        /// Who pays, and gets it.
        by: CharacterId,
        /// Who is paid.
        seller: CharacterId,
        /// Which.
        parcel: ParcelId,
        /// The price.
        price: Coins,
    },
    /// An operator gives.
    Grant {
        /// To whom.
        to: CharacterId,
        /// What comes into being.
        gets: Bundle,
    },
    /// An operator takes.
    Seize {
        /// From whom.
        from: CharacterId,
        /// What passes away.
        gives: Bundle,
    },
    /// An operator mends a quest: accepted if it was not, and with this step open.
    QuestSet {
        /// Whose.
        of: CharacterId,
        /// Which.
        quest: String,
        /// The step that is open then, from 0.
        step: u32,
        /// Whether it has ended; gives no reward.
        completed: bool,
    },
}

impl Act {
    /// Everybody under an epoch that it names: one, or the two of a trade.
    pub fn each_who(&mut self, mut visit: impl FnMut(&mut Who)) {
        use Act::*;
        match self {
            Pick { who, .. }
            | Take { who, .. }
            | Drop { who, .. }
            | Consume { who, .. }
            | Exchange { who, .. }
            | Arrange { who, .. }
            | Pay { who, .. }
            | QuestAccept { who, .. }
            | QuestStep { who, .. }
            | QuestReward { who, .. }
            | Claim { who, .. }
            | Reserve { who, .. }
            | Release { who, .. }
            | Put { who, .. }
            | Fetch { who, .. } => visit(who),
            Trade { a, b } => {
                visit(&mut a.who);
                visit(&mut b.who);
            }
            Send { .. }
            | Receive { .. }
            | Buy { .. }
            | Grant { .. }
            | Seize { .. }
            | QuestSet { .. }
            | Void {} => {}
        }
    }
}

/// Who asks for an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Writer {
    /// An area, by the game server that owns it.
    Area {
        /// Which.
        area: AreaId,
        /// The epoch at which the server owns it.
        epoch: u64,
        /// The area's life.
        incarnation: u64,
    },
    /// A player, whose account central knows.
    Player {
        /// His character.
        character: CharacterId,
    },
    /// An operator.
    Operator {
        /// Why, for the journal; not empty, at most 400 bytes.
        reason: String,
    },
}

/// One operation, whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Chosen by the writer with [`OpId::new`]; a repeat is the same bytes.
    pub id: OpId,
    /// Who asks.
    pub by: Writer,
    /// What for.
    pub act: Act,
}

/// Rows that an operation needs before it can be decided.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// Whose goods and money.
    pub holders: Vec<Holder>,
    /// Which source.
    pub source: Option<(AreaId, u64)>,
    /// Whose ownership.
    pub characters: Vec<CharacterId>,
}

impl Operation {
    /// The area that asks; `None`: an operator or a player.
    pub fn area(&self) -> Option<AreaId> {
        match &self.by {
            Writer::Area { area, .. } => Some(*area),
            Writer::Operator { .. } | Writer::Player { .. } => None,
        }
    }

    /// What must be known to decide it.
    pub fn touches(&self) -> Touched {
        use Act::*;
        let area = self.area().unwrap_or_default();
        let mut touched = Touched::default();
        let mut add = |characters: &[CharacterId], holder: Option<Holder>| {
            touched.characters.extend(characters);
            touched.holders.extend(characters.iter().map(|id| Holder::Character(*id)));
            touched.holders.extend(holder);
        };
        let bank = Some(Holder::Bank);
        match &self.act {
            Pick { who, .. }
            | Consume { who, .. }
            | Exchange { who, .. }
            | QuestAccept { who, .. }
            | QuestStep { who, .. }
            | QuestReward { who, .. } => add(&[who.character], bank),
            Take { who, .. } | Drop { who, .. } => add(&[who.character], Some(Holder::Ground(area))),
            Arrange { who, .. } => add(&[who.character], None),
            Pay { who, to, .. } => add(&[who.character, *to], None),
            Trade { a, b } => add(&[a.who.character, b.who.character], None),
            Claim { who, storage }
            | Reserve { who, storage, .. }
            | Release { who, storage }
            | Put { who, storage, .. }
            | Fetch { who, storage, .. } => add(&[who.character], Some(Holder::Storage(*storage))),
            Send { from, parcel, .. } => add(&[*from], Some(Holder::Parcel(*parcel))),
            Receive { to, parcel } => add(&[*to], Some(Holder::Parcel(*parcel))),
            Buy { by, seller, parcel, .. } => add(&[*by, *seller], Some(Holder::Parcel(*parcel))),
            Grant { to, .. } => add(&[*to], bank),
            Seize { from, .. } => add(&[*from], bank),
            QuestSet { of, .. } => add(&[*of], None),
            Void {} => {}
        }
        if let Pick { source, .. } = &self.act {
            touched.source = Some((area, source.number));
        }
        touched
    }

    /// Whether its shape is allowed, whatever the rows say.
    ///
    /// # Errors
    /// `bad_request`, `amount_invalid`: it can never be done.
    pub fn check(&self) -> Result<(), Refusal> {
        use Act::*;
        if self.id.item(1).is_none() {
            return Refusal::err(Code::BadRequest, "an operation's id ends with two bytes of 0");
        }
        let operators = matches!(self.act, Grant { .. } | Seize { .. } | QuestSet { .. });
        let player = match &self.act {
            Send { from: who, .. } | Receive { to: who, .. } | Buy { by: who, .. } => Some(*who),
            _ => None,
        };
        match &self.by {
            Writer::Player { character } if Some(*character) == player => {}
            by if player.is_some() || matches!(by, Writer::Player { .. }) => {
                return Refusal::err(Code::Forbidden, "a player sends, receives and buys, for himself alone");
            }
            Writer::Operator { reason } if reason.trim().is_empty() || reason.len() > 400 => {
                return Refusal::err(Code::BadRequest, "an operator names a reason, of at most 400 bytes");
            }
            by if operators != matches!(by, Writer::Operator { .. }) => {
                return Refusal::err(
                    Code::Forbidden,
                    "operators grant, seize and mend quests, areas do the rest",
                );
            }
            _ => {}
        }
        match &self.act {
            Pick { source, gets, .. } => {
                if source.number > i64::MAX as u64 || !(1..=i64::MAX as u64).contains(&source.life) {
                    return Refusal::err(Code::BadRequest, "a source's number and life are below 2^63");
                }
                check_bundle(gets, true)
            }
            Take { part, .. } | Drop { part, .. } | Put { part, .. } | Fetch { part, .. } => check_part(part),
            Consume { gives, .. } | Seize { gives, .. } => check_bundle(gives, true),
            Grant { gets, .. } => check_bundle(gets, true),
            Exchange { gives, gets, .. } => {
                check_bundle(gives, true)?;
                check_bundle(gets, true)
            }
            Arrange { part, to_slot, .. } => {
                if *to_slot >= MOST_STACKS {
                    return Refusal::err(Code::NoRoom, "there is no such slot");
                }
                check_part(part)
            }
            Pay { who, to, coins } => {
                if who.character == *to {
                    return Refusal::err(Code::BadRequest, "nobody pays himself");
                }
                check_coins(coins)
            }
            Trade { a, b } => {
                if a.who.character == b.who.character {
                    return Refusal::err(Code::BadRequest, "nobody trades with himself");
                }
                let named = a.parts.len() + a.coins.len() + b.parts.len() + b.coins.len();
                check_named(named, 4 * MOST_NAMED)?;
                for side in [a, b] {
                    check_named(side.parts.len().max(side.coins.len()).max(1), MOST_NAMED)?;
                    side.parts.iter().try_for_each(check_part)?;
                    side.coins.iter().try_for_each(check_coins)?;
                }
                Ok(())
            }
            Send { parts, coins, .. } => {
                check_named(parts.len().max(coins.len()), MOST_NAMED)?;
                parts.iter().try_for_each(check_part)?;
                coins.iter().try_for_each(check_coins)
            }
            Receive { .. } => Ok(()),
            Buy { by, seller, price, .. } => {
                if by == seller {
                    return Refusal::err(Code::BadRequest, "nobody buys of himself");
                }
                check_coins(price)
            }
            QuestSet { quest, .. } => check_name(quest),
            QuestAccept { quest, gets, .. } => {
                check_name(quest)?;
                check_bundle(gets, false)
            }
            QuestStep { quest, gives, gets, .. } | QuestReward { quest, gives, gets, .. } => {
                check_name(quest)?;
                check_bundle(gives, false)?;
                check_bundle(gets, false)
            }
            Reserve { for_ms, .. } if !(1..=MOST_RESERVE_MS).contains(for_ms) => {
                Refusal::err(Code::AmountInvalid, "a reservation lasts up to ten minutes")
            }
            Claim { .. } | Reserve { .. } | Release { .. } | Void {} => Ok(()),
        }
    }

    /// One word for the journal.
    pub fn kind(&self) -> &'static str {
        use Act::*;
        match &self.act {
            Pick { .. } => "pick",
            Take { .. } => "take",
            Drop { .. } => "drop",
            Consume { .. } => "consume",
            Exchange { .. } => "exchange",
            Arrange { .. } => "arrange",
            Pay { .. } => "pay",
            Trade { .. } => "trade",
            QuestAccept { .. } => "quest_accept",
            QuestStep { .. } => "quest_step",
            QuestSet { .. } => "quest_set",
            QuestReward { .. } => "quest_reward",
            Claim { .. } => "claim",
            Reserve { .. } => "reserve",
            Release { .. } => "release",
            Put { .. } => "put",
            Fetch { .. } => "fetch",
            Send { .. } => "send",
            Receive { .. } => "receive",
            Buy { .. } => "buy",
            Grant { .. } => "grant",
            Seize { .. } => "seize",
            Void {} => "void",
        }
    }
}

fn check_named(count: usize, most: usize) -> Result<(), Refusal> {
    if count == 0 || count > most {
        return Refusal::err(Code::BadRequest, "an operation names from one to sixteen things on each side");
    }
    Ok(())
}

fn check_bundle(bundle: &Bundle, needed: bool) -> Result<(), Refusal> {
    if needed || !bundle.is_empty() {
        check_named(bundle.goods.len().max(bundle.coins.len()), MOST_NAMED)?;
    }
    bundle.goods.iter().try_for_each(|goods| {
        check_name(&goods.template)?;
        check_amount(goods.quantity, MOST_QUANTITY)?;
        check_amount(goods.most, MOST_QUANTITY)
    })?;
    bundle.coins.iter().try_for_each(check_coins)
}

fn check_part(part: &Part) -> Result<(), Refusal> {
    check_amount(part.quantity, MOST_QUANTITY)
}

fn check_coins(coins: &Coins) -> Result<(), Refusal> {
    check_name(&coins.currency)?;
    check_amount(coins.amount, MOST_MONEY)
}

fn check_amount(amount: i64, most: i64) -> Result<(), Refusal> {
    if (1..=most).contains(&amount) {
        return Ok(());
    }
    Refusal::err(Code::AmountInvalid, format!("{amount} is not an amount from 1 to {most}"))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-./".contains(&c);
    if (1..=MOST_NAME).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Refusal::err(Code::BadRequest, "a name has 1 to 48 of a-z, 0-9, «_», «-», «.», «/»")
}

/// Who stands behind an operation, as the link has proven it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// This game server.
    Server(ServerId),
    /// The operator's key.
    Operator,
    /// The login of the account whose character it is.
    Player,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id)
    }
}
