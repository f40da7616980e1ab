//! Goes through a model completely: stateright for what must never be, a pass of our own for what must stay
//! possible.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash, Hasher};

use stateright::{Checker as _, Expectation, HasDiscoveries, Model};

/// A model with a goal that must be reachable from everywhere without any further fault.
pub trait Protocol: Model + Clone + Send + Sync + 'static {
    /// Whether this step is no fault: the protocol may count on it.
    fn fair(&self, step: &Self::Action) -> bool;
    /// Whether everything is settled here.
    fn goal(&self, state: &Self::State) -> bool;
}

/// What a model must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing forbidden can be reached, what it is for can, and the goal can always be reached.
    Holds,
    /// This property has a counterexample.
    Breaks(&'static str),
    /// Some state has no way to the goal.
    Stuck,
}

/// One model with its budget.
pub struct Run {
    /// What it is.
    pub name: String,
    /// What it must show.
    pub expect: Expect,
    check: Box<dyn Fn(Expect) -> Report + Send>,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Different states.
    pub states: usize,
    /// States without a way to the goal.
    pub stuck: usize,
    /// What is not as expected, or empty.
    pub wrong: String,
    /// The way to the first counterexample or stuck state.
    pub trace: Vec<String>,
}

impl Run {
    /// A model with what it must show.
    pub fn new<P>(name: impl Into<String>, expect: Expect, model: P) -> Self
    where
        P: Protocol,
        P::State: Clone + PartialEq + Hash + Debug + Send + Sync,
        P::Action: Clone + PartialEq + Debug,
    {
        let check = move |expect| match expect {
            Expect::Holds => holds(&model),
            Expect::Breaks(property) => breaks(&model, property),
            Expect::Stuck => stuck(&model),
        };
        Self { name: name.into(), expect, check: Box::new(check) }
    }

    /// Goes through it.
    pub fn check(&self) -> Report {
        (self.check)(self.expect)
    }
}

fn holds<P>(model: &P) -> Report
where
    P: Protocol,
    P::State: Clone + PartialEq + Hash + Debug + Send + Sync,
    P::Action: Clone + PartialEq + Debug,
{
    let until = HasDiscoveries::AnyFailures;
    let checker = model.clone().checker().threads(2).finish_when(until).spawn_bfs().join();
    let mut found = checker.discoveries();
    for property in model.properties() {
        let path = found.remove(property.name);
        let wrong = match (property.expectation, &path) {
            (Expectation::Sometimes, None) => format!("never: {}", property.name),
            (Expectation::Always, Some(_)) => format!("broken: {}", property.name),
            _ => continue,
        };
        let trace = path.map(|path| path.into_actions().iter().map(|step| format!("{step:?}")).collect());
        let trace = trace.unwrap_or_default();
        return Report { states: checker.unique_state_count(), wrong, trace, ..Report::default() };
    }
    let mut report = stuck(model);
    if report.stuck > 0 {
        report.wrong = format!("{} states have no way to the goal", report.stuck);
    } else if report.states != checker.unique_state_count() {
        report.wrong =
            format!("the passes differ: {} states, {}", report.states, checker.unique_state_count());
    } else {
        report.wrong.clear();
    }
    report
}

