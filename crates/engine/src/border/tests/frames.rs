//! Frames that are cut, changed or missing.

use super::*;

#[test]
fn a_malformed_frame_changes_nothing() {
    let (mut two, frame) = frame_of_all();
    let before = all(two.b());
    for cut in 0..frame.len() {
        assert!(two.b().hear_peer(PEER, &frame[..cut]).is_err(), "cut at {cut}");
    }
    let more: Vec<u8> = frame.iter().copied().chain([0]).collect();
    assert!(two.b().hear_peer(PEER, &more).is_err());
    assert_eq!(all(two.b()), before);
    two.b().hear_peer(PEER, &frame).expect("whole");
    let after = all(two.b());
    assert_ne!(after, before);
    two.b().hear_peer(PEER, &frame).expect("old");
    assert_eq!(all(two.b()), after);
    two.steps(1);
    assert!(two.b().ecs.query::<&Body>().iter(&two.b().ecs).any(|body| body.health == 15));
}

#[test]
fn a_gap_closes_the_line() {
    let mut two = Two::new();
    let sheep = two.sheep(0, (190.0, 100.0), (0.1, 0.0));
    two.steps(2);
    two.line = false;
    for _ in 0..2 {
        two.a().step(1.0);
        two.last[0].clear();
        let mut out = Vec::new();
        two.a().tell_peer(PEER, B, 9_000, &mut out);
        two.last[0] = out;
    }
    let frame = two.last[0].clone();
    let gid = *two.a().ecs.get::<Gid>(sheep).expect("told");
    let before = all(two.b())[&gid].clone();
    assert_eq!(two.b().hear_peer(PEER, &frame), Err(Malformed));
    assert_eq!(all(two.b())[&gid], before);
}
