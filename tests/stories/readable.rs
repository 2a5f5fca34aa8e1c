//! A reading that was acknowledged is readable. Within one second, the house promises; how long it took is printed, and
//! asserted is only that nothing else has to happen first: no more readings, no tick of a clock that nobody moves.

use std::io::Write as _;
use std::time::{Duration, Instant};

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::mqtt::Client;
use yiwang_tests::{http, wait};

const READINGS: u16 = 20;

#[test]
fn an_acknowledged_reading_can_be_queried() {
    let mut city = City::story();
    city.fed().start();
    let begin = this_minute() - Span::HOUR;
    let mut client = Client::connect(city.at().mqtt, 5, "reader");
    let mut longest = Duration::ZERO;
    for number in 1..=READINGS {
        let time = begin + Span::MINUTE.times(number.into());
        let value = f64::from(number) / 2.0;
        let payload = format!(r#"{{"metric":"pm2_5","time":"{time}","value":{value},"unit":"µg/m³"}}"#);
        assert_eq!(client.publish_and_wait(number, "yw/v1/story-01", payload.as_bytes()), Some(0));
        let acknowledged = Instant::now();
        let (from, to) = (time.to_string(), (time + Span::SECOND).to_string());
        let (from, to) = (http::quoted(&from), http::quoted(&to));
        let path = format!("/api/v1/query?source=story-01&metric=pm2_5&from={from}&to={to}");
        wait::until("the reading is there", || {
            city.json(&path)["points"][0]["value"].as_f64() == Some(value)
        });
        longest = longest.max(acknowledged.elapsed());
    }
    let _ = writeln!(
        std::io::stderr(),
        "readable: after {:.3} s at the longest of {READINGS}; promised is 1 s",
        longest.as_secs_f64()
    );
}
