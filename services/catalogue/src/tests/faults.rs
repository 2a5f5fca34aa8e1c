//! Every kind of fault, told with its file, line and key.

use super::*;

/// The faults of the small city after one change, as (line of the change, all faults).
fn broken(from: &str, to: &str) -> Vec<Fault> {
    assert!(SMALL.contains(from), "{from:?} is not in the small city");
    parse(&SMALL.replacen(from, to, 1)).expect_err(&format!("{to:?} was accepted"))
}

/// The line on which a text begins.
fn line_of(text: &str) -> usize {
    SMALL[..SMALL.find(text).unwrap()].lines().count() + 1
}

/// A place before which an entry may stand.
const ROUTE: &str = "[[route]]";

/// One change, the key that is told, and words of the fault.
const CASES: &[(&str, &str, &str, &str)] = &[
    // values
    ("min = 0\n", "min = nan\n", "metric.min", "found nan; a finite number"),
    ("min = 0\n", "min = \"0\"\n", "metric.min", "found \"0\"; a finite number"),
    ("max = 2000\n", "max = -5\n", "metric.max", "found -5; more than min, which is 0 would"),
    ("kind = \"environment\"", "kind = \"air\"", "metric.kind", "\"environment\" or \"water\""),
    ("period = \"60s\"", "period = 60", "metric.period", "a span such as \"90s\""),
    ("period = \"60s\"", "period = \"0s\"", "metric.period", "found 0s; a span above zero"),
    ("unit = \"µg/m³\"", "unit = \"\"", "metric.unit", "a unit as text"),
    ("name = \"pm2_5\"", "name = \"pm 2.5\"", "metric.name", "letters, digits"),
    (
        "valid_from = 2013-01-01",
        "valid_from = \"2013-01-01\"",
        "limit.valid_from",
        "a date from 1900 to 2199 without quotes",
    ),
    (
        "valid_to = 2026-02-28",
        "valid_to = 2012-01-01",
        "limit.valid_to",
        "the day of valid_from or a later one",
    ),
    ("en = \"Air\"\n", "en = \"Air\"\nwork_hours = -1\n", "category.work_hours", "hours from 0 to 8760"),
    ("en = \"Air\"\n", "en = \"Air\"\nwork_hours = \"4h\"\n", "category.work_hours", "a finite number"),
    ("en = \"Air\"\n", "en = \"Air\"\nwork_hour = 4\n", "category.work_hour", "\"work_hours\""),
    ("point = [104.1, 30.6]", "point = [30.6, 104.1]", "station.point", "[longitude, latitude]"),
    ("points = [[2026-01-01, 0], ", "points = [[2026-01-31, 0], ", "plan.points", "each later than the last"),
    ("key = \"510104\"", "key = \"jinjiang\"", "district.key", "a division code of six digits"),
    ("from = 09:00:00", "from = 13:00:00", "office_hours.to", "a time after 13:00:00"),
    ("amount = 5\n", "amount = 0\n", "deadline.amount", "a whole number from 1 to 1000"),
    ("amount = 5\n", "amount = \"5d\"\n", "deadline.amount", "a whole number"),
    ("clock = \"working_day\"", "clock = \"day\"", "deadline.clock", "\"calendar\" or \"working_day\""),
    (
        "off = [2027-01-01]",
        "off = [2025-01-01]",
        "calendar_year.off",
        "days of 2027 or of the December before",
    ),
    // loggers
    ("code = \"a34004\"", "code = \"a 34004\"", "factor.code", "letters, digits"),
    ("also = [\"PM25\"]", "also = [\"a34004\"]", "factor.also", "\"a34004\" again, first at small.toml:"),
    ("also = [\"PM25\"]", "also = [\"\"]", "factor.also", "names of letters"),
    (
        "also = [\"PM25\"]\nmetric = \"pm2_5\"",
        "also = [\"PM25\"]",
        "factor.metric",
        "at least one of metric, minute",
    ),
    (
        "also = [\"PM25\"]\nmetric",
        "also = [\"PM25\"]\nhour_metric = \"pm25\"\nmetric",
        "factor.hour_metric",
        "\"pm2_5\" or another",
    ),
    ("also = [\"PM25\"]", "values = { \"2061-Rtd\" = \"pm2_5\" }", "factor.values", "such as { \"2061-Max\""),
    ("also = [\"PM25\"]", "values = { \"9014-Max\" = \"pm2_5\" }", "factor.values", "such as { \"2061-Max\""),
    (
        "also = [\"PM25\"]",
        "values = { \"2061-Max\" = \"pm25\" }",
        "factor.values",
        "metrics of the catalogue",
    ),
    (
        "units = { a34004",
        "units = { \"a34004-Cou\" = \"kg\", a34004",
        "logger.units",
        "values of its [[factor]] name",
    ),
    ("mn = \"M1\"\n", "mn = \"\"\n", "logger.mn", "letters, digits"),
    (
        "mn = \"M1\"\nstation = \"air-1\"",
        "mn = \"M1\"\nstation = \"air-2\"",
        "logger.station",
        "\"air-1\" or another",
    ),
    ("mode = \"strict\"", "mode = \"loose\"", "logger.mode", "\"strict\" or \"lenient\""),
    ("units = { a34004", "units = { a34005", "logger.units", "\"a34004\" or another code"),
    ("\"mg/m³\" }", "7 }", "logger.units", "a table of units"),
    ("\"mg/m³\" }", "\"ppm\" }", "logger.units", "\"µg/m³\", the unit of metric"),
    (
        "mn = \"M1\"\nstation = \"air-1\"",
        "mn = \"M1\"\nstation = \"school\"",
        "logger.units",
        "which its station does not measure",
    ),
    ("units = { a34004 = \"mg/m³\" }\n", "", "logger.units", "found nothing"),
    // a number has a unit and a source
    (
        "unit = \"ug/m3\"\n",
        "unit = \"mg/m³\"\n",
        "limit.unit",
        "found \"mg/m³\"; \"µg/m³\", the unit of metric \"pm2_5\",",
    ),
    ("unit = \"ug/m3\"\n", "", "limit.unit", "found nothing; a unit"),
    (
        "grade = \"grade II\"\nsource = \"test\"\n",
        "grade = \"grade II\"\n",
        "limit.source",
        "found nothing; a text",
    ),
    (
        "grade = \"grade II\"\nsource = \"test\"\n",
        "grade = \"grade II\"\nsource = \" \"\n",
        "limit.source",
        "a text of 1 to",
    ),
    // Chinese words of a basis may be missing, never empty
    (
        "grade = \"grade II\"\nsource = \"test\"\n",
        "grade = \"grade II\"\nsource = \"test\"\nsource_zh = \" \"\n",
        "limit.source_zh",
        "a text of 1 to",
    ),
    (
        "severity = \"warning\"\nsource = \"test\"\n",
        "severity = \"warning\"\nsource = \"test\"\nsource_zh = \"\"\n",
        "detector.source_zh",
        "a text of 1 to",
    ),
    (
        "severity = \"serious\"\nsource = \"test\"\n",
        "severity = \"serious\"\nsource = \"test\"\nsource_zh = 7\n",
        "detector.source_zh",
        "found 7; a text",
    ),
    ("period = \"60s\"\nsource = \"test\"\n", "period = \"60s\"\n", "metric.source", "found nothing"),
    (
        "unit = \"%\"\nsource = \"test\"\npoints",
        "unit = \"1\"\nsource = \"test\"\npoints",
        "plan.unit",
        "\"%\", the unit of metric",
    ),
    // unknown keys
    (
        "gateway = \"north\"",
        "gatway = \"north\"\ngateway = \"north\"",
        "station.gatway",
        "not known; \"gateway\"",
    ),
    (
        "window = \"day mean\"\ncategory",
        "window = \"day mean\"\nhystersis = 1\ncategory",
        "detector.hystersis",
        "not known; \"hysteresis\"",
    ),
    ("[[gateway]]", "[[gatway]]", "\"gatway\"", "not known; [[gateway]]"),
    ("start = \"next_day\"", "start = \"next_day\"\nxyz = 1", "deadline.xyz", "one of amount, category"),
    // alerts
    (ROUTE, "[[alert]]\nlabel = \"a\"\ncategory = \"air\"\n[[route]]", "alert.label", "a value beside it"),
    (ROUTE, "[[alert]]\nvalue = \"a\"\ncategory = \"air\"\n[[route]]", "alert.value", "a label beside it"),
    (ROUTE, "[[alert]]\ncategory = \"aid\"\n[[route]]", "alert.category", "\"aid\", which is not there"),
    (
        ROUTE,
        "[[alert]]\ncategory = \"air\"\n[[alert]]\ncategory = \"air\"\n[[route]]",
        "alert.category",
        "a second",
    ),
    // twice
    ("id = \"school\"", "id = \"air-1\"", "station.id", "found \"air-1\" again, first at small.toml:"),
    ("id = \"pm2_5-2026\"", "id = \"pm2_5-2012\"", "limit.id", "again"),
    ("name = \"gateway-silent\"", "name = \"pm2_5-day\"", "detector.name", "again"),
    (
        "category = \"air\"\ndistrict = \"gaoxin\"\ndepartment",
        "department",
        "route.department",
        "a second route for the same",
    ),
    ("category = \"air\"\npriority = \"urgent\"\n", "", "deadline.id", "what deadline \"ordinary\" is for"),
    ("metrics = [\"pm2_5\"]", "metrics = [\"pm2_5\", \"pm2_5\"]", "station.metrics", "\"pm2_5\" twice"),
    ("value = 75\n", "value = 75\nvalue = 76\n", "toml", "duplicate key"),
    (
        "working = [2026-12-27]",
        "working = [2027-01-01]",
        "calendar_year.working",
        "2027-01-01, which is off as well",
    ),
    // dangling references
    (
        "gateway = \"north\"",
        "gateway = \"nort\"",
        "station.gateway",
        "found \"nort\", which is not there; \"north\" or another",
    ),
    ("district = \"510104\"", "district = \"510199\"", "station.district", "\"510104\" or another"),
    ("metrics = [\"pm2_5\"]", "metrics = [\"pm25\"]", "station.metrics", "\"pm2_5\" or another"),
    ("metric = \"pm2_5\"\nvalue = 75", "metric = \"pm10\"\nvalue = 75", "limit.metric", "which is not there"),
    ("station = \"school\"", "station = \"bridge\"", "plan.station", "which is not there"),
    (
        "[[route]]\ndepartment = \"centre\"",
        "[[route]]\ndepartment = \"center\"",
        "route.department",
        "\"centre\" or another",
    ),
    (
        "category = \"air\"\ndistrict = \"gaoxin\"",
        "category = \"water\"\ndistrict = \"gaoxin\"",
        "route.category",
        "which is not there",
    ),
    (
        "category = \"air\"\nseverity",
        "category = \"water\"\nseverity",
        "detector.category",
        "which is not there",
    ),
    // detectors
    ("kind = \"limit\"", "kind = \"limits\"", "detector.kind", "found \"limits\"; one of limit, spike"),
    (
        "window = \"day mean\"\ncategory",
        "window = \"hour mean\"\ncategory",
        "detector.window",
        "a window of its limits (\"day mean\")",
    ),
    (
        "window = \"day mean\"\ncategory",
        "window = \"week\"\ncategory",
        "detector.window",
        "instant, 20 min mean",
    ),
    (
        "window = \"day mean\"\ncategory",
        "window = \"day mean\"\nhysteresis = \"much\"\ncategory",
        "detector.hysteresis",
        "a share of the limit",
    ),
    (
        "window = \"day mean\"\ncategory",
        "window = \"day mean\"\nhysteresis = [1]\ncategory",
        "detector.hysteresis",
        "a finite number, a text",
    ),
    ("after = \"3m\"", "after = \"0s\"", "detector.after", "a span above zero"),
    ("valid_from = 2026-03-01", "valid_from = 2026-02-28", "detector.grade", "which hold at the same time"),
    // line protocol
    (
        "measurement = \"outdoor\"",
        "measurement = \"readings\"",
        "line_field.measurement",
        "lines of this one name",
    ),
    (
        "field = \"fine\"\nmetric = \"pm2_5\"",
        "field = \"fine\"\nmetric = \"pm25\"",
        "line_field.metric",
        "which is not there",
    ),
    ("unit = \"µg/m³\"\nsource_tag", "unit = \"mg/m³\"\nsource_tag", "line_field.unit", "µg/m³"),
    ("source_tag = \"box\"\n", "", "line_field.source_tag", "found nothing"),
    (
        "[[line_field]]\n",
        "[[line_field]]\nmeasurement = \"outdoor\"\nfield = \"fine\"\nmetric = \"pm2_5\"\nunit = \"µg/m³\"\nsource_tag = \"box\"\n\n[[line_field]]\n",
        "line_field.field",
        "\"fine\" again, as in small.toml:",
    ),
    // Sparkplug B
    (
        "name = \"Air/Fine\"\nmetric = \"pm2_5\"",
        "name = \"Air/Fine\"\nmetric = \"pm25\"",
        "sparkplug_metric.metric",
        "which is not there",
    ),
    (
        "name = \"Air/Fine\"\nmetric = \"pm2_5\"\nunit = \"µg/m³\"",
        "name = \"Air/Fine\"\nmetric = \"pm2_5\"\nunit = \"mg/m³\"",
        "sparkplug_metric.unit",
        "µg/m³",
    ),
    ("name = \"Air/Fine\"\n", "", "sparkplug_metric.name", "found nothing"),
    (
        "[[sparkplug_metric]]\n",
        "[[sparkplug_metric]]\nname = \"Air/Fine\"\nmetric = \"pm2_5\"\nunit = \"µg/m³\"\n\n[[sparkplug_metric]]\n",
        "sparkplug_metric.name",
        "\"Air/Fine\" again, as in small.toml:",
    ),
    // what must be there
    (
        "[[route]]\ndepartment = \"centre\"\n",
        "",
        "route",
        "a [[route]] with a department and without category",
    ),
    (
        "[[office_hours]]\nfrom = 09:00:00\nto = 12:00:00\nsource = \"test\"\n",
        "",
        "deadline.clock",
        "[[office_hours]] beside it",
    ),
    ("amount = 5\n", "amount = 5\nvalid_from = 2026-01-01\n", "deadline", "a [[deadline]] without category"),
    // TOML
    ("value = 75\n", "value = \n", "toml", "TOML 1.0"),
    ("[[plan]]", "[plan]", "plan", "found a value of type table; [[plan]]"),
];

