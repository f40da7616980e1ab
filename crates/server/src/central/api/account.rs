//! Register, login, refresh, logout (K2).

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use pangea_world::id::{AccountId, SessionId};
use pangea_world::{Code, Refusal, name};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::answer::{Answer, Failure, Read, deny};
use super::guard::Asker;
use super::login::{self, Fresh, Login};
use super::{Api, State as Shared};
use crate::random;
use crate::store::audit::{self, Note};
use crate::store::session::Refreshed;
use crate::store::{Connection, Error, account, moderation, now_ms, session};

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// 3 to 24 characters.
    #[schema(example = "Ada")]
    name: String,
    /// 8 to 128 characters, whatever the server asks for.
    #[schema(example = "three blue herons", format = Password)]
    password: String,
}

/// A refresh token, to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshWish {
    /// The newest one; each is good once.
    refresh_token: String,
}

/// Who pays.
#[derive(Serialize, ToSchema)]
pub struct AccountInfo {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
}

/// A login.
#[derive(Serialize, ToSchema)]
pub struct TokensAnswer {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// Seconds that it is good for.
    access_expires_in_s: u64,
    /// Exchange it at `/api/refresh` when the access token's time is over.
    refresh_token: String,
    account: AccountInfo,
}

/// The login that asks.
#[derive(Serialize, ToSchema)]
pub struct SessionAnswer {
    /// 32 hex digits.
    id: String,
    account: AccountInfo,
    /// Seconds that the access token is still good for.
    access_expires_in_s: u64,
    /// The character that plays in it, if one is selected.
    selected: Option<String>,
}

fn answer(api: &Api, account: AccountId, name: String, fresh: Fresh) -> Json<TokensAnswer> {
    Json(TokensAnswer {
        access_token: fresh.access,
        access_expires_in_s: api.config.accounts.access_minutes * 60,
        refresh_token: fresh.refresh,
        account: AccountInfo { id: account.to_string(), name },
    })
}

impl Api {
    fn count_login(&self, asker: Asker) -> Answer<()> {
        match asker.0 {
            Some(block) if !self.logins_of.take(block, Instant::now()) => {
                deny(Code::TooManyRequests, "too many logins from this address; wait a minute")
            }
            _ => Ok(()),
        }
    }

    /// A login is over, known by its row: its token is dead at once, its character leaves.
    async fn ended(&self, account: AccountId, session: SessionId) {
        self.logins.forget(session);
        self.core.session_ended(account, session, Code::SessionEnded).await;
    }
}

/// Notes from where a login came, if it was not this machine.
async fn came_from(connection: &mut Connection, session: SessionId, asker: Asker) -> Result<(), Error> {
    match asker.0 {
        Some(block) => moderation::note_address(connection, session, &block.to_string()).await,
        None => Ok(()),
    }
}

/// Make an account, and log in.
#[utoipa::path(post, path = "/api/register", tag = "account", request_body = Credentials,
    responses((status = 201, body = TokensAnswer), (status = "default", body = Failure)))]
pub async fn register(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    Read(wish): Read<Credentials>,
) -> Answer<(StatusCode, Json<TokensAnswer>)> {
    api.count_login(asker)?;
    if !api.config.accounts.register {
        return deny(Code::Forbidden, "this server makes no new accounts");
    }
    let name = name::check(&wish.name)?;
    let password = api.passwords.check(&wish.password, &name)?;
    // A taken name is told before the costly hash; the race is decided by the write.
    if account::by_name(&mut *api.store.reader().await?, &name).await?.is_some() {
        return deny(Code::NameTaken, "that name, or one that looks like it, is taken");
    }
    let hash = api.passwords.hash(password).await?;
    let fresh = Fresh::draw(&api.config.accounts);
    let (id, session) = (AccountId(random::bytes()), SessionId(random::bytes()));
    let (tokens, shown) = (fresh.stored, name.shown.clone());
    api.store
        .write(move |connection| {
            let (name, hash) = (name.clone(), hash.clone());
            Box::pin(async move {
                account::create(connection, id, &name, &hash).await?;
                session::open(connection, session, id, &tokens).await?;
                came_from(connection, session, asker).await?;
                let actor = id.to_string();
                audit::append(
                    connection,
                    Note { actor: &actor, action: "register", target: &name.shown, detail: "" },
                )
                .await
            })
        })
        .await?;
    Ok((StatusCode::CREATED, answer(&api, id, shown, fresh)))
}

/// Log in; an earlier login of the account ends.
#[utoipa::path(post, path = "/api/login", tag = "account", request_body = Credentials,
    responses((status = 200, body = TokensAnswer), (status = "default", body = Failure)))]
