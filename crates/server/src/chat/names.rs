//! Who is where, and whose name is which: what whispers need.

use std::collections::HashMap;

use pangea_world::id::CharacterId;
use pangea_world::messages::{Audience, Listener};
use pangea_world::name;

/// How long one who left every server still counts as there, ms: one who travels is between two.
const BETWEEN_MS: u64 = 30_000;

/// How long what central said of a name is believed, ms.
const BELIEVED_MS: u64 = 30_000;

/// Most names that are remembered from central.
const MOST_LOOKED_UP: usize = 4_096;

/// All that is known of characters.
#[derive(Debug, Default)]
pub struct Names {
    people: HashMap<CharacterId, Person>,
    /// By the key of the name.
    by_key: HashMap<String, CharacterId>,
    looked_up: HashMap<String, (Option<CharacterId>, u64)>,
}

#[derive(Debug)]
struct Person {
    key: String,
    /// The servers that have it; two for a moment while it travels.
    at: Vec<String>,
    left_ms: u64,
}

impl Names {
    /// An area server says who is inside.
    pub fn hear(&mut self, server: &str, audience: &Audience, now_ms: u64) {
        if audience.all {
            self.forget_server(server, now_ms);
        }
        for Listener { character, name, .. } in &audience.came {
            let (Ok(character), Ok(name)) = (CharacterId::from_bytes(character), name::check(name)) else {
                continue;
            };
            let person = self.people.entry(character).or_insert_with(|| Person {
                key: name.key.clone(),
                at: Vec::new(),
                left_ms: 0,
            });
            if person.key != name.key {
                self.by_key.remove(&std::mem::replace(&mut person.key, name.key.clone()));
            }
            self.by_key.insert(name.key, character);
            if !person.at.iter().any(|at| at == server) {
                person.at.push(server.to_owned());
            }
        }
        for character in &audience.left {
            if let Some(person) =
                CharacterId::from_bytes(character).ok().and_then(|character| self.people.get_mut(&character))
            {
                person.leave(server, now_ms);
            }
        }
    }

    /// A server is gone, with all who were inside.
    pub fn forget_server(&mut self, server: &str, now_ms: u64) {
        self.people.values_mut().for_each(|person| person.leave(server, now_ms));
    }

    /// Whether a character is at this server.
    pub fn is_at(&self, character: CharacterId, server: &str) -> bool {
        self.people.get(&character).is_some_and(|person| person.at.iter().any(|at| at == server))
    }

    /// Whether a character is in the world, or travels.
    pub fn is_online(&self, character: CharacterId) -> bool {
        self.people.contains_key(&character)
    }

    /// The key of the name of one who is in the world, or travels.
    pub fn key(&self, character: CharacterId) -> Option<&str> {
        self.people.get(&character).map(|person| person.key.as_str())
    }

    /// Whose name it is, if that is known; `Some(None)`: nobody's.
    pub fn find(&self, key: &str, now_ms: u64) -> Option<Option<CharacterId>> {
        if let Some(character) = self.by_key.get(key) {
            return Some(Some(*character));
        }
        let (found, until_ms) = self.looked_up.get(key)?;
        (*until_ms > now_ms).then_some(*found)
    }

    /// Central says whose name it is.
    pub fn learn(&mut self, key: String, character: Option<CharacterId>, now_ms: u64) {
        if self.looked_up.len() >= MOST_LOOKED_UP {
            self.looked_up.clear();
        }
        self.looked_up.insert(key, (character, now_ms + BELIEVED_MS));
    }

    /// Forgets those who left long ago.
    pub fn let_time_pass(&mut self, now_ms: u64) {
        let Self { people, by_key, .. } = self;
        people.retain(|_, person| {
            let stays = !person.at.is_empty() || person.left_ms + BETWEEN_MS > now_ms;
            if !stays {
                by_key.remove(&person.key);
            }
            stays
        });
    }
}

impl Person {
    fn leave(&mut self, server: &str, now_ms: u64) {
        let before = self.at.len();
        self.at.retain(|at| at != server);
        if self.at.len() < before {
            self.left_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(n: u8, name: &str) -> Audience {
        let listener = Listener { character: vec![n; 16], name: name.into(), epoch: 1 };
        Audience { all: false, came: vec![listener], left: Vec::new() }
    }

    #[test]
    fn one_who_travels_stays_known_and_one_who_left_is_forgotten() {
        let mut names = Names::default();
        let ada = CharacterId([1; 16]);
        names.hear("a", &came(1, "Ada"), 0);
        assert_eq!(names.find("ada", 0), Some(Some(ada)));
        assert!(names.is_at(ada, "a") && !names.is_at(ada, "b"));
        names.hear("a", &Audience { left: vec![vec![1; 16]], ..Audience::default() }, 1_000);
        names.let_time_pass(20_000);
        assert!(names.is_online(ada), "between two servers");
        names.hear("b", &came(1, "Ada"), 21_000);
        names.forget_server("a", 22_000);
        names.let_time_pass(99_000);
        assert!(names.is_online(ada) && names.is_at(ada, "b"));
        names.hear("b", &Audience { all: true, ..Audience::default() }, 100_000);
        names.let_time_pass(130_000);
        assert_eq!((names.is_online(ada), names.find("ada", 130_000)), (false, None));
    }

    #[test]
    fn what_central_said_is_believed_for_a_while() {
        let mut names = Names::default();
        names.learn("bob".into(), None, 0);
        assert_eq!(names.find("bob", 10), Some(None));
        assert_eq!(names.find("bob", BELIEVED_MS), None);
        for n in 0..10_000 {
            names.learn(format!("n{n}"), None, 0);
        }
        assert!(names.looked_up.len() <= MOST_LOOKED_UP);
    }
}
