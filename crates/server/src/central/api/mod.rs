//! Central's HTTP API and pages.
//!
//! Every «no» is `{"code", "text"}` under the status of its code. Accounts log in with a name and a password
//! and get two opaque tokens; everything else wants `Authorization: Bearer <access token>`. The description
//! at `/api/openapi.json` is made from these handlers, `/api` shows it to people.
//!
//! | file | answers |
//! |---|---|
//! | [`account`] | register, login, refresh, logout |
//! | [`world`] | worlds, layers, factions |
//! | [`character`] | list, create, select, delete |
//! | [`enter`] | the wish to go in, and how far it is |
//! | [`friends`], [`party`], [`presence`] | who is with whom, who is there |
//! | [`mail`], [`market`] | goods and money on their way |
//! | [`status`] | what runs, the public ticket keys |
//! | [`data`] | characters and quests for operators and services |
//! | [`ledger`] | goods, money and the journal for operators |
//! | [`faction`] | factions that players have founded |
//! | [`moderation`] | reports, and what operators do against who disturbs |
//! | [`amend`] | what operators change of characters, quests, accounts |
//! | [`pages`] | the files of `web/` |
//! | [`guard`], [`limit`], [`password`], [`login`], [`answer`] | what every request passes |
//! | [`serve`] | sockets, TLS, deadlines |

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use pangea_world::Refusal;
use pangea_world::id::AccountId;
use pangea_world::world::World;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::core::Core;
use super::moderation::By;
use crate::address::Block;
use crate::config::Config;
use crate::store::Store;

pub mod account;
pub mod amend;
pub mod answer;
pub mod character;
pub mod data;
pub mod enter;
pub mod faction;
pub mod friends;
pub mod guard;
pub mod ledger;
pub mod limit;
pub mod login;
pub mod mail;
pub mod market;
pub mod moderation;
pub mod operate;
pub mod pages;
pub mod party;
pub mod password;
pub mod presence;
pub mod serve;
pub mod status;
pub mod world;

pub use serve::serve;

/// What all handlers share.
pub struct Api {
    config: Arc<Config>,
    worlds: Arc<Vec<World>>,
    store: Store,
    core: Arc<Core>,
    passwords: password::Passwords,
    logins: Arc<login::Cache>,
    requests_of: limit::Buckets<Block>,
    logins_of: limit::Buckets<Block>,
    guesses: limit::Guesses,
    /// Those who wait because of [`limit::Guesses`].
    waiting: tokio::sync::Semaphore,
    operator: data::OperatorKey,
}

/// The shared part, as handlers get it.
pub type State = Arc<Api>;

impl Api {
    /// The API over a store and a core; makes the operator's key at the first start.
    ///
    /// # Errors
    /// If the operator's key cannot be read or made, or the configured cost of passwords is impossible.
    pub fn new(
        config: Arc<Config>,
        worlds: Arc<Vec<World>>,
        store: Store,
        core: Arc<Core>,
    ) -> anyhow::Result<State> {
        let (limits, operator) = (&config.limits, data::OperatorKey::open(&config.data)?);
        let per_second = f64::from(limits.requests_per_second.max(1));
        let per_minute = f64::from(limits.logins_per_minute.max(1));
        Ok(Arc::new(Self {
            passwords: password::Passwords::new(&config.accounts)?,
            logins: core.logins.clone(),
            requests_of: limit::Buckets::new(per_second, per_second * 2.0),
            logins_of: limit::Buckets::new(per_minute / 60.0, per_minute),
            guesses: limit::Guesses::new(limits.wrong_passwords),
            waiting: tokio::sync::Semaphore::new(1_024),
            operator,
            config,
            worlds,
            store,
            core,
        }))
    }

    fn world(&self, name: &str) -> Result<&World, Refusal> {
        Ok(self.core.world(name)?)
    }

    /// Keeps an account out until then (ms since 1970), or lets it in again: its tokens are dead at once.
    ///
    /// # Errors
    /// `not_found`; if the write failed.
    pub async fn ban(&self, account: AccountId, until_ms: i64, why: String) -> Result<(), Refusal> {
        let by = By { actor: "operator".to_owned(), why };
        super::moderation::ban(&self.core, &by, account, until_ms).await
    }

    /// Forgets logins that ended long ago; to be called about once an hour.
    ///
    /// # Errors
    /// If the write failed.
    pub async fn prune(&self) -> Result<(), Refusal> {
        let day_ms = 86_400_000;
        let before = crate::store::now_ms() - day_ms * self.config.accounts.refresh_days.max(1) as i64;
        self.store
            .write(move |connection| {
                Box::pin(async move { crate::store::session::prune(connection, before).await })
            })
            .await
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pangea",
        description = "Accounts, characters, worlds, and the way in. Every answer with a status of 400 or more is a Refusal. The game itself is spoken over WebSocket: docs/protocol.md."
    ),
    modifiers(&Tokens),
    tags(
        (name = "account", description = "Who pays"),
        (name = "world", description = "Where to go"),
        (name = "character", description = "Who plays"),
        (name = "enter", description = "The way in"),
        (name = "social", description = "Friends, parties, factions, mail, market, who is there"),
        (name = "status", description = "What runs"),
        (name = "data", description = "For operators and services, with the operator's key")
    )
)]
struct Description;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |text: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build(),
            )
        };
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("access", bearer("The access token of a login"));
        components.add_security_scheme("operator", bearer("The content of <data>/keys/operator.key"));
    }
}