pub async fn login(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    Read(wish): Read<Credentials>,
) -> Answer<Json<TokensAnswer>> {
    api.count_login(asker)?;
    let name = name::check(&wish.name).ok();
    let found = match &name {
        Some(name) => account::by_name(&mut *api.store.reader().await?, name).await?,
        None => None,
    };
    // Counted before the check, so that many tries at once wait like many in a row.
    let key = name.as_ref().map_or(String::new(), |name| name.key.clone());
    let delay = api.guesses.delay(&key, Instant::now());
    api.guesses.wrong(&key, Instant::now());
    if !delay.is_zero() {
        let Ok(_place) = api.waiting.try_acquire() else {
            return deny(Code::TooManyRequests, "too many people wait; try again in a moment");
        };
        tokio::time::sleep(delay).await;
    }
    let hash = found.as_ref().map(|account| account.password_hash.clone());
    let fits = api.passwords.fits(&wish.password, hash).await?;
    let Some(account) = found.filter(|_| fits) else {
        return deny(Code::WrongLogin, "name and password do not fit together");
    };
    api.guesses.right(&key);
    if account.banned_until > now_ms() {
        return deny(Code::Banned, login::banned_text(account.banned_until));
    }
    let fresh = Fresh::draw(&api.config.accounts);
    let (id, session, tokens) = (account.id, SessionId(random::bytes()), fresh.stored);
    let previous = api
        .store
        .write(move |connection| {
            Box::pin(async move {
                let previous = session::open(connection, session, id, &tokens).await?;
                came_from(connection, session, asker).await?;
                let (actor, target) = (id.to_string(), session.to_string());
                let detail = if previous.is_some() { "takes over" } else { "" };
                audit::append(connection, Note { actor: &actor, action: "login", target: &target, detail })
                    .await?;
                Ok(previous)
            })
        })
        .await?;
    if let Some(previous) = previous {
        api.ended(id, previous).await;
    }
    Ok(answer(&api, id, account.name, fresh))
}

/// Exchange the refresh token for new tokens. One that was exchanged before ends the login.
#[utoipa::path(post, path = "/api/refresh", tag = "account", request_body = RefreshWish,
    responses((status = 200, body = TokensAnswer), (status = "default", body = Failure)))]
pub async fn refresh(
    State(api): State<Shared>,
    Extension(asker): Extension<Asker>,
    Read(wish): Read<RefreshWish>,
) -> Answer<Json<TokensAnswer>> {
    api.count_login(asker)?;
    if wish.refresh_token.len() > 128 {
        return deny(Code::Unauthorized, "this refresh token is unknown; log in");
    }
    let (token, fresh) = (login::hash(&wish.refresh_token), Fresh::draw(&api.config.accounts));
    let next = fresh.stored;
    let refreshed = api
        .store
        .write(move |connection| {
            Box::pin(async move {
                let refreshed = session::refresh(connection, token, &next).await?;
                if let Refreshed::Reused(session) = &refreshed {
                    let (actor, target) = (session.account.to_string(), session.id.to_string());
                    audit::append(
                        connection,
                        Note { actor: &actor, action: "refresh_reused", target: &target, detail: "" },
                    )
                    .await?;
                }
                Ok(refreshed)
            })
        })
        .await?;
    match refreshed {
        Refreshed::Rotated(session) => {
            api.logins.forget(session.id);
            Ok(answer(&api, session.account, session.account_name, fresh))
        }
        Refreshed::Reused(session) => {
            api.ended(session.account, session.id).await;
            deny(Code::SessionEnded, login::ended_text("refresh_reused"))
        }
        Refreshed::Over(session) => {
            let live = login::live(&session);
            let expired = Refusal::new(Code::SessionEnded, "this login is too old; log in again");
            Err(live.err().filter(|refusal| refusal.code != Code::TokenExpired).unwrap_or(expired).into())
        }
        Refreshed::Unknown => deny(Code::Unauthorized, "this refresh token is unknown; log in"),
    }
}

/// End the login; its character leaves the world.
#[utoipa::path(post, path = "/api/logout", tag = "account", security(("access" = [])),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn logout(State(api): State<Shared>, Login(who): Login) -> Answer<StatusCode> {
    let (account, session) = (who.account, who.id);
    let ended = api
        .store
        .write(move |connection| {
            Box::pin(async move {
                let ended = session::end(connection, session, "logged_out").await?;
                let (actor, target) = (account.to_string(), session.to_string());
                audit::append(
                    connection,
                    Note { actor: &actor, action: "logout", target: &target, detail: "" },
                )
                .await?;
                Ok(ended)
            })
        })
        .await?;
    if ended {
        api.ended(account, session).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I?
#[utoipa::path(get, path = "/api/session", tag = "account", security(("access" = [])),
    responses((status = 200, body = SessionAnswer), (status = "default", body = Failure)))]
pub async fn session(Login(who): Login) -> Json<SessionAnswer> {
    Json(SessionAnswer {
        id: who.id.to_string(),
        account: AccountInfo { id: who.account.to_string(), name: who.account_name },
        access_expires_in_s: ((who.access_until - now_ms()).max(0) / 1_000) as u64,
        selected: who.selected.map(|character| character.to_string()),
    })
}
