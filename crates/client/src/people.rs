//! What one character does with others over central's API: friends, party, faction, mail, market
//! (docs/social.md, docs/factions.md). [`Client::of`] makes one. What there is to know of each answer is in central's
//! OpenAPI; here are the fields that every game needs.

use std::time::Duration;

use http::Method;
use pangea_world::Code;
use pangea_world::id::{CharacterId, FactionId, PartyId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::enter::new_key;
use crate::{Client, Error};

/// How often a deed is sent again whose answer was lost.
const MOST_REPEATS: u32 = 4;

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Who {
    /// Its id.
    pub id: CharacterId,
    /// Its name.
    pub name: String,
}

/// A friend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Friend {
    /// Its id.
    pub id: CharacterId,
    /// Its name.
    pub name: String,
    /// Whether it is in the world, as far as it shows that.
    pub online: bool,
    /// In which one.
    pub world: Option<String>,
    /// What it says of itself.
    pub status: String,
}

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Requests {
    /// Who has asked this character.
    pub r#in: Vec<Who>,
    /// Whom it has asked.
    pub out: Vec<Who>,
}

/// A party.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Party {
    /// Its id.
    pub id: PartyId,
    /// Who leads it.
    pub leader: CharacterId,
    /// Everybody in it, in the order in which they came.
    pub members: Vec<Who>,
}

/// An invitation into a party.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PartyInvite {
    /// Which.
    pub party: PartyId,
    /// By whom.
    pub from: Who,
}

/// Membership in a faction that players have founded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Membership {
    /// Which.
    pub id: FactionId,
    /// Its name.
    pub name: String,
    /// The role there.
    pub role: String,
}

/// What becomes of a character when its party's leader calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calls {
    /// It is asked by a notice; [`Deeds::answer_call`] answers.
    Ask,
    /// It goes along at once.
    Go,
    /// It stays, and hears nothing of it.
    Never,
}

/// Who sees whether a character is in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visible {
    /// Everybody.
    Everybody,
    /// Its friends.
    Friends,
    /// Nobody.
    Nobody,
}

/// What a character says of itself, and how it is met.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// At most 80 characters.
    pub text: String,
    /// Who sees it.
    pub visible: Visible,
    /// How it takes its leader's call.
    pub calls: Calls,
}

/// All of a character's social window.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Social {
    /// What it says of itself.
    pub status: Status,
    /// By name.
    pub friends: Vec<Friend>,
    /// Requests to be friends.
    pub requests: Requests,
    /// Whom it does not hear.
    pub blocked: Vec<Who>,
    /// Its party.
    pub party: Option<Party>,
    /// Into which parties it is invited.
    pub invites: Vec<PartyInvite>,
    /// The faction that it is a member of.
    pub faction: Option<Membership>,
    /// Mails that it has not read.
    pub unread_mail: i64,
}

/// A stack, or a part of one: in a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which stack, 32 hex digits.
    pub item: String,
    /// From 1.
    pub count: i64,
}

/// A letter to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewMail {
    /// Name of a character.
    pub to: String,
    /// One line of at most 80 characters.
    pub subject: String,
    /// At most 2,000 characters.
    pub text: String,
    /// At most 8.
    pub items: Vec<Part>,
    /// 0: no money.
    pub money: i64,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// 32 hex digits.
    pub id: String,
    /// The sender's name, as it was then.
    pub from: String,
    /// One line.
    pub subject: String,
    /// What is written.
    pub text: String,
    /// Money that is in it.
    pub money: i64,
    /// Whether it was read.
    pub read: bool,
    /// Whether what was in it was claimed.
    pub claimed: bool,
}

/// An offer on the market.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Offer {
    /// 32 hex digits.
    pub id: String,
    /// Name of who sells.
    pub seller: String,
    /// The game's name for it.
    pub template: String,
    /// From 1.
    pub count: i64,
    /// For all of it.
    pub price: i64,
}

/// A page of the market.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Offers {
    /// By template, the cheapest first.
    pub offers: Vec<Offer>,
    /// Where the next page begins; none: this was the last one.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct PartyNow {
    party: Option<Party>,
}

#[derive(Deserialize)]
struct Mails {
    mail: Vec<Mail>,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

/// The deeds of one character of the account that is logged in.
#[derive(Clone, Copy)]
pub struct Deeds<'c> {
    client: &'c Client,
    character: CharacterId,
}

