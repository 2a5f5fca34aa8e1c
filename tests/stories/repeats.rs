//! The same readings again: through the other doors, in other batches, three times over. Nothing changes.

use yiwang_model::{OrderState, Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::mqtt::Client;
use yiwang_tests::orders::{self, all, assert_same};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{http, wait};

const LASTS: Span = Span::HOUR.times(8);
const STATIONS: u32 = 6;

#[test]
fn thrice_is_once_whatever_the_door_and_the_batch() {
    let begin = this_minute();
    let mut once = City::story();
    once.fed().start();
    send(&once, begin, Door::Grpc, &[]);
    let mut thrice = City::story();
    thrice.fed().start();
    send(&thrice, begin, Door::Mqtt, &["--window", "7m"]);
    send(&thrice, begin, Door::Influx, &["--window", "1h"]);
    send(&thrice, begin, Door::Both, &["--window", "13m"]);
    for city in [&once, &thrice] {
        city.settle();
    }
    assert_same(&all(&thrice), &all(&once));
    for station in 1..=STATIONS {
        let points = |city| stored(city, station, begin, usize::try_from(LASTS.0 / Span::MINUTE.0).unwrap());
        assert_eq!(points(&thrice), points(&once), "station {station}");
    }
    let readings = f64::from(STATIONS) * LASTS.as_secs_f64() / 60.0;
    // A repeat of what is settled is counted as too late, and changes nothing either.
    let counts = |city: &City| {
        let of = |name: &str| city.metric(&format!("yiwang_{name}_total"));
        (of("judged"), of("repeats") + of("too_late"), of("corrections"))
    };
    assert_eq!(counts(&once), (readings, 0.0, 0.0));
    assert_eq!(counts(&thrice), (readings, 2.0 * readings, 0.0));
    thrice.stop().reconcile(false, &[]).must_balance();
}

/// Pain 9: two readings a millisecond apart, through two doors, open one anomaly, and one reading clears it.
#[test]
fn pain_09_two_readings_milliseconds_apart_open_one_order() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let mut client = Client::connect(city.at().mqtt, 4, "other");
    let pair = vec![pm2_5("story-01", begin, 90.0), pm2_5("story-01", begin + Span(1_000_000), 91.0)];
    gateway.rows(pair).unwrap();
    let again = json(begin + Span(2_000_000), 92.0);
    assert_eq!(client.publish_and_wait(1, "yw/v1/story-01", again.as_bytes()), Some(0));
    gateway.rows(vec![pm2_5("story-01", begin + Span::MINUTE, 10.0)]).unwrap();
    city.settle();
    let found = orders::orders(&city, "detector=now");
    assert_eq!(found.len(), 1);
    let anomaly = &found[0].draft.evidence.anomaly;
    assert_eq!((anomaly.begin, anomaly.end), (begin, Some(begin + Span::MINUTE)));
    assert_eq!(anomaly.extreme, 92.0);
}

/// Pain 10: after a clear, and also after somebody closed its order by hand, an episode is a new one with an order of its
/// own; the old order stays as it was.
#[test]
fn pain_10_each_episode_has_an_order_of_its_own() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let mut at = |minute: i64, value: f64| {
        gateway.rows(vec![pm2_5("story-01", begin + Span::MINUTE.times(minute), value)]).unwrap();
    };
    at(0, 90.0);
    city.settle();
    let first = orders::orders(&city, "detector=now").remove(0);
    close(&city, &first.no.0);
    // So much worse that it is said once more, of the closed order.
    at(1, 120.0);
    city.settle();
    let still = orders::orders(&city, "detector=now");
    assert_eq!(
        (still.len(), still[0].state),
        (1, OrderState::Closed),
        "the episode lasts, its order was closed by hand"
    );
    assert_eq!(still[0].draft.evidence.anomaly.extreme, 120.0);
    at(2, 20.0);
    at(3, 90.0);
    city.settle();
    let both = orders::orders(&city, "detector=now");
    assert_eq!(both.len(), 2);
    let (old, fresh): (Vec<_>, Vec<_>) = both.iter().partition(|order| order.no == first.no);
    let (old, fresh) = (old[0], fresh[0]);
    assert_eq!(
        (old.state, old.draft.evidence.anomaly.end),
        (OrderState::Closed, Some(begin + Span::MINUTE.times(2)))
    );
    assert_eq!(fresh.state, OrderState::Opened);
    assert_eq!(fresh.draft.evidence.anomaly.begin, begin + Span::MINUTE.times(3));
    assert_ne!(fresh.anomaly, first.anomaly);
}

/// Another value under the same key is a correction: the last one in log order is what is stored, and it is counted.
#[test]
fn another_value_under_the_same_key_corrects() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for value in [30.0, 31.0, 31.0, 32.0] {
        gateway.rows(vec![pm2_5("story-01", begin, value)]).unwrap();
    }
    city.settle();
    wait::until("the last correction is in the store", || {
        stored(&city, 1, begin, 1)["points"][0]["value"] == 32.0
    });
    assert_eq!((city.metric("yiwang_corrections_total"), city.metric("yiwang_repeats_total")), (2.0, 1.0));
    city.stop().reconcile(false, &[]).must_balance();
}

fn send(city: &City, begin: Timestamp, door: Door, further: &[&str]) {
    let input = city.beside("story.csv");
    Feed::rhythm(STATIONS, begin, LASTS).write(&input);
    let report = Sim::replay(city, door, &[&input], further).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
}

/// All points of a station, once the store has so many.
fn stored(city: &City, station: u32, begin: Timestamp, wanted: usize) -> serde_json::Value {
    let (from, to) = (begin.to_string(), (begin + LASTS).to_string());
    let (from, to) = (http::quoted(&from), http::quoted(&to));
    let path = format!("/api/v1/query?source=story-{station:02}&metric=pm2_5&from={from}&to={to}");
    let answer = wait::until_some(&format!("station {station} has {wanted} points"), || {
        let answer = city.json(&path);
        (answer["points"].as_array()?.len() >= wanted).then_some(answer)
    });
    assert_eq!(answer["points"].as_array().map(Vec::len), Some(wanted), "station {station}");
    answer
}

fn json(time: Timestamp, value: f64) -> String {
    format!(r#"{{"metric":"pm2_5","time":"{time}","value":{value},"unit":"µg/m³"}}"#)
}

fn close(city: &City, no: &str) {
    for state in ["accepted", "dispatched", "handling", "replied", "closed"] {
        let body = format!(r#"{{"to":"{state}","note":"by hand"}}"#);
        let (status, answer) =
            http::post(city.at().http, &format!("/api/v1/orders/{no}/transitions"), &body).unwrap();
        assert_eq!(status, 200, "{state}: {answer}");
    }
}
