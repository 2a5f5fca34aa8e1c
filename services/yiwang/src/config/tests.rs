use super::*;

fn of(text: &str) -> Result<Config, Vec<Fault>> {
    let mut layers = Layers::default();
    layers.text("yiwang.toml", text);
    layers.finish()
}

#[test]
fn later_layers_win() {
    let mut layers = Layers::default();
    layers.text("yiwang.toml", "workers = 2\npartitions = 8\nspeed = 60");
    layers.environment(
        [("YIWANG_WORKERS".to_owned(), "3".to_owned()), ("HOME".to_owned(), "x".to_owned())].into_iter(),
    );
    layers.flag("workers", Some("4"));
    layers.flag("data_dir", None);
    let config = layers.finish().unwrap();
    assert_eq!((config.workers, config.partitions, config.speed), (4, 8, 60.0));
    assert_eq!(config.data_dir, PathBuf::from("yiwang-data"));
}

#[test]
fn all_faults_are_told_with_their_lines() {
    let faults =
        of("workers = 0\nworker = 1\n\nspeed = \"fast\"\nclock = \"moon\"\ngrpc_listen = \"here\"\n")
            .unwrap_err();
    let mut told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [(1, "workers"), (2, "worker"), (4, "speed"), (5, "clock"), (6, "grpc_listen")]);
    assert!(
        faults.iter().any(|fault| fault.wanted.contains("data_dir")),
        "an unknown key names the known ones"
    );
}

#[test]
fn without_credentials_nobody_else_may_come_in() {
    let faults = of("http_listen = \"0.0.0.0:8080\"").unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].wanted.contains("[[credential]]"), "{}", faults[0]);
}

#[test]
fn credentials_are_read_and_their_faults_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good"), "correct horse battery\n").unwrap();
    std::fs::write(folder.path().join("short"), "12345").unwrap();
    let path = folder.path().join("yiwang.toml");
    let entry = |name: &str, file: &str, may: &str| {
        format!("[[credential]]\nname = \"{name}\"\nsecret_file = \"{file}\"\nmay = [{may}]\n")
    };
    std::fs::write(&path, entry("gate", "good", "\"write\"")).unwrap();
    let mut layers = Layers::default();
    layers.file(&path);
    let config = layers.finish().unwrap();
    assert!(config.credentials[0].is(b"correct horse battery") && !config.credentials[0].is(b"correct"));
    assert!(config.credentials[0].write && !config.credentials[0].read);
    assert!(!config.to_toml().contains("horse") && config.to_toml().contains("***"));

    let bad = [entry("a b", "good", ""), entry("x", "short", ""), entry("y", "none", "\"fly\"")].concat();
    std::fs::write(&path, bad).unwrap();
    let mut layers = Layers::default();
    layers.file(&path);
    assert_eq!(layers.finish().unwrap_err().len(), 4);
}

#[test]
fn loggers_of_a_city_with_credentials_need_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secret", "correct horse battery");
    write("loggers", "M1 123456\n");
    let credential = "[[credential]]\nname = \"g\"\nsecret_file = \"secret\"\nmay = [\"write\"]\n";
    let path = folder.path().join("yiwang.toml");
    let of = |keys: &str| {
        std::fs::write(&path, format!("{keys}\n{credential}")).unwrap();
        let mut layers = Layers::default();
        layers.file(&path);
        layers.finish()
    };
    let listen = "hj212_listen = \"127.0.0.1:0\"";
    let passwords = format!("hj212_passwords = {:?}", folder.path().join("loggers").display().to_string());
    assert!(of("").unwrap().logger_passwords.is_none());
    assert!(of(listen).unwrap_err()[0].wanted.contains("MN PASSWORD"));
    assert!(of(&format!("{listen}\n{passwords}")).unwrap().logger_passwords.is_some());
    write("loggers", "M1\n");
    let faults = of(&passwords).unwrap_err();
    assert_eq!((faults[0].line, faults[0].key.as_str()), (1, "hj212_passwords"));
}

#[test]
fn a_speed_is_a_clock_of_its_own() {
    let clock = |text: &str| of(text).map(|config| (config.clock, config.speed));
    assert_eq!(clock("").unwrap(), (None, 1.0));
    assert_eq!(clock("speed = 60").unwrap(), (None, 60.0));
    assert_eq!(clock("speed = 1").unwrap(), (Some(Clock::Wall), 1.0));
    for word in ["wall", "feed"] {
        let faults = of(&format!("clock = \"{word}\"\nspeed = 60")).unwrap_err();
        assert_eq!((faults.len(), faults[0].key.as_str()), (1, "speed"));
        assert!(faults[0].found.contains("60") && faults[0].found.contains(word), "{}", faults[0]);
        assert!(faults[0].wanted.contains("clock without speed"), "{}", faults[0]);
    }
}

#[test]
fn what_is_shown_is_read_as_the_same() {
    for text in ["", "speed = 60", "speed = 1", "clock = \"wall\""] {
        let config = of(text).unwrap();
        assert_eq!(of(&config.to_toml()).unwrap(), config, "{text}");
    }
    let config = of("workers = 5\nlog_max_age = \"2d\"\nlog_max_bytes = \"none\"\nclock = \"feed\"\nfigures_kept = \"3653d\"").unwrap();
    assert_eq!(of(&config.to_toml()).unwrap(), config);
}

#[test]
fn readings_and_figures_are_kept_for_ever_or_for_a_day_at_least() {
    let kept = |text: &str| of(text).map(|config| (config.readings_kept, config.figures_kept));
    assert_eq!(kept("").unwrap(), (None, None));
    let days = |days| Some(yiwang_model::Span::DAY.times(days));
    assert_eq!(kept("readings_kept = \"400d\"\nfigures_kept = \"3653d\"").unwrap(), (days(400), days(3653)));
    assert_eq!(kept("readings_kept = \"12h\"\nfigures_kept = \"10 years\"").unwrap_err().len(), 2);
}
