use std::path::Path;

use clap::Parser;
use yiwang_files::Mark;

use super::books::Cut;
use super::state::{Known, State, Tally, beside};
use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn plan(folder: &Path, further: &[&str]) -> Result<Plan, String> {
    plan_by(folder, &yiwang_catalogue::Catalogue::demo(), further)
}

fn plan_by(folder: &Path, catalogue: &yiwang_catalogue::Catalogue, further: &[&str]) -> Result<Plan, String> {
    let input = folder.display().to_string();
    let line = Line::parse_from(["import", &input].into_iter().chain(further.iter().copied()));
    let files = find::files(&line.options.inputs).unwrap();
    Plan::make(&line.options, &Mapping::plain(), catalogue, files).map_err(|failed| match failed {
        Failed::Usage(why) => why,
        _ => "something else".into(),
    })
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("in");
    std::fs::create_dir(&above).unwrap();
    std::fs::write(above.join("a.csv"), "source,metric,time,value\na,pm2_5,2026-03-02T10:15:00Z,1\n")
        .unwrap();
    std::fs::write(above.join("b.csv"), "source,metric,time,value\n").unwrap();
    folder
}

#[test]
fn what_is_whole_is_not_read_again_unless_something_changed() {
    let folder = folder();
    let input = folder.path().join("in");
    let mut first = plan(&input, &[]).unwrap();
    assert_eq!((first.files.len(), first.is_resumed), (2, false));
    assert_eq!(first.state_file, beside(&input));
    let mapping = Mapping::plain();
    for file in &first.files {
        let mut reader = yiwang_files::Reader::open(&file.path, &mapping).unwrap();
        let mut gather = yiwang_files::Gather::new(Arc::new(yiwang_catalogue::Catalogue::demo()));
        while reader.read(10, &mut gather).unwrap() {}
        let known = Known { mark: reader.mark(), is_whole: true, looks: file.looks, tally: Tally::default() };
        first.state.files.insert(file.name.clone(), known);
    }
    first.state.save(&first.state_file).unwrap();
    assert_eq!(plan(&input, &[]).unwrap().files.len(), 0);
    assert_eq!(plan(&input, &["--history"]).unwrap().files.len(), 2, "another way of sending");
    assert_eq!(plan(&input, &["--from-start"]).unwrap().files.len(), 2);
    let other = format!("{}\n# another", yiwang_catalogue::Catalogue::demo().text());
    let other = yiwang_catalogue::Catalogue::parse(&[("other.toml", &other)]).unwrap();
    assert_eq!(plan_by(&input, &other, &[]).unwrap().files.len(), 2, "rows mean something else");
    std::fs::write(input.join("b.csv"), "source,metric,time,value\n\n").unwrap();
    let grown = plan(&input, &[]).unwrap();
    assert_eq!((grown.files.len(), grown.files[0].from.bytes), (1, 25));
    std::fs::write(input.join("b.csv"), "source,metric,value,time\n\n").unwrap();
    assert_eq!(plan(&input, &[]).unwrap().files[0].from, Mark::default(), "another file under its name");
}

#[test]
fn a_state_that_cannot_be_read_is_named() {
    let folder = folder();
    let input = folder.path().join("in");
    for text in [
        "",
        "{",
        "{\"format\":1}",
        "{\"format\":2,\"of\":\"\",\"files\":{}}",
        "{\"format\":1,\"of\":\"\",\"files\":{},\"x\":1}",
    ] {
        std::fs::write(beside(&input), text).unwrap();
        let why = plan(&input, &[]).err().unwrap_or_default();
        assert!(why.contains("in.import") && why.contains("--from-start"), "{text}: {why}");
        assert!(plan(&input, &["--from-start"]).is_ok());
    }
    std::fs::write(input.join("b.csv"), "source,value\n").unwrap();
    let why = plan(&input, &["--from-start"]).err().unwrap_or_default();
    assert!(why.contains("b.csv: header: lacks metric, time; there are source, value"), "{why}");
}

/// A kill takes what is in memory only, so each state must stand by itself.
#[test]
fn a_state_has_nothing_that_was_not_answered_and_its_refusals_are_told() {
    let folder = folder();
    let (input, refused) = (folder.path().join("in"), folder.path().join("refused.csv"));
    let plan = plan(&input, &[]).unwrap();
    let told = format!("--refused={}", refused.display());
    let line = Line::parse_from(["import", &input.display().to_string(), &told]);
    let mut books = Books::open(&line.options, &plan).ok().unwrap();
    let (file, mark) = (plan.files[0].name.clone(), Mark { bytes: 3, lines: 2, crc: 1 });
    books.enter(Cut {
        file: file.clone(),
        mark,
        is_last: true,
        rows: 1,
        places: vec![(2, 0)],
        ..Cut::default()
    });
    books.broken(&file, 3, "it ends early");
    let (_, state) = books.ready().unwrap();
    assert_eq!((state.files[&file].mark, state.files[&file].is_whole), (Mark::default(), false));
    assert_eq!(state.total().refused_total(), 1);
    let told = std::fs::read_to_string(&refused).unwrap();
    assert!(told.contains(",3,,unreadable,,it ends early"), "{told}");
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let mut tally = Tally { rows: 7, readings: 6, acked: 5, missing: 4, ..Tally::default() };
    tally.refuse("too_late", 1);
    let mark = Mark { bytes: 3, lines: 2, crc: 1 };
    let mut state = State::new("x".into());
    state.files.insert("a".into(), Known { mark, tally: tally.clone(), ..Known::default() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    state.save(&path).unwrap();
    assert_eq!(State::load(&path), Ok(Some(state.clone())));
    assert_eq!(state.total(), tally);
}
