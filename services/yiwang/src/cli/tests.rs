use super::*;

/// The exit code of a command line that says too little or too much.
fn ended(line: &str) -> Option<u8> {
    Cli::try_parse_from(line.split(' ')).err().map(|error| code(&error))
}

#[test]
fn bad_usage_exits_64_and_help_0() {
    let bad = [
        "yiwang",
        "yiwang fly",
        "yiwang up --fast",
        "yiwang up --data-dir",
        "yiwang replay",
        "yiwang replay --input a.csv --workers 0",
    ];
    for line in bad {
        assert_eq!(ended(line), Some(64), "{line}");
    }
    for line in ["yiwang --help", "yiwang up --help", "yiwang --version"] {
        assert_eq!(ended(line), Some(0), "{line}");
    }
    assert_eq!(ended("yiwang up --simulate"), None);
}

#[test]
fn faults_of_configuration_and_of_its_catalogue_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (config, bad) = (folder.path().join("yiwang.toml"), folder.path().join("bad.toml"));
    std::fs::write(&config, format!("worker = 1\ncatalogue = {:?}\n", bad.display().to_string())).unwrap();
    std::fs::write(&bad, "[[metrik]]\nname = \"x\"\n").unwrap();
    let common = Common { config: Some(config), ..Common::default() };
    let Err(Failed::Faults(faults)) = common.load() else { panic!("it is taken") };
    let told = |file: &str, key: &str| faults.iter().any(|f| f.file.ends_with(file) && f.key.contains(key));
    assert!(told("yiwang.toml", "worker"), "{faults:?}");
    assert!(told("bad.toml", "metrik"), "{faults:?}");
}
