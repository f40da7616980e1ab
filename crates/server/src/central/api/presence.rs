//! Who is there: looking for characters by name, world and faction.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{Query, State};
use pangea_world::{Code, name};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Failure, deny};
use super::friends::WhoAnswer;
use super::login::Login;
use crate::central::presence;
use crate::store::social::friends::Visible;
use crate::store::social::search::{self, Found, Wanted};

/// Most characters of one answer.
const MOST: usize = 100;

/// Who is looked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Looked {
    /// How the name begins; upper and lower case are the same.
    name: Option<String>,
    /// Its own world.
    world: Option<String>,
    /// Its faction, of the world's file.
    faction: Option<String>,
    /// The faction that players have founded, of which it is a member: 32 hex digits.
    founded: Option<String>,
    /// Only those who are in the world and show it.
    #[serde(default)]
    online: bool,
    /// At most so many, up to 100; none: 50.
    limit: Option<usize>,
}

/// One that was found.
#[derive(Serialize, ToSchema)]
pub struct SeenAnswer {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
    /// Where it is, if it shows that; else its own world.
    world: String,
    /// Its faction, of the world's file.
    faction: Option<String>,
    /// The one that players have founded.
    founded: Option<WhoAnswer>,
    /// Whether it is in the world, as far as it shows that to everybody.
    online: bool,
    /// What it says of itself.
    status: String,
    /// The map, or the cells of the grid, if it shows that.
    place: Option<String>,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
pub struct PresenceAnswer {
    /// By name.
    characters: Vec<SeenAnswer>,
}

/// Look for characters.
#[utoipa::path(get, path = "/api/presence", tag = "social", security(("access" = [])), params(Looked),
    responses((status = 200, body = PresenceAnswer), (status = "default", body = Failure)))]
pub async fn presence(
    State(api): State<Shared>,
    Login(_): Login,
    Query(looked): Query<Looked>,
) -> Answer<Json<PresenceAnswer>> {
    let founded = looked.founded.as_deref().map(str::parse).transpose();
    let Ok(founded) = founded else { return deny(Code::BadRequest, "an id is 32 hex digits") };
    let most = looked.limit.unwrap_or(50).clamp(1, MOST);
    let inside = looked.online.then(|| presence::everybody(&api.core.state(), None));
    let wanted = Wanted {
        name_key: looked.name.as_deref().map(name::begins_as).unwrap_or_default(),
        world: looked.world,
        faction: looked.faction,
        founded,
    };
    let mut reader = api.store.reader().await?;
    let found = match inside {
        None => search::all(&mut reader, &wanted, most).await?,
        Some(inside) => {
            let inside: HashSet<_> = inside.into_iter().collect();
            search::of_these(&mut reader, &wanted, &inside, most).await?
        }
    };
    drop(reader);
    let state = api.core.state();
    let seen = |found: Found| {
        let seen =
            presence::seen(&state, found.who.id).filter(|_| found.status.visible == Visible::Everybody);
        let (world, place) = seen.map(|seen| (seen.world, seen.place)).unzip();
        SeenAnswer {
            id: found.who.id.to_string(),
            name: found.who.name,
            online: world.is_some(),
            world: world.unwrap_or(found.world),
            faction: found.faction,
            founded: found.founded.map(|(id, name)| WhoAnswer { id: id.to_string(), name }),
            status: found.status.text,
            place,
        }
    };
    let characters = found.into_iter().map(seen).filter(|seen| seen.online || !looked.online).collect();
    Ok(Json(PresenceAnswer { characters }))
}
