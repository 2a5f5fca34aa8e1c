//! Silences: what they match opens no order while they hold, and opens it when they end if it still goes on.

use yiwang_model::{Anomaly, Phase, Series, Timestamp};

use super::city::{self, moment};
use super::script::Writer;
use super::switch::{around, dust, phases, restarted, speak, steps, verdict};
use super::world::{Verdict, block_on, derived};

/// The small city with a silence from one second to another, for this.
fn silenced(from: i64, to: i64, what: &str) -> String {
    let (from, to) = (moment(from), moment(to));
    format!(
        "{}\n\n[[silence]]\nid = \"known\"\nwho = \"desk\"\nwhy = \"known\"\nfrom = {from}\nto = {to}\n{what}\n",
        city::TEXT
    )
}

/// When the order of an episode came in, if it has one.
fn ordered(verdict: &Verdict, of: &Anomaly) -> Option<Timestamp> {
    verdict.orders.get(&of.id).map(|order| order.draft.received)
}

fn of_station<'a>(verdict: &'a Verdict, detector: &str, station: &str) -> Vec<(u64, &'a Anomaly)> {
    let mut all = steps(verdict, detector);
    all.retain(|(_, anomaly)| **anomaly.series.source() == *station);
    all
}

#[test]
fn an_episode_in_a_silence_opens_its_order_when_that_ends() {
    let mut writer = Writer::new(&silenced(0, 300, "stations = [\"e-1\"]\ndetectors = [\"dust-limit\"]"));
    speak(&mut writer, &["e-1", "e-2"], 0..600, around(200.0));
    let verdict = verdict(&writer);
    let quiet = of_station(&verdict, "dust-limit", "e-1");
    assert_eq!(phases(&quiet), [Phase::Raised, Phase::Raised], "recorded, then opened");
    assert_eq!(quiet[0].1.silenced.as_deref(), Some("known"));
    assert_eq!((quiet[1].1.silenced.as_deref(), quiet[1].1.id), (None, quiet[0].1.id));
    assert_eq!(ordered(&verdict, quiet[0].1), Some(moment(301)), "at the first tick behind it");
    let other = of_station(&verdict, "dust-limit", "e-2");
    assert_eq!(ordered(&verdict, other[0].1), Some(moment(1)), "nobody silenced that one");
    assert_eq!(verdict.counts.silenced, 1);
}

#[test]
fn what_was_over_before_the_silence_was_opens_none_whenever_its_readings_come() {
    let text = silenced(0, 300, "metrics = [\"dust\"]\ngateways = [\"east\"]\ndetectors = [\"dust-limit\"]");
    let high = |second: i64| if (100..150).contains(&second) { 200.0 } else { around(50.0)(second) };
    let mut writer = Writer::new(&text);
    speak(&mut writer, &["e-1"], 0..100, high);
    speak(&mut writer, &["e-1"], 160..400, high);
    (100..160).step_by(10).for_each(|second| writer.row(&dust("e-1"), second, high(second)));
    writer.tick(moment(402));
    speak(&mut writer, &["e-2"], 410..500, high);
    let verdict = verdict(&writer);
    let quiet = of_station(&verdict, "dust-limit", "e-1");
    assert_eq!(phases(&quiet), [Phase::Raised, Phase::Cleared], "{quiet:?}");
    assert!(quiet.iter().all(|(_, anomaly)| anomaly.silenced.is_some()), "{quiet:?}");
    assert_eq!(ordered(&verdict, quiet[0].1), None);
}

#[test]
fn a_silence_that_is_taken_out_ends_there() {
    let mut writer =
        Writer::new(&silenced(0, 3_000, "districts = [\"510104\"]\ndetectors = [\"dust-limit\"]"));
    speak(&mut writer, &["e-1"], 0..300, around(200.0));
    writer.catalogue(city::TEXT);
    speak(&mut writer, &["e-1"], 300..400, around(200.0));
    let verdict = verdict(&writer);
    let quiet = of_station(&verdict, "dust-limit", "e-1");
    assert_eq!(phases(&quiet), [Phase::Raised, Phase::Raised]);
    assert_eq!(
        ordered(&verdict, quiet[0].1),
        Some(moment(311)),
        "in the epoch behind the tick that named the change"
    );
}

