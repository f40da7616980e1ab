//! Quests: one table. Which step is open, and that a reward was given, the ledger knows; how many were killed
//! so far is the character's own.

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::{
    Builder, CharacterIs, Clock, Ghost, Ledger, Letters, Party, Position, Post, Replicate, Setup,
};
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Bundle, Sheet};
use serde_json::{Value, json};

use crate::bag::COIN;
use crate::deeds::{Asking, Deed};
use crate::health::{Deaths, IsCharacter};
use crate::items::{goods, number};
use crate::loot::purse;
use crate::species::Species;

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// So many of a species.
    Kill(Species, u32),
    /// So much of an item, to a person.
    Bring(&'static str, u32, u16),
    /// A word with a person.
    Talk(u16),
}

/// One step; the last one ends with a person.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// For who reads.
    pub text: &'static str,
    /// What is to be done.
    pub task: Task,
    /// What one gets for it, beside the reward.
    pub gets: &'static [(&'static str, u32)],
}

/// One quest.
#[derive(Debug, Clone, Copy)]
pub struct Quest {
    /// As the ledger has it; never changes.
    pub name: &'static str,
    /// As players read it.
    pub title: &'static str,
    /// Who gives it.
    pub giver: u16,
    /// What the giver says.
    pub asks: &'static str,
    /// What comes along with it.
    pub brings: &'static [(&'static str, u32)],
    /// At least one.
    pub steps: &'static [Step],
    /// The reward.
    pub items: &'static [(&'static str, u32)],
    /// And money.
    pub coins: i64,
}

const fn step(text: &'static str, task: Task) -> Step {
    Step { text, task, gets: &[] }
}

/// All of them; their numbers follow from their places.
pub const QUESTS: [Quest; 7] = [
    Quest {
        name: "firewood",
        title: "Wood for the fire",
        giver: 0,
        asks: "The nights are cold. Would you fell a tree or two for us?",
        brings: &[],
        steps: &[step("Bring Mara 6 wood", Task::Bring("wood", 6, 0))],
        items: &[("bread", 2)],
        coins: 20,
    },
    Quest {
        name: "wolves",
        title: "Wolves at the door",
        giver: 0,
        asks: "The wolves come nearer each night. Three fewer would let us sleep.",
        brings: &[],
        steps: &[step("Kill 3 wolves", Task::Kill(Species::Wolf, 3)), step("Tell Mara", Task::Talk(0))],
        items: &[("cap", 1)],
        coins: 60,
    },
    Quest {
        name: "letter",
        title: "A letter far away",
        giver: 0,
        asks: "My sister Tove keeps watch far from here. Will you carry this to her?",
        brings: &[("letter", 1)],
        steps: &[
            Step {
                text: "Bring the letter to Tove, far away",
                task: Task::Bring("letter", 1, 4),
                gets: &[("reply", 1)],
            },
            step("Bring her answer to Mara", Task::Bring("reply", 1, 0)),
        ],
        items: &[("boots", 1)],
        coins: 80,
    },
    Quest {
        name: "hides",
        title: "A coat of one's own",
        giver: 2,
        asks: "Bring me hides, and you shall not go in a shirt any longer.",
        brings: &[],
        steps: &[step("Bring Runa 4 hides", Task::Bring("hide", 4, 2))],
        items: &[("coat", 1)],
        coins: 10,
    },
    Quest {
        name: "hearth",
        title: "Stones for the hearth",
        giver: 2,
        asks: "My hearth has fallen in. Stones I need, and then there is an axe to spare.",
        brings: &[],
        steps: &[
            step("Bring Runa 8 stone", Task::Bring("stone", 8, 2)),
            step("Bring Runa 4 wood", Task::Bring("wood", 4, 2)),
        ],
        items: &[("axe", 1)],
        coins: 15,
    },
    Quest {
        name: "herbs",
        title: "What heals",
        giver: 3,
        asks: "Herbs grow in the meadows. You have the legs for it, I have the mortar.",
        brings: &[],
        steps: &[step("Bring Ilse 5 herbs", Task::Bring("herb", 5, 3))],
        items: &[("salve", 3)],
        coins: 12,
    },
    Quest {
        name: "watch",
        title: "A meal for the watch",
        giver: 4,
        asks: "I may not leave my post, and my last meal was yesterday.",
        brings: &[],
        steps: &[step("Bring Tove 3 roasts", Task::Bring("roast", 3, 4))],
        items: &[("spear", 1)],
        coins: 40,
    },
];

