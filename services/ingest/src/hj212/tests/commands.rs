//! Loggers are told what to do: who asks is told all that the logger said, and nothing that it did not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::hj212::desk::{Ended, NotDone, Patience};
use crate::hj212::request::Request;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// Soon over.
const SOON: Duration = Duration::from_millis(50);

fn request(cn: u16, values: &[(&str, &str)]) -> Request {
    let values: BTreeMap<_, _> =
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Request::read(cn, &values).unwrap()
}

impl House {
    fn tell(&self, mn: &'static str, request: Request) -> JoinHandle<Ended> {
        self.tell_within(mn, request, Patience { over_time: LONG, re_count: 0, run_time: LONG })
    }

    fn tell_within(&self, mn: &'static str, request: Request, patience: Patience) -> JoinHandle<Ended> {
        let ingest = Arc::clone(&self.city.ingest);
        tokio::spawn(async move { ingest.desk.send(&ingest.names.catalogue(), mn, request, patience).await })
    }

    /// A logger that is connected and known.
    async fn logger(&self, mn: &str) -> Client {
        let mut client = self.client().await;
        client.send(message(mn, 9015, "").to_bytes()).await;
        client.answer().await.unwrap();
        client
    }
}

fn reply(mn: &str, qn: &str, cn: u16, content: &str) -> Vec<u8> {
    Outgoing { qn: Some(qn), st: "91", flag: Some(Flag(4)), ..message(mn, cn, content) }.to_bytes()
}

#[tokio::test]
async fn a_command_goes_down_and_all_that_the_logger_says_comes_back() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    for (cn, values, content, said) in [
        (1011, &[][..], "", Some(("SystemTime", "20260302101500"))),
        (1012, &[("SystemTime", "20260302101500")], "SystemTime=20260302101500", None),
        (1061, &[], "", Some(("RtdInterval", "30"))),
        (1062, &[("RtdInterval", "30")], "RtdInterval=30", None),
        (2011, &[], "", None),
        (2012, &[], "", None),
    ] {
        let telling = house.tell(AIR, request(cn, values));
        let (qn, asked, area) = logger.answer().await.unwrap();
        assert_eq!((asked, area.as_str(), qn.len()), (cn, content, 17));
        logger.send(reply(AIR, &qn, 9011, "QnRtn=1")).await;
        if let Some((name, value)) = said {
            logger.send(reply(AIR, &qn, cn, &format!("{name}={value}"))).await;
        }
        logger.send(reply(AIR, &qn, 9012, "ExeRtn=1")).await;
        let ended = telling.await.unwrap();
        assert_eq!((ended.outcome, ended.qn.as_deref()), (Ok(()), Some(qn.as_str())));
        assert_eq!((ended.told.sent, ended.told.qn_rtn, ended.told.exe_rtn), (1, Some(1), Some(1)));
        assert_eq!(ended.told.said, said.map(|(name, value)| (name, value.to_owned())));
    }
    assert_eq!(house.counts().unasked.get(), 0);
}

/// Vector F of the standard, with the logger's own password and edition.
#[tokio::test]
async fn a_command_has_the_password_edition_and_system_of_its_logger() {
    let house = house().await;
    for (flag, wanted) in [(Some(Flag(5)), "Flag=5;"), (Some(Flag(8)), "Flag=9;"), (None, "Flag=1;")] {
        let mut logger = house.client().await;
        let own = Outgoing { flag, st: "32", pw: "s3cret", qn: None, ..message(WATER, 9015, "") };
        logger.send(own.to_bytes()).await;
        logger.send(Outgoing { pw: "s3cret", flag, ..message(WATER, 9014, "") }.to_bytes()).await;
        // The second, of ST 22, was read when the third is answered.
        let third = Outgoing {
            pw: "s3cret",
            st: "32",
            flag: flag.map(|flag| Flag(flag.0 | 1)),
            ..message(WATER, 9015, "")
        };
        logger.send(third.to_bytes()).await;
        if flag.is_some() {
            while logger.answer().await.unwrap().0 != QN {}
        } else {
            while house.lenient("missing_flag") < 3 {
                tokio::task::yield_now().await;
            }
        }
        let _telling = house.tell(WATER, request(1062, &[("RtdInterval", "30")]));
        let mut bytes = vec![0; 512];
        let read = logger.socket.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        let fields = format!(";ST=32;CN=1062;PW=s3cret;MN={WATER};{wanted}CP=&&RtdInterval=30&&");
        assert!(text.contains(&fields), "{text} has no {fields}");
    }
}

#[tokio::test]
async fn who_cannot_be_told_is_named() {
    let house = house().await;
    let outcome = async |mn| house.tell(mn, request(1011, &[])).await.unwrap().outcome;
    assert_eq!(outcome("NOBODY").await, Err(NotDone::Unknown));
    assert_eq!(outcome(AIR).await, Err(NotDone::NotConnected));
    let _unbound = house.client().await;
    assert_eq!(outcome(AIR).await, Err(NotDone::NotConnected), "it has not said who it is");
    let logger = house.logger(AIR).await;
    drop(logger);
    house.closed("lost").await;
    assert_eq!(outcome(AIR).await, Err(NotDone::NotConnected), "it has left");
}

