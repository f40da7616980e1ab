//! Characters near a border of their area. The neighbour is made ready for whoever comes near, and his client
//! sees it before he goes over (docs/handoff.md). Until then the border is shut for him.

use pangea_world::frames::ServerMessage;
use pangea_world::id::{CharacterId, TransferId};
use pangea_world::messages::{Body, CharacterAt, GoOn, GoOnReply};
use pangea_world::space::Rect;
use pangea_world::{Code, Refusal};

use super::here::{Area, Here};
use super::together::Common;

/// So far beyond the line one stands who goes over, metres: who turns back on it stays where he is.
pub const OVER_M: f64 = 1.0;

/// Who is so much farther from a border than where it was prepared for him does not need it any more.
const FARTHER: f64 = 1.5;

/// Most neighbours that are prepared for one character: those of a corner.
const MOST_BORDERS: usize = 3;

/// How long the answer to a question, and then the client, is waited for, ms.
const ASK_MS: u64 = 40_000;
const COME_MS: u64 = 10_000;

/// How long a border that could not be had stays shut at first, and at last, ms.
const SHUT_MS: u64 = 500;
const LONGEST_SHUT_MS: u64 = 8_000;

/// Who is so near to a shut border is told why, metres, and so far from it he may be told again.
pub const TOLD_M: f64 = 0.5;
const NOT_TOLD_M: f64 = 5.0;

/// The borders to which a character is near.
#[derive(Debug, Default)]
pub struct Borders {
    near: Vec<Border>,
    /// Of one who goes with others: where they all can go.
    pub common: Option<Common>,
    /// Why it cannot be had was told since he came to it.
    told: bool,
}

#[derive(Debug)]
struct Border {
    /// The ground beyond, metres.
    ground: Rect,
    stage: Stage,
    /// How often it could not be had, one after the other.
    failed: u32,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Central was asked, and when that is forgotten.
    Asked { request: u64, until_ms: u64 },
    /// The client was told, and when it must have come.
    Offered { transfer: TransferId, until_ms: u64 },
    /// The client sees the neighbour: the border is open.
    Open { transfer: TransferId },
    /// It cannot be had, and when central is asked again.
    Shut { until_ms: u64, why: Refusal },
}

impl Borders {
    /// The grounds that are open to it, each with the handoff that was prepared for it.
    pub fn open(&self) -> impl Iterator<Item = (Rect, TransferId)> {
        self.near.iter().filter_map(|border| match border.stage {
            Stage::Open { transfer } => Some((border.ground, transfer)),
            _ => None,
        })
    }

    fn by_transfer(&mut self, wanted: &[u8]) -> Option<&mut Border> {
        self.near.iter_mut().find(|border| match &border.stage {
            Stage::Offered { transfer, .. } | Stage::Open { transfer } => transfer.0 == wanted,
            _ => false,
        })
    }

    fn by_request(&mut self, wanted: u64) -> Option<&mut Border> {
        let of_it = |stage: &Stage| matches!(stage, Stage::Asked { request, .. } if *request == wanted);
        self.near.iter_mut().find(|border| of_it(&border.stage))
    }
}

impl Border {
    fn transfer(&self) -> Option<TransferId> {
        match self.stage {
            Stage::Offered { transfer, .. } | Stage::Open { transfer } => Some(transfer),
            _ => None,
        }
    }

    fn shut(&mut self, now_ms: u64, why: Refusal) {
        let pause_ms = (SHUT_MS << self.failed.min(8)).min(LONGEST_SHUT_MS);
        self.failed += 1;
        self.stage = Stage::Shut { until_ms: now_ms + pause_ms, why };
    }

    /// What a player is told who stands before it.
    fn why(&self) -> Refusal {
        let text = match &self.stage {
            Stage::Shut { why, .. } => format!("the land beyond cannot be entered now: {}", why.text),
            Stage::Open { .. } => "the land beyond is not ready for those who go with you".to_owned(),
            _ => "the land beyond is being made ready".to_owned(),
        };
        Refusal::new(Code::BorderShut, text)
    }
}

