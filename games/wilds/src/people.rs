//! People who stand where they stand: they give quests, one of them deals in goods, and two keep strongboxes. What they offer is a
//! list of choices, and a choice counts only out of the list that was said last.

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::{Point, Stunned, nearest_free};
use pangea_engine::{
    Allowance, Builder, CharacterIs, Input, Inputs, Ledger, Net, Outbox, Position, Replicate, Setup, To,
};
use pangea_world::id::CharacterId;
use pangea_world::layout::ground_at;
use pangea_world::ledger::{Act, Bundle, FIRST_WORN};
use pangea_world::space::Place;
use pangea_world::world::{Kind, World as WorldFile};
use serde_json::{Value, json};

use crate::census::square;
use crate::deeds::{Asking, Deed, Deeds};
use crate::health::IsCharacter;
use crate::items::{self, goods};
use crate::land::is_on;
use crate::population::is_wild;
use crate::quests::{QUESTS, bundle, coins};
use crate::strongbox;

/// From how far one talks, metres.
pub const REACH_M: f64 = 5.0;

/// How far they stand around their post, metres: there the land is always free.
const AROUND_M: f64 = 2.8;

/// What the trader sells.
const WARES: [&str; 7] = ["bread", "salve", "rope", "iron", "cap", "boots", "helm"];

/// Most kinds of things that the trader buys in one talk.
const MOST_SOLD: usize = 8;

/// Who somebody is.
struct One {
    name: &'static str,
    title: &'static str,
    greets: &'static str,
    /// Whether it stands far from where newcomers appear.
    far: bool,
    deals: bool,
    /// Whether it opens strongboxes.
    keeps: bool,
}

/// All of them; a person's number is its place here.
const PEOPLE: [One; 6] = [
    One {
        name: "Mara",
        title: "Forester",
        greets: "Good that somebody comes.",
        far: false,
        deals: false,
        keeps: false,
    },
    One {
        name: "Odo",
        title: "Trader",
        greets: "Look around. All of it is honest.",
        far: false,
        deals: true,
        keeps: true,
    },
    One { name: "Runa", title: "Smith", greets: "Mind the sparks.", far: false, deals: false, keeps: false },
    One {
        name: "Ilse",
        title: "Herbalist",
        greets: "Something hurts, or you are bored.",
        far: false,
        deals: false,
        keeps: false,
    },
    One {
        name: "Tove",
        title: "Watch",
        greets: "Nobody has come this way for days.",
        far: true,
        deals: false,
        keeps: true,
    },
    One { name: "Hale", title: "Hermit", greets: "You walk loudly.", far: true, deals: false, keeps: false },
];

/// A person; all see it.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Person {
    /// Its number in the table `people`.
    pub who: u16,
    /// 1: gives quests, 2: deals in goods, 0: neither.
    pub mark: u8,
}

/// Speak to somebody.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// A person's number on the wire.
    #[replicate(entity)]
    pub target: u16,
}

/// Answer what was said.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Choose {
    /// Who said it, by its number on the wire.
    #[replicate(entity)]
    pub target: u16,
    /// The place in the list of choices.
    pub choice: u8,
}

impl Input for Talk {}
impl Input for Choose {}

/// Somebody says something; to whom it is said.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Says {
    /// Who, by its number on the wire.
    pub who: u16,
    /// What.
    pub text: String,
    /// What one may answer.
    pub choices: Vec<String>,
}

/// With whom a character talks, and what it may choose.
#[derive(Component, Debug, Clone)]
struct Talking {
    person: Entity,
    choices: Vec<Choice>,
}

/// What can be chosen. Quests and items by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Accept(usize),
    End(usize, u32),
    Buy(&'static str),
    Sell(&'static str, i64),
    Strongbox,
    Leave,
}

/// Declares them.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    let kind = area.component::<Person>().table("people", table()).kind("person");
    let seldom = Allowance::in_ten_ticks(3);
    area.input::<Talk>(seldom).input::<Choose>(seldom).event::<Says>();
    if is_wild(setup) {
        let posts = posts(setup);
        area.system(stand(posts, kind));
    }
    area.system(talk).system(choose).system(say_more);
}

