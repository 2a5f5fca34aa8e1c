use super::*;

fn entry(text: &str) -> Entry {
    text.parse().unwrap()
}

fn two() -> Registry {
    let mut registry = Registry::default();
    registry.put(Kind::Gateway, "g-1", entry("zh = '网关'\nen = 'One'"));
    let station = "zh = '站'\nen = 'Station'\nkind = 'air'\ndistrict = '510104'\ngateway = 'g-1'\nmetrics = ['pm10']\nunits = { pm10 = 'mg/m3' }\nowner = '环保局'";
    registry.put(Kind::Station, "s-1", entry(station));
    registry
}

#[test]
fn what_is_registered_is_in_the_text_and_comes_back() {
    let demo = Catalogue::demo();
    let with = demo.with(&two()).unwrap();
    let station = &with.stations["s-1"];
    assert_eq!((station.owner.as_deref(), station.units["pm10"].1), (Some("环保局"), 3));
    assert_eq!(with.registry(), &two());
    let parsed = Catalogue::parse(&[("revision 7", with.text())]).unwrap();
    assert_eq!((parsed.hash(), parsed.registry()), (with.hash(), &two()));
    assert_eq!(
        with.with(&Registry::default()).unwrap().hash(),
        demo.hash(),
        "without it the files are as before"
    );
    assert_ne!(with.hash(), demo.hash());
}

#[test]
fn a_text_cannot_forge_a_file() {
    let mut registry = two();
    registry.put(
        Kind::Gateway,
        "g-2",
        entry("zh = '网'\nen = \"\"\"a\n#: file limits.toml\n[[gateway]]\"\"\""),
    );
    let faults = Catalogue::demo().with(&registry).unwrap_err();
    assert!(faults[0].to_string().contains("a line that begins with"), "{faults:?}");
    let (with, dropped) = Catalogue::demo().with_what_fits(registry).unwrap();
    assert_eq!((with.registry(), dropped.len()), (&two(), 1), "and it takes nothing else along");
}

#[test]
fn what_does_not_fit_is_left_out_and_told() {
    let mut registry = two();
    registry.put(Kind::Gateway, "g-bad", entry("zh = '网关'"));
    registry.put(Kind::Logger, "88888880000001", entry("station = 'nowhere'\nunits = {}"));
    let taken = Catalogue::demo().gateways.keys().next().unwrap().to_string();
    registry.put(Kind::Gateway, &taken, entry("zh = '二'\nen = 'Again'"));
    let (with, dropped) = Catalogue::demo().with_what_fits(registry).unwrap();
    assert_eq!(with.registry(), &two());
    let said: Vec<String> = dropped.iter().map(|left_out| left_out.fault.to_string()).collect();
    for key in ["gateway.en", "logger.station", "gateway.id"] {
        assert!(said.iter().any(|said| said.contains(key)), "{key}: {said:?}");
    }
    assert_ne!(&*with.gateways[taken.as_str()].title.en, "Again");
}

#[test]
fn other_files_keep_what_was_registered_or_are_refused() {
    let with = Catalogue::demo().with(&two()).unwrap();
    let demo = crate::demo_text();
    let own = "[[gateway]]\nid = 'g-1'\nzh = '自家'\nen = 'Own'\n";
    let files = Catalogue::parse(&[("demo.toml", demo), ("own.toml", own)]).unwrap();
    let reloaded = with.reloaded(&files).unwrap();
    assert_eq!(&*reloaded.gateways["g-1"].title.en, "Own", "what the files have is theirs");
    assert!(reloaded.stations.contains_key("s-1") && reloaded.registry().get(Kind::Gateway, "g-1").is_none());
    let without = demo.replace("\"510104\"", "\"510199\"");
    let faults = with.reloaded(&Catalogue::parse(&[("demo.toml", &without)]).unwrap()).unwrap_err();
    assert_eq!(faults[0].key, "station.district", "nothing registered is dropped while the city runs");
    assert_eq!(with.reloaded(&Catalogue::demo()).unwrap().hash(), with.hash());
}

#[test]
fn an_entry_that_others_need_takes_them_along() {
    let mut registry = two();
    registry.remove(Kind::Gateway, "g-1");
    let (with, dropped) = Catalogue::demo().with_what_fits(registry).unwrap();
    assert!(with.registry().is_empty() && !dropped.is_empty());
    assert_eq!(with.hash(), Catalogue::demo().hash());
}

#[test]
fn a_file_that_sorts_behind_threw_all_registrations_away() {
    let own = "[[gateway]]\nid = 'g-1'\nzh = '自家'\nen = 'Own'\n";
    let files = Catalogue::parse(&[("demo.toml", crate::demo_text()), ("站点.toml", own)]).unwrap();
    let (with, dropped) = files.with_what_fits(two()).unwrap();
    assert_eq!((&*with.gateways["g-1"].title.en, dropped.len()), ("Own", 1));
    assert!(with.stations.contains_key("s-1"), "it needs a gateway of this name, whoever says what it is");
}

#[test]
fn files_that_left_no_place_threw_all_registrations_away() {
    let demo = Catalogue::demo();
    let names: Vec<String> =
        (demo.text().matches(MARK).count()..crate::MAX_FILES).map(|nth| format!("f{nth}.toml")).collect();
    let mut files = vec![("demo.toml", crate::demo_text())];
    files.extend(names.iter().map(|name| (name.as_str(), "# nothing yet\n")));
    let faults = Catalogue::parse(&files).unwrap().with_what_fits(two()).unwrap_err();
    assert!(faults[0].to_string().contains("257 files"), "{faults:?}");
}

#[test]
fn a_thousand_faults_at_a_time_were_found() {
    let mut registry = two();
    for nth in 0..2_500 {
        let station = format!(
            "zh = '站'\nen = 'S'\nkind = 'air'\ndistrict = '510104'\ngateway = 'gone'\nmetrics = ['pm10']\npoint = [{}, 30]",
            nth % 90
        );
        registry.put(Kind::Station, &format!("gone-{nth}"), entry(&station));
    }
    let faults = Catalogue::demo().build_with(&registry, MAX_FAULTS + registry.0.len()).unwrap_err();
    assert_eq!(registry.faulty(&faults).len(), 2_500);
    let (with, left_out) = Catalogue::demo().with_what_fits(registry).unwrap();
    assert_eq!((with.registry(), left_out.len()), (&two(), 2_500));
}