/// What a step means for one character near a border.
enum Step {
    Asks { character: CharacterId, epoch: u64, request: u64, ground: Rect, at: (f64, f64) },
    CallsOff { character: CharacterId, epoch: u64, transfer: TransferId },
    Reaches { entity: u16, reach: Vec<Rect> },
    Hears { client: Option<usize>, why: Refusal },
    Crosses { character: CharacterId, transfer: TransferId, epoch: u64 },
}

impl Area {
    /// After a step: who comes near a border is prepared for, who walks away is not any more, who stands beyond
    /// it goes over.
    pub fn watch_borders(&mut self) {
        if self.settings.beyond.is_empty() {
            return;
        }
        self.watch_groups();
        let (extent, near_m) = (self.sim.extent(), f64::from(self.settings.view_m));
        let (now_ms, mut requests) = (self.now_ms, self.requests);
        let mut steps = Vec::new();
        for (character, here) in self.here.iter_mut().filter(|(_, here)| here.in_world) {
            let Some(at) = self.sim.place(here.entity).filter(|_| here.frozen.is_none()) else { continue };
            if here.borders.near.is_empty() && within(extent, at) > near_m {
                continue;
            }
            let grounds = &self.settings.beyond;
            here.watch(*character, at, (extent, grounds, near_m), now_ms, &mut requests, &mut steps);
        }
        self.requests = requests;
        for step in steps {
            self.border_step(step);
        }
        self.cross_together();
    }

    fn border_step(&mut self, step: Step) {
        match step {
            Step::Asks { character, epoch, request, ground, at } => {
                let (x, y) = nearest(ground, at);
                self.tell(Body::GoOn(GoOn {
                    request,
                    character: character.to_vec(),
                    epoch,
                    at: true,
                    x,
                    y,
                    layer_plus_one: u32::from(self.settings.layer) + 1,
                    border: true,
                    ..GoOn::default()
                }));
            }
            Step::CallsOff { character, epoch, transfer } => self.call_off(character, epoch, transfer),
            Step::Reaches { entity, reach } => self.sim.set_reach(entity, &reach),
            Step::Hears { client, why } => self.say(client, &ServerMessage::Refused(why)),
            Step::Crosses { character, transfer, epoch } => {
                self.freeze(&[(character, transfer, epoch)], true)
            }
        }
    }

    /// Central need not hold any more what it prepared.
    pub fn call_off(&mut self, character: CharacterId, epoch: u64, transfer: TransferId) {
        let (character, transfer) = (character.to_vec(), transfer.to_vec());
        self.tell(Body::CallOff(CharacterAt { character, epoch, transfer }));
    }

    /// Central's answer, if it is one about a border; else it is given back.
    pub fn border_reply(&mut self, reply: GoOnReply) -> Option<GoOnReply> {
        let now_ms = self.now_ms;
        let Some((_, here)) = self.find(&reply.character) else { return Some(reply) };
        let client = here.client;
        let Some(border) = here.borders.by_request(reply.request) else { return Some(reply) };
        match (reply.state.as_str(), TransferId::from_bytes(&reply.transfer)) {
            ("ready", Ok(transfer)) => {
                border.stage = Stage::Offered { transfer, until_ms: now_ms + COME_MS };
                if !reply.webtransport_url.is_empty() {
                    let hashes = reply.webtransport_hashes.iter();
                    let hashes = hashes.filter_map(|hash| hash.as_slice().try_into().ok()).collect();
                    let url = reply.webtransport_url.clone();
                    self.say(client, &ServerMessage::WebTransport { url, hashes });
                }
                let (url, ticket, area) = (reply.url, reply.ticket, reply.area);
                self.say(client, &ServerMessage::Beside { url, ticket, area });
            }
            ("ready", Err(_)) => border.shut(now_ms, Refusal::new(Code::Internal, "central is too old")),
            ("refused", _) => {
                let refused = reply.refused.unwrap_or_default();
                border
                    .shut(now_ms, Refusal::new(refused.code.parse().unwrap_or(Code::Internal), refused.text));
            }
            _ => {}
        }
        None
    }

    /// Its client sees the neighbour: the border is open there.
    pub fn on_beside(&mut self, at: &CharacterAt) {
        let Some((_, here)) = self.find(&at.character).filter(|(_, here)| here.epoch == at.epoch) else {
            return;
        };
        let Some(border) = here.borders.by_transfer(&at.transfer) else { return };
        if let Some(transfer) = border.transfer() {
            (border.stage, border.failed) = (Stage::Open { transfer }, 0);
            self.reach_again(at);
        }
    }

