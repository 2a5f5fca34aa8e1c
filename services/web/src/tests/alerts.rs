//! Alerts of Grafana and Alertmanager, over a real order store.

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use yiwang_orders::SqliteOrders;

use super::*;

/// A document as Alertmanager sends it, version 4 of its webhook.
const ALERTMANAGER: &str = include_str!("alerts/alertmanager.json");
/// One as Grafana's contact point "webhook" sends it.
const GRAFANA: &str = include_str!("alerts/grafana.json");
/// An end that both send for an alert that fires.
const NONE: &str = "0001-01-01T00:00:00Z";

/// A city whose orders lie in a file.
struct Desk {
    city: City,
    folder: TempDir,
}

impl Desk {
    async fn open() -> Self {
        let desk = Self { city: city(), folder: tempfile::tempdir().unwrap() };
        desk.again().await
    }

    async fn again(mut self) -> Self {
        let store = SqliteOrders::open(&self.folder.path().join("orders"), "Asia/Shanghai").await.unwrap();
        let store = Arc::new(store);
        let parts = &mut self.city.parts;
        (parts.orders, parts.feed, parts.alerts) = (store.clone(), store.clone(), store);
        self
    }

    async fn send(&self, body: impl Into<String>) -> Answer {
        let request = Request::post("/api/v1/alerts").header("content-type", "application/json");
        self.city.ask(request.body(body.into().into()).unwrap()).await
    }

