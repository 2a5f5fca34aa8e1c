//! The pages: both languages, hostile text, forms.

use serde_json::json;
use yiwang_model::WorkOrder;
use yiwang_model::order::Text;

use super::*;

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;";

/// Pages show a hostile text when it is there at all, and never as markup.
fn assert_harmless(page: &Answer, what: &str) {
    for markup in ["<script>alert", "<img src=x", "onerror=alert(1)>"] {
        assert!(!page.body.contains(markup), "{what} shows {markup}");
    }
}

#[tokio::test]
async fn every_page_is_there_in_both_languages() {
    let city = city();
    let no = city.any("handling").await;
    for (path, zh, en) in [
        ("/", "未结工单", "Open orders"),
        ("/orders", "承办部门", "Department"),
        (&format!("/orders/{no}"), "办理过程", "Timeline"),
        ("/stations", "运行状况", "Health"),
    ] {
        let (chinese, english) = (city.get(path).await, city.get(&format!("{path}?lang=en")).await);
        assert_eq!((chinese.status.as_u16(), english.status.as_u16()), (200, 200), "{path}");
        assert!(chinese.body.contains(zh) && chinese.body.contains("<html lang=\"zh-CN\">"), "{path}");
        assert!(english.body.contains(en) && english.body.contains("<html lang=\"en\">"), "{path}");
        assert!(!english.body.contains(zh), "{path} has {zh} in English");
        assert!(!chinese.body.contains(" style="), "the policy forbids styles in the page");
    }
}

#[tokio::test]
async fn a_language_is_asked_for_remembered_or_accepted() {
    let city = city();
    let asked = city.get("/orders?state=opened&lang=en").await;
    assert!(asked.header("set-cookie").starts_with("lang=en;"));
    assert!(asked.body.contains("?state=opened&#38;lang=zh"), "the other language keeps the filter");
    let lang = async |name: &str, value: &str| {
        let page = city.ask(Request::get("/").header(name, value).body(Body::empty()).unwrap()).await;
        page.body.contains("<html lang=\"en\">")
    };
    assert!(lang("cookie", "a=b; lang=en").await);
    assert!(lang("accept-language", "de-CH, en-GB;q=0.8, zh;q=0.5").await);
    assert!(!lang("accept-language", "zh-CN,zh;q=0.9,en;q=0.8").await);
    assert!(!lang("accept-language", "de").await, "Chinese when nothing fits");
    assert_eq!(city.get("/?lang=fr").await.status, 400);
}

/// The city, with the number of the order.
fn with(order: WorkOrder) -> (City, String) {
    let (city, no) = (city(), order.no.to_string());
    city.orders.put(order);
    (city, no)
}

