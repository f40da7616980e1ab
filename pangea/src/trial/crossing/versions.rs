//! Another version of the trials' game, for tests of servers of two versions side by side: a program whose file's name
//! ends with `-next` plays it. It has a component more, a component with a field more, an input more, before all
//! others, and an input with a field more; so its schema is another one, and each version meets what it does not know.

use pangea_engine::prelude::*;

/// What a character was marked with.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Label {
    #[replicate(owner)]
    number: u32,
}

/// Marks the own character.
#[derive(Debug, Replicate)]
struct Mark {
    number: u32,
}

impl Input for Mark {}

/// The same in the next version.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
#[replicate(name = "Label", version = 2)]
struct NextLabel {
    #[replicate(owner)]
    number: u32,
    #[replicate(owner)]
    colour: u32,
}

#[derive(Debug, Replicate)]
#[replicate(name = "Mark", version = 2)]
struct NextMark {
    number: u32,
    colour: u32,
}

impl Input for NextMark {}

/// How often it was decorated: in the next version alone.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Badge {
    #[replicate(owner)]
    count: u32,
}

/// Decorates the own character.
#[derive(Debug, Replicate)]
struct Decorate {}

impl Input for Decorate {}

/// Whether this program is the next version.
fn is_next() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    program.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("-next"))
}

/// Declares what this version has.
pub(super) fn build(area: &mut Builder) {
    let seldom = Allowance::in_ten_ticks(3);
    if is_next() {
        area.component::<Badge>().component::<NextLabel>();
        area.input::<Decorate>(seldom).input::<NextMark>(seldom).system(decorate).system(mark_next);
    } else {
        area.component::<Label>().input::<Mark>(seldom).system(mark);
    }
}

fn mark(mut marks: Query<(Entity, &mut Inputs<Mark>, Option<&mut Label>)>, mut commands: Commands<'_, '_>) {
    for (one, mut marks, mut label) in &mut marks {
        for Mark { number } in marks.drain() {
            match &mut label {
                Some(label) => label.number = number,
                None => drop(commands.entity(one).insert(Label { number })),
            }
        }
    }
}

fn mark_next(
    mut marks: Query<(Entity, &mut Inputs<NextMark>, Option<&mut NextLabel>)>,
    mut commands: Commands<'_, '_>,
) {
    for (one, mut marks, mut label) in &mut marks {
        for NextMark { number, colour } in marks.drain() {
            match &mut label {
                Some(label) => (label.number, label.colour) = (number, colour),
                None => drop(commands.entity(one).insert(NextLabel { number, colour })),
            }
        }
    }
}

fn decorate(
    mut wishes: Query<(Entity, &mut Inputs<Decorate>, Option<&mut Badge>)>,
    mut commands: Commands<'_, '_>,
) {
    for (one, mut wishes, mut badge) in &mut wishes {
        for Decorate {} in wishes.drain() {
            match &mut badge {
                Some(badge) => badge.count += 1,
                None => drop(commands.entity(one).insert(Badge { count: 1 })),
            }
        }
    }
}
