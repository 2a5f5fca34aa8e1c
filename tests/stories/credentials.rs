//! Credentials at all doors: once one is configured, nobody comes in without, and nobody does more than it may.
//!
//! Only what tells that the process lives stays open: `/healthz`, and the health service of gRPC. That a city without
//! credentials listens on loopback alone is told in `bad_start.rs`.

use tonic::{Code, Status};
use yiwang_proto::v1::order_service_client::OrderServiceClient;
use yiwang_proto::v1::{GetOrderRequest, ListOrdersRequest};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, as_whom, pm2_5};
use yiwang_tests::mqtt::Client;
use yiwang_tests::{http, programs, wait};

/// Somebody with the secret `secret-of-the-{name}`.
struct Who {
    name: &'static str,
    may: &'static str,
    /// Base64 of name, colon and secret.
    basic: &'static str,
}

const GATEWAY: Who = Who { name: "gateway", may: "write", basic: "Z2F0ZXdheTpzZWNyZXQtb2YtdGhlLWdhdGV3YXk=" };
const DESK: Who = Who { name: "desk", may: "read", basic: "ZGVzazpzZWNyZXQtb2YtdGhlLWRlc2s=" };
const HAND: Who = Who { name: "hand", may: "act", basic: "aGFuZDpzZWNyZXQtb2YtdGhlLWhhbmQ=" };
const OFFICE: Who = Who { name: "office", may: "manage", basic: "b2ZmaWNlOnNlY3JldC1vZi10aGUtb2ZmaWNl" };

/// What nobody gets in with: nothing; an unknown secret; the name of one with the secret of another; no scheme of ours;
/// no base64.
const STRANGERS: [Option<&str>; 5] = [
    None,
    Some("Bearer secret-of-nobody-here"),
    Some("Basic ZGVzazpzZWNyZXQtb2YtdGhlLWhhbmQ="),
    Some("Digest secret-of-the-desk"),
    Some("Basic %%%"),
];

impl Who {
    fn secret(&self) -> String {
        format!("secret-of-the-{}", self.name)
    }

    /// The header in all its schemes.
    fn presents(&self) -> [String; 3] {
        let secret = self.secret();
        [format!("Basic {}", self.basic), format!("Bearer {secret}"), format!("Token {secret}")]
    }
}

fn guarded() -> City {
    let mut city = City::story();
    for who in [GATEWAY, DESK, HAND, OFFICE] {
        let file = format!("{}.secret", who.name);
        std::fs::write(city.beside(&file), who.secret()).unwrap();
        city.config("[[credential]]").config(&format!("name = \"{}\"", who.name));
        city.config(&format!("secret_file = \"{file}\"")).config(&format!("may = [\"{}\"]", who.may));
    }
    city.fed().start();
    city
}

#[test]
fn grpc_takes_readings_from_those_who_may_write() {
    let city = guarded();
    let knock = |who: Option<&str>| Gateway::knock(city.at().grpc, "story", who);
    for stranger in STRANGERS {
        assert_eq!(
            knock(stranger).err().map(|status| status.code()),
            Some(Code::Unauthenticated),
            "{stranger:?}"
        );
    }
    for known in [DESK, HAND].iter().flat_map(Who::presents) {
        let status = knock(Some(&known)).expect_err(&known);
        assert_eq!(status.code(), Code::PermissionDenied, "{known}");
        assert!(status.message().contains("may = [\"write\"]"), "{status}");
    }
    for (second, right) in (0..).zip(GATEWAY.presents()) {
        let time = this_minute() - yiwang_model::Span::SECOND.times(second);
        let reply = knock(Some(&right)).expect(&right).rows(vec![pm2_5("story-01", time, 11.0)]).unwrap();
        assert_eq!(reply.refused_total, 0, "{right}");
    }
}

