//! Slack: one message for each question, which follows it; and the clicks that come back.
//!
//! In: the interactions endpoint (`clicks`), or Socket Mode (`socket`) where Slack cannot reach the engine. Out: the Web API
//! (`client`). What is said is `blocks`, what is shown `picture`.

mod blocks;
mod clicks;
mod client;
mod picture;
mod signature;
mod socket;

use std::sync::Arc;

use async_trait::async_trait;
use stanch_contract::{Failure, FailureCode, text};
use stanch_sandbox::gate::Facilities;

use self::client::{Client, Picture, Place};
use super::{Card, Channel, Details, Standing};
use crate::config::settings::Slack;
use crate::report::curve::Curve;
use crate::secrets::Secrets;
use crate::snapshot::Current;

pub use self::clicks::{PATH, Workspace};
pub(super) use self::socket::run as listen;

/// What asks the Web API.
pub(super) fn client(facilities: Arc<Facilities>, secrets: Arc<Secrets>) -> Client {
    Client::new(facilities, secrets)
}

/// A channel of Slack.
pub(super) struct SlackChannel {
    pub(super) client: Arc<Client>,
    pub(super) current: Arc<Current>,
    pub(super) to: String,
}

impl SlackChannel {
    /// How Slack is reached now: tokens and settings have the values of now.
    fn slack(&self) -> Result<Slack, Failure> {
        settings(&self.current)
    }
}

fn settings(current: &Current) -> Result<Slack, Failure> {
    let slack = current.load().settings.slack.clone();
    slack.ok_or_else(|| Failure::new(FailureCode::Denied, "stanch.toml has no `[slack]` any more"))
}

fn place(reference: &str) -> Result<Place, Failure> {
    Place::of(reference)
        .ok_or_else(|| Failure::new(FailureCode::NotFound, "the message is not known any more"))
}

fn pictures(curves: &[Curve]) -> Vec<Picture> {
    let drawn = curves.iter().enumerate().filter_map(|(at, curve)| {
        Some(Picture {
            name: format!("curve-{}.png", at + 1),
            said: text::clean_line_to(&curve.said, 300),
            bytes: picture::png(curve)?,
        })
    });
    drawn.collect()
}

#[async_trait]
impl Channel for SlackChannel {
    async fn ask(&self, card: &Card, details: &Details) -> Result<String, Failure> {
        let slack = self.slack()?;
        let (line, blocks) = (blocks::line(card), blocks::message(card));
        let at = self
            .client
            .post(&slack, &self.to, None, &line, Some(blocks))
            .await?;
        // The question is there, and people answer: what is said and shown below it keeps nobody.
        let (client, place, more) = (self.client.clone(), at.clone(), blocks::details(&details.text));
        let (run, text, curves) = (card.run.clone(), details.text.clone(), details.curves.clone());
        tokio::spawn(async move {
            let pictures = pictures(&curves);
            if !pictures.is_empty()
                && let Err(failure) = client.pictures(&slack, &place, pictures).await
            {
                tracing::warn!(%failure, %run, "the curves of a question are not in Slack");
            }
            if text.is_empty() {
                return;
            }
            let said = client.post(
                &slack,
                &place.channel,
                Some(&place.ts),
                "The run in detail",
                Some(more),
            );
            if let Err(failure) = said.await {
                tracing::warn!(%failure, %run, "the details of a question are not in Slack");
            }
        });
        Ok(at.reference())
    }

    async fn show(&self, reference: &str, card: &Card) -> Result<(), Failure> {
        let slack = self.slack()?;
        let at = place(reference)?;
        self.client
            .update(&slack, &at, &blocks::line(card), blocks::message(card))
            .await?;
        if let Standing::Over { what, .. } = &card.standing {
            let text = blocks::escape(what);
            self.client
                .post(&slack, &at.channel, Some(&at.ts), &text, None)
                .await?;
        }
        Ok(())
    }

    async fn warn(&self, reference: &str, card: &Card) -> Result<(), Failure> {
        let (expires, what) = match &card.standing {
            Standing::Open { expires, .. } => (expires, "a no"),
            Standing::Waits {
                until: Some(until), ..
            } => (until, "taken for not done"),
            _ => return Ok(()),
        };
        let slack = self.slack()?;
        let at = place(reference)?;
        let until = crate::report::words::clock(*expires);
        let seconds = expires.0 / 1_000;
        let text =
            format!("Nobody answered yet. No answer by <!date^{seconds}^{{time_secs}}|{until}> is {what}.");
        self.client
            .post(&slack, &at.channel, Some(&at.ts), &text, None)
            .await
            .map(drop)
    }
}