fn breaks<P>(model: &P, property: &'static str) -> Report
where
    P: Protocol,
    P::State: Clone + Hash,
    P::Action: Debug,
{
    let known = model.properties().into_iter().find(|known| known.name == property);
    let Some(known) = known else { panic!("no such property: {property}") };
    let space = Space::explore(model, |state| !(known.condition)(model, state));
    match space.stopped {
        Some(at) => Report { states: space.found.len(), trace: space.trace(model, at), ..Report::default() },
        None => {
            let wrong = format!("{property}: no counterexample");
            Report { states: space.found.len(), wrong, ..Report::default() }
        }
    }
}

/// From every state that can be reached, some continuation without faults reaches the goal (`AG EF goal`).
fn stuck<P>(model: &P) -> Report
where
    P: Protocol,
    P::State: Clone + Hash,
    P::Action: Debug,
{
    let mut space = Space::explore(model, |_| false);
    let states = space.found.len();
    let (goals, back) = (std::mem::take(&mut space.goals), std::mem::take(&mut space.back));
    let reaches = reaches(states, goals, back);
    let stuck = reaches.iter().filter(|reaches| !**reaches).count();
    match reaches.iter().position(|reaches| !reaches) {
        Some(first) => Report { states, stuck, trace: space.trace(model, first as u32), ..Report::default() },
        None => Report { states, wrong: "every state has a way to the goal".to_owned(), ..Report::default() },
    }
}

/// What can be reached, the nearest first.
struct Space {
    /// Of each state, what it hashes to and from where it was found first.
    found: Vec<(u64, u32)>,
    /// Those where everything is settled.
    goals: Vec<u32>,
    /// The fair steps backwards: (to, from).
    back: Vec<(u32, u32)>,
    /// The state at which to stop.
    stopped: Option<u32>,
}

fn hash<S: Hash>(state: &S) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(state)
}

impl Space {
    fn explore<P: Protocol>(model: &P, stop: impl Fn(&P::State) -> bool) -> Self
    where
        P::State: Hash,
    {
        let mut space = Self { found: Vec::new(), goals: Vec::new(), back: Vec::new(), stopped: None };
        let mut known: HashMap<u64, u32, BuildHasherDefault<Same>> = HashMap::default();
        let mut layer: Vec<(u32, P::State)> = Vec::new();
        for (index, state) in (0..).zip(model.init_states()) {
            known.insert(hash(&state), index);
            space.found.push((hash(&state), index));
            layer.push((index, state));
        }
        let mut steps = Vec::new();
        while !layer.is_empty() {
            let mut next_layer = Vec::new();
            for (from, state) in layer {
                if stop(&state) {
                    space.stopped = Some(from);
                    return space;
                }
                if model.goal(&state) {
                    space.goals.push(from);
                }
                model.actions(&state, &mut steps);
                for step in steps.drain(..) {
                    let fair = model.fair(&step);
                    let Some(next) = model.next_state(&state, step) else { continue };
                    let hashed = hash(&next);
                    let to = match known.entry(hashed) {
                        Entry::Occupied(entry) => *entry.get(),
                        Entry::Vacant(entry) => {
                            let index = *entry.insert(space.found.len() as u32);
                            space.found.push((hashed, from));
                            next_layer.push((index, next));
                            index
                        }
                    };
                    if fair {
                        space.back.push((to, from));
                    }
                }
            }
            layer = next_layer;
        }
        space
    }

    /// The steps from a first state to this one.
    fn trace<P: Protocol>(&self, model: &P, to: u32) -> Vec<String>
    where
        P::State: Hash,
        P::Action: Debug,
    {
        let before = |state: &u32| Some(self.found[*state as usize].1).filter(|before| before != state);
        let mut way: Vec<u32> = std::iter::successors(Some(to), before).collect();
        let first = way.pop().unwrap_or_default();
        let mut state = model.init_states().swap_remove(first as usize);
        let mut told = Vec::new();
        for wanted in way.into_iter().rev() {
            let mut steps = Vec::new();
            model.actions(&state, &mut steps);
            for step in steps {
                let name = format!("{step:?}");
                let next = model.next_state(&state, step);
                if let Some(next) = next.filter(|next| hash(next) == self.found[wanted as usize].0) {
                    state = next;
                    told.push(name);
                    break;
                }
            }
        }
        told
    }
}

/// Which states reach one of the goals.
fn reaches(states: usize, goals: Vec<u32>, mut back: Vec<(u32, u32)>) -> Vec<bool> {
    back.sort_unstable();
    let mut reaches = vec![false; states];
    let mut open = goals;
    open.iter().for_each(|goal| reaches[*goal as usize] = true);
    while let Some(to) = open.pop() {
        let begin = back.partition_point(|edge| edge.0 < to);
        for (_, from) in back[begin..].iter().take_while(|edge| edge.0 == to) {
            if !std::mem::replace(&mut reaches[*from as usize], true) {
                open.push(*from);
            }
        }
    }
    reaches
}

/// For keys that are hashes already.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 are hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
