use super::*;
use crate::planted::kind::Class;

/// A station of the data that the simulator carries.
fn stretch() -> Stretch {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("data/beijing/PRSA_Data_Changping_20130301-20170228.csv.gz");
    Stretch::read(&[file], "2014-03-01T00:00:00+08:00".parse().unwrap(), 120).unwrap()
}

fn rows(stretch: &Stretch, plan: &str) -> Result<Vec<(usize, Row)>, Vec<Wrong>> {
    resolve(&Plan::parse(&format!("kind,target,begin,length,size\n{plan}")).unwrap(), stretch)
}

#[test]
fn what_is_planted_has_its_size_and_all_else_is_as_it_was() {
    let stretch = stretch();
    let rows = rows(
        &stretch,
        "spike,Changping/o3,+40d,1,8\nshift,Changping/no2,+40d,30,3\nstuck,Changping/pm10,+40d,8,\ngap,Changping/pm2_5,+40d,5,\n",
    )
    .unwrap();
    for (at, row) in &rows {
        let series = &stretch.series[*at];
        let (before, after) = (series.with(&[]), series.with(&[row]));
        let inside = |time: Timestamp| row.begin <= time && time < row.end;
        assert!(before.iter().filter(|one| !inside(one.0)).eq(after.iter().filter(|one| !inside(one.0))));
        let values = |sent: &[(Timestamp, f64, yiwang_model::Quality)]| -> Vec<f64> {
            sent.iter().filter(|one| inside(one.0)).map(|one| one.1).collect()
        };
        let (was, is) = (values(&before), values(&after));
        let moved = || was.iter().zip(&is).map(|(was, is)| (is - was) / series.sigma);
        match row.kind {
            Kind::Gap => assert!(!was.is_empty() && is.is_empty()),
            Kind::Stuck => assert!(is.windows(2).all(|pair| pair[0] == pair[1]) && is.len() == was.len()),
            _ => assert!(
                !is.is_empty() && moved().all(|moved| (moved - row.size).abs() < 0.1),
                "{:?}",
                row.kind
            ),
        }
    }
    assert_eq!(rows.len(), 4);
}

#[test]
fn a_drawn_plan_fits_and_is_the_same_each_time() {
    let stretch = stretch();
    let options = Options {
        inputs: Vec::new(),
        begin: stretch.begin,
        days: 120,
        plan: None,
        seed: 5,
        each: 1,
        factors: vec![1.0],
        detectors: None,
        out: PathBuf::new(),
    };
    let plan = draw(&options, &stretch).unwrap();
    assert_eq!(plan, draw(&options, &stretch).unwrap());
    assert_ne!(plan, draw(&Options { seed: 6, ..options.clone() }, &stretch).unwrap());
    let rows = resolve(&plan, &stretch).unwrap();
    assert_eq!(
        rows.iter().filter(|(_, row)| row.class == Class::Fault && row.factor == 1.0).count(),
        KINDS.len()
    );
    assert!(rows.iter().all(|(_, row)| row.begin >= stretch.begin + WARM_UP && row.end <= stretch.end()));
}

#[test]
fn what_does_not_fit_is_told_by_line() {
    let stretch = stretch();
    for (plan, word) in [
        ("spike,Nowhere/o3,+40d,1,8", "line 2: target \"Nowhere/o3\" is no series here"),
        ("slip,Changping/o3,+40d,,", "kind \"slip\" cannot be planted into real air"),
        ("limit,Changping/pm10,+40d,,", "has no limit of the hourly mean"),
        ("spike,Changping/o3,+120d,1,8", "is not in the stretch"),
        ("shift,Changping/o3,+40d,30,3\nspike,Changping/o3,+41d,1,8", "line 3: begin"),
    ] {
        let told = rows(&stretch, &format!("{plan}\n")).unwrap_err();
        assert!(told.len() == 1 && told[0].to_string().contains(word), "{plan}: {told:?}");
    }
}

#[test]
fn its_catalogue_is_one() {
    let text = catalogue::beijing(&stretch().sources());
    let read = yiwang_catalogue::Catalogue::parse(&[("city.toml", &text)]);
    let read =
        read.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(read.series().count(), 4);
}
