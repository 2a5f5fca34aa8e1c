//! What must hold of tales: names are one for each episode, and what was told and not withdrawn is what was found.

use std::collections::BTreeMap;

use proptest::prelude::*;
use yiwang_detect::Finding;
use yiwang_model::Severity;

use super::*;

fn subject() -> (Arc<str>, Series) {
    ("detector".into(), Series::new("s-1", "pm2_5").unwrap())
}

fn finding(begin: i64, end: Option<i64>, extreme: f64) -> Finding {
    let (begin, end) = (Timestamp(begin), end.map(Timestamp));
    Finding { begin, end, extreme, limit: Some(1.0), edition: "A".into(), severity: Severity::Warning }
}

/// The tale of episodes that were raised when they began and known when they ended, as a detector that is at 1000 found them.
fn found(episodes: &[(i64, Option<i64>, f64)]) -> Tale {
    let (detector, series) = subject();
    let mut tale = Tale::default();
    for (begin, end, extreme) in episodes {
        tale.say(Event::Raised(finding(*begin, None, *extreme)), (&detector, &series), Timestamp(*begin));
        if let Some(end) = end {
            tale.say(
                Event::Cleared(finding(*begin, Some(*end), *extreme)),
                (&detector, &series),
                Timestamp(*end),
            );
        }
    }
    tale
}

const NOW: Timestamp = Timestamp(1_000);
const LATE: [Because; 2] = [
    Because { time: Timestamp(15), value: 1.5, was: None },
    Because { time: Timestamp(50), value: 5.0, was: Some(4.0) },
];

fn revised(from: &[(i64, Option<i64>, f64)], to: &[(i64, Option<i64>, f64)]) -> (Tale, Vec<Anomaly>) {
    let mut tale = found(from);
    let said = tale.revise(Timestamp(0), found(to), &LATE, NOW);
    (tale, said)
}

fn name(begin: i64) -> AnomalyId {
    let (detector, series) = subject();
    AnomalyId::of(&detector, &series, Timestamp(begin))
}

fn told(said: &[Anomaly]) -> Vec<(Phase, AnomalyId, i64, Option<i64>)> {
    said.iter().map(|of| (of.phase, of.id, of.begin.0, of.end.map(|end| end.0))).collect()
}

#[test]
fn what_is_found_again_is_not_told_again() {
    let same = [(10, Some(20), 2.0), (30, None, 3.0)];
    assert_eq!(revised(&same, &same).1, []);
}

#[test]
fn one_that_moves_keeps_its_name_and_says_which_reading_moved_it() {
    let (mut tale, said) = revised(&[(10, Some(20), 2.0)], &[(12, Some(25), 2.0)]);
    assert_eq!(told(&said), [(Phase::Revised, name(10), 12, Some(25))]);
    assert_eq!(said[0].because, Some(LATE[0]));
    let again = tale.revise(Timestamp(0), found(&[(13, None, 2.0)]), &LATE, NOW);
    assert_eq!(told(&again), [(Phase::Revised, name(10), 13, None)]);
    let (detector, series) = subject();
    let over = tale.say(Event::Cleared(finding(13, Some(60), 2.0)), (&detector, &series), Timestamp(60));
    assert_eq!(told(&[over]), [(Phase::Cleared, name(10), 13, Some(60))]);
}

#[test]
fn of_several_that_become_one_the_earliest_stays_and_the_others_are_withdrawn_into_it() {
    let (_, said) = revised(&[(10, Some(20), 2.0), (30, Some(40), 3.0)], &[(8, Some(40), 3.0)]);
    let wanted = [(Phase::Revised, name(10), 8, Some(40)), (Phase::Withdrawn, name(30), 30, Some(40))];
    assert_eq!(told(&said), wanted);
    assert_eq!(said[1].into, Some(name(10)));
}

#[test]
fn of_one_that_falls_apart_the_earliest_part_keeps_the_name() {
    let (_, said) = revised(&[(10, Some(40), 2.0)], &[(10, Some(20), 2.0), (30, Some(40), 2.0)]);
    let wanted = [
        (Phase::Revised, name(10), 10, Some(20)),
        (Phase::Raised, name(30), 30, None),
        (Phase::Cleared, name(30), 30, Some(40)),
    ];
    assert_eq!(told(&said), wanted);
}