/// A character's quests: three lists of one length, and what is done.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct QuestLog {
    /// Accepted and not done.
    #[replicate(owner)]
    pub quests: Vec<u16>,
    /// Which step is open.
    #[replicate(owner)]
    pub steps: Vec<u16>,
    /// How far it is.
    #[replicate(owner)]
    pub counts: Vec<u32>,
    /// Done.
    #[replicate(owner)]
    pub done: Vec<u16>,
}

/// How many of what open steps ask for are killed; travels with the character.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Kills {
    /// Quests.
    #[replicate(server)]
    pub quests: Vec<u16>,
    /// The step of each that was open.
    #[replicate(server)]
    pub steps: Vec<u16>,
    /// How many.
    #[replicate(server)]
    pub counts: Vec<u32>,
}

/// Declares them.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    area.component::<QuestLog>().component::<Kills>().letter::<Slain>().table("quests", table());
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert(QuestLog::default()).insert_if_new(Kills::default());
    });
    area.system(count).system(show).system(advance);
}

/// So many of each.
pub fn bundle(items: &[(&str, u32)], coins: i64) -> Bundle {
    purse(items.iter().map(|(name, count)| goods(name, *count)).collect(), coins)
}

fn table() -> Value {
    let row = |quest: &Quest| {
        let step =
            |step: &Step| json!({ "text": step.text, "count": step.task.count(), "who": step.task.person() });
        let item = |(name, count): &(&str, u32)| json!([number(name), count]);
        json!({
            "name": quest.name, "title": quest.title, "giver": quest.giver,
            "steps": quest.steps.iter().map(step).collect::<Vec<_>>(),
            "reward": { "items": quest.items.iter().map(item).collect::<Vec<_>>(), "coins": quest.coins },
        })
    };
    QUESTS.iter().map(row).collect()
}

impl Task {
    /// How many of it.
    pub fn count(self) -> u32 {
        match self {
            Self::Kill(_, count) | Self::Bring(_, count, _) => count,
            Self::Talk(_) => 1,
        }
    }

    /// With whom the step ends.
    pub fn person(self) -> Option<u16> {
        match self {
            Self::Kill(..) => None,
            Self::Bring(_, _, person) | Self::Talk(person) => Some(person),
        }
    }
}

impl Quest {
    /// The open step of one who accepted it and is not done.
    pub fn open(&self, sheet: &Sheet) -> Option<(u32, &Step)> {
        let standing = sheet.quests.get(self.name).filter(|standing| !standing.completed)?;
        Some((standing.step, self.steps.get(standing.step as usize)?))
    }

    /// Ends this step: the next is open then, or the quest is done.
    pub fn end(&self, character: CharacterId, step: u32) -> Option<Act> {
        let Step { task, gets, .. } = self.steps.get(step as usize)?;
        let gives = match task {
            Task::Bring(item, count, _) => bundle(&[(item, *count)], 0),
            Task::Kill(..) | Task::Talk(_) => Bundle::default(),
        };
        let (who, quest) = (who(character), self.name.to_owned());
        if step as usize + 1 < self.steps.len() {
            return Some(Act::QuestStep { who, quest, step, gives, gets: bundle(gets, 0) });
        }
        let mut gets = bundle(gets, self.coins);
        gets.goods.extend(self.items.iter().map(|(name, count)| goods(name, *count)));
        Some(Act::QuestReward { who, quest, step, gives, gets })
    }
}

impl Kills {
    fn of(&self, quest: u16, step: u32) -> u32 {
        let at = self.quests.iter().position(|known| *known == quest);
        let at = at.filter(|at| u32::from(self.steps[*at]) == step);
        at.map_or(0, |at| self.counts[at])
    }

    fn add(&mut self, quest: u16, step: u32) {
        let count = self.of(quest, step) + 1;
        let at = self.quests.iter().position(|known| *known == quest);
        let at = at.unwrap_or_else(|| {
            self.quests.push(quest);
            self.steps.push(0);
            self.counts.push(0);
            self.quests.len() - 1
        });
        (self.steps[at], self.counts[at]) = (step as u16, count);
    }
}

