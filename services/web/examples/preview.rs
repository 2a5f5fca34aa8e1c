//! Serves the console over a made-up day of the demo city, to be looked at: `cargo run -p yiwang-web --example preview
//! -- 8080`. Nothing is stored; every second the city sends on, every twenty an order opens.

use std::sync::Arc;
use std::time::Duration;

use yiwang_catalogue::{Catalogue, MetricKind};
use yiwang_model::{Span, Timestamp};
use yiwang_web::{Health, Live, LiveEvent, OpenGate, Parts, Readiness, Sample};

#[path = "../testing/city.rs"]
mod city;
#[path = "../testing/stores.rs"]
mod stores;

use stores::{MemoryCatalogue, MemoryOrders, MemorySeries};

struct Well;

impl Health for Well {
    fn readiness(&self) -> Vec<Readiness> {
        vec![Readiness { name: "log".into(), ok: true, needed: true, detail: "writable".into() }]
    }

    fn samples(&self) -> Vec<Sample> {
        vec![Sample::counter("yiwang_readings_total", "Readings admitted.", 1.0).with("door", "grpc")]
    }
}

fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let (catalogue, series, orders) =
        (city::catalogue(), Arc::new(MemorySeries::default()), Arc::new(MemoryOrders::default()));
    city::fill(&series, &catalogue, now());
    for nth in 1..=72 {
        let age = Span::MINUTE.times(i64::try_from(nth * nth).unwrap_or(0) * 2 + 3);
        orders.put(match nth {
            9 => city::revised(&catalogue, nth, age, now()),
            6 => city::withdrawn(&catalogue, nth, age, now(), None),
            4 => {
                let joined = city::order(&catalogue, 5, Span::MINUTE.times(53), now());
                city::withdrawn(&catalogue, nth, age, now(), Some(&joined))
            }
            _ => city::order(&catalogue, nth, age, now()),
        });
    }
    let live = Arc::new(Live::default());
    tokio::spawn(go_on(catalogue.clone(), series.clone(), orders.clone(), live.clone()));
    let city_now = Arc::new(|| Some(now()));
    let parts = Parts {
        catalogue: MemoryCatalogue::new(catalogue),
        series,
        feed: orders.clone(),
        alerts: orders.clone(),
        orders,
        reasons: Arc::new(stores::MemoryReasons),
        quiet: Arc::new(yiwang_web::Quiet::default),
        city_now,
        health: Arc::new(Well),
        gate: Arc::new(OpenGate),
        live,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, yiwang_web::router(parts, yiwang_web::Added::default())).await
}

async fn go_on(
    catalogue: Arc<Catalogue>,
    series: Arc<MemorySeries>,
    orders: Arc<MemoryOrders>,
    live: Arc<Live>,
) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 1.. {
        seconds.tick().await;
        let here = catalogue.stations.values().filter(|station| &*station.gateway != "beijing-replay");
        for (nth, station) in here.enumerate().filter(|(nth, _)| !matches!(nth % 23, 7 | 16)) {
            let metrics = station.metrics.iter().filter_map(|name| catalogue.metric(name));
            let sensors =
                metrics.filter(|metric| matches!(metric.kind, MetricKind::Environment | MetricKind::Water));
            sensors.filter(|_| nth % 5 == second % 5).for_each(|metric| {
                city::send(&series, &catalogue, metric, station, now());
            });
        }
        if second % 20 == 0 {
            let order = city::order(&catalogue, 100 + second / 20, Span::SECOND, now());
            live.publish(LiveEvent::Anomaly(order.draft.evidence.anomaly.clone()));
            orders.put(order);
        }
    }
}