#[tokio::test]
async fn an_order_says_what_it_covers_and_no_more_than_fits() {
    let catalogue = city::catalogue();
    let cause = city::order(&catalogue, 31, Span::HOUR, now());
    let (city, no) = with(cause.clone());
    let id = cause.anomaly.unwrap();
    assert!(!city.get(&format!("/orders/{no}?lang=en")).await.body.contains("id=\"covers\""));
    for nth in 1_000..1_130 {
        city.orders.put(city::withdrawn(&catalogue, nth, Span::HOUR, now(), Some(&cause)));
    }
    let page = city.get(&format!("/orders/{no}?lang=en")).await.body;
    assert!(page.contains("Alarms that this order covers <span class=\"num\">130</span>"), "{page}");
    let covers = page.split("id=\"covers\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(covers.matches("<tr class=").count(), 100);
    assert!(covers.contains("<span class=\"num\">30</span> more are not shown"), "{covers}");
    let told = city.get(&format!("/api/v1/anomalies/{id}/members?limit=7")).await.json();
    assert_eq!((told["all"].as_u64(), told["members"].as_array().unwrap().len()), (Some(130), 7));
    let own = told["members"][0].as_object().unwrap();
    assert_eq!(own.keys().count(), 7, "{own:?}");
    for wrong in ["limit=0", "limit=501", "most=7"] {
        assert_eq!(city.get(&format!("/api/v1/anomalies/{id}/members?{wrong}")).await.status, 400, "{wrong}");
    }
    assert_eq!(city.get("/api/v1/anomalies/x/members").await.status, 404);
}

#[tokio::test]
async fn a_withdrawn_order_is_told_from_others() {
    let catalogue = city::catalogue();
    let joined = city::order(&catalogue, 31, Span::HOUR, now());
    let (city, no) = with(city::withdrawn(&catalogue, 30, Span::HOUR, now(), Some(&joined)));
    let before = city.get("/api/v1/orders?active=true&limit=500").await.json();
    assert!(before["orders"].as_array().unwrap().iter().all(|order| order["no"] != no.as_str()));
    let page = city.get(&format!("/orders/{no}?lang=en")).await.body;
    assert!(page.contains("<span class=\"chip withdrawn\">Withdrawn</span>") && !page.contains("chip going"));
    assert!(page.contains("Anomaly withdrawn"));
    assert!(page.contains(&format!("Part of order <a href=\"/orders/{0}\">{0}</a>", joined.no)));
    assert!(page.contains("was corrected from") && page.contains(" to 31 µg/m³"), "{page}");
    let list = city.get(&format!("/orders?q={no}")).await.body;
    assert!(list.contains("<span class=\"chip withdrawn\">已撤销</span>"));
    assert!(!list.contains("class=\"going\""));
    let others = city.get("/orders?state=handling").await.body;
    assert!(!others.contains("chip withdrawn"));
}

#[tokio::test]
async fn a_revised_order_says_what_changed_it() {
    let (city, no) = with(city::revised(&city::catalogue(), 33, Span::HOUR, now()));
    let page = city.get(&format!("/orders/{no}")).await.body;
    for wanted in ["异常更正", "迟到", "极值", "class=\"step-revised\""] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(page.contains("chip going") && !page.contains("chip withdrawn"));
}

#[tokio::test]
async fn a_hostile_note_is_text() {
    let city = city();
    let no = city.any("opened").await;
    let body = serde_json::json!({ "to": "accepted", "note": HOSTILE }).to_string();
    assert_eq!(city.move_to(&no, &body).await.status, 200);
    let page = city.get(&format!("/orders/{no}")).await;
    assert_harmless(&page, "the timeline");
    assert!(page.body.contains("&#60;script&#62;alert"), "and it is shown");
}

#[tokio::test]
async fn hostile_titles_and_queries_are_text() {
    let city = city();
    let catalogue = city.parts.catalogue.in_force().catalogue;
    let mut order = city::order(&catalogue, 0, Span::MINUTE, now());
    let text = Text::new(HOSTILE, HOSTILE);
    order.no.0 = "YW20260302-900000".into();
    (order.draft.title, order.draft.text) = (text.clone(), text.clone());
    (order.draft.place.station_name, order.draft.department_name) = (text.clone(), text);
    order.draft.evidence.anomaly.edition = HOSTILE.into();
    order.timeline[0].who = HOSTILE.into();
    city.orders.put(order);
    let escaped = "%3Cscript%3Ealert(%27x%27)%3C/script%3E%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    for path in [
        "/",
        "/orders",
        "/orders/YW20260302-900000",
        &format!("/orders?q={escaped}"),
        &format!("/orders?source={escaped}"),
        &format!("/orders?{escaped}=1"),
        &format!("/orders?state={escaped}"),
        &format!("/stations?kind={escaped}"),
        &format!("/orders/{escaped}"),
        &format!("/{escaped}"),
    ] {
        assert_harmless(&city.get(path).await, path);
    }
}

#[tokio::test]
async fn the_form_moves_an_order_and_leads_back() {
    let city = city();
    let no = city.any("opened").await;
    let done = city.submit(&no, "to=accepted&note=%E5%A5%BD").await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, format!("/orders/{no}").as_str()));
    assert!(city.get(&format!("/orders/{no}")).await.body.contains("好"));
}

#[tokio::test]
async fn a_form_that_is_refused_says_why_and_keeps_the_note() {
    let city = city();
    let no = city.any("dispatched").await;
    let refused = city.submit(&no, "to=closed&note=kept%20%3Cb%3E").await;
    assert_eq!(refused.status, 409);
    assert!(refused.header("content-type").starts_with("text/html"));
    assert!(
        refused.body.contains(&format!("href=\"/orders/{no}?lang=en\"")),
        "the other language is no form"
    );
    for part in ["可办理为: 处理中、已退单", "kept &#60;b&#62;", "role=\"alert\""] {
        assert!(refused.body.contains(part), "{part}");
    }
    let reasonless = city.submit(&no, "to=returned&note=").await;
    assert_eq!(reasonless.status, 400);
    assert!(reasonless.body.contains("the reason for returning the order"));
    assert_eq!(city.submit("YW1", "to=accepted").await.status, 404);
    assert_eq!(city.submit(&no, "to=handling&who=me").await.status, 400, "no field that is not known");
}