/// What is wrong with the answer to one change, if anything.
fn complaint((from, to, key, words): &(&str, &str, &str, &str)) -> Option<String> {
    let faults = broken(from, to);
    let shown: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    let told = faults.iter().find(|fault| fault.key == *key && fault.to_string().contains(words));
    let Some(fault) = told else { return Some(format!("{to:?}: not {key}: …{words}…{shown}")) };
    let near = line_of(from).saturating_sub(12)..=line_of(from) + 12;
    if fault.file != "small.toml" || !(fault.line == 0 || near.contains(&fault.line)) {
        return Some(format!("{to:?}: not near {near:?}: {fault}"));
    }
    let renames =
        ["name = ", "code = ", "id = ", "key = ", "[[gateway]]"].iter().any(|name| from.starts_with(name));
    let echo = |other: &&Fault| renames && other.found.ends_with("which is not there");
    let others = faults.iter().filter(|other| *other != fault && !echo(other)).count();
    (others > 0).then(|| format!("{to:?}: more than one fault{shown}"))
}

#[test]
fn each_kind_of_fault_is_told_once_and_at_its_line() {
    let complaints: Vec<String> = CASES.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_small_city_itself_is_right() {
    let faults = parse(SMALL).err().unwrap_or_default();
    assert_eq!(faults, []);
}

#[test]
fn a_catalogue_with_ten_mistakes_reports_all_ten() {
    let (one, two) = SMALL.split_at(SMALL.find("[[station]]").unwrap());
    let one = one
        .replacen("min = 0\n", "min = nan\n", 1)
        .replacen("kind = \"project\"", "kind = \"projekt\"", 1)
        .replacen("kind = \"zone\"", "kind = \"zones\"", 1)
        .replacen("en = \"Centre\"", "eng = \"Centre\"", 1);
    let two = two
        .replacen("gateway = \"north\"", "gateway = \"nord\"", 1)
        .replacen("district = \"gaoxin\"", "district = \"gaoxin\"\nperiod = \"1 day\"", 1)
        .replacen("unit = \"ug/m3\"", "unit = \"mg/m³\"", 1)
        .replacen("valid_from = 2026-03-01", "valid_from = 2026-02-30", 1)
        .replacen("zh = \"超标\"\n", "zh = 7\n", 1)
        .replacen("severity = \"warning\"", "severity = \"bad\"", 1);
    let faults = Catalogue::parse(&[("one.toml", &one), ("two.toml", &two)]).unwrap_err();
    let told: Vec<String> =
        faults.iter().map(|fault| format!("{}:{} {}", fault.file, fault.line, fault.key)).collect();
    let wanted = [
        "one.toml:7 metric.min",
        "one.toml:16 metric.kind",
        "one.toml:38 district.kind",
        "one.toml:43 department.eng",
        "two.toml:8 station.gateway",
        "two.toml:17 station.period",
        "two.toml:73 limit.unit",
        "two.toml:88 toml",
        "two.toml:96 detector.zh",
        "two.toml:102 detector.severity",
    ];
    assert_eq!(told, wanted, "{}", faults.iter().map(|fault| format!("\n{fault}")).collect::<String>());
}

#[test]
fn a_fault_reads_as_a_sentence() {
    let faults = broken("unit = \"ug/m3\"\n", "unit = \"mg/m³\"\n");
    let line = line_of("unit = \"ug/m3\"");
    let wanted = format!(
        "small.toml:{line}: limit.unit: found \"mg/m³\"; \"µg/m³\", the unit of metric \"pm2_5\", would be right"
    );
    assert_eq!(faults[0].to_string(), wanted);
}

#[test]
fn too_much_is_refused_and_faults_are_bounded() {
    let big = "#".repeat(MAX_BYTES + 1);
    assert!(parse(&big).unwrap_err()[0].to_string().contains("at most 256 files of 8388608 bytes"));
    let many = "#: file x\n".repeat(MAX_FILES + 1);
    assert!(!parse(&many).unwrap_err().is_empty());
    let faulty = "[[station]]\nid = 1\n".repeat(5_000);
    assert_eq!(parse(&faulty).unwrap_err().len(), fault::MAX_FAULTS);
    let deep = format!("[[metric]]\nname = {}\n", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn a_file_is_given_once() {
    let faults = Catalogue::parse(&[("a.toml", SMALL), ("a.toml", SMALL)]).unwrap_err();
    assert!(
        faults[0].to_string().starts_with("a.toml: file name: found the same name twice"),
        "{}",
        faults[0]
    );
}