impl Client {
    /// What this character of the account does with others.
    pub fn of(&self, character: CharacterId) -> Deeds<'_> {
        Deeds { client: self, character }
    }

    /// A page of what is offered, of this template or of any, from the beginning or after a page's `next`.
    ///
    /// # Errors
    /// As central refuses.
    pub async fn market(&self, template: Option<&str>, after: Option<&str>) -> Result<Offers, Error> {
        let mut path = "/api/market?limit=200".to_owned();
        for (name, value) in [("template", template), ("after", after)] {
            path += &value.map_or(String::new(), |value| format!("&{name}={}", encoded(value)));
        }
        self.call(Method::GET, &path, None).await
    }
}

/// Errors of all of these: as central refuses, with the codes of docs/social.md and docs/factions.md; `Transport` if
/// it cannot be reached.
#[allow(clippy::missing_errors_doc)]
impl Deeds<'_> {
    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        let path = format!("/api/characters/{}/{what}", self.character);
        self.client.call(Method::GET, &path, None).await
    }

    async fn post<T: DeserializeOwned>(&self, what: &str, body: Value) -> Result<T, Error> {
        let path = format!("/api/characters/{}/{what}", self.character);
        self.client.call(Method::POST, &path, Some(&body)).await
    }

    async fn delete(&self, what: &str, id: &str) -> Result<(), Error> {
        let path = format!("/api/characters/{}/{what}/{}", self.character, encoded(id));
        self.client.call(Method::DELETE, &path, None).await
    }

    /// Goods or money move: once, however often it has to be sent.
    async fn once<T: DeserializeOwned>(&self, what: &str, body: Value) -> Result<T, Error> {
        let (path, key) = (format!("/api/characters/{}/{what}", self.character), new_key());
        let mut repeats = 0;
        loop {
            let headers = [("idempotency-key", key.as_str())];
            let busy =
                |code: Code| matches!(code, Code::Stopping | Code::StorageBusy | Code::TooManyRequests);
            match self.client.call_with(Method::POST, &path, Some(&body), &headers).await {
                Err(Error::Transport(_)) if repeats < MOST_REPEATS => {}
                Err(Error::Refused(refusal)) if busy(refusal.code) && repeats < MOST_REPEATS => {}
                answer => return answer,
            }
            tokio::time::sleep(Duration::from_millis(250) * (1 << repeats)).await;
            repeats += 1;
        }
    }

    // ---- friends ----

    /// Friends, requests, party, invitations, faction in one answer.
    pub async fn social(&self) -> Result<Social, Error> {
        self.get("social").await
    }

    /// What it says of itself, who sees where it is, how it takes its leader's call; what is `None` stays.
    pub async fn set_status(
        &self,
        text: Option<&str>,
        visible: Option<Visible>,
        calls: Option<Calls>,
    ) -> Result<(), Error> {
        let path = format!("/api/characters/{}/status", self.character);
        let body = json!({ "text": text, "visible": visible, "calls": calls });
        self.client.call(Method::PUT, &path, Some(&body)).await
    }

    /// Asks for friendship, or says yes if the other has asked; whether they are friends now.
    pub async fn befriend(&self, name: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Asked {
            friends: bool,
        }
        Ok(self.post::<Asked>("friends", json!({ "name": name })).await?.friends)
    }

    /// Ends a friendship, takes a request back, or says no to one.
    pub async fn unfriend(&self, other: CharacterId) -> Result<(), Error> {
        self.delete("friends", &other.to_string()).await
    }

    /// Does not hear somebody any more, nor anybody of its account.
    pub async fn block(&self, name: &str) -> Result<(), Error> {
        self.post("blocks", json!({ "name": name })).await
    }

    /// Hears somebody again.
    pub async fn unblock(&self, other: CharacterId) -> Result<(), Error> {
        self.delete("blocks", &other.to_string()).await
    }

    /// Tells the operators of somebody.
    pub async fn report(&self, name: &str, text: &str) -> Result<(), Error> {
        self.post("reports", json!({ "name": name, "text": text })).await
    }

    // ---- party ----

    /// Invites somebody; who is in no party begins one and leads it.
    pub async fn invite_to_party(&self, name: &str) -> Result<Option<Party>, Error> {
        Ok(self.post::<PartyNow>("party/invite", json!({ "name": name })).await?.party)
    }

    /// Comes into a party that has invited.
    pub async fn accept_party(&self, party: PartyId) -> Result<Option<Party>, Error> {
        Ok(self.post::<PartyNow>("party/accept", json!({ "party": party })).await?.party)
    }

    /// Does not come.
    pub async fn decline_party(&self, party: PartyId) -> Result<(), Error> {
        self.post("party/decline", json!({ "party": party })).await
    }

    /// Goes.
    pub async fn leave_party(&self) -> Result<(), Error> {
        self.post("party/leave", json!({})).await
    }

    /// Sends a member away, or takes an invitation back.
    pub async fn kick_from_party(&self, whom: CharacterId) -> Result<Option<Party>, Error> {
        Ok(self.post::<PartyNow>("party/kick", json!({ "character": whom })).await?.party)
    }

    /// Has another member lead.
    pub async fn lead_party(&self, whom: CharacterId) -> Result<Option<Party>, Error> {
        Ok(self.post::<PartyNow>("party/leader", json!({ "character": whom })).await?.party)
    }

    /// Calls everybody beside the leader; how many go along, or are asked.
    pub async fn gather_party(&self) -> Result<usize, Error> {
        #[derive(Deserialize)]
        struct Called {
            asked: usize,
        }
        Ok(self.post::<Called>("party/gather", json!({})).await?.asked)
    }

    /// Answers the leader's call: goes there, or stays.
    pub async fn answer_call(&self, come: bool) -> Result<(), Error> {
        self.post("party/come", json!({ "come": come })).await
    }

    // ---- faction ----

    /// Founds one and leads it.
    pub async fn found_faction(&self, name: &str, open: bool) -> Result<FactionId, Error> {
        #[derive(Deserialize)]
        struct Founded {
            id: FactionId,
        }
        Ok(self.post::<Founded>("faction", json!({ "name": name, "open": open })).await?.id)
    }

    /// Joins one that is open, or that has invited.
    pub async fn join_faction(&self, faction: FactionId) -> Result<(), Error> {
        self.post("faction/join", json!({ "faction": faction })).await
    }

    /// Any other deed: the part of the path behind `faction/`, and its body (docs/factions.md).
    pub async fn in_faction(&self, deed: &str, body: Value) -> Result<(), Error> {
        self.post(&format!("faction/{deed}"), body).await
    }

    /// Leaves it.
    pub async fn leave_faction(&self) -> Result<(), Error> {
        self.post("faction/leave", json!({})).await
    }

    /// Pays for claimed ground, for more days.
    pub async fn pay_upkeep(&self, area: &str, days: u32) -> Result<(), Error> {
        self.once("faction/upkeep", json!({ "area": area, "days": days })).await
    }

    // ---- mail and market ----

    /// Its mail, the newest first.
    pub async fn mail(&self) -> Result<Vec<Mail>, Error> {
        Ok(self.get::<Mails>("mail").await?.mail)
    }

    /// Sends a letter; its id.
    pub async fn send_mail(&self, mail: &NewMail) -> Result<String, Error> {
        let body = serde_json::to_value(mail).map_err(|error| Error::Protocol(error.to_string()))?;
        Ok(self.once::<Made>("mail", body).await?.id)
    }

    /// What is in it goes to the character, once.
    pub async fn claim_mail(&self, mail: &str) -> Result<(), Error> {
        self.post(&format!("mail/{}/claim", encoded(mail)), json!({})).await
    }

    /// Throws it away.
    pub async fn delete_mail(&self, mail: &str) -> Result<(), Error> {
        self.delete("mail", mail).await
    }

    /// All that it offers.
    pub async fn own_offers(&self) -> Result<Vec<Offer>, Error> {
        Ok(self.get::<Offers>("market").await?.offers)
    }

    /// Offers something, at this price for all of it; the offer's id.
    pub async fn offer(&self, part: &Part, price: i64) -> Result<String, Error> {
        let body = json!({ "item": part.item, "count": part.count, "price": price });
        Ok(self.once::<Made>("market", body).await?.id)
    }

    /// Buys an offer.
    pub async fn buy(&self, offer: &str) -> Result<(), Error> {
        self.once(&format!("market/{}/buy", encoded(offer)), json!({})).await
    }

    /// Takes an offer back.
    pub async fn withdraw(&self, offer: &str) -> Result<(), Error> {
        self.delete("market", offer).await
    }
}

/// As it stands in a path or a query: what means something there is written as its bytes.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn names_stand_in_paths() {
        assert_eq!(encoded("7.ab.white bread/ä&b=?"), "7.ab.white%20bread%2F%C3%A4%26b%3D%3F");
    }
}