#[tokio::test]
async fn a_mistake_is_a_page_for_people() {
    let city = city();
    for (path, status) in [("/orders?sate=x", 400), ("/orders/YW1", 404), ("/nowhere", 404)] {
        let page = city.get(path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.body.contains("<!doctype html>") && page.body.contains("回到总览"), "{path}");
    }
    assert!(city.get("/orders?sate=x").await.body.contains("known are state"));
}

#[tokio::test]
async fn filters_and_pages_are_in_the_address() {
    let city = city();
    let page = city.get("/orders?category=air&limit=3").await;
    assert_eq!(page.body.matches("<tr data-key=").count(), 3);
    assert!(page.body.contains("<option value=\"air\" selected>"));
    let next = page.body.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let next = next.replace("&#38;", "&");
    assert!(next.contains("category=air") && next.contains("limit=3"), "{next}");
    assert_eq!(city.get(&format!("/orders{next}")).await.body.matches("<tr data-key=").count(), 3);
    assert!(city.get("/orders?q=nothing-like-it").await.body.contains("没有符合条件的工单"));
}

#[tokio::test]
async fn an_order_quotes_its_basis_in_the_language_of_the_reader() {
    let city = city();
    for (nth, zh, en) in [
        (
            0,
            "GB 3095—2026 过渡值 二级标准 24小时平均，用于滑动均值：本市规则",
            "GB 3095-2026 transitional, grade II",
        ),
        (1, "GB 12523—2025 昼间 等效声级，限值同2011年版表1", "GB 12523-2025, day"),
        (2, "本市规则：落后计划曲线5个百分点", "5 points behind the planned curve"),
    ] {
        let order = city::order(&city.parts.catalogue.in_force().catalogue, nth, Span::MINUTE, now());
        let path = format!("/orders/{}", order.no);
        city.orders.put(order);
        let (chinese, english) =
            (city.get(&path).await.body, city.get(&format!("{path}?lang=en")).await.body);
        assert!(chinese.contains(&format!("<p class=\"hint\">{zh}")), "{zh} above the chart");
        assert!(chinese.contains(&format!("\"label\":\"限值 {zh}")), "{zh} in the chart");
        assert!(!chinese.contains(en), "{en} in Chinese");
        assert!(english.contains(&format!("\"label\":\"Limit {en}")) && !english.contains(zh), "{en}");
    }
}

#[tokio::test]
async fn a_basis_without_chinese_words_is_quoted_as_it_is() {
    let city = city();
    let mut order = city::order(&city.parts.catalogue.in_force().catalogue, 0, Span::MINUTE, now());
    order.draft.evidence.anomaly.edition = "DB 51/2682-2020".into();
    let path = format!("/orders/{}", order.no);
    city.orders.put(order);
    assert!(city.get(&path).await.body.contains("<p class=\"hint\">DB 51/2682-2020</p>"));
}

#[tokio::test]
async fn derived_units_are_in_the_language_of_the_reader() {
    let city = city();
    for (nth, unit, zh) in
        [(30, "µg/m³ per hour", "25,188 µg/m³/小时"), (32, "percentage points", "25,188.0 个百分点")]
    {
        let mut order = city::order(&city.parts.catalogue.in_force().catalogue, nth, Span::MINUTE, now());
        (order.draft.evidence.unit, order.draft.evidence.anomaly.extreme) = (unit.into(), 25_188.0);
        let own = format!("/orders/{}", order.no);
        city.orders.put(order);
        for path in ["/", "/orders", &own] {
            let page = city.get(path).await.body;
            assert!(page.contains(zh) && !page.contains(unit), "{path}: {unit}");
            assert!(city.get(&format!("{path}?lang=en")).await.body.contains(unit), "{path}: {unit}");
        }
    }
}