/// How near a member of the party must be to share in a kill, metres.
const SHARED_M: f64 = 50.0;

/// Whoever struck last has killed it, and with him those of his party who are near.
fn count(
    ledger: Res<Ledger>,
    deaths: Res<Deaths>,
    mut slain: ResMut<Letters<Slain>>,
    mut post: ResMut<Post>,
    mut characters: Query<(&CharacterIs, &mut Kills), IsCharacter>,
    strangers: Query<(), (IsCharacter, With<Ghost>)>,
    parties: Query<(Entity, &Party, &Position), (IsCharacter, Without<Ghost>)>,
) {
    for death in deaths.0.iter().filter(|death| strangers.contains(death.by)) {
        post.to(death.by, &Slain { species: death.species });
    }
    let here = deaths.0.iter().map(|death| (death.by, death.species));
    let beyond = slain.drain().filter_map(|letter| Some((letter.to?, letter.says.species)));
    let shared = here.chain(beyond).flat_map(|(by, species)| {
        let near = |(who, party, at): &(Entity, &Party, &Position)| {
            let (Ok((_, his, there)), true) = (parties.get(by), *who != by) else { return false };
            his == *party && (there.x - at.x).hypot(there.y - at.y) <= SHARED_M
        };
        let friends: Vec<Entity> = parties.iter().filter(near).map(|(who, ..)| who).collect();
        std::iter::once(by).chain(friends).map(move |who| (who, species))
    });
    for (who, species) in shared {
        let Ok((CharacterIs(character), mut kills)) = characters.get_mut(who) else { continue };
        let Some(sheet) = ledger.sheet(*character) else { continue };
        for (n, quest) in QUESTS.iter().enumerate() {
            if let Some((step, Step { task: Task::Kill(wanted, most), .. })) = quest.open(sheet)
                && *wanted == species
                && kills.of(n as u16, step) < *most
            {
                kills.add(n as u16, step);
            }
        }
    }
}

/// To the owner of who killed a creature beyond the border.
#[derive(Replicate, Debug, Clone, PartialEq)]
struct Slain {
    species: Species,
}

/// What has changed is shown.
fn show(ledger: Res<Ledger>, mut characters: Query<(&CharacterIs, Ref<Kills>, &mut QuestLog), IsCharacter>) {
    for (CharacterIs(character), kills, mut log) in &mut characters {
        if (ledger.changed().contains(character) || kills.is_changed())
            && let Some(sheet) = ledger.sheet(*character)
        {
            log.set_if_neq(QuestLog::of(sheet, &kills));
        }
    }
}

impl QuestLog {
    fn of(sheet: &Sheet, kills: &Kills) -> Self {
        let mut log = Self::default();
        for (n, quest) in QUESTS.iter().enumerate() {
            if let Some((step, Step { task, .. })) = quest.open(sheet) {
                log.quests.push(n as u16);
                log.steps.push(step as u16);
                log.counts.push(match task {
                    Task::Kill(..) => kills.of(n as u16, step),
                    Task::Bring(item, most, _) => sheet.count(item).clamp(0, i64::from(*most)) as u32,
                    Task::Talk(_) => 0,
                });
            } else if sheet.quests.contains_key(quest.name) {
                log.done.push(n as u16);
            }
        }
        log
    }
}

/// Each second: steps that end by themselves.
fn advance(
    clock: Res<Clock>,
    mut asking: Asking<'_, '_>,
    characters: Query<(Entity, &CharacterIs, &Kills), IsCharacter>,
) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz)) {
        return;
    }
    for (entity, CharacterIs(character), kills) in &characters {
        if kills.quests.is_empty() || asking.deeds.has(*character, Deed::Advance) {
            continue;
        }
        let Some(sheet) = asking.ledger.sheet(*character) else { continue };
        let act = QUESTS.iter().enumerate().find_map(|(n, quest)| match quest.open(sheet)? {
            (step, Step { task: Task::Kill(_, most), .. }) if kills.of(n as u16, step) >= *most => {
                quest.end(*character, step)
            }
            _ => None,
        });
        if let Some(act) = act {
            asking.ask(entity, *character, act, Deed::Advance);
        }
    }
}

/// What somebody pays with.
pub fn coins(amount: i64) -> Bundle {
    Bundle::coins([pangea_world::ledger::Coins::new(COIN, amount)])
}