/// In the first step they take their places.
fn stand(
    mut posts: Vec<(Person, Point)>,
    kind: pangea_engine::Kind,
) -> impl FnMut(Commands, Res<pangea_engine::Extent>, ResMut<pangea_engine::Terrain>) {
    move |mut commands, extent, mut terrain| {
        for (person, at) in posts.drain(..) {
            let (x, y) = nearest_free(&mut terrain, extent.0, at);
            commands.spawn((kind, Position { x, y }, person));
        }
    }
}

fn table() -> Value {
    PEOPLE.iter().map(|one| json!({ "name": one.name, "title": one.title })).collect()
}

fn mark(n: usize) -> u8 {
    if PEOPLE[n].deals { 2 } else { u8::from(QUESTS.iter().any(|quest| usize::from(quest.giver) == n)) }
}

/// Who stands on this ground, and where: around the place where the first faction's newcomers appear, and around a place that another area has.
fn posts(setup: &Setup<'_>) -> Vec<(Person, Point)> {
    let mut posts = Vec::new();
    let first = setup.world.factions.first().map(|faction| faction.id.as_str());
    let Ok(near) = setup.world.spawn(first) else { return posts };
    let far = far_post(setup.world, &near);
    for (n, one) in PEOPLE.iter().enumerate() {
        let post = if one.far { &far } else { &near };
        if !is_on(setup, post) {
            continue;
        }
        let turn = n as f64 * std::f64::consts::TAU / 6.0;
        let at = (post.x + turn.cos() * AROUND_M, post.y + turn.sin() * AROUND_M);
        posts.push((Person { who: n as u16, mark: mark(n) }, at));
    }
    posts
}

/// Where a portal of the first map leads; on a grid one area to the east, or to the west where it ends.
fn far_post(world: &WorldFile, near: &Place) -> Place {
    match &world.kind {
        Kind::Maps(maps) => {
            let map = near.map.as_deref().and_then(|map| maps.map(map).ok());
            let portal = map.and_then(|map| map.portals.iter().find(|portal| portal.world.is_none()));
            portal.map_or_else(
                || near.clone(),
                |to| Place { map: to.to.clone(), x: to.to_x, y: to.to_y, ..near.clone() },
            )
        }
        Kind::Grid(grid) => {
            let width = f64::from(grid.cell_m) * f64::from(grid.area_cells);
            let at = |x: f64| Place { x, ..near.clone() };
            let places = [at(near.x + width), at(near.x - width)];
            let here = ground_at(world, near).ok();
            let other = |place: &Place| ground_at(world, place).is_ok_and(|ground| Some(ground) != here);
            places.into_iter().find(other).unwrap_or_else(|| near.clone())
        }
    }
}

/// A character, and one kind of its inputs.
type Speaker<'a, T> = (Entity, &'a CharacterIs, &'a Position, &'a mut Inputs<T>, Has<Stunned>);
/// A person as one finds it.
type Found<'a> = (Entity, &'a Net, &'a Position, &'a Person);

fn talk(
    mut commands: Commands,
    mut asking: Asking<'_, '_>,
    mut characters: Query<Speaker<'_, Talk>, IsCharacter>,
    people: Query<Found<'_>>,
) {
    for (by, CharacterIs(character), at, mut inputs, stunned) in &mut characters {
        for Talk { target } in inputs.drain() {
            match reach(&people, target, at.point(), stunned) {
                Ok((person, net, one)) => {
                    let choices = say(&asking.ledger, &mut asking.outbox, by, *character, net, one);
                    commands.entity(by).insert(Talking { person, choices });
                }
                Err((code, text)) => asking.refuse(by, code, text),
            }
        }
    }
}

fn reach(
    people: &Query<Found<'_>>,
    target: u16,
    at: Point,
    stunned: bool,
) -> Result<(Entity, u16, Person), (&'static str, &'static str)> {
    if stunned {
        return Err(("stunned", "not now"));
    }
    let found = people.iter().find(|(_, net, ..)| net.0 == target);
    let (person, net, there, one) = found.ok_or(("gone", "nobody is there"))?;
    if square(at, there.point()) > REACH_M * REACH_M {
        return Err(("too_far", "go nearer"));
    }
    Ok((person, net.0, *one))
}

