use std::io::Write;

use yiwang_catalogue::Catalogue;

use super::*;

const PLAIN: &str = "source,metric,time,value\n";
const ROW: &str = "510104-air-1,pm2_5,2026-03-02T10:15:00+08:00,41";
const NOON: i64 = 1_772_417_700_000_000_000;

struct Read {
    gather: Gather,
    end: Mark,
}

impl Read {
    fn faults(&self) -> Vec<(u64, &str, &str)> {
        self.gather.faults.iter().map(|fault| (fault.line, &*fault.column, &*fault.message)).collect()
    }

    fn values(&self) -> Vec<f64> {
        self.gather.items.iter().map(|item| item.value).collect()
    }
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read_by(mapping: &Mapping, name: &str, bytes: &[u8]) -> Result<Read, Error> {
    let (_folder, path) = file(name, bytes);
    let mut reader = Reader::open(&path, mapping)?;
    let mut gather = Gather::new(Arc::new(Catalogue::demo()));
    while reader.read(usize::MAX, &mut gather)? {
        assert!(gather.faults.len() < 10_000);
        if gather.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    Ok(Read { gather, end: reader.mark() })
}

fn read(name: &str, bytes: &[u8]) -> Result<Read, Error> {
    read_by(&Mapping::plain(), name, bytes)
}

fn plain(rows: &str) -> Read {
    read("a.csv", format!("{PLAIN}{rows}").as_bytes()).unwrap()
}

#[test]
fn a_fault_quoted_all_that_could_not_be_read() {
    let long = "1".repeat(500_000);
    let text = format!("readings,source=a,metric=b value={long}i 1\nair,source=a f{long}=1 1\n");
    let read = read("a.lp", text.as_bytes()).unwrap();
    let faults = read.faults();
    assert_eq!(faults.len(), 2, "{}", faults.len());
    for (_, column, message) in faults {
        assert!(column.len() <= 120 && message.len() <= 1024, "{column:.200} {message:.2000}");
    }
}

#[test]
fn a_row_is_a_reading() {
    for (name, text) in [
        ("a.csv", format!("{PLAIN}{ROW}\n")),
        ("a.csv", format!("{PLAIN}{ROW}")),
        ("a.csv", format!("\u{feff}{PLAIN}\r\n\n{ROW}\r\n")),
        (
            "a.csv",
            "value,\"time\" , metric,source\n41,\"2026-03-02T02:15:00Z\",pm2_5,\"510104-air-1\"".into(),
        ),
        ("a.tsv", format!("{PLAIN}{ROW}\n").replace(',', "\t")),
        (
            "a.jsonl",
            r#"{"source":"510104-air-1","metric":"pm2_5","time":1772417700000000000,"value":41.0}"#.into(),
        ),
        (
            "a.lp",
            "# a remark\nreadings,source=510104-air-1,metric=pm2_5 value=41 1772417700000000000\n".into(),
        ),
    ] {
        let found = read(name, text.as_bytes()).unwrap();
        assert_eq!(found.faults(), [], "{name} {text}");
        let [item] = found.gather.items[..] else { panic!("{text}") };
        assert_eq!((item.time, item.value, item.quality), (NOON, 41.0, 0), "{name} {text}");
        let key = &found.gather.series.keys()[item.series as usize];
        assert_eq!((&*key.source, &*key.metric, &*key.unit), ("510104-air-1", "pm2_5", "µg/m³"));
        assert_eq!(found.end.bytes, text.len() as u64);
        assert_eq!(found.end.crc, crc32c::crc32c(text.as_bytes()));
    }
}

#[test]
fn what_is_no_reading_is_told_with_its_line_and_the_next_is_read() {
    let long = "x".repeat(MAX_LINE_BYTES + 10);
    for (bad, column, why) in [
        ("a,pm2_5,2026-03-02T10:15:00,1", "time", "no offset"),
        ("a,pm2_5,noon,1", "time", "no time"),
        ("a,pm2_5,2026-03-02T10:15:00Z,NaN", "value", "finite"),
        ("a,pm2_5,2026-03-02T10:15:00Z,inf", "value", "finite"),
        ("a,pm2_5,2026-03-02T10:15:00Z,1e999", "value", "finite"),
        ("a,pm2_5,2026-03-02T10:15:00Z,4 1", "value", "not a number"),
        ("a,pm2_5,2026-03-02T10:15:00Z", "", "3 cells under 4"),
        ("a,pm2_5,2026-03-02T10:15:00Z,1,", "", "5 cells under 4"),
        ("a,nonsense,2026-03-02T10:15:00Z,1", "metric", "not in the catalogue"),
        ("a b,pm2_5,2026-03-02T10:15:00Z,1", "source", "a b"),
        (",pm2_5,2026-03-02T10:15:00Z,1", "source", "source"),
        ("\"a,pm2_5,2026-03-02T10:15:00Z,1", "", "a quote is open"),
        (&long, "", "longer than"),
    ] {
        let many = format!("{ROW}\n").repeat(2_000);
        let found = plain(&format!("{ROW}\n{bad}\n{many}"));
        let [(line, at, message)] = found.faults()[..] else { panic!("{bad:.60}: {:?}", found.faults()) };
        assert_eq!((line, at), (3, column), "{bad:.60}");
        assert!(message.contains(why), "{bad:.60}: {message}");
        assert_eq!(found.values().len(), 2_001, "{bad:.60}");
        assert_eq!(found.gather.rows, 2_002);
    }
}

#[test]
fn bytes_that_are_no_text_spoil_their_row_alone() {
    let text = [
        PLAIN.as_bytes(),
        b"a\xff,pm2_5,2026-03-02T10:15:00Z,1\n",
        ROW.as_bytes(),
        b"\n",
        b"a,pm2_5,\xfe,1\n",
    ]
    .concat();
    let found = read("a.csv", &text).unwrap();
    let faults = found.faults();
    assert_eq!((faults[0].0, faults[0].1, faults[1].0, faults[1].1), (2, "source", 4, "time"), "{faults:?}");
    assert_eq!(found.values(), [41.0]);
}

#[test]
fn missing_values_are_counted_and_no_fault() {
    let found = plain(&format!("a,pm2_5,2026-03-02T10:15:00Z,NA\na,pm2_5,2026-03-02T10:15:00Z, \n{ROW}\n"));
    assert_eq!((found.gather.missing, found.values().len(), found.faults().len()), (2, 1, 0));
}

#[test]
fn a_file_that_is_something_else_is_named_at_once() {
    let wide = Mapping::parse(WIDE).unwrap();
    for (found, named) in [
        (read("a.csv", b""), "empty"),
        (read("a.csv", b"source,value\n"), "lacks metric, time; there are source, value"),
        (read("a.csv", b"source,metric,time,value,qualty\n"), "\"qualty\" is not known"),
        (read("a.csv", b"source,metric,time,value,value\n"), "twice"),
        (read("a.csv", b"\x7fELF\x02\x01\x01\0\0\xff\xfe"), "no text"),
        (read("a.csv", &[b'x'; MAX_LINE_BYTES * 3]), "longer"),
        (read("a.csv", b"\"source,metric\n1\n"), "quote"),
        (read("a.csv.gz", b"source,metric,time,value\n"), "cannot be read"),
        (read("a.txt", b"x"), ".csv"),
        (
            read_by(&wide, "a.csv", b"station,CO\n"),
            "lacks year, month, day, hour, PM2.5; there are station, CO",
        ),
    ] {
        let why = found.err().expect(named).to_string();
        assert!(why.contains(named), "{named}: {why}");
    }
}

const WIDE: &str = r#"
    missing = ["NA"]
    [source]
    column = "station"
    words = { Dongsi = "110101-air-1" }
    [time]
    columns = ["year", "month", "day", "hour"]
    format = "%Y %m %d %H"
    zone = "Asia/Shanghai"
    [[value]]
    column = "PM2.5"
    metric = "pm2_5"
    [[value]]
    column = "CO"
    metric = "co"
    unit = "mg/m³"
    divide = 1000
"#;

#[test]
fn a_row_of_the_wide_form_has_a_reading_in_each_column() {
    let text = "\"No\",year,month,day,hour,\"PM2.5\",\"CO\",wd,station\n1,2013,3,1,0,9,300,\"NNW\",\"Dongsi\"\n2,2013,3,1,1,NA,x,\"N\",Wanliu\n3,2013,2,30,1,1,1,N,Wanliu\n";
    let found = read_by(&Mapping::parse(WIDE).unwrap(), "a.csv", text.as_bytes()).unwrap();
    let keys = found.gather.series.keys();
    let said: Vec<_> = keys.iter().map(|key| (&*key.source, &*key.metric, &*key.unit)).collect();
    assert_eq!(said, [("110101-air-1", "pm2_5", "µg/m³"), ("110101-air-1", "co", "mg/m³")]);
    assert_eq!(found.values(), [9.0, 0.3]);
    let midnight: yiwang_model::Timestamp = "2013-03-01T00:00:00+08:00".parse().unwrap();
    assert_eq!(found.gather.items[1].time, midnight.nanos());
    let faults: Vec<_> = found.faults().iter().map(|(line, column, _)| (*line, column.to_string())).collect();
    assert_eq!(faults, [(3, "CO".to_owned()), (4, "year".to_owned())]);
    assert_eq!((found.gather.rows, found.gather.missing), (3, 1));
}

#[test]
fn json_and_line_protocol_say_what_is_wrong() {
    for (name, text, column, why) in [
        ("a.jsonl", "{", "", "EOF"),
        ("a.jsonl", "[1]", "", "map"),
        ("a.jsonl", r#"{"metric":"pm2_5","value":1}"#, "source, time", "missing"),
        ("a.jsonl", r#"{"metric":"pm2_5","value":1,"valu":1}"#, "valu", "not known"),
        ("a.jsonl", r#"{"value":[1]}"#, "value", "neither"),
        ("a.lp", "readings,source=a,metric=pm2_5 value=1", "", "no time"),
        ("a.lp", "readings,source=a value=1 1", "", "\"metric\" is missing"),
        ("a.lp", "readings,source=a,metric=pm2_5 value=true 1", "", "no number"),
        ("a.lp", "cpu,host=a idle=1 1", "idle", "[[line_field]]"),
        ("a.lp", "x", "", "pars"),
        ("a.lp", "readings,source=a,metric=pm2_5 value=1 9223372036854775807000", "", ""),
    ] {
        let found = read(name, text.as_bytes()).unwrap();
        let [(1, at, message)] = found.faults()[..] else { panic!("{text}: {:?}", found.faults()) };
        assert!(at == column && message.contains(why), "{text}: {at}: {message}");
    }
}

#[test]
fn a_row_may_go_over_lines_inside_quotes() {
    let text = "source,metric,time,value,note\n\"a\",pm2_5,2026-03-02T10:15:00Z,1,\"two\nlines, and a \"\"quote\"\"\"\na,pm2_5,2026-03-02T10:16:00Z,x,n\n";
    let mapping = "[source]\ncolumn = \"source\"\n[metric]\ncolumn = \"metric\"\n[time]\ncolumn = \"time\"\n[[value]]\ncolumn = \"value\"";
    let found = read_by(&Mapping::parse(mapping).unwrap(), "a.csv", text.as_bytes()).unwrap();
    assert_eq!((found.values(), found.faults()[0].0), (vec![1.0], 4), "{:?}", found.faults());
}

#[test]
fn reading_goes_on_behind_a_mark_if_what_stands_before_it_is_the_same() {
    let text = format!(
        "{PLAIN}{}",
        (0..50).map(|at| format!("a,pm2_5,2026-03-02T10:15:00Z,{at}\n")).collect::<String>()
    );
    let (_folder, path) = file("a.csv", text.as_bytes());
    let mapping = Mapping::plain();
    let catalogue = Arc::new(Catalogue::demo());
    let mut first = Gather::new(Arc::clone(&catalogue));
    let mut reader = Reader::open(&path, &mapping).unwrap();
    reader.read(20, &mut first).unwrap();
    let mark = reader.mark();
    std::fs::write(&path, format!("{text}a,pm2_5,2026-03-02T10:15:00Z,50\n")).unwrap();
    let mut again = Reader::open(&path, &mapping).unwrap();
    assert!(again.resume(mark).unwrap(), "a file that has grown");
    let mut rest = Gather::new(catalogue);
    assert!(!again.read(usize::MAX, &mut rest).unwrap());
    assert_eq!(
        (first.items.len(), rest.items[0].value, rest.items.len(), rest.items[0].line),
        (20, 20.0, 31, 22)
    );
    std::fs::write(&path, text.replace(",7\n", ",9\n")).unwrap();
    assert!(!Reader::open(&path, &mapping).unwrap().resume(mark).unwrap(), "a file that was changed");
    std::fs::write(&path, &text[..text.len() / 4]).unwrap();
    assert!(!Reader::open(&path, &mapping).unwrap().resume(mark).unwrap(), "a file that was cut");
}

#[test]
fn files_of_a_folder_are_found_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    std::fs::create_dir(path.join("b")).unwrap();
    for name in ["c.csv", "a.jsonl.gz", "b/z.lp", "notes.txt", "gz", ".gz"] {
        std::fs::File::create(path.join(name)).unwrap().write_all(b"x").unwrap();
    }
    std::os::unix::fs::symlink(&path, path.join("b/loop")).unwrap();
    let found = find::files(std::slice::from_ref(&path)).unwrap();
    assert_eq!(found, ["a.jsonl.gz", "b/z.lp", "c.csv"].map(|name| path.join(name)));
    std::fs::create_dir(path.join("empty")).unwrap();
    assert!(find::files(&[path.join("empty")]).unwrap_err().to_string().contains("no file"));
    assert!(find::files(&[path.join("notes.txt")]).unwrap_err().to_string().contains("notes.txt"));
    assert!(find::files(&[path.join("gone.csv")]).is_err());
}
