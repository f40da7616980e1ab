//! Which layer of an area a character goes to, and which area servers can take it at all (O2).
//!
//! Placement is two questions in a row: the *predicates* say which layers fit at all, the *policy* (the
//! lowest layer with room; a wished or a friend's layer first) picks one of them.

use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};
use crate::world::World;

/// What a player may wish for beside the place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// A rule that the world must have, e.g. `pve`.
    pub rule: Option<String>,
    /// This layer and no other.
    pub layer: Option<u16>,
    /// The layer on which a friend stands; another one if that is full.
    pub friends_layer: Option<u16>,
    /// How many want to be on one layer; 0 and 1: nobody else. If none has room for all, whoever comes is placed
    /// as if he were alone.
    pub together: u32,
    /// The version of the game that the client has; must equal the server's.
    pub version: Option<String>,
}

/// One running or starting layer of an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerState {
    /// 0 is the first.
    pub layer: u16,
    /// Seats taken: inside, announced and travelling.
    pub seats_taken: u32,
    /// Seats in all.
    pub capacity: u32,
    /// Takes nobody any more.
    pub draining: bool,
    /// Version of the server's program; `None` while it starts.
    pub version: Option<String>,
}

impl LayerState {
    fn has_room(&self) -> bool {
        self.has_room_for(1)
    }

    fn has_room_for(&self, seats: u32) -> bool {
        !self.draining && self.seats_taken.saturating_add(seats) <= self.capacity
    }
}

/// Where the character goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A layer that runs, or starts, and has room.
    Layer(u16),
    /// A new layer, the lowest free number.
    NewLayer(u16),
    /// No room now: wait in line.
    Queue,
}

