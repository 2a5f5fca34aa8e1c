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
fn webhooks_are_read_starred_and_their_faults_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    std::fs::write(folder.path().join("good"), format!("{secret}\n{secret}\n")).unwrap();
    std::fs::write(folder.path().join("bad"), "correct horse battery").unwrap();
    let path = folder.path().join("yiwang.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let mut layers = Layers::default();
        layers.file(&path);
        layers.finish()
    };
    let good = "[[webhook]]\nname = \"desk\"\nurl = \"http://127.0.0.1:9000/o\"\nsecret_file = \"good\"\n";
    let config = read(&format!("{good}kinds = [\"opened\"]\ndepartments = [\"ecology\"]\n")).unwrap();
    let shown = config.to_toml();
    assert!(
        shown.contains("[[webhook]]\nname = \"desk\"") && shown.contains("kinds = [\"opened\"]"),
        "{shown}"
    );
    assert!(!shown.contains("MfKQ") && !format!("{config:?}").contains("MfKQ"), "{shown}");
    assert_eq!(config.webhooks[0].0.secrets.len(), 2);
    let bad = "[[webhook]]\nname = \"desk\"\nurl = \"https://a\"\nsecret_file = \"bad\"\nkinds = [\"lost\"]\nretries = 3\n";
    let faults = read(&format!("{good}{bad}")).unwrap_err();
    let mut told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    told.sort_unstable();
    let wanted = [
        (6, "webhook.name"),
        (7, "webhook.url"),
        (8, "webhook.secret_file"),
        (9, "webhook.kinds"),
        (10, "webhook.retries"),
    ];
    assert_eq!(told, wanted);
    assert!(faults.iter().any(|fault| fault.found.contains("TLS")));
    assert!(!format!("{faults:?}").contains("horse"));
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

#[test]
fn stores_are_read_and_shown_without_their_tokens() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "very-secret-token\n").unwrap();
    let path = folder.path().join("yiwang.toml");
    let text = "[[store]]\nname = \"one\"\nurl = \"http://127.0.0.1:8086\"\norg = \"city\"\nbucket = \"main\"\ntoken_file = \"token\"\n\
                [[store]]\nname = \"two\"\nurl = \"http://127.0.0.1:8428/x\"\ndatabase = \"main\"\ngzip = false\nmax_lag_bytes = 1000\n";
    std::fs::write(&path, text).unwrap();
    let mut layers = Layers::default();
    layers.file(&path);
    let config = layers.finish().unwrap();
    let [one, two] = config.stores.as_slice() else { panic!("{:?}", config.stores) };
    assert_eq!((one.target.gzip, one.max_lag_bytes, one.target.token.is_some()), (true, 4 << 30, true));
    assert_eq!((two.target.gzip, two.max_lag_bytes, two.target.token.is_some()), (false, 1000, false));
    let shown = config.to_toml();
    assert!(!shown.contains("very-secret") && !format!("{config:?}").contains("very-secret"), "{shown}");
    let without = shown.replace("token_file = \"***\"\n", "");
    let again = of(&without).unwrap().stores;
    assert_eq!((again[0].target.place.clone(), &again[1]), (one.target.place.clone(), two));
}

/// Each fault with its line, all at once.
#[test]
fn the_faults_of_stores_are_all_told() {
    let text = "[[store]]\nname = \"a b\"\nurl = \"https://far:8086\"\nbucket = \"x\"\ncolour = 1\n\
                [[store]]\nname = \"c\"\nurl = 7\norg = \"o\"\nbucket = \"b\"\ndatabase = \"d\"\ntoken_file = \"no-such\"\ngzip = \"yes\"\nmax_lag_bytes = -1\n\
                [[store]]\nname = \"d\"\nurl = \"http://h/path\"\norg = \"o\"\nbucket = \"b\"\n\
                [[store]]\nname = \"d\"\n";
    let faults = of(text).unwrap_err();
    let mut told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    told.sort_unstable();
    let wanted = [
        (1, "store.bucket"),
        (2, "store.name"),
        (3, "store.url"),
        (5, "store.colour"),
        (6, "store.database"),
        (8, "store.url"),
        (12, "store.token_file"),
        (13, "store.gzip"),
        (14, "store.max_lag_bytes"),
        (17, "store.url"),
        (20, "store.bucket"),
        (20, "store.url"),
        (21, "store.name"),
    ];
    assert_eq!(told, wanted);
    assert!(faults.iter().any(|fault| fault.found.contains("TLS")), "{faults:?}");
    assert_eq!(of("store = 3").unwrap_err().len(), 1);
}