#[test]
fn one_that_never_was_is_withdrawn_and_is_the_same_when_it_comes_back() {
    let (mut tale, said) = revised(&[(10, None, 2.0)], &[]);
    assert_eq!(told(&said), [(Phase::Withdrawn, name(10), 10, None)]);
    assert_eq!((said[0].because, said[0].into), (Some(LATE[0]), None));
    assert_eq!(tale.revise(Timestamp(0), Tale::default(), &LATE, NOW), [], "it is not withdrawn twice");
    let mut late = tale.clone();
    let back = late.revise(Timestamp(0), found(&[(8, Some(11), 2.0)]), &LATE, NOW);
    assert_eq!(told(&back), [(Phase::Raised, name(10), 8, None), (Phase::Cleared, name(10), 8, Some(11))]);
    let (detector, series) = subject();
    let back = tale.say(Event::Raised(finding(10, None, 4.0)), (&detector, &series), Timestamp(70));
    assert_eq!(told(&[back]), [(Phase::Raised, name(10), 10, None)]);
    assert_eq!(tale.0.len(), 1);
}

#[test]
fn a_name_that_another_took_along_is_not_given_twice() {
    let (mut tale, _) = revised(&[(10, Some(40), 2.0)], &[(5, Some(8), 2.0)]);
    // What began at 10 is gone; it has its old name again only if no other has it.
    let names = |tale: &Tale| tale.0.iter().map(|told| told.anomaly.id).collect::<Vec<_>>();
    let (detector, series) = subject();
    tale.say(Event::Raised(finding(10, None, 4.0)), (&detector, &series), Timestamp(70));
    let mut names = names(&tale);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), tale.0.len());
}

#[test]
fn what_is_settled_is_let_go_of_and_is_not_withdrawn() {
    let mut tale = found(&[(10, Some(20), 2.0), (30, Some(40), 2.0), (50, None, 2.0)]);
    let said = tale.revise(Timestamp(20), found(&[(30, Some(40), 2.0), (50, None, 2.0)]), &LATE, NOW);
    assert_eq!(said, []);
    tale.settle(Timestamp(39));
    assert_eq!(tale.0.len(), 2);
    tale.settle(Timestamp(99));
    assert_eq!(tale.0.len(), 1, "one that goes on is never settled");
}

/// Episodes that follow one another, the last of them perhaps open.
fn episodes() -> impl Strategy<Value = Vec<(i64, Option<i64>, f64)>> {
    let steps = prop::collection::vec((1..30_i64, 0..30_i64, 0..3_u8), 0..6);
    (steps, any::<bool>()).prop_map(|(steps, open)| {
        let mut at = 0;
        let mut all = Vec::new();
        for (pause, lasts, extreme) in steps {
            let begin = at + pause;
            at = begin + lasts;
            all.push((begin, Some(at), f64::from(extreme)));
        }
        all.last_mut().into_iter().filter(|_| open).for_each(|last| last.1 = None);
        all
    })
}

proptest! {
    #[test]
    fn what_was_told_and_not_withdrawn_is_what_was_found(lives in prop::collection::vec(episodes(), 1..8)) {
        let mut tale = Tale::default();
        // As one who hears all steps has it.
        let mut heard: BTreeMap<AnomalyId, Anomaly> = BTreeMap::new();
        for life in &lives {
            for said in tale.revise(Timestamp(-1), found(life), &LATE, NOW) {
                let known = heard.get(&said.id);
                match said.phase {
                    Phase::Raised => prop_assert!(known.is_none_or(|known| known.phase == Phase::Withdrawn), "{:?} is there", said),
                    Phase::Worsened | Phase::Cleared | Phase::Revised | Phase::Withdrawn => {
                        prop_assert!(known.is_some_and(|known| known.phase != Phase::Withdrawn), "{:?} is not there", said);
                    }
                }
                heard.insert(said.id, said);
            }
            let held = heard.values().filter(|of| of.phase != Phase::Withdrawn);
            let mut held: Vec<_> = held.map(|of| (of.begin.0, of.end.map(|end| end.0), of.extreme)).collect();
            held.sort_by_key(|of| of.0);
            prop_assert_eq!(&held, life);
        }
    }
}