#[tokio::test]
async fn a_logger_that_says_no_is_heard() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    for (answers, outcome) in [
        (&[(9011, "QnRtn=3")][..], Err(NotDone::Refused(3))),
        (&[(9011, "QnRtn=1"), (9012, "ExeRtn=2")], Err(NotDone::Failed(2))),
        (&[(9012, "ExeRtn=5")], Err(NotDone::Failed(5))),
        (&[(9013, "")], Ok(())),
    ] {
        let telling = house.tell(AIR, request(2012, &[]));
        let (qn, ..) = logger.answer().await.unwrap();
        for (cn, content) in answers {
            logger.send(reply(AIR, &qn, *cn, content)).await;
        }
        assert_eq!(telling.await.unwrap().outcome, outcome);
    }
    let telling = house.tell(AIR, request(1011, &[]));
    logger.answer().await.unwrap();
    drop(logger);
    assert_eq!(telling.await.unwrap().outcome, Err(NotDone::Left));
}

#[tokio::test]
async fn the_edition_of_2005_names_the_command_in_the_data_area() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let telling = house.tell(AIR, request(1011, &[]));
    let (qn, ..) = logger.answer().await.unwrap();
    for (cn, content) in [(9011, "QnRtn=1"), (1011, "SystemTime=20260302101500"), (9012, "ExeRtn=1")] {
        let content = format!("QN={qn};{content}");
        logger.send(Outgoing { qn: None, flag: None, ..message(AIR, cn, &content) }.to_bytes()).await;
    }
    let ended = telling.await.unwrap();
    assert_eq!((ended.outcome, ended.told.said.unwrap().0), (Ok(()), "SystemTime"));
}

#[tokio::test]
async fn without_an_answer_it_is_repeated_with_the_same_qn_and_then_given_up() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let impatient = Patience { over_time: SOON, re_count: 2, run_time: LONG };
    let telling = house.tell_within(AIR, request(1011, &[]), impatient);
    let first = logger.answer().await.unwrap();
    assert_eq!(logger.answer().await.as_ref(), Some(&first));
    assert_eq!(logger.answer().await.as_ref(), Some(&first));
    let ended = telling.await.unwrap();
    assert_eq!((ended.outcome, ended.told.sent), (Err(NotDone::Unanswered), 3));
    let telling =
        house.tell_within(AIR, request(1011, &[]), Patience { over_time: LONG, re_count: 0, run_time: SOON });
    let (qn, ..) = logger.answer().await.unwrap();
    assert_ne!(qn, first.0);
    logger.send(reply(AIR, &qn, 9011, "QnRtn=1")).await;
    assert_eq!(telling.await.unwrap().outcome, Err(NotDone::NoResult));
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_counted_and_change_nothing() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let telling = house.tell(AIR, request(1061, &[]));
    let (qn, ..) = logger.answer().await.unwrap();
    let hostile = [
        reply(AIR, QN, 9011, "QnRtn=2"),
        reply(AIR, &qn, 9011, "QnRtn=-1"),
        reply(AIR, &qn, 9011, "QnRtn=99999"),
        reply(AIR, &qn, 9011, ""),
        reply(AIR, &qn, 9012, "QnRtn=1"),
        reply(AIR, &qn, 1011, "SystemTime=20260302101500"),
        reply(AIR, &qn, 1061, &format!("RtdInterval={}", "9".repeat(900))),
        Outgoing { qn: None, ..message(AIR, 9012, "ExeRtn=2") }.to_bytes(),
    ];
    logger.send(hostile.concat()).await;
    for (cn, content) in [(9011, "QnRtn=1"), (9011, "QnRtn=2"), (1061, "RtdInterval=60"), (9012, "ExeRtn=1")]
    {
        logger.send(reply(AIR, &qn, cn, content)).await;
    }
    let ended = telling.await.unwrap();
    assert_eq!((ended.outcome, ended.told.qn_rtn), (Ok(()), Some(1)));
    assert_eq!(ended.told.said, Some(("RtdInterval", "60".into())));
    logger.send(reply(AIR, &qn, 9012, "ExeRtn=2")).await;
    logger.send(air("a34004-Rtd=41")).await;
    assert_eq!(logger.answer().await.unwrap().1, 9014);
    assert_eq!(house.counts().unasked.get(), hostile.len() as u64 + 2);
}

#[tokio::test]
async fn another_logger_cannot_answer_for_one() {
    let house = house().await;
    let (mut air, mut water) = (house.logger(AIR).await, house.logger(WATER).await);
    let telling = house.tell(AIR, request(1011, &[]));
    let (qn, ..) = air.answer().await.unwrap();
    water.send(reply(WATER, &qn, 9011, "QnRtn=2")).await;
    water.send(message(WATER, 9015, "").to_bytes()).await;
    water.answer().await.unwrap();
    air.send([reply(AIR, &qn, 9011, "QnRtn=1"), reply(AIR, &qn, 9012, "ExeRtn=1")].concat()).await;
    assert_eq!(telling.await.unwrap().outcome, Ok(()));
    assert_eq!(house.counts().unasked.get(), 1);
}