#[test]
fn brokers_are_read_and_shown_without_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "very-secret-password\n").unwrap();
    let path = folder.path().join("yiwang.toml");
    let text = "[[broker]]\nname = \"one\"\naddress = \"[::1]:1883\"\nuser = \"city\"\nsecret_file = \"secret\"\n\
                [[broker]]\nname = \"two\"\naddress = \"far.example:1884\"\nclient_id = \"me\"\ntopics = [\"a/+/b\", \"c/#\"]\n\
                version = \"5\"\ngroup = \"g\"\nkeep_alive = \"1m\"\nmax_packet_bytes = 2000\n\
                [[broker]]\nname = \"three\"\naddress = \"h:1\"\nversion = \"3.1.1\"\nsparkplug_host = \"city\"\n";
    std::fs::write(&path, text).unwrap();
    let mut layers = Layers::default();
    layers.file(&path);
    let config = layers.finish().unwrap();
    let [one, two, three] = config.brokers.as_slice() else { panic!("{:?}", config.brokers) };
    assert_eq!((one.host.as_str(), one.port, one.client_id.as_str()), ("[::1]", 1883, "yiwang-one"));
    assert_eq!(
        (one.topics.as_slice(), one.max_packet_bytes),
        (&["yw/v1/#".into(), "senml/#".into()][..], 1 << 20)
    );
    assert_eq!(one.login.as_ref().unwrap().secret, "very-secret-password");
    assert_eq!((two.group.as_deref(), two.keep_alive.as_secs(), two.max_packet_bytes), (Some("g"), 60, 2000));
    assert_eq!((three.version.word(), &three.login), ("3.1.1", &None));
    assert_eq!((three.sparkplug_host.as_deref(), &one.sparkplug_host), (Some("city"), &None));
    let shown = config.to_toml();
    assert!(!shown.contains("very-secret") && !format!("{config:?}").contains("very-secret"), "{shown}");
    let without = shown.replace("user = \"city\"\nsecret_file = \"***\"\n", "");
    assert_eq!(of(&without).unwrap().brokers[1..], config.brokers[1..]);
}

/// Each fault with its line, all at once.
#[test]
fn the_faults_of_brokers_are_all_told() {
    let text = "[[broker]]\nname = \"a b\"\naddress = \"nowhere\"\ncolour = 1\n\
                [[broker]]\nname = \"c\"\naddress = \"h:0\"\nuser = \"u\"\ntopics = [\"a#\", \"b\"]\nversion = \"4\"\nmax_packet_bytes = 1\n\
                [[broker]]\nname = \"d\"\naddress = \"h:1\"\nsecret_file = \"no-such\"\ntopics = []\nversion = \"3.1.1\"\ngroup = \"g\"\n\
                keep_alive = \"1s\"\n\
                [[broker]]\nname = \"d\"\ntopics = \"a\"\nsparkplug_host = \"a/b\"\n";
    let faults = of(text).unwrap_err();
    let mut told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    told.sort_unstable();
    let wanted = [
        (2, "broker.name"),
        (3, "broker.address"),
        (4, "broker.colour"),
        (7, "broker.address"),
        (8, "broker.user"),
        (9, "broker.topics"),
        (10, "broker.version"),
        (11, "broker.max_packet_bytes"),
        (15, "broker.secret_file"),
        (16, "broker.topics"),
        (18, "broker.group"),
        (19, "broker.keep_alive"),
        (20, "broker.address"),
        (21, "broker.name"),
        (22, "broker.topics"),
        (23, "broker.sparkplug_host"),
    ];
    assert_eq!(told, wanted);
    assert_eq!(of("broker = 3").unwrap_err().len(), 1);
}
