//! Whose a seat is when several joins of one character lead to it: each border is asked for by itself, and a join that
//! waits for a server outlives the stay from which it was asked.

use pangea_world::id::{AreaId, CharacterId, EnterId};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::state::{Seat, State, Taken};

impl State {
    /// Whether the area from which a character is to go on has it still under the epoch of the wish. A wish of an
    /// earlier stay must not take the seat that a newer one holds at the same place.
    ///
    /// # Errors
    /// `stale_epoch` if not.
    pub fn wishes_still(&self, from: Option<(AreaId, u64)>, character: CharacterId) -> Result<(), Refusal> {
        let Some((area, epoch)) = from else { return Ok(()) };
        let seat = self.areas.get(&area).and_then(|entry| entry.seats.get(&character));
        match seat.filter(|seat| seat.epoch == epoch) {
            Some(_) => Ok(()),
            None => Refusal::err(Code::StaleEpoch, "this area does not have the character"),
        }
    }

    /// The handoff of a join was decided: the character plays there. Its seat may have been freed by another join that
    /// held it; then it has one as it had where it comes from. It is this join's: if its client is not there any more,
    /// the seat is free. Where the server has ended meanwhile it is held until then, as for all who were inside.
    pub fn takes_over(
        &mut self,
        (from, to): (AreaId, AreaId),
        (character, run): (CharacterId, EnterId),
        epoch: u64,
        until: Instant,
    ) {
        let before = self.areas.get(&from).and_then(|entry| entry.seats.get(&character)).cloned();
        let Some(entry) = self.areas.get_mut(&to) else { return };
        let taken = entry.server.as_ref().map_or(Taken::Held(until), |_| Taken::Inside);
        match (entry.seats.get_mut(&character), before) {
            (Some(seat), _) => (seat.run, seat.taken, seat.epoch) = (run, taken, epoch),
            (None, Some(seat)) => {
                let seat = Seat { run, epoch, taken, leaving: None, next: None, overlaps: None, ..seat };
                entry.seats.insert(character, seat);
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pangea_world::id::{AccountId, ServerId, SessionId};
    use pangea_world::space::{AreaName, Ground, Rect};
    use pangea_world::world_file;

    use super::*;
    use crate::central::running::new_area;
    use crate::central::state::{PeerAddress, Server};

    const HERO: CharacterId = CharacterId([7; 16]);
    const HERE: AreaId = AreaId([1; 16]);
    const BEYOND: AreaId = AreaId([2; 16]);

    fn seat(epoch: u64, run: EnterId, taken: Taken) -> Seat {
        let (account, session) = (AccountId([1; 16]), SessionId([1; 16]));
        Seat::new(account, session, (run, epoch), taken)
    }

    /// Two areas beside each other; the hero plays in the first.
    fn two_areas(epoch: u64) -> State {
        let mut state = State::default();
        let text = include_str!("../../../../worlds/wilds.toml");
        let world = Arc::new(world_file::read("wilds.toml", text).expect("a world"));
        for (x0, area) in (0..).zip([HERE, BEYOND]) {
            let ground = Ground::Cells(Rect { x0, y0: 0, x1: x0 + 1, y1: 1 });
            let name = AreaName { world: world.name.clone(), ground, layer: 0 };
            state.areas.insert(area, new_area(&world, name));
        }
        sit(&mut state, HERE, seat(epoch, EnterId([8; 16]), Taken::Inside));
        state
    }

    fn sit(state: &mut State, area: AreaId, seat: Seat) {
        state.areas.get_mut(&area).expect("an area").seats.insert(HERO, seat);
    }

    #[test]
    fn what_was_wished_in_an_earlier_stay_counts_no_more() {
        let mut state = two_areas(4);
        let code = |state: &State, from| state.wishes_still(from, HERO).map_err(|refusal| refusal.code);
        assert_eq!(code(&state, Some((HERE, 4))), Ok(()));
        assert_eq!(code(&state, None), Ok(()), "from the store");
        assert_eq!(code(&state, Some((HERE, 3))), Err(Code::StaleEpoch));
        assert_eq!(code(&state, Some((BEYOND, 4))), Err(Code::StaleEpoch));
        state.areas.remove(&HERE);
        assert_eq!(code(&state, Some((HERE, 4))), Err(Code::StaleEpoch));
    }

    #[test]
    fn who_was_handed_on_has_a_seat_though_another_join_has_freed_it() {
        let seated = |state: &State| {
            let seat = state.areas[&BEYOND].seats.get(&HERO);
            seat.map(|seat| (seat.epoch, seat.taken == Taken::Inside, seat.run))
        };
        let (mut state, crossing, another) = (two_areas(4), EnterId([5; 16]), EnterId([9; 16]));
        let server = Server::named(ServerId([3; 16]), "here", PeerAddress::default(), "");
        state.areas.get_mut(&BEYOND).expect("an area").server = Some(server);
        sit(&mut state, BEYOND, seat(5, another, Taken::Held(Instant::now())));
        state.forget_run(another, HERO);
        assert_eq!(seated(&state), None);
        let takes_over =
            |state: &mut State| state.takes_over((HERE, BEYOND), (HERO, crossing), 5, Instant::now());
        takes_over(&mut state);
        assert_eq!(seated(&state), Some((5, true, crossing)));
        // A repeat.
        takes_over(&mut state);
        assert_eq!(seated(&state), Some((5, true, crossing)));
        // It has ended since: he is not inside of anything.
        state.areas.get_mut(&BEYOND).expect("an area").server = None;
        takes_over(&mut state);
        assert_eq!(seated(&state), Some((5, false, crossing)));
    }
}