    /// Sends one alert, which must be taken; what came of it.
    async fn told(&self, alert: &Value) -> (String, String) {
        let answer = self.send(json!({ "alerts": [alert] }).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let taken = &answer.json()["taken"][0];
        let text = |field: &str| taken[field].as_str().unwrap_or_default().to_owned();
        (text("came"), text("order"))
    }

    async fn order(&self, no: &str) -> Value {
        self.city.get(&format!("/api/v1/orders/{no}")).await.json()
    }
}

fn alert(status: &str, begin: &str, end: &str) -> Value {
    json!({
        "status": status, "startsAt": begin, "endsAt": end, "fingerprint": "f1",
        "labels": {"alertname": "Down", "severity": "critical"}, "annotations": {},
    })
}

const BEGIN: &str = "2026-03-02T01:00:00Z";

#[tokio::test]
async fn what_is_no_document_is_refused_whole() {
    let desk = Desk::open().await;
    let many = json!({ "alerts": vec![0; 1_001] }).to_string();
    for (body, status, says) in [
        ("", 400, "body"),
        ("null", 400, "body"),
        ("{}", 400, "alerts"),
        ("{\"alerts\":{}}", 400, "sequence"),
        ("{\"alerts\":[", 400, "EOF"),
        (&"[".repeat(5_000), 400, "body"),
        (&many, 400, "the most is 1000"),
        (&" ".repeat((1 << 20) + 1), 413, "1048576"),
    ] {
        let answer = desk.send(body).await;
        assert_eq!(answer.status, status, "{body:.50}: {}", answer.body);
        assert!(answer.body.contains(says), "{says}: {}", answer.body);
    }
    let plain = Request::post("/api/v1/alerts").body("{\"alerts\":[]}".into()).unwrap();
    assert_eq!(desk.city.ask(plain).await.status, 415);
    assert_eq!(desk.send("{\"alerts\":[]}").await.status, 200);
}

#[tokio::test]
async fn a_bad_alert_keeps_no_good_one_out() {
    let desk = Desk::open().await;
    let with = |field: &str, value: Value| {
        let mut alert = alert("firing", BEGIN, NONE);
        alert[field] = value;
        alert
    };
    let labels: serde_json::Map<String, Value> = (0..65).map(|n| (format!("l{n}"), json!("x"))).collect();
    let bad = [
        (json!(7), "cannot be read"),
        (with("status", json!("pending")), "\"pending\"; wanted is firing or resolved"),
        (with("status", Value::Null), "\"missing\""),
        (with("startsAt", json!("yesterday")), "\"startsAt\" is wrong"),
        (with("startsAt", json!(NONE)), "\"startsAt\" is missing"),
        (with("startsAt", json!("2199-01-01T00:00:00Z")), "ahead"),
        (with("labels", json!({"a": 1})), "cannot be read"),
        (with("labels", labels.into()), "65 labels"),
        (with("labels", json!({"l".repeat(129): "x"})), "longer than"),
        (with("annotations", json!({"summary": "x".repeat(17_000)})), "longer than"),
        (with("fingerprint", json!("f".repeat(129))), "\"fingerprint\""),
        (json!({"status": "firing", "startsAt": BEGIN}), "neither a fingerprint nor labels"),
        (
            json!({"status": "resolved", "startsAt": BEGIN, "fingerprint": "x", "endsAt": "soon"}),
            "\"endsAt\"",
        ),
    ];
    let mut alerts: Vec<&Value> = bad.iter().map(|(alert, _)| alert).collect();
    let good = alert("firing", BEGIN, NONE);
    alerts.insert(5, &good);
    let answer = desk.send(json!({ "alerts": alerts }).to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let told = answer.json();
    assert_eq!((&told["taken"][0]["alert"], &told["taken"][0]["came"]), (&json!(5), &json!("opened")));
    let refused = told["refused"].as_array().unwrap();
    assert_eq!(refused.len(), bad.len());
    for (refused, (_, says)) in refused.iter().zip(&bad) {
        assert!(refused["why"].as_str().unwrap().contains(says), "{says}: {refused}");
    }
    assert!(told["error"].as_str().unwrap().starts_with("13 alerts were refused; alert 0 cannot be read"));
    let metrics = desk.city.get("/metrics").await.body;
    assert!(metrics.contains("yiwang_alerts_total{came=\"refused\"} 0"), "each router counts for itself");
}

#[tokio::test]
async fn an_alert_opens_updates_and_clears_over_a_restart() {
    let desk = Desk::open().await;
    let mut mild = alert("firing", BEGIN, NONE);
    mild["labels"] = json!({"alertname": "Down"});
    mild["annotations"] = json!({"severity": "info"});
    let (came, no) = desk.told(&mild).await;
    assert_eq!((&*came, desk.order(&no).await["priority"].as_str().unwrap()), ("opened", "ordinary"));
    let desk = desk.again().await;
    assert_eq!(desk.told(&mild).await, ("repeated".into(), no.clone()));
    mild["annotations"] = json!({"severity": "Critical"});
    assert_eq!(desk.told(&mild).await, ("worsened".into(), no.clone()));
    let over = alert("resolved", BEGIN, "2026-03-02T02:00:00Z");
    assert_eq!(desk.told(&over).await, ("cleared".into(), no.clone()));
    assert_eq!(desk.told(&over).await, ("repeated".into(), no.clone()));
    let order = desk.order(&no).await;
    assert_eq!((&order["channel"], &order["state"]), (&json!("alert"), &json!("opened")));
    let kinds: Vec<_> =
        order["timeline"].as_array().unwrap().iter().map(|step| step["kind"].clone()).collect();
    assert_eq!(kinds, ["opened", "worsened", "cleared"]);
    assert_eq!(order["timeline"][0]["who"], "local");
    assert_eq!(desk.told(&alert("firing", "2026-03-02T02:00:01Z", NONE)).await.0, "opened");
    let mut other = over.clone();
    other["fingerprint"] = json!("never seen");
    assert_eq!(desk.told(&other).await, ("unknown".into(), String::new()));
}

#[tokio::test]
async fn alertmanagers_own_document_is_understood() {
    let desk = Desk::open().await;
    let answer = desk.send(ALERTMANAGER).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let no = answer.json()["taken"][0]["order"].as_str().unwrap().to_owned();
    let order = desk.order(&no).await;
    assert_eq!(order["title"], json!({"zh": "磁盘将满", "en": "Disk is filling up"}));
    assert_eq!((&order["priority"], &order["category"]), (&json!("emergency"), &json!("device")));
    assert!(order["text"]["en"].as_str().unwrap().contains("alertname=DiskFull, instance=node-3:9100"));
    assert_eq!(
        order["evidence"]["links"],
        json!(["http://prometheus.example:9090/graph?g0.expr=x&g0.tab=1"])
    );
    assert_eq!(order["evidence"]["anomaly"]["edition"], "local / city");
    assert_eq!(answer.json()["taken"][1]["came"], "unknown");
}

#[tokio::test]
async fn grafanas_own_document_is_understood_and_shown() {
    let desk = Desk::open().await;
    let answer = desk.send(GRAFANA).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let no = answer.json()["taken"][0]["order"].as_str().unwrap().to_owned();
    let order = desk.order(&no).await;
    assert_eq!((&order["category"], &order["place"]["district"]), (&json!("air"), &json!("510104")));
    assert_eq!(order["place"]["station_name"]["en"], "Jinjiang air station 1");
    assert_eq!(order["evidence"]["series"], json!([{"source": "510104-air-1", "metric": "pm2_5"}]));
    assert!(order["text"]["zh"].as_str().unwrap().contains("value=81.2"));
    let page = desk.city.get(&format!("/orders/{no}?lang=en")).await.body;
    assert!(
        page.contains("href=\"https://grafana.example/d/air?orgId=1&#38;viewPanel=2\" rel=\"noopener"),
        "{page}"
    );
    assert!(
        !page.contains("javascript:") && page.contains("application/json"),
        "a chart, and links of http only"
    );
}

#[tokio::test]
async fn the_page_of_a_bare_alert_has_no_chart_and_escapes() {
    let desk = Desk::open().await;
    let mut hostile = alert("firing", BEGIN, NONE);
    hostile["annotations"] = json!({"summary": "<script>x</script>\u{7}", "runbook_url": "https://x/\"><b>"});
    let (_, no) = desk.told(&hostile).await;
    let page = desk.city.get(&format!("/orders/{no}?lang=zh")).await;
    assert_eq!(page.status, 200);
    assert!(
        !page.body.contains("<script>x") && !page.body.contains("\"><b>") && !page.body.contains('\u{7}')
    );
    assert!(page.body.contains("外部告警") && !page.body.contains("<figure"), "{}", page.body);
    for path in ["/", "/orders"] {
        assert!(desk.city.get(path).await.body.contains(&no), "{path}");
    }
}

#[tokio::test]
async fn without_a_subject_the_answer_names_what_to_configure() {
    let desk = Desk::open().await;
    let text = desk
        .city
        .parts
        .catalogue
        .in_force()
        .catalogue
        .text()
        .replace("[[alert]]\ncategory = \"device\"\n", "");
    let bare = yiwang_catalogue::Catalogue::parse(&[("bare.toml", text.as_str())]).unwrap();
    let desk = Desk {
        city: City {
            parts: Parts { catalogue: MemoryCatalogue::new(bare.into()), ..desk.city.parts.clone() },
            ..desk.city
        },
        ..desk
    };
    let mut strange = alert("firing", BEGIN, NONE);
    strange["labels"]["category"] = json!("no such");
    let answer = desk.send(json!({ "alerts": [strange] }).to_string()).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("[[alert]]"), "{}", answer.body);
    strange["labels"]["category"] = json!("air");
    assert_eq!(desk.told(&strange).await.0, "opened", "it says itself what it is about");
}

#[tokio::test]
async fn only_who_may_write_is_heard_and_only_of_its_own() {
    let mut desk = Desk::open().await;
    desk.city.parts.gate = Arc::new(Locked);
    let body = json!({ "alerts": [alert("firing", BEGIN, NONE)] }).to_string();
    for (authorization, status) in [
        ("Bearer wrong", 401),
        ("Bearer wall-secret", 403),
        ("Bearer desk-secret", 403),
        ("Bearer gateway-secret", 200),
    ] {
        let request = Request::post("/api/v1/alerts").header("content-type", "application/json");
        let request = request.header("authorization", authorization).body(body.clone().into()).unwrap();
        let answer = desk.city.ask(request).await;
        assert_eq!(answer.status, status, "{authorization}: {}", answer.body);
    }
    desk.city.parts.gate = Arc::new(OpenGate);
    let over = alert("resolved", BEGIN, "2026-03-02T02:00:00Z");
    assert_eq!(desk.told(&over).await.0, "unknown", "another sender's");
}

#[tokio::test]
async fn a_store_that_fails_is_a_reason_to_try_again() {
    let city = city();
    let body = json!({ "alerts": [alert("firing", BEGIN, NONE)] }).to_string();
    let request = Request::post("/api/v1/alerts").header("content-type", "application/json");
    let answer = city.ask(request.body(body.into()).unwrap()).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
}

/// JSON that looks like a document, more or less.
fn anything() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "",
        "firing",
        "resolved",
        BEGIN,
        NONE,
        "-009999-01-02T01:59:59Z",
        "http://x",
        "javascript:x",
        "\u{0}",
        "critical",
        "9999-12-31T23:59:59.999999999Z",
    ]);
    let name = prop::sample::select(vec![
        "status",
        "labels",
        "annotations",
        "startsAt",
        "endsAt",
        "fingerprint",
        "generatorURL",
        "severity",
        "category",
        "station",
        "metric",
        "summary",
        "valueString",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(|number| json!(number)),
        text.prop_map(|text| json!(text)),
        ".{0,20}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(3, 32, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..10)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_an_alert_is_it_is_taken_or_refused(alert in anything(), fill in any::<bool>()) {
        let mut alert = alert;
        if let Some(fields) = alert.as_object_mut().filter(|_| fill) {
            fields.insert("status".into(), json!("firing"));
            fields.insert("startsAt".into(), json!(BEGIN));
            fields.entry("labels").or_insert_with(|| json!({"a": "b"}));
        }
        let read = crate::alerts::report::Report::read(alert, "who", now());
        if let Ok(report) = read {
            let sent = crate::alerts::draft::Sent { who: "who", receiver: "\u{0}", received: now() };
            let alert = crate::alerts::draft::alert(&city::catalogue(), sent, &report).unwrap();
            let draft = alert.draft;
            let title = draft.title.zh.chars().count();
            prop_assert!((1..=201).contains(&title));
            let said = [draft.title.zh, draft.title.en, draft.text.zh, draft.text.en].concat();
            prop_assert!(!said.chars().any(char::is_control));
            prop_assert!(draft.evidence.links.iter().all(|link| link.starts_with("http")));
        }
    }
}