#[test]
fn mqtt_takes_readings_from_those_who_may_write() {
    let city = guarded();
    // Nobody known, and somebody who may not: the codes of 3.1.1 and of 5.
    for (version, unknown, not_this) in [(4, 4, 5), (5, 0x86, 0x87)] {
        let knock = |login| Client::knock(city.at().mqtt, version, "story", login);
        let (gateway, desk, hand) = (GATEWAY.secret(), DESK.secret(), HAND.secret());
        let refused = [
            (None, unknown),
            (Some(("gateway", "secret-of-nobody-here")), unknown),
            (Some(("gateway", "")), unknown),
            (Some(("gateway", desk.as_str())), unknown),
            (Some(("nobody", gateway.as_str())), unknown),
            (Some(("desk", desk.as_str())), not_this),
            (Some(("hand", hand.as_str())), not_this),
        ];
        for (login, wanted) in refused {
            let (mut client, code) = knock(login);
            assert_eq!(code, wanted, "{login:?}, version {version}");
            client.closed();
        }
        let (mut client, code) = knock(Some(("gateway", gateway.as_str())));
        assert_eq!(code, 0, "version {version}");
        let payload = format!(r#"{{"metric":"pm2_5","time":"{}","value":11,"unit":"µg/m³"}}"#, this_minute());
        assert_eq!(client.publish_and_wait(1, "yw/v1/story-01", payload.as_bytes()), Some(0));
    }
}

#[test]
fn line_protocol_is_taken_from_those_who_may_write() {
    let city = guarded();
    let line = format!("readings,source=story-01,metric=pm2_5 value=11 {}", this_minute().nanos());
    let send = |who: Option<&str>, to: &str| http::post_as(city.at().http, who, to, &line).unwrap();
    for to in ["/write?db=city", "/api/v2/write?bucket=city"] {
        for stranger in STRANGERS {
            assert_eq!(send(stranger, to).0, 401, "{to} as {stranger:?}");
        }
        for known in [DESK, HAND].iter().flat_map(Who::presents) {
            let (status, body) = send(Some(&known), to);
            assert!(status == 403 && body.contains("may not write"), "{to} as {known}: {body}");
        }
        for right in GATEWAY.presents() {
            assert_eq!(send(Some(&right), to).0, 204, "{to} as {right}");
        }
    }
    let named = |u: &str, p: &str| send(None, &format!("/write?db=city&u={u}&p={p}")).0;
    assert_eq!(named("gateway", &GATEWAY.secret()), 204);
    assert_eq!(named("gateway", &DESK.secret()), 401);
    assert_eq!(named("desk", &DESK.secret()), 403);
}

#[test]
fn http_shows_to_those_who_may_read() {
    let city = guarded();
    let get = |who: Option<&str>, path: &str| http::get_as(city.at().http, who, path).unwrap();
    let paths = [
        "/",
        "/orders",
        "/stations",
        "/api/v1/orders",
        "/api/v1/series",
        "/api/v1/query?source=story-01&metric=pm2_5&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
        "/readyz",
        "/metrics",
    ];
    for path in paths {
        for stranger in STRANGERS {
            assert_eq!(get(stranger, path).0, 401, "{path} as {stranger:?}");
        }
        for known in [GATEWAY, HAND].iter().flat_map(Who::presents) {
            let (status, body) = get(Some(&known), path);
            assert_eq!(status, 403, "{path} as {known}: {body}");
            assert!(body.contains("may not read"), "{body}");
        }
        for right in DESK.presents() {
            let (status, body) = get(Some(&right), path);
            assert_eq!(status, 200, "{path} as {right}: {body}");
        }
    }
    assert_eq!(get(None, "/healthz").0, 200);
}

#[test]
fn orders_are_moved_by_those_who_may_act_and_listed_for_those_who_may_read() {
    let city = guarded();
    let [_, right, _] = GATEWAY.presents();
    let mut gateway = Gateway::knock(city.at().grpc, "story", Some(&right)).unwrap();
    gateway.rows(vec![pm2_5("story-01", this_minute(), 90.0)]).unwrap();
    let no = wait::until_some("an order opens", || order(&city));
    let path = format!("/api/v1/orders/{no}/transitions");
    let accept = |who: Option<&str>| {
        http::post_as(city.at().http, who, &path, r#"{"to":"accepted","note":"seen"}"#).unwrap()
    };
    for stranger in STRANGERS {
        assert_eq!(accept(stranger).0, 401, "{stranger:?}");
    }
    for known in [GATEWAY, DESK].iter().flat_map(Who::presents) {
        let (status, body) = accept(Some(&known));
        assert_eq!(status, 403, "{known}: {body}");
        assert!(body.contains("may not act"), "{body}");
    }
    listed(&city, &no, "opened");
    let [basic, ..] = HAND.presents();
    let (status, body) = accept(Some(&basic));
    assert_eq!(status, 200, "{body}");
    listed(&city, &no, "accepted");
}

#[test]
fn loggers_are_told_what_to_do_by_those_who_may_manage() {
    let city = guarded();
    let path = "/api/v1/hj212/NOBODY/commands";
    let tell = |who: Option<&str>| http::post_as(city.at().http, who, path, r#"{"cn":1011}"#).unwrap();
    for stranger in STRANGERS {
        assert_eq!(tell(stranger).0, 401, "{stranger:?}");
    }
    for known in [GATEWAY, DESK, HAND].iter().flat_map(Who::presents) {
        let (status, body) = tell(Some(&known));
        assert!(status == 403 && body.contains("may not manage"), "{known}: {body}");
    }
    for right in OFFICE.presents() {
        assert_eq!(tell(Some(&right)).0, 404, "{right}");
    }
    let send = |credential: &str| {
        let (http, file) = (city.at().http.to_string(), city.beside(&format!("{credential}.secret")));
        let credential = format!("{credential}:{}", file.display());
        let mut program = programs::yiwang();
        program.args([
            "hj212",
            "send",
            "--http",
            &http,
            "--credential",
            &credential,
            "--mn",
            "NOBODY",
            "1011",
        ]);
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(send("office").contains("not in the catalogue"));
    let refused = send("desk");
    assert!(refused.contains("may not manage") && !refused.contains("secret-of"), "{refused}");
}

/// The first order, as the desk sees it.
fn order(city: &City) -> Option<String> {
    let [basic, ..] = DESK.presents();
    let (status, body) = http::get_as(city.at().http, Some(&basic), "/api/v1/orders").unwrap();
    assert_eq!(status, 200, "{body}");
    let found: serde_json::Value = serde_json::from_str(&body).unwrap();
    Some(found["orders"][0]["no"].as_str()?.to_owned())
}

/// The order service over gRPC tells those who may read of this order, and nobody else.
fn listed(city: &City, no: &str, state: &str) {
    for stranger in STRANGERS {
        assert_eq!(ask(city, no, stranger).map_err(|status| status.code()), Err(Code::Unauthenticated));
    }
    for known in [GATEWAY, HAND].iter().flat_map(Who::presents) {
        let status = ask(city, no, Some(&known)).expect_err(&known);
        assert_eq!(status.code(), Code::PermissionDenied, "{known}: {status}");
    }
    for right in DESK.presents() {
        assert_eq!(ask(city, no, Some(&right)).unwrap(), [state, state], "{right}");
    }
}

/// The state of an order, by List and by Get; both must agree on who may ask.
fn ask(city: &City, no: &str, who: Option<&str>) -> Result<[String; 2], Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = OrderServiceClient::connect(format!("http://{}", city.at().grpc)).await.unwrap();
        let listed = client.list(as_whom(ListOrdersRequest::default(), who)).await;
        let got = client.get(as_whom(GetOrderRequest { no: no.to_owned() }, who)).await;
        let codes = (listed.as_ref().err().map(Status::code), got.as_ref().err().map(Status::code));
        assert_eq!(codes.0, codes.1, "List and Get differ");
        let listed = listed?.into_inner().orders.into_iter().find(|order| order.no == no);
        Ok([listed.unwrap().state, got?.into_inner().state])
    })
}