    /// The neighbour is not ready for it any more: the border is shut there.
    pub fn border_lost(&mut self, character: CharacterId, transfer: &[u8]) {
        let now_ms = self.now_ms;
        let Some(here) = self.here.get_mut(&character) else { return };
        let Some(border) = here.borders.by_transfer(transfer) else { return };
        border.shut(now_ms, Refusal::new(Code::AreaUnavailable, "its server is not there"));
        let (entity, reach) = (here.entity, here.reach());
        self.sim.set_reach(entity, &reach);
    }

    fn reach_again(&mut self, at: &CharacterAt) {
        let Some((_, here)) = self.find(&at.character) else { return };
        let (entity, reach) = (here.entity, here.reach());
        self.sim.set_reach(entity, &reach);
    }

    /// What was prepared for a character is not wanted any more.
    pub fn shut_borders(&mut self, character: CharacterId) {
        let Some(here) = self.here.get_mut(&character) else { return };
        let borders = std::mem::take(&mut here.borders);
        let (entity, epoch) = (here.entity, here.epoch);
        self.sim.set_reach(entity, &[]);
        for transfer in borders.near.iter().filter_map(Border::transfer) {
            self.call_off(character, epoch, transfer);
        }
    }

    /// The land beyond is cut otherwise now: what was prepared on grounds that are no more is called off.
    pub fn on_beyond(&mut self, grounds: Vec<Rect>) {
        let mut shut = Vec::new();
        for (character, here) in &mut self.here {
            let before = here.borders.near.len();
            here.borders.near.retain(|border| {
                let stays = grounds.contains(&border.ground);
                if !stays && let Some(transfer) = border.transfer() {
                    shut.push((*character, Some(transfer)));
                }
                stays
            });
            if here.borders.near.len() < before {
                shut.push((*character, None));
            }
        }
        self.settings.beyond = grounds;
        for (character, transfer) in shut {
            let Some(here) = self.here.get(&character) else { continue };
            match transfer {
                Some(transfer) => self.call_off(character, here.epoch, transfer),
                None => {
                    let (entity, reach) = (here.entity, here.reach());
                    self.sim.set_reach(entity, &reach);
                }
            }
        }
    }

    /// Central was started anew, and knows of nothing that was prepared.
    pub fn forget_borders(&mut self) {
        let mut shut = Vec::new();
        for here in self.here.values_mut() {
            if here.in_world && here.frozen.is_none() {
                here.borders = Borders::default();
                shut.push(here.entity);
            } else if here.beside {
                here.leaves_at_ms = Some(self.now_ms + COME_MS);
            }
        }
        for entity in shut {
            self.sim.set_reach(entity, &[]);
        }
    }
}

impl Here {
    /// Where it may walk beyond the area.
    pub fn reach(&self) -> Vec<Rect> {
        let open = self.borders.open().map(|(ground, _)| ground);
        match &self.borders.common {
            None => open.collect(),
            Some(common) => open.filter_map(|ground| common.strip(ground)).collect(),
        }
    }

