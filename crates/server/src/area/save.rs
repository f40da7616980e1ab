//! Checkpoints as the loop makes them: what is to be kept is copied between two steps; the sum, the comparison
//! and the file are made on a thread of their own. Central answers when it has one; only then comes the next.

use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

use pangea_world::Code;
use pangea_world::messages::{AreaSaved, Body, SaveArea};
use ring::digest::{SHA256, digest};

use super::here::Area;
use crate::checkpoint::{Checkpoint, MOST_BYTES};

/// How often an area is saved at most, ms: a kill costs no more.
const SAVE_EVERY_MS: u64 = 5_000;

/// How long central's answer is waited for, ms.
const ANSWER_MS: u64 = 120_000;

type Sum = Vec<u8>;

/// The sum of what was saved, and its file.
type Made = Option<(Sum, Vec<u8>)>;

/// What is under way.
#[derive(Debug, Default)]
pub struct Saving {
    /// When the next one is begun, ms of the clock.
    next_ms: u64,
    /// Sum of what central has.
    saved: Option<Sum>,
    /// A file in the making; `None` comes out if nothing changed.
    work: Option<JoinHandle<Made>>,
    /// Sum of what central was told, its tick, and how long its answer is waited for, ms of the clock.
    told: Option<(Sum, u64, u64)>,
    /// The tick of what is in the making.
    tick: u64,
}

impl Area {
    /// Once a second: what changed since it was saved last is saved, at most every few seconds.
    pub fn save_changes(&mut self) {
        self.saving.told.take_if(|(.., until_ms)| *until_ms <= self.now_ms);
        if let Some(work) = self.saving.work.take_if(|work| work.is_finished()) {
            let tick = self.saving.tick;
            match work.join() {
                Ok(Some((sum, state))) => {
                    self.saving.told = Some((sum, tick, self.now_ms + ANSWER_MS));
                    let epoch = self.settings.epoch;
                    self.tell(Body::SaveArea(SaveArea { epoch, state, last: false }));
                }
                Ok(None) => {}
                Err(_) => {
                    self.gauges.refused_saves.fetch_add(1, Relaxed);
                    tracing::error!(area = self.settings.name, "a checkpoint could not be made");
                }
            }
            return;
        }
        let idle = self.saving.work.is_none() && self.saving.told.is_none();
        if !idle || self.now_ms < self.saving.next_ms || !self.acts || !self.has_room() {
            return;
        }
        self.saving.next_ms = self.now_ms + SAVE_EVERY_MS;
        let checkpoint = self.checkpoint();
        let (tick, saved) = (checkpoint.tick, self.saving.saved.clone());
        let name = self.settings.name.clone();
        let work = move || {
            let sum = digest(&SHA256, &checkpoint.save).as_ref().to_vec();
            (saved.as_ref() != Some(&sum)).then(|| file(&name, &checkpoint)).flatten().map(|file| (sum, file))
        };
        match std::thread::Builder::new().name("checkpoint".into()).spawn(work) {
            Ok(work) => {
                // Virtual time does not know how long a thread works.
                while cfg!(feature = "simulation") && !work.is_finished() {
                    std::thread::yield_now();
                }
                (self.saving.work, self.saving.tick) = (Some(work), tick);
            }
            Err(error) => tracing::error!(area = self.settings.name, %error, "no thread for a checkpoint"),
        }
    }

    /// The last one of this life.
    pub fn save_last(&mut self) {
        let epoch = self.settings.epoch;
        let checkpoint = self.checkpoint();
        if let Some(state) = file(&self.settings.name, &checkpoint) {
            self.tell(Body::SaveArea(SaveArea { epoch, state, last: true }));
        }
    }

    /// Central has it, or could not keep it.
    pub fn on_saved(&mut self, saved: &AreaSaved) {
        let Some((sum, ..)) = self.saving.told.take_if(|(_, tick, _)| *tick == saved.tick) else { return };
        match &saved.refused {
            None => self.saving.saved = Some(sum),
            Some(refused) => {
                let area = &self.settings.name;
                self.gauges.refused_saves.fetch_add(1, Relaxed);
                self.gauges.refusals.count(refused.code.parse().unwrap_or(Code::Internal));
                tracing::warn!(area, code = refused.code, "a checkpoint was not kept; the next one may be");
            }
        }
    }

    /// Central knows us anew: its answer may be lost.
    pub fn save_again(&mut self) {
        self.saving.told = None;
    }

    fn checkpoint(&mut self) -> Checkpoint {
        let save = self.sim.save();
        if save.left_out > 0 {
            let area = &self.settings.name;
            tracing::warn!(
                area,
                save.left_out,
                "more tiles are altered than can be saved: the oldest are not"
            );
        }
        let (area, epoch) = (self.ledger.area(), self.settings.epoch);
        Checkpoint { area, epoch, tick: self.sim.tick(), save: save.bytes }
    }
}

/// One that is too long is not written: the one before stays.
fn file(area: &str, checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    let file = checkpoint.write();
    if file.len() <= MOST_BYTES {
        return Some(file);
    }
    tracing::error!(area, bytes = file.len(), "a checkpoint is too long; the one before it is kept");
    None
}