/// Says what this person has to say to this character; the choices.
fn say(
    ledger: &Ledger,
    outbox: &mut Outbox,
    to: Entity,
    character: CharacterId,
    net: u16,
    one: Person,
) -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut texts = Vec::new();
    let person = &PEOPLE[usize::from(one.who).min(PEOPLE.len() - 1)];
    let mut text = person.greets.to_owned();
    let Some(sheet) = ledger.sheet(character) else { return choices };
    for (n, quest) in QUESTS.iter().enumerate() {
        match quest.open(sheet) {
            Some((step, open)) if open.task.person() == Some(one.who) => {
                texts.push(format!("{}: {}", quest.title, open.text));
                choices.push(Choice::End(n, step));
            }
            None if quest.giver == one.who && !sheet.quests.contains_key(quest.name) => {
                text = format!("{text} {}", quest.asks);
                texts.push(format!("Accept: {}", quest.title));
                choices.push(Choice::Accept(n));
            }
            _ => {}
        }
    }
    if person.keeps {
        texts.push("Open your strongbox".into());
        choices.push(Choice::Strongbox);
    }
    if person.deals {
        for ware in WARES {
            let item = items::of(items::number(ware));
            texts.push(format!("Buy {} ({})", item.title.to_lowercase(), item.price));
            choices.push(Choice::Buy(item.name));
        }
        let has = |name: &str| -> i64 {
            let bag = sheet.stacks.range(..FIRST_WORN).filter(|(_, stack)| stack.template == name);
            bag.map(|(_, stack)| stack.quantity).sum()
        };
        let sold = items::ITEMS.iter().filter(|item| item.price > 0);
        let sold = sold.map(|item| (item, has(item.name))).filter(|(_, count)| *count > 0);
        for (item, count) in sold.take(MOST_SOLD) {
            texts.push(format!("Sell {count} {} ({})", item.title.to_lowercase(), proceeds(item, count)));
            choices.push(Choice::Sell(item.name, count));
        }
    }
    texts.push("Goodbye".into());
    choices.push(Choice::Leave);
    outbox.send(To::Owner(to), &Says { who: net, text, choices: texts });
    choices
}

/// Coins for so many of an item.
fn proceeds(item: &items::Item, count: i64) -> i64 {
    (item.price * count / 2).max(1)
}