/// An episode seems to be over when the silence is taken out; late readings show that it went on beyond that.
#[test]
fn a_silence_that_was_taken_out_kept_an_episode_quiet_up_to_its_old_end() {
    let mut writer = Writer::new(&silenced(0, 3_000, "stations = [\"e-1\"]\ndetectors = [\"dust-limit\"]"));
    speak(&mut writer, &["e-1"], 0..200, around(200.0));
    writer.row(&dust("e-1"), 200, 51.0);
    writer.tick(moment(300));
    writer.catalogue(city::TEXT);
    (301..304).for_each(|second| writer.tick(moment(second)));
    (200..400).step_by(10).for_each(|second| writer.row(&dust("e-1"), second, around(200.0)(second)));
    writer.row(&dust("e-1"), 400, 50.0);
    writer.tick(moment(402));
    writer.tick(moment(403));
    let verdict = verdict(&writer);
    let told = of_station(&verdict, "dust-limit", "e-1");
    let quiet = told.iter().find(|(_, of)| of.phase == Phase::Cleared).unwrap().1;
    assert_eq!((quiet.end, quiet.silenced.is_some()), (Some(moment(200)), true), "{told:?}");
    let last = told.last().unwrap().1;
    assert_eq!((last.phase, last.end, last.silenced.is_some()), (Phase::Cleared, Some(moment(400)), false));
    assert_eq!(ordered(&verdict, last), Some(moment(402)));
}

/// Two silences match an episode; what its steps say does not follow from when the city was started.
#[test]
fn a_restart_changed_the_name_of_the_silence() {
    let two = format!(
        "{}\n[[silence]]\nid = \"b-later\"\nwho = \"desk\"\nwhy = \"known\"\nfrom = {}\nto = {}\nstations = [\"e-1\"]\n",
        silenced(0, 300, "stations = [\"e-1\"]"),
        moment(100),
        moment(900)
    );
    let high = |second: i64| if second < 200 { 200.0 } else { around(50.0)(second) };
    let mut writer = Writer::new(&two);
    speak(&mut writer, &["e-1"], 0..400, high);
    let names = |steps: Vec<Anomaly>| steps.into_iter().map(|of| (of.phase, of.silenced)).collect::<Vec<_>>();
    let whole =
        of_station(&verdict(&writer), "dust-limit", "e-1").into_iter().map(|(_, of)| of.clone()).collect();
    let pieces = block_on(told_with_restarts(&writer));
    let pieces = pieces.into_iter().filter(|of| *of.detector == *"dust-limit").collect();
    let (whole, pieces) = (names(whole), names(pieces));
    assert_eq!(whole.len(), 2, "{whole:?}");
    assert_eq!(whole, pieces);
}

/// What topic `derived` says of a city that is started anew after every few records.
async fn told_with_restarts(writer: &Writer) -> Vec<Anomaly> {
    let log = restarted(writer).await.0;
    derived(log.as_ref()).await.into_values().flat_map(|(_, steps)| steps).collect()
}

#[test]
fn an_episode_that_has_an_order_goes_on_with_it() {
    let high = |second: i64| if second < 200 { 200.0 } else { around(50.0)(second) };
    let mut writer = Writer::new(&silenced(100, 300, "stations = [\"e-1\"]"));
    speak(&mut writer, &["e-1"], 0..400, high);
    let verdict = verdict(&writer);
    let told = of_station(&verdict, "dust-limit", "e-1");
    assert_eq!(phases(&told), [Phase::Raised, Phase::Cleared]);
    assert!(told.iter().all(|(_, anomaly)| anomaly.silenced.is_none()), "{told:?}");
    let order = &verdict.orders[&told[0].1.id];
    assert!(order.draft.evidence.anomaly.end.is_some(), "and is told of its end");
}

/// A silent gateway says its own; so does one that a silence keeps quiet.
#[test]
fn a_gateway_that_is_silent_beyond_the_silence_is_opened_with_its_series() {
    let east = ["e-1", "e-2", "e-3"];
    let mut writer = Writer::new(&silenced(300, 500, "gateways = [\"east\"]"));
    speak(&mut writer, &east, 0..300, around(50.0));
    speak(&mut writer, &[], 300..600, around(50.0));
    let verdict = verdict(&writer);
    let gateway = steps(&verdict, "gateway-silent");
    assert_eq!(phases(&gateway), [Phase::Raised, Phase::Raised]);
    let order = &verdict.orders[&gateway[0].1.id];
    assert_eq!(order.draft.received, moment(501));
    let named: Vec<&Series> = order.draft.evidence.series.iter().collect();
    assert!(named.len() >= 3, "{named:?}");
}