#[tokio::test]
async fn commands_at_once_are_kept_apart_and_are_not_too_many() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let (telling, mut qns): (Vec<_>, Vec<_>) = (0..8)
        .map(|number| {
            (house.tell(AIR, request(1062, &[("RtdInterval", &(30 + number).to_string())])), String::new())
        })
        .unzip();
    for _ in 0..8 {
        let (qn, _, content) = logger.answer().await.unwrap();
        let interval: usize = content.strip_prefix("RtdInterval=").unwrap().parse().unwrap();
        qns[interval - 30] = qn;
    }
    let one_more = house.tell(AIR, request(1011, &[])).await.unwrap();
    assert_eq!(one_more.outcome, Err(NotDone::TooMany));
    for (number, qn) in qns.iter().enumerate().rev() {
        logger.send(reply(AIR, qn, 9011, "QnRtn=1")).await;
        logger.send(reply(AIR, qn, 9012, &format!("ExeRtn={}", number + 10))).await;
    }
    for (number, telling) in telling.into_iter().enumerate() {
        let ended = telling.await.unwrap();
        assert_eq!(ended.outcome, Err(NotDone::Failed(number as u16 + 10)));
        assert_eq!(ended.qn.as_deref(), Some(qns[number].as_str()));
    }
    let again = house.tell(AIR, request(1011, &[]));
    assert_eq!(logger.answer().await.unwrap().1, 1011, "there is room again");
    drop(logger);
    assert_eq!(again.await.unwrap().outcome, Err(NotDone::Left));
}

#[tokio::test]
async fn data_flow_while_a_command_waits() {
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let telling = house.tell(AIR, request(1011, &[]));
    let (qn, ..) = logger.answer().await.unwrap();
    for value in 0..10 {
        let content = format!("DataTime=2026030210150{value};a34004-Rtd={value}");
        logger.send(message(AIR, 2011, &content).to_bytes()).await;
        assert_eq!(logger.answer().await.unwrap().1, 9014);
    }
    logger.send([reply(AIR, &qn, 9011, "QnRtn=1"), reply(AIR, &qn, 9012, "ExeRtn=1")].concat()).await;
    assert_eq!(telling.await.unwrap().outcome, Ok(()));
    assert_eq!(values(&house.log).len(), 10);
}

#[tokio::test]
async fn over_http_each_end_has_its_status() {
    use axum::body::Body;
    use tower::ServiceExt;
    let house = house().await;
    let mut logger = house.logger(AIR).await;
    let post = |mn: &str, body: &str| {
        let path = format!("/api/v1/hj212/{mn}/commands");
        let request = axum::http::Request::post(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let router = house.city.ingest.commands();
        tokio::spawn(async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 9999).await.unwrap();
            (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
        })
    };
    for (mn, body, status, why) in [
        (AIR, r#"{"cn": 1000}"#, 400, "CN 1000 cannot be sent"),
        (AIR, r#"{"cn": 1062}"#, 400, "30 to 3600"),
        (AIR, r#"{"cn": 1011, "over_time": 61}"#, 400, "over_time is 61; 1 to 60 are possible"),
        (AIR, r#"{"cn": 1011, "pw": "1"}"#, 422, "unknown field"),
        ("NOBODY", r#"{"cn": 1011}"#, 404, "add a [[logger]]"),
        (WATER, r#"{"cn": 1011}"#, 409, "not connected"),
    ] {
        let (found, told) = post(mn, body).await.unwrap();
        assert_eq!(found, status, "{told}");
        assert!(told["error"].as_str().unwrap().contains(why), "{told}");
    }
    let telling = post(AIR, r#"{"cn": 1061, "re_count": 0}"#);
    let (qn, ..) = logger.answer().await.unwrap();
    for (cn, content) in [(9011, "QnRtn=1"), (1061, "RtdInterval=60"), (9012, "ExeRtn=1")] {
        logger.send(reply(AIR, &qn, cn, content)).await;
    }
    let (status, told) = telling.await.unwrap();
    let wanted = serde_json::json!({
        "mn": AIR, "cn": 1061, "qn": qn, "sent": 1, "QnRtn": 1, "ExeRtn": 1, "values": { "RtdInterval": "60" }
    });
    assert_eq!((status, &told), (200, &wanted));
    let telling = post(AIR, r#"{"cn": 2012}"#);
    let (qn, ..) = logger.answer().await.unwrap();
    logger.send(reply(AIR, &qn, 9011, "QnRtn=2")).await;
    let (status, told) = telling.await.unwrap();
    assert_eq!((status, &told["QnRtn"]), (502, &serde_json::json!(2)));
    let counted = |word| house.counts().commands().find(|(known, _)| *known == word).unwrap().1;
    assert_eq!((counted("done"), counted("refused"), counted("unknown")), (1, 1, 1));
}