/// Places one character; `layers` are those of its area that run or start, in any order.
///
/// # Errors
/// `no_server_fits` with the rule that fails, `unknown_layer` for a layer beyond the world's limit.
pub fn place(world: &World, layers: &[LayerState], wish: &Wish) -> Result<Placement, Refusal> {
    if let Some(rule) = wish.rule.as_ref().filter(|rule| !world.rules.contains(rule)) {
        let known = if world.rules.is_empty() { "none".to_owned() } else { world.rules.join(", ") };
        return Refusal::err(
            Code::NoServerFits,
            format!("the world «{}» has no rule «{rule}» (it has: {known})", world.title),
        );
    }
    if let Some(layer) = wish.layer.filter(|layer| *layer >= world.layers) {
        return Refusal::err(
            Code::UnknownLayer,
            format!("there is no layer {layer}: the world has {}", world.layers),
        );
    }
    let of_version = |layer: &&LayerState| match (&wish.version, &layer.version) {
        (Some(wished), Some(version)) => wished == version,
        _ => true,
    };
    let mut fitting: Vec<&LayerState> = layers.iter().filter(of_version).collect();
    fitting.sort_by_key(|layer| layer.layer);
    if fitting.is_empty() && !layers.is_empty() && layers.len() >= usize::from(world.layers) {
        let version = wish.version.as_deref().unwrap_or("");
        return Refusal::err(Code::NoServerFits, format!("no server of this place runs version {version}"));
    }
    let with_room = |number: u16| fitting.iter().any(|layer| layer.layer == number && layer.has_room());
    let runs = |number: u16| layers.iter().any(|layer| layer.layer == number);
    if let Some(number) = wish.layer {
        return Ok(match (with_room(number), runs(number)) {
            (true, _) => Placement::Layer(number),
            (false, true) => Placement::Queue,
            (false, false) => Placement::NewLayer(number),
        });
    }
    if let Some(number) = wish.friends_layer.filter(|number| with_room(*number)) {
        return Ok(Placement::Layer(number));
    }
    let new = (0..world.layers).find(|number| !runs(*number));
    let together = wish.together.clamp(1, world.capacity.max(1));
    if let Some(layer) = fitting.iter().find(|layer| layer.has_room_for(together)) {
        return Ok(Placement::Layer(layer.layer));
    }
    let alone = fitting.iter().find(|layer| layer.has_room()).map(|layer| Placement::Layer(layer.layer));
    Ok(new.map(Placement::NewLayer).or(alone).unwrap_or(Placement::Queue))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let text = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 3\n[grid]\ncell_m = 64\narea_cells = 8\nspawn = { x = 0.0, y = 0.0 }\n";
        crate::world_file::read("w.toml", text).expect("a world")
    }

    fn layers(seats: &[u32]) -> Vec<LayerState> {
        let state = |(i, &seats_taken): (usize, &u32)| LayerState {
            layer: i as u16,
            seats_taken,
            capacity: 10,
            draining: false,
            version: Some("1".into()),
        };
        seats.iter().enumerate().map(state).collect()
    }

    fn check(seats: &[u32], wish: Wish) -> Result<Placement, Code> {
        place(&world(), &layers(seats), &wish).map_err(|refusal| refusal.code)
    }

    /// O2: compatible means room; a full layer opens the next, the last one makes a queue.
    #[test]
    fn fills_the_lowest_layer_then_opens_one_then_queues() {
        assert_eq!(check(&[], Wish::default()), Ok(Placement::NewLayer(0)));
        assert_eq!(check(&[9, 0], Wish::default()), Ok(Placement::Layer(0)));
        assert_eq!(check(&[10, 3], Wish::default()), Ok(Placement::Layer(1)));
        assert_eq!(check(&[10, 10], Wish::default()), Ok(Placement::NewLayer(2)));
        assert_eq!(check(&[10, 10, 10], Wish::default()), Ok(Placement::Queue));
    }

    #[test]
    fn wishes_narrow_the_choice_and_say_why_nothing_fits() {
        let rule = |rule: &str| Wish { rule: Some(rule.into()), ..Wish::default() };
        assert_eq!(check(&[0], rule("pve")), Ok(Placement::Layer(0)));
        assert_eq!(check(&[0], rule("pvp")), Err(Code::NoServerFits));
        let layer = |n| Wish { layer: Some(n), ..Wish::default() };
        assert_eq!(check(&[0, 0], layer(1)), Ok(Placement::Layer(1)));
        assert_eq!(check(&[0, 10], layer(1)), Ok(Placement::Queue));
        assert_eq!(check(&[0], layer(2)), Ok(Placement::NewLayer(2)));
        assert_eq!(check(&[0], layer(3)), Err(Code::UnknownLayer));
        let friend = Wish { friends_layer: Some(1), ..Wish::default() };
        assert_eq!(check(&[0, 3], friend.clone()), Ok(Placement::Layer(1)));
        assert_eq!(
            check(&[0, 10], friend),
            Ok(Placement::Layer(0)),
            "a full friend's layer is no reason to wait"
        );
        let version = Wish { version: Some("2".into()), ..Wish::default() };
        assert_eq!(check(&[0, 0, 0], version.clone()), Err(Code::NoServerFits));
        assert_eq!(check(&[0], version), Ok(Placement::NewLayer(1)));
    }

    /// A party is not torn apart by a layer that has room for some of it, as long as another one can be had.
    #[test]
    fn a_party_goes_where_all_of_it_fits() {
        let party = |together| Wish { together, ..Wish::default() };
        assert_eq!(check(&[8], party(3)), Ok(Placement::NewLayer(1)));
        assert_eq!(check(&[8], party(2)), Ok(Placement::Layer(0)));
        assert_eq!(check(&[8, 7], party(3)), Ok(Placement::Layer(1)));
        assert_eq!(check(&[8, 9, 9], party(3)), Ok(Placement::Layer(0)), "nowhere is room for all");
        assert_eq!(check(&[10, 10, 10], party(3)), Ok(Placement::Queue));
        assert_eq!(check(&[1], party(30)), Ok(Placement::NewLayer(1)), "more than one layer takes");
        let follows = Wish { friends_layer: Some(1), ..party(3) };
        assert_eq!(check(&[0, 9], follows), Ok(Placement::Layer(1)), "who is there already is followed");
    }

    #[test]
    fn a_draining_layer_takes_nobody() {
        let mut layers = layers(&[0, 0]);
        layers[0].draining = true;
        assert_eq!(place(&world(), &layers, &Wish::default()), Ok(Placement::Layer(1)));
    }
}