/// The chart of an order's page.
async fn chart(city: &City, no: &str) -> Value {
    let body = city.get(&format!("/orders/{no}?lang=en")).await.body;
    let chart =
        body.split("<script type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(chart).unwrap()
}

#[tokio::test]
async fn an_order_shows_its_evidence_with_the_limit() {
    let city = city();
    let page = city.get("/api/v1/orders?category=site_noise&limit=1").await.json();
    let no = page["orders"][0]["no"].as_str().unwrap();
    let chart = chart(&city, no).await;
    assert_eq!(chart["limits"][0]["value"], 70.0);
    assert_eq!(chart["limits"][0]["label"], "Limit GB 12523-2025, day");
    assert_eq!(chart["unit"], "dB(A)");
    assert_eq!(chart["lines"][1]["points"].as_array().unwrap().len(), 20, "the judged values");
    assert!(chart["episode"][0].is_i64());
}

/// A peak in the first minutes of three days of a reading each ten seconds: the chart begins where its span does, has
/// no more points than a line can show, and has the peak.
#[tokio::test]
async fn a_long_episode_is_drawn_from_its_beginning_with_every_peak() {
    let city = city();
    let order = city::order(&city.parts.catalogue.in_force().catalogue, 25, Span::DAY.times(3), now());
    let anomaly = order.draft.evidence.anomaly.clone();
    let series = anomaly.series.clone();
    let seconds = (now() - anomaly.begin).0 / Span::SECOND.0;
    for second in (0..seconds).step_by(10) {
        let value = if second == 120 { 101.5 } else { 60.0 + (second % 70) as f64 / 10.0 };
        put(&city, &series, anomaly.begin + Span::SECOND.times(second), value);
    }
    city.orders.put(order.clone());
    let chart = chart(&city, &order.no.0).await;
    let points = chart["lines"][0]["points"].as_array().unwrap();
    assert!((1_000..=2_000).contains(&points.len()), "{}", points.len());
    assert_eq!(points[0][0], anomaly.begin.millis());
    assert!(points.contains(&json!([(anomaly.begin + Span::SECOND.times(120)).millis(), 101.5])));
    assert_eq!(
        points[points.len() - 1][0],
        (anomaly.begin + Span::SECOND.times((seconds - 1) / 10 * 10)).millis()
    );
    let apart = |pair: &[Value]| pair[1][0].as_i64().unwrap() - pair[0][0].as_i64().unwrap();
    let widest = points.windows(2).map(apart).max().unwrap();
    assert!(widest <= chart["gap_ms"].as_i64().unwrap(), "what was thinned is no gap: {widest} ms");
    let label = chart["lines"][0]["label"].as_str().unwrap();
    assert!(!label.contains("not drawn"), "{label}");
}

#[tokio::test]
async fn stations_show_their_last_value_and_health() {
    let city = city();
    let catalogue = city.parts.catalogue.in_force().catalogue;
    city::fill(&city.series, &catalogue, now());
    let page = city.get("/stations?kind=air&district=510106&lang=en").await.body;
    assert_eq!(page.matches("<article").count(), 2, "two air stations in Jinniu");
    assert!(page.contains("µg/m³") && page.contains("silent"), "one of them fell silent");
    let silent = city.get("/stations?kind=air&district=510106&health=silent").await.body;
    assert_eq!(silent.matches("<article").count(), 1);
    assert_eq!(city.get("/stations?kind=spaceship").await.status, 400);
}

#[tokio::test]
async fn the_overview_has_a_chart_of_each_kind() {
    let city = city();
    city::fill(&city.series, &city.parts.catalogue.in_force().catalogue, now());
    let page = city.get("/?lang=en").await.body;
    for kind in ["Environment", "Projects", "Economy"] {
        assert!(page.contains(&format!("<p class=\"eyebrow\">{kind}</p>")), "{kind}");
    }
    let charts: Vec<Value> = page
        .split("<script type=\"application/json\">")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("</script>").next().unwrap()).unwrap())
        .collect();
    assert_eq!(charts.len(), 4);
    assert_eq!(charts[0]["limits"][0]["label"], "limit GB 3095-2026 transitional, grade II");
    let chinese = city.get("/").await.body;
    assert!(chinese.contains("\"label\":\"限值 GB 3095—2026 过渡值 二级标准 24小时平均\""), "and in Chinese");
    assert!(!chinese.contains("transitional") && !chinese.contains("GB 12523-2025"));
    assert!(charts.iter().all(|chart| !chart["lines"][0]["points"].as_array().unwrap().is_empty()));
    assert_eq!(charts[0]["limits"][0]["value"], 60.0, "the limit that holds in March 2026");
    assert_eq!(charts[2]["lines"][1]["style"], "plan");
    assert_eq!(charts[3]["kind"], "bars");
}