    /// `extent` and the grounds beyond it, metres, and how near to one of them it is prepared.
    fn watch(
        &mut self,
        character: CharacterId,
        at: (f64, f64),
        (extent, grounds, near_m): (Rect, &[Rect], f64),
        now_ms: u64,
        requests: &mut u64,
        steps: &mut Vec<Step>,
    ) {
        let (epoch, entity, client) = (self.epoch, self.entity, self.client);
        let over = self.borders.open().find(|(ground, _)| ground.contains(at.0, at.1));
        let alone = self.borders.common.is_none();
        if let Some((_, transfer)) = over.filter(|_| alone && -within(extent, at) >= OVER_M) {
            return steps.push(Step::Crosses { character, transfer, epoch });
        }
        let borders = &mut self.borders;
        let open = borders.open().count();
        borders.near.retain(|border| {
            let far = distance(border.ground, at) > near_m * FARTHER;
            if far && let Some(transfer) = border.transfer() {
                steps.push(Step::CallsOff { character, epoch, transfer });
            }
            !far
        });
        for border in &mut borders.near {
            match border.stage {
                Stage::Asked { until_ms, .. } if until_ms <= now_ms => {
                    border.shut(now_ms, Refusal::new(Code::AreaUnavailable, "nobody answered"));
                }
                Stage::Offered { transfer, until_ms } if until_ms <= now_ms => {
                    steps.push(Step::CallsOff { character, epoch, transfer });
                    border.shut(now_ms, Refusal::new(Code::AreaUnavailable, "it could not be reached"));
                }
                Stage::Shut { until_ms, .. } if until_ms <= now_ms && client.is_some() => {
                    *requests += 1;
                    let (request, ground) = (*requests, border.ground);
                    border.stage = Stage::Asked { request, until_ms: now_ms + ASK_MS };
                    steps.push(Step::Asks { character, epoch, request, ground, at });
                }
                _ => {}
            }
        }
        for ground in grounds.iter().filter(|ground| distance(**ground, at) <= near_m) {
            if client.is_none() || borders.near.iter().any(|border| border.ground == *ground) {
                continue;
            }
            if borders.near.len() >= MOST_BORDERS {
                // In a small area more are near than can be had: the nearest count.
                let away = |border: &Border| distance(border.ground, at);
                let places = borders.near.iter().enumerate();
                let farthest = places.max_by(|a, b| away(a.1).total_cmp(&away(b.1)));
                let Some((place, _)) =
                    farthest.filter(|(_, border)| away(border) > distance(*ground, at) + OVER_M)
                else {
                    continue;
                };
                if let Some(transfer) = borders.near.swap_remove(place).transfer() {
                    steps.push(Step::CallsOff { character, epoch, transfer });
                }
            }
            *requests += 1;
            let stage = Stage::Asked { request: *requests, until_ms: now_ms + ASK_MS };
            borders.near.push(Border { ground: *ground, stage, failed: 0 });
            let (request, ground) = (*requests, *ground);
            steps.push(Step::Asks { character, epoch, request, ground, at });
        }
        let goes = |ground| borders.common.as_ref().is_none_or(|common| common.strip(ground).is_some());
        let is_open = |border: &&Border| matches!(border.stage, Stage::Open { .. }) && goes(border.ground);
        let shut = borders.near.iter().filter(|border| !is_open(border));
        let shut = shut.map(|border| (distance(border.ground, at), Some(border)));
        let end = borders.common.as_ref().and_then(|common| common.end_m(-within(extent, at)));
        match shut.chain(end.map(|away| (away, None))).min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((away, border)) if away <= TOLD_M && !borders.told => {
                let wait = || Refusal::new(Code::BorderShut, "wait for those who go with you");
                steps.push(Step::Hears { client, why: border.map_or_else(wait, Border::why) });
                borders.told = true;
            }
            Some((away, _)) if away < NOT_TOLD_M => {}
            _ => borders.told = false,
        }
        if borders.open().count() != open {
            steps.push(Step::Reaches { entity, reach: self.reach() });
        }
    }
}

/// How far inside a rectangle a point lies, metres; negative: how far outside.
pub fn within(rect: Rect, (x, y): (f64, f64)) -> f64 {
    let across = (x - f64::from(rect.x0)).min(f64::from(rect.x1) - x);
    across.min(y - f64::from(rect.y0)).min(f64::from(rect.y1) - y)
}

/// From a point to a rectangle, metres.
fn distance(rect: Rect, (x, y): (f64, f64)) -> f64 {
    let beside = |v: f64, low: i32, high: i32| (f64::from(low) - v).max(v - f64::from(high)).max(0.0);
    beside(x, rect.x0, rect.x1).hypot(beside(y, rect.y0, rect.y1))
}

/// The point of a ground that is nearest to this one, and well inside of it, metres.
fn nearest(rect: Rect, (x, y): (f64, f64)) -> (f64, f64) {
    let inside = |v: f64, low: i32, high: i32| {
        v.max(f64::from(low) + OVER_M).min(f64::from(high) - OVER_M).max(f64::from(low))
    };
    (inside(x, rect.x0, rect.x1), inside(y, rect.y0, rect.y1))
}
