//! The catalogue changes while the city is down: readings before are judged by the old one, after it by the new one.

use std::path::PathBuf;

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::{City, story_catalogue};
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::orders;

/// How often the city is killed with readings that nobody judged.
const ROUNDS: i64 = 5;

#[test]
fn each_reading_is_judged_by_the_catalogue_of_its_time() {
    let begin = this_minute();
    let mut city = City::story();
    let (high, low) = (limit_of(&city, 75), limit_of(&city, 40));
    city.fed().start();
    send(&city, begin, 60.0);
    city.settle();
    city.stop().catalogue(&low).start();
    // The reading before is not judged again; the next is, by the new limit.
    city.settle();
    assert_eq!(begins(&city), []);
    send(&city, begin + Span::MINUTE, 60.0);
    city.settle();
    assert_eq!(begins(&city), [begin + Span::MINUTE]);
    assert_eq!(orders::orders(&city, "detector=now")[0].draft.evidence.anomaly.limit, Some(40.0));
    city.stop().catalogue(&high).start();
    send(&city, begin + Span::MINUTE.times(2), 60.0);
    city.settle();
    let ended = &orders::orders(&city, "detector=now")[0].draft.evidence.anomaly.end;
    assert_eq!(*ended, Some(begin + Span::MINUTE.times(2)), "above the old limit, inside the new one");
}

/// Killed at the very moment of the acknowledgement, the readings lie in the log behind the last tick, unread. The process
/// that reads them has another catalogue, and must judge them by the one under which they were admitted.
#[test]
fn what_was_acknowledged_before_a_kill_is_judged_by_the_catalogue_before_it() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed();
    let (high, low) = (limit_of(&city, 75), limit_of(&city, 40));
    for round in 0..ROUNDS {
        let at = begin + Span::MINUTE.times(round * 10);
        city.catalogue(&high).start();
        send(&city, at, 60.0);
        city.kill().catalogue(&low).start();
        city.settle();
        let begun = begins(&city);
        assert!(
            !begun.contains(&at),
            "round {round}: a reading was judged by a catalogue that came after it"
        );
        send(&city, at + Span::MINUTE, 60.0);
        city.settle();
        assert!(
            begins(&city).contains(&(at + Span::MINUTE)),
            "round {round}: the new catalogue is not in force"
        );
        send(&city, at + Span::MINUTE.times(2), 10.0);
        city.stop();
    }
}

fn send(city: &City, at: Timestamp, value: f64) {
    Gateway::open(city.at().grpc, "story").rows(vec![pm2_5("story-01", at, value)]).unwrap();
}

/// When the episodes of detector `now` began, in order.
fn begins(city: &City) -> Vec<Timestamp> {
    let orders = orders::orders(city, "detector=now");
    let mut begins: Vec<_> = orders.iter().map(|order| order.draft.evidence.anomaly.begin).collect();
    begins.sort_unstable();
    begins
}

/// The story's catalogue with another limit.
fn limit_of(city: &City, value: u32) -> PathBuf {
    let text = std::fs::read_to_string(story_catalogue()).unwrap();
    let file = city.beside(&format!("limit-{value}.toml"));
    assert!(text.contains("value = 75\n"));
    std::fs::write(&file, text.replace("value = 75\n", &format!("value = {value}\n"))).unwrap();
    file
}
