//! Why an order was opened, and what another limit would have found.

use yiwang_model::AnomalyId;

use super::*;
use crate::why::{Outcome, Reasons, Why};

const NONE: &str = "0ad8147d521b365a804ed3aef306652f";

/// Of a city whose capsules were all altered.
struct Altered;

impl Reasons for Altered {
    fn why(&self, _: &[u8]) -> Result<Why, String> {
        Err("it was <b>altered</b>".into())
    }

    fn what_if(&self, _: &[u8], _: f64, _: &[Row]) -> Result<Option<[Outcome; 2]>, String> {
        Ok(None)
    }
}

async fn first(city: &City) -> (String, AnomalyId) {
    let no = city.any("opened").await;
    let order = city.get(&format!("/api/v1/orders/{no}")).await.json();
    let id = order["anomaly"].as_str().unwrap().parse().unwrap();
    (no, id)
}

#[tokio::test]
async fn the_page_and_the_api_say_why() {
    let city = city();
    let (no, id) = first(&city).await;
    let why = city.get(&format!("/api/v1/anomalies/{id}/explanation")).await;
    assert_eq!(why.status, 200, "{}", why.body);
    let why = why.json();
    assert_eq!((why["limit"].as_f64(), why["catalogue_revision"].as_u64()), (Some(75.0), Some(7)));
    let page = city.get(&format!("/orders/{no}")).await.body;
    for shown in ["为什么立案", "serious_at", why["hash"].as_str().unwrap(), "data-what-if"] {
        assert!(page.contains(shown), "{shown} is not on the page");
    }
    let kept = city.parts.orders.capsule(id).await.unwrap().unwrap();
    let capsule = city.get(&format!("/api/v1/anomalies/{id}/capsule")).await.json();
    let digits: String = kept.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(capsule["capsule"], digits, "as it was sealed");
    assert_eq!(city.get(&format!("/api/v1/anomalies/{NONE}/capsule")).await.status, 404);
    assert_eq!(city.get(&format!("/api/v1/anomalies/{NONE}/explanation")).await.status, 404);
    assert_eq!(city.get("/api/v1/anomalies/x/explanation").await.status, 404);
}

#[tokio::test]
async fn what_was_altered_is_told_and_takes_no_page_away() {
    let mut city = city();
    city.parts.reasons = Arc::new(Altered);
    let (no, id) = first(&city).await;
    let page = city.get(&format!("/orders/{no}")).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("封存的内容不成立") && !page.body.contains("<b>altered"), "{}", page.body);
    assert!(!page.body.contains("data-what-if"));
    let why = city.get(&format!("/api/v1/anomalies/{id}/explanation")).await;
    assert_eq!(why.status, 500);
    assert!(why.json()["error"].as_str().unwrap().contains("does not hold"), "{}", why.body);
}

#[tokio::test]
async fn another_limit_is_tried_on_the_last_week_alone() {
    let city = city();
    let (_, id) = first(&city).await;
    let order = city.parts.orders.of_anomaly(id).await.unwrap().unwrap();
    let series = order.draft.evidence.anomaly.series;
    let week = yiwang_series::Range {
        series: series.clone(),
        from: now() - Span::DAY.times(7),
        to: now() + Span(1),
        as_of: yiwang_series::AsOf::Latest,
        limit: 100_000,
    };
    let before = city.parts.series.range(&week).await.unwrap().len();
    for (days, value) in [(8, 500.0), (6, 100.0), (2, 60.0)] {
        put(&city, &series, now() - Span::DAY.times(days), value);
    }
    let ask = async |value: &str| city.get(&format!("/api/v1/anomalies/{id}/what-if?value={value}")).await;
    let tried = ask("1e9").await.json();
    assert_eq!(
        tried["readings"].as_u64(),
        Some(before as u64 + 2),
        "what is older than a week is left out: {tried}"
    );
    assert_eq!(tried["after"]["exceedances"], 0, "{tried}");
    assert!(tried["before"]["exceedances"].as_u64().unwrap() >= 1, "{tried}");
    assert_eq!(tried["truncated"], false);
    for wrong in ["", "x", "NaN", "inf", "1&limit=2"] {
        assert_eq!(ask(wrong).await.status, 400, "{wrong}");
    }
    let none = city.get(&format!("/api/v1/anomalies/{NONE}/what-if?value=1")).await;
    assert_eq!(none.status, 404);
}
