use super::*;

/// The lines of a file of this name, or what is said of it.
fn lines(name: &str, text: &str) -> Result<Vec<Line>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let read = read(&path, &Arc::new(Catalogue::demo())).map(|lines| lines.readings);
    read.map_err(|failed| match failed {
        Failed::Usage(why) => why,
        _ => panic!("a file that cannot be read is bad usage"),
    })
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn columns_come_in_any_order() {
    let text = "value,vintage,time,metric,quality,source\n\
                41.5,2026-02-01T00:00:00Z,2026-01-01T00:00:00+08:00,gdp,manual,city\n\
                7,,2026-01-01T01:00:00+08:00,pm2_5,,s1\n";
    let read = lines("a.csv", text).unwrap();
    let [figure, sensor] = &read[..] else { panic!("{} lines", read.len()) };
    assert_eq!((figure.source.as_str(), figure.metric.as_str(), figure.value), ("city", "gdp", 41.5));
    assert_eq!(figure.time, at("2026-01-01T00:00:00+08:00"));
    assert_eq!(figure.quality, Quality::Manual);
    assert_eq!(figure.vintage, Vintage(Some(at("2026-02-01T00:00:00Z"))));
    assert_eq!((sensor.number, sensor.quality, sensor.vintage), (3, Quality::Good, Vintage(None)));
}

#[test]
fn a_line_of_json_is_a_reading() {
    let text = "{\"metric\":\"pm2_5\",\"source\":\"s1\",\"value\":7,\"time\":\"2026-01-01T00:00:00Z\"}\n\n\
                {\"source\":\"city\",\"metric\":\"gdp\",\"time\":\"2026-01-01T00:00:00Z\",\"value\":1.5,\
                \"quality\":null,\"vintage\":\"2026-02-01T00:00:00Z\"}\n";
    for name in ["a.jsonl", "a.ndjson"] {
        let read = lines(name, text).unwrap();
        let told: Vec<_> = read.iter().map(|line| (line.number, line.value, line.quality)).collect();
        assert_eq!(told, [(1, 7.0, Quality::Good), (3, 1.5, Quality::Good)]);
        assert_eq!(read[1].vintage, Vintage(Some(at("2026-02-01T00:00:00Z"))));
    }
}

#[test]
fn a_quality_is_a_word_or_its_number() {
    for (number, quality) in (0..).zip(Quality::ALL) {
        let number: u8 = number;
        for said in [number.to_string(), quality.word().to_owned()] {
            let text = format!("source,metric,time,value,quality\ns1,pm2_5,2026-01-01T00:00:00Z,1,{said}\n");
            assert_eq!(lines("a.csv", &text).unwrap()[0].quality, quality, "{said}");
        }
        for said in [number.to_string(), format!("\"{quality}\"")] {
            let text = format!(
                "{{\"source\":\"s1\",\"metric\":\"pm2_5\",\"time\":\"2026-01-01T00:00:00Z\",\"value\":1,\"quality\":{said}}}\n"
            );
            assert_eq!(lines("a.jsonl", &text).unwrap()[0].quality, quality, "{said}");
        }
    }
}

#[test]
fn a_malformed_line_is_named_with_its_file() {
    let good = "s1,pm2_5,2026-01-01T00:00:00Z,1,good";
    let bad = [
        ("s1,pm2_5,yesterday,1,good", "yesterday"),
        ("s1,pm2_5,2026-01-01T00:00:00Z,much,good", "not a number"),
        ("s1,pm2_5,2026-01-01T00:00:00Z,1,9", "\"9\""),
        ("s1,pm2_5,2026-01-01T00:00:00Z,1,-1", "quality"),
        ("s1,pm2_5,2026-01-01T00:00:00Z,1,fine", "fine"),
        ("s1,pm2_5,2026-01-01T00:00:00Z", "3 cells under 5"),
    ];
    for (line, named) in bad {
        let said =
            lines("a.csv", &format!("source,metric,time,value,quality\n{good}\n{line}\n")).err().unwrap();
        assert!(said.contains("a.csv: line 3: ") && said.contains(named), "{said}");
    }
    let good = "{\"source\":\"s1\",\"metric\":\"pm2_5\",\"time\":\"2026-01-01T00:00:00Z\",\"value\":1}";
    let long = " ".repeat(yiwang_files::lines::MAX_LINE_BYTES + 1);
    for line in ["{", "[]", "{\"source\":\"s1\"}", &good.replace("value", "worth"), &long] {
        let said = lines("a.jsonl", &format!("{good}\n{line}\n")).err().unwrap();
        assert!(said.contains("a.jsonl: line 2: "), "{said}");
    }
}

#[test]
fn what_is_no_file_of_readings_is_said_so() {
    let said = |name: &str, text: &str| lines(name, text).err().unwrap();
    assert!(said("a.txt", "").contains(".csv"));
    assert!(said("a.csv", "source,metric,time\n").contains("lacks value"));
    assert!(said("a.csv", "source,metric,time,value,sort\n").contains("\"sort\" is not known"));
}
