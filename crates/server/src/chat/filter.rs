//! What is not said: a list of words, and a program that is asked by HTTP.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pangea_world::{Code, Refusal, chat, id};
use serde_json::{Value, json};

use crate::config::ChatFilter;

/// How long the program may think.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most bytes of its answer.
const MOST_ANSWER: usize = 16 << 10;

/// Words that are not said, folded.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<String>);

impl Words {
    /// These words, however they are written.
    pub fn new(words: &[String]) -> Self {
        Self(words.iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect())
    }

    /// # Errors
    /// `blocked_word` if one of them stands in the text as a whole word.
    pub fn check(&self, text: &str) -> Result<(), Refusal> {
        let text = text.to_lowercase();
        let apart = |c: char| !c.is_alphanumeric();
        let stands = |word: &String| {
            text.match_indices(word.as_str()).any(|(at, _)| {
                text[..at].chars().next_back().is_none_or(apart)
                    && text[at + word.len()..].chars().next().is_none_or(apart)
            })
        };
        match self.0.iter().any(stands) {
            true => Refusal::err(Code::BlockedWord, "a word in it is not said here"),
            false => Ok(()),
        }
    }
}

/// The program.
#[derive(Debug, Clone)]
pub struct Hook {
    url: http::Uri,
    fails: ChatFilter,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Hook {
    /// The program at this address; `None` if there is none.
    ///
    /// # Errors
    /// If the address is not one of HTTP.
    pub fn new(url: &str, fails: ChatFilter) -> anyhow::Result<Option<Self>> {
        if url.is_empty() {
            return Ok(None);
        }
        let url: http::Uri = url.parse()?;
        anyhow::ensure!(url.scheme_str() == Some("http"), "chat.filter_url begins with http://");
        Ok(Some(Self { url, fails, client: Client::builder(TokioExecutor::new()).build_http() }))
    }

    /// What is said instead; the same text if it may be said.
    ///
    /// # Errors
    /// `blocked_word` if the program says no, or does not answer and its silence blocks.
    pub async fn ask(&self, channel: &str, sender: &[u8], text: String) -> Result<String, Refusal> {
        let asked = tokio::time::timeout(PATIENCE, self.asked(channel, sender, &text)).await;
        match asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time"))) {
            Ok(Some(instead)) => chat::text(&instead),
            Ok(None) => Refusal::err(Code::BlockedWord, "this is not said here"),
            Err(error) => {
                tracing::warn!(%error, "the filter does not answer");
                match self.fails {
                    ChatFilter::Pass => Ok(text),
                    ChatFilter::Block => {
                        Refusal::err(Code::BlockedWord, "what is said cannot be checked now")
                    }
                }
            }
        }
    }

    /// `None`: it says no.
    async fn asked(&self, channel: &str, sender: &[u8], text: &str) -> anyhow::Result<Option<String>> {
        let body = json!({"text": text, "sender": id::hex(sender), "channel": channel}).to_string();
        let request = http::Request::post(&self.url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        let answer = self.client.request(request).await?;
        if answer.status().is_client_error() {
            return Ok(None);
        }
        anyhow::ensure!(answer.status().is_success(), "it answers {}", answer.status());
        let body = Limited::new(answer.into_body(), MOST_ANSWER)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!(error))?;
        let answer: Value = serde_json::from_slice(&body.to_bytes())?;
        match answer["text"].as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => anyhow::bail!("its answer has no text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_blocked_as_words() {
        let words = Words::new(&["Grass".into(), " two words ".into(), String::new()]);
        for text in ["grass", "the GRASS, green", "say two words now"] {
            assert_eq!(words.check(text).map_err(|refusal| refusal.code), Err(Code::BlockedWord), "{text}");
        }
        for text in ["grasshopper", "two  words", "", "ẞgrassß"] {
            assert!(words.check(text).is_ok(), "{text}");
        }
    }
}
