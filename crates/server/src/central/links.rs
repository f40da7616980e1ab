//! The links that arrive at central: who may open one. What each role's messages do is in a file for each role;
//! `register` is how a game server becomes its area's, `going_on` a player's wish to go elsewhere.

mod area;
mod going_on;
mod register;
mod spawner;

use std::sync::Arc;

use pangea_world::role_key::RoleKey;
use tokio::sync::mpsc;

pub(super) use self::register::{goods_of, granted};
use super::chat;
use super::core::Core;
use super::state::server_key;
use crate::link::Accepted;

/// The key that a role of this name must have; no other role than these three may open a link.
pub fn key_of(master: &RoleKey, hello: &pangea_world::messages::Hello) -> Option<RoleKey> {
    match hello.role.as_str() {
        "spawner" | "chat" => Some(master.derive(&hello.role, &hello.name)),
        "area" => Some(server_key(master, &hello.spawner, &hello.name)),
        _ => None,
    }
}

/// Takes each link that has proven itself.
pub async fn run(core: Arc<Core>, mut accepted: mpsc::Receiver<Accepted>) {
    while let Some(link) = accepted.recv().await {
        tracing::debug!(role = link.hello.role, name = link.hello.name, "a link stands");
        match link.hello.role.as_str() {
            "spawner" => drop(crate::task::spawn(spawner::follow(core.clone(), link))),
            "chat" => drop(crate::task::spawn(chat::follow(core.clone(), link))),
            _ => drop(crate::task::spawn(area::follow(core.clone(), link))),
        }
    }
}