fn choose(
    mut commands: Commands,
    mut asking: Asking<'_, '_>,
    mut characters: Query<(Speaker<'_, Choose>, Option<&Talking>), IsCharacter>,
    people: Query<Found<'_>>,
) {
    for ((by, CharacterIs(character), at, mut inputs, stunned), talking) in &mut characters {
        for Choose { target, choice } in inputs.drain() {
            let found = reach(&people, target, at.point(), stunned);
            let person = match found {
                Ok((person, ..)) => person,
                Err((code, text)) => {
                    asking.refuse(by, code, text);
                    continue;
                }
            };
            let said = talking.filter(|talking| talking.person == person);
            let Some(choice) = said.and_then(|said| said.choices.get(usize::from(choice))) else {
                asking.refuse(by, "bad_choice", "that was not offered");
                continue;
            };
            if *choice == Choice::Strongbox {
                strongbox::open(&mut asking, by, *character, person);
                continue;
            }
            match act(*choice, *character) {
                Some(act) => drop(asking.ask(by, *character, act, Deed::Deal(person))),
                None => drop(commands.entity(by).remove::<Talking>()),
            }
        }
    }
}

/// What a choice asks of the ledger; `None`: nothing.
fn act(choice: Choice, character: CharacterId) -> Option<Act> {
    let who = who(character);
    Some(match choice {
        Choice::Leave | Choice::Strongbox => return None,
        Choice::End(quest, step) => return QUESTS[quest].end(character, step),
        Choice::Accept(quest) => {
            let quest = QUESTS.get(quest)?;
            Act::QuestAccept { who, quest: quest.name.to_owned(), gets: bundle(quest.brings, 0) }
        }
        Choice::Buy(name) => {
            let price = items::of(items::number(name)).price;
            Act::Exchange { who, gives: coins(price), gets: Bundle::goods([goods(name, 1)]) }
        }
        Choice::Sell(name, count) => {
            let item = items::of(items::number(name));
            let gives = Bundle::goods([goods(name, count.clamp(1, i64::from(u32::MAX)) as u32)]);
            Act::Exchange { who, gives, gets: coins(proceeds(item, count)) }
        }
    })
}

/// When something is agreed, the talk goes on with what is left.
fn say_more(
    mut commands: Commands,
    deeds: Res<Deeds>,
    ledger: Res<Ledger>,
    mut outbox: ResMut<Outbox>,
    people: Query<Found<'_>>,
    characters: Query<&Talking, IsCharacter>,
) {
    for (open, outcome) in deeds.settled() {
        let Deed::Deal(person) = open.deed else { continue };
        let talks = characters.get(open.by).is_ok_and(|talking| talking.person == person);
        if let (Ok(()), true, Ok((person, net, _, one))) = (outcome, talks, people.get(person)) {
            let choices = say(&ledger, &mut outbox, open.by, open.character, net.0, *one);
            commands.entity(open.by).insert(Talking { person, choices });
        }
    }
}

#[cfg(test)]
mod tests {
    use pangea_engine::Sim;
    use pangea_world::layout::extent_m;
    use pangea_world::space::{Ground, Rect};
    use pangea_world::world_file;

    use super::*;
    use crate::quests::Task;

    /// Who stands on a ground, and where.
    fn standing(world: &WorldFile, ground: &Ground) -> Vec<(u16, Point)> {
        let extent = extent_m(world, ground).expect("an extent");
        let setup = Setup { world, ground, extent, tick_hz: 20, view_m: 60, tick: 0 };
        let mut sim = Sim::new(&crate::game(), &setup);
        sim.step(1.0);
        let mut all = sim.ecs().query::<(&Person, &Position)>();
        all.iter(sim.ecs()).map(|(person, at)| (person.who, at.point())).collect()
    }

    #[test]
    fn everybody_stands_once_in_each_default_world_near_its_post_and_always_there() {
        let wilds = include_str!("../../../worlds/wilds.toml");
        let isles = include_str!("../../../worlds/isles.toml");
        let cells = |x0: i32| Ground::Cells(Rect { x0, y0: 0, x1: x0 + 8, y1: 8 });
        let map = |name: &str| Ground::Map(name.to_owned());
        let worlds = [
            ("wilds", wilds, [cells(0), cells(8), cells(16)], [(200.0, 300.0), (712.0, 300.0)]),
            ("isles", isles, [map("harbour"), map("forest"), map("cave")], [(60.0, 70.0), (20.0, 96.0)]),
        ];
        for (name, text, grounds, posts) in worlds {
            let world = world_file::read(&format!("{name}.toml"), text).expect("a world");
            let all = grounds.each_ref().map(|ground| standing(&world, ground));
            assert_eq!(all, grounds.each_ref().map(|ground| standing(&world, ground)), "always there");
            let who = all.each_ref().map(|here| here.iter().map(|(who, _)| *who).collect::<Vec<_>>());
            assert_eq!(who, [vec![0, 1, 2, 3], vec![4, 5], vec![]], "{name}");
            for (here, post) in all.iter().zip(posts) {
                for (who, at) in here {
                    assert!(square(*at, post) < 4.0 * REACH_M * REACH_M, "{name}: {who} at {at:?}");
                }
            }
        }
    }

    #[test]
    fn every_quest_has_people_and_things_that_there_are() {
        for quest in QUESTS {
            assert!(usize::from(quest.giver) < PEOPLE.len(), "{}", quest.name);
            let last = quest.steps.last().expect("a step").task;
            assert!(last.person().is_some_and(|who| usize::from(who) < PEOPLE.len()), "{}", quest.name);
            let named = quest.steps.iter().flat_map(|step| step.gets).chain(quest.brings).chain(quest.items);
            named.for_each(|(name, count)| assert_eq!(goods(name, *count).quantity, i64::from(*count)));
            for step in quest.steps {
                if let Task::Bring(name, count, _) = step.task {
                    assert!(goods(name, count).quantity > 0);
                }
            }
        }
        assert!(QUESTS.len() >= 5 && items::ITEMS.len() >= 20);
        assert!(WARES.iter().all(|ware| items::of(items::number(ware)).price > 0));
    }
}
