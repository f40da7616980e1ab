//! The rules of the state, without sockets.

use pangea_sdk::agones::beta;
use tonic::Code;

use super::state::{Counter, List, Phase, Reply, State, Verb};

fn state() -> State {
    let mut state = State::new(1_000);
    state.counters.insert("rooms".into(), Counter { count: 1, capacity: 10 });
    state.lists.insert("players".into(), List { capacity: 2, values: vec!["ann".into()] });
    state
}

fn code(state: &mut State, verb: Verb) -> Code {
    let before = state.clone();
    let refused = state.apply(verb, 0).expect_err("refused");
    assert_eq!(*state, before, "a refused verb changes nothing");
    refused.code()
}

fn count(count: i64) -> Verb {
    counter(Some(count), None, 0)
}

fn counter(count: Option<i64>, capacity: Option<i64>, count_diff: i64) -> Verb {
    Verb::UpdateCounter(beta::CounterUpdateRequest { name: "rooms".into(), count, capacity, count_diff })
}

fn list(capacity: i64, values: &[&str], mask: &[&str]) -> Verb {
    let values = values.iter().map(ToString::to_string).collect();
    let mask = mask.iter().map(ToString::to_string).collect();
    Verb::UpdateList(beta::List { name: "players".into(), capacity, values }, mask)
}

#[test]
fn phases_follow_the_verbs_until_a_final_one() {
    let mut state = state();
    for (verb, phase) in [
        (Verb::Ready, Phase::Ready),
        (Verb::Allocate, Phase::Allocated),
        (Verb::Reserve(0), Phase::Reserved),
        (Verb::Ready, Phase::Ready),
        (Verb::Shutdown, Phase::Shutdown),
        (Verb::Ready, Phase::Shutdown),
        (Verb::Allocate, Phase::Shutdown),
        (Verb::Reserve(5), Phase::Shutdown),
    ] {
        state.apply(verb.clone(), 0).expect("taken");
        assert_eq!(state.phase, phase, "after {verb:?}");
    }
    assert_eq!(state.reserved_until_ms, None);
}

#[test]
fn a_reserve_ends_by_itself_unless_another_verb_came() {
    let mut state = state();
    state.apply(Verb::Reserve(2), 10_000).expect("taken");
    state.expire(11_999);
    assert_eq!(state.phase, Phase::Reserved);
    state.expire(12_000);
    assert_eq!(state.phase, Phase::Ready);
    state.apply(Verb::Reserve(2), 10_000).expect("taken");
    state.apply(Verb::Allocate, 10_500).expect("taken");
    state.expire(20_000);
    assert_eq!(state.phase, Phase::Allocated);
    state.apply(Verb::Reserve(0), 10_000).expect("taken");
    state.expire(u64::MAX);
    assert_eq!(state.phase, Phase::Reserved, "for ever");
    assert_eq!(code(&mut state, Verb::Reserve(-1)), Code::InvalidArgument);
}

#[test]
fn every_change_raises_the_version() {
    let mut state = state();
    let mut version = state.version;
    for verb in [
        Verb::Ready,
        Verb::SetLabel("a".into(), "b".into()),
        Verb::SetAnnotation("a".into(), "b c".into()),
        count(5),
        list(5, &[], &["capacity"]),
        Verb::AddListValue("players".into(), "bob".into()),
        Verb::RemoveListValue("players".into(), "bob".into()),
    ] {
        state.apply(verb.clone(), 0).expect("taken");
        assert!(state.version > version, "{verb:?} is a change");
        version = state.version;
    }
    state.apply(Verb::GetCounter("rooms".into()), 0).expect("there");
    state.apply(Verb::GetList("players".into()), 0).expect("there");
    assert_eq!(state.version, version, "a question is no change");
}

#[test]
fn a_counter_stays_between_zero_and_its_capacity() {
    let mut state = state();
    assert_eq!(code(&mut state, count(11)), Code::OutOfRange);
    assert_eq!(code(&mut state, count(-1)), Code::OutOfRange);
    assert_eq!(code(&mut state, counter(None, None, -2)), Code::OutOfRange);
    assert_eq!(code(&mut state, counter(None, None, i64::MAX)), Code::OutOfRange);
    assert_eq!(code(&mut state, counter(None, Some(-1), 0)), Code::OutOfRange);
    assert_eq!(code(&mut state, counter(None, None, 0)), Code::InvalidArgument);
    assert_eq!(code(&mut state, Verb::GetCounter("nope".into())), Code::NotFound);
    state.apply(counter(None, None, 9), 0).expect("ten");
    let shown = state.apply(counter(None, Some(3), 0), 0).expect("lower");
    assert_eq!(shown, Reply::Counter(beta::Counter { name: "rooms".into(), count: 3, capacity: 3 }));
}

#[test]
fn a_list_keeps_different_values_up_to_its_capacity() {
    let mut state = state();
    let add = |value: &str| Verb::AddListValue("players".into(), value.into());
    assert_eq!(code(&mut state, add("ann")), Code::AlreadyExists);
    state.apply(add("bob"), 0).expect("room for two");
    assert_eq!(code(&mut state, add("cid")), Code::OutOfRange);
    assert_eq!(code(&mut state, Verb::RemoveListValue("players".into(), "cid".into())), Code::NotFound);
    assert_eq!(code(&mut state, Verb::AddListValue("nope".into(), "x".into())), Code::NotFound);
    assert_eq!(code(&mut state, list(1_001, &[], &["capacity"])), Code::OutOfRange);
    assert_eq!(code(&mut state, list(1, &[], &["kapazität"])), Code::InvalidArgument);
    assert_eq!(code(&mut state, add(&"x".repeat(2_000))), Code::InvalidArgument, "the length comes first");
    state.apply(list(1, &[], &["capacity"]), 0).expect("smaller");
    assert_eq!(state.lists["players"].values, ["ann"], "the last ones are dropped");
    state.apply(list(5, &[], &[]), 0).expect("no mask: what is set");
    assert_eq!(state.lists["players"], List { capacity: 5, values: vec!["ann".into()] });
    state.apply(list(0, &["x", "x", "y"], &["values"]), 0).expect("overwritten");
    assert_eq!(state.lists["players"], List { capacity: 5, values: vec!["x".into(), "y".into()] });
}

#[test]
fn keys_and_values_have_bounds() {
    let mut state = state();
    let label = |key: &str, value: &str| Verb::SetLabel(key.into(), value.into());
    state.apply(label("mode", "duel_2.0-x"), 0).expect("allowed");
    assert_eq!(state.labels["agones.dev/sdk-mode"], "duel_2.0-x");
    for (key, value) in [
        ("", "x"),
        ("a/b", "x"),
        ("a-", "x"),
        ("ok", "two words"),
        ("ok", "-x"),
        (&"k".repeat(60), "x"),
        ("ok", &"v".repeat(64)),
    ] {
        assert_eq!(code(&mut state, label(key, value)), Code::InvalidArgument, "{key} = {value}");
    }
    let long = Verb::SetAnnotation("ok".into(), "v".repeat(16_385));
    assert_eq!(code(&mut state, long), Code::InvalidArgument);
    for number in 1..64 {
        state.apply(label(&format!("n{number}"), ""), 0).expect("up to 64");
    }
    assert_eq!(code(&mut state, label("one-more", "")), Code::ResourceExhausted);
    state.apply(label("mode", "again"), 0).expect("those that are there can change");
}