fn described() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(account::register))
        .routes(routes!(account::login))
        .routes(routes!(account::refresh))
        .routes(routes!(account::logout))
        .routes(routes!(account::session))
        .routes(routes!(world::worlds))
        .routes(routes!(world::layers))
        .routes(routes!(world::factions))
        .routes(routes!(character::list, character::create))
        .routes(routes!(character::delete))
        .routes(routes!(character::select))
        .routes(routes!(enter::enter))
        .routes(routes!(enter::attach, enter::cancel))
        .routes(routes!(friends::social))
        .routes(routes!(friends::set_status))
        .routes(routes!(friends::befriend))
        .routes(routes!(friends::unfriend))
        .routes(routes!(friends::block))
        .routes(routes!(friends::unblock))
        .routes(routes!(party::invite))
        .routes(routes!(party::accept))
        .routes(routes!(party::decline))
        .routes(routes!(party::leave))
        .routes(routes!(party::kick))
        .routes(routes!(party::leader))
        .routes(routes!(party::gather))
        .routes(routes!(party::come))
        .routes(routes!(presence::presence))
        .routes(routes!(mail::list, mail::send))
        .routes(routes!(mail::claim))
        .routes(routes!(mail::read))
        .routes(routes!(mail::delete))
        .routes(routes!(market::list))
        .routes(routes!(market::own, market::offer))
        .routes(routes!(market::buy))
        .routes(routes!(market::withdraw))
        .routes(routes!(status::status))
        .routes(routes!(status::keys))
        .routes(routes!(data::character, amend::change))
        .routes(routes!(amend::set_down))
        .routes(routes!(amend::mend_quest))
        .routes(routes!(amend::ban))
        .routes(routes!(operate::migrate))
        .routes(routes!(operate::split))
        .routes(routes!(operate::merge))
        .routes(routes!(operate::spawners))
        .routes(routes!(operate::cordon))
        .routes(routes!(operate::upgrade))
        .routes(routes!(operate::stop, operate::stop_not))
        .routes(routes!(faction::founded_list))
        .routes(routes!(faction::founded_info))
        .routes(routes!(faction::faction_found))
        .routes(routes!(faction::faction_join))
        .routes(routes!(faction::faction_decline))
        .routes(routes!(faction::faction_leave))
        .routes(routes!(faction::faction_edit))
        .routes(routes!(faction::faction_invite))
        .routes(routes!(faction::faction_kick))
        .routes(routes!(faction::faction_role))
        .routes(routes!(faction::faction_roles))
        .routes(routes!(faction::faction_relation))
        .routes(routes!(faction::faction_spawn))
        .routes(routes!(faction::faction_claim))
        .routes(routes!(faction::faction_unclaim))
        .routes(routes!(faction::faction_rights))
        .routes(routes!(faction::faction_upkeep))
        .routes(routes!(moderation::report))
        .routes(routes!(moderation::mute))
        .routes(routes!(moderation::ban_named))
        .routes(routes!(moderation::kick))
        .routes(routes!(moderation::ban_address))
        .routes(routes!(moderation::announce))
        .routes(routes!(moderation::level))
        .routes(routes!(moderation::reports))
        .routes(routes!(moderation::audit_log))
        .routes(routes!(moderation::chat_log))
        .routes(routes!(data::quests))
        .routes(routes!(data::record))
        .routes(routes!(data::by_name))
        .routes(routes!(ledger::belongings))
        .routes(routes!(ledger::own))
        .routes(routes!(ledger::grant))
        .routes(routes!(ledger::seize))
        .routes(routes!(ledger::of_character))
        .routes(routes!(ledger::of_item))
        .routes(routes!(ledger::check))
        .routes(routes!(ledger::all_money))
        .routes(routes!(data::servers))
        .routes(routes!(data::credential))
}

/// The description of the API, as JSON.
pub fn openapi() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let (_, openapi) = described().split_for_parts();
        let mut text = openapi.to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    })
}

/// All paths.
pub fn router(api: State) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route(
            "/api/openapi.json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], openapi()) }),
        )
        .route("/api", get(pages::api))
        .fallback(pages::page)
        .layer(axum::middleware::from_fn_with_state(api.clone(), guard::guard))
        .with_state(api)
}

#[cfg(test)]
mod tests;
