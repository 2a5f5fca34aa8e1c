use super::*;

#[test]
fn the_default_plan_has_no_faults_of_its_own() {
    assert!(crate::city::default_faults().lines.len() >= 7);
}

#[test]
fn a_plan_is_read_with_its_columns_in_any_order() {
    let plan = Plan::parse("end,size,kind,target,begin\n# a note\n+1h,,drift,a/b,-30m\n2026-03-02T10:15:00+08:00,4,spike,c,+0s\n").unwrap();
    let (drift, spike) = (&plan.lines[0], &plan.lines[1]);
    assert_eq!((drift.kind, drift.size, drift.line), (Kind::Drift, 20.0, 3));
    assert_eq!(drift.begin, When::After(Span::MINUTE.times(-30)));
    assert_eq!(spike.end, When::At("2026-03-02T02:15:00Z".parse().unwrap()));
}

#[test]
fn every_bad_line_is_told() {
    let plan = "kind,target,begin,end,size\n\
        fire,a,+0s,+1s,\n\
        spike,,+0s,+1s,\n\
        spike,a,soon,+1s,\n\
        spike,a,+0s,2026-03-02 10:15,\n\
        spike,a,+0s,+1s,NaN\n\
        spike,a,+5s,+1s,\n\
        spike,a,+0s,+1s,1,2\n\
        flood,,x,y,z\n";
    let wrong = Plan::parse(plan).unwrap_err();
    let lines: Vec<u64> = wrong.iter().map(|wrong| wrong.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9]);
    assert!(wrong[0].to_string().contains("known are plume, stuck"), "{}", wrong[0]);
    let all = all_wrong("plan.csv", &wrong).to_string();
    assert_eq!(all.lines().count(), wrong.len());
}

#[test]
fn columns_that_are_missing_or_strange_are_told() {
    let wrong = Plan::parse("kind,target,begin,until\n").unwrap_err();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(Plan::parse("").is_err());
}
