//! Extremes, sums and the state of equipment: readings where the catalogue names them, counted where not.

use yiwang_catalogue::logger::{Beside, Named};

use super::*;

/// The demo city with these values of one code of the logger at the outfall, all as readings of `cod`.
async fn house_with_values(code: &str, values: &[(u16, &'static str, Option<i8>)]) -> House {
    let mut catalogue = Catalogue::demo();
    let logger = catalogue.loggers.get_mut(WATER).unwrap();
    let mut taken = logger.factors["w01018"].clone();
    taken.beside = values
        .iter()
        .map(|(cn, suffix, shift)| Beside {
            named: Named { cn: *cn, suffix, metric: "cod".into() },
            shift: *shift,
        })
        .collect();
    logger.factors.insert(code.into(), taken);
    house_of(catalogue, Options::default(), Arc::new(AnyPassword)).await
}

#[tokio::test]
async fn named_values_become_readings_with_the_period_and_flag_of_their_factor() {
    let house =
        house_with_values("w01018", &[(2061, "Max", Some(0)), (2061, "Cou", None), (2031, "Min", Some(0))])
            .await;
    let mut client = house.client().await;
    let hour = "DataTime=20260302100000;w01018-Cou=2.9,w01018-Min=41.0,w01018-Avg=46.2,w01018-Max=58.8,w01018-Flag=D";
    client.send(message(WATER, 2061, hour).to_bytes()).await;
    assert_eq!(client.answer().await.unwrap().1, 9014);
    let rows = house.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].value, rows[0].quality), (58.8, Quality::Fault));
    assert_eq!(rows[0].period_end.unwrap().to_string(), "2026-03-02T03:00:00Z");
    assert_eq!(house.reasons(), [Reason::NotJudged, Reason::NoUnit], "Avg has no metric, Cou no unit");
    assert_eq!(house.counts().values_beside.get(), 1, "Min of an hour");
}

#[tokio::test]
async fn the_state_of_equipment_is_a_reading_if_it_is_named_and_counted_if_not() {
    let house = house_with_values("SB1", &[(2021, "RS", Some(0)), (2041, "RT", Some(0))]).await;
    let mut client = house.client().await;
    for (cn, content) in [
        (2021, "DataTime=20260302101500;SB1-RS=1;SB2-RS=0"),
        (2041, "DataTime=20260302000000;SB1-RT=1.5"),
        (2021, "SB2-RS=0"),
        (2081, "DataTime=20260302101500;RestartTime=20260302101400"),
    ] {
        client.send(message(WATER, cn, content).to_bytes()).await;
        assert_eq!(client.answer().await.unwrap().1, 9014, "{cn}");
    }
    let rows: Vec<_> =
        house.rows().iter().map(|row| (row.value, row.period_end.map(|end| end.to_string()))).collect();
    assert_eq!(rows, [(1.0, None), (1.5, Some("2026-03-02T16:00:00Z".into()))]);
    assert!(house.rejected().is_empty());
}
