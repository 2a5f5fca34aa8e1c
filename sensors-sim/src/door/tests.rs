use std::sync::Mutex;

use super::*;
use crate::acked::AckedFile;
use crate::fake::{self, Manner, Seen};

fn options(address: Address) -> Options {
    Options {
        address,
        gateway: "g".into(),
        stream_id: 7,
        credential: None,
        inflight: 64,
        rows: false,
        history: false,
    }
}

fn dictionary() -> Arc<Vec<SeriesKey>> {
    let key =
        |metric: &str| SeriesKey { source: "s-1".into(), metric: metric.into(), unit: "µg/m³".into() };
    Arc::new(vec![key("pm2_5"), key("pm10")])
}

/// A batch of three readings that only this number has.
fn batch(series: &Arc<Vec<SeriesKey>>, number: i64) -> Batch {
    let mut batch = Batch::of(series);
    for at in 0..3 {
        batch.push(u32::try_from(at % 2).unwrap(), number * 1000 + at, number as f64 + 0.125);
    }
    batch
}

fn line(number: i64, at: i64) -> String {
    let metric = if at % 2 == 0 { "pm2_5" } else { "pm10" };
    format!("s-1,{metric},{},{}", number * 1000 + at, number as f64 + 0.125)
}

fn lines(path: &std::path::Path) -> Vec<String> {
    let mut lines: Vec<String> =
        std::fs::read_to_string(path).unwrap().lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

fn all_lines(batches: i64) -> Vec<String> {
    let mut lines: Vec<String> =
        (0..batches).flat_map(|number| (0..3).map(move |at| line(number, at))).collect();
    lines.sort();
    lines
}

struct Trial {
    open: Open,
    file: AckedFile,
    folder: tempfile::TempDir,
    told: Arc<Mutex<usize>>,
}

impl Trial {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = AckedFile::append(&folder.path().join("acked")).unwrap();
        let (to, told) = (file.clone(), Arc::new(Mutex::new(0)));
        let count = told.clone();
        let on_ack: OnAck = Box::new(move |acked| {
            *count.lock().unwrap() += 1;
            to.write(acked);
        });
        Self { open: open(options, on_ack, CancellationToken::new()), file, folder, told }
    }

    async fn send(&self, batches: i64) {
        let series = dictionary();
        for number in 0..batches {
            self.open.sender.send(batch(&series, number), Instant::now()).await.unwrap();
        }
    }

    fn lines(&self) -> Vec<String> {
        self.file.flush().unwrap();
        lines(&self.folder.path().join("acked"))
    }

    async fn finish(self) -> Vec<String> {
        assert_eq!(self.open.finish().await.unwrap(), 0);
        self.file.flush().unwrap();
        lines(&self.folder.path().join("acked"))
    }
}

/// The first connection breaks after 7 batches of which it acknowledged 3, the second after 5 and 2.
fn breaking(connection: usize) -> Manner {
    match connection {
        0 => Manner { dies_after: Some(7), acks_only: Some(3), ..Manner::default() },
        1 => Manner { dies_after: Some(5), acks_only: Some(2), ..Manner::default() },
        _ => Manner::default(),
    }
}

fn assert_everything_came(seen: &Seen, batches: i64) {
    let mut came: Vec<i64> =
        seen.all().iter().flat_map(|got| got.readings.iter().map(|reading| reading.2)).collect();
    came.sort_unstable();
    came.dedup();
    let wanted: Vec<i64> = (0..batches).flat_map(|number| (0..3).map(move |at| number * 1000 + at)).collect();
    assert_eq!(came, wanted);
}

#[tokio::test]
async fn what_grpc_did_not_acknowledge_is_sent_again() {
    let seen = Seen::new();
    let trial = Trial::new(options(Address::Grpc(fake::grpc(&seen, breaking).await)));
    trial.send(20).await;
    assert_eq!(trial.finish().await, all_lines(20), "each acknowledged reading once");
    assert_everything_came(&seen, 20);
    let first_of =
        |connection| seen.all().iter().find(|got| got.connection == connection).map(|got| got.number);
    assert_eq!((first_of(0), first_of(1), first_of(2)), (Some(0), Some(3), Some(5)));
    let with_names = seen.all().iter().filter(|got| got.dictionary > 0).count();
    assert_eq!(with_names, 3, "the dictionary goes once a stream");
}

#[tokio::test]
async fn what_mqtt_did_not_acknowledge_is_sent_again() {
    let seen = Seen::new();
    let trial = Trial::new(options(Address::Mqtt(fake::mqtt(&seen, breaking).await)));
    trial.send(20).await;
    assert_eq!(trial.finish().await, all_lines(20), "each acknowledged reading once");
    assert_everything_came(&seen, 20);
    assert!(seen.all().iter().any(|got| got.connection == 2));
}

#[tokio::test]
async fn mqtt_may_acknowledge_out_of_order() {
    let seen = Seen::new();
    let address = fake::mqtt(&seen, |connection| Manner {
        swaps: true,
        dies_after: (connection == 0).then_some(5),
        ..Manner::default()
    });
    let trial = Trial::new(options(Address::Mqtt(address.await)));
    trial.send(14).await;
    assert_eq!(trial.finish().await, all_lines(14));
    assert_everything_came(&seen, 14);
}

#[tokio::test]
async fn nothing_is_written_before_its_acknowledgement() {
    let (release, released) = watch_pair();
    let seen = Seen::new();
    let address =
        fake::grpc(&seen, move |_| Manner { released: Some(released.clone()), ..Manner::default() });
    let trial = Trial::new(options(Address::Grpc(address.await)));
    trial.send(9).await;
    seen.wait_for(9).await;
    assert_eq!(trial.lines(), Vec::<String>::new());
    assert_eq!(*trial.told.lock().unwrap(), 0);
    release.send(true).unwrap();
    assert_eq!(trial.finish().await, all_lines(9));
}

fn watch_pair() -> (tokio::sync::watch::Sender<bool>, tokio::sync::watch::Receiver<bool>) {
    tokio::sync::watch::channel(false)
}

#[tokio::test]
async fn the_buffer_is_bounded_and_the_sender_waits() {
    let (release, released) = watch_pair();
    let seen = Seen::new();
    let address =
        fake::grpc(&seen, move |_| Manner { released: Some(released.clone()), ..Manner::default() });
    let trial = Trial::new(Options { inflight: 4, ..options(Address::Grpc(address.await)) });
    let series = dictionary();
    let mut taken = 0;
    // Without acknowledgements: 4 under way, the queue behind them, then no more.
    seen_fill(&trial, &series, &mut taken, &seen).await;
    assert_eq!(seen.all().len(), 4);
    assert_eq!(taken, 4 + QUEUE as i64);
    release.send(true).unwrap();
    for number in taken..40 {
        trial.open.sender.send(batch(&series, number), Instant::now()).await.unwrap();
    }
    assert_eq!(trial.finish().await, all_lines(40));
}

/// Hands over what there is room for; returns when the door has had its fill.
async fn seen_fill(trial: &Trial, series: &Arc<Vec<SeriesKey>>, taken: &mut i64, seen: &Seen) {
    for _ in 0..4 {
        trial.open.sender.send(batch(series, *taken), Instant::now()).await.unwrap();
        *taken += 1;
    }
    seen.wait_for(4).await;
    while trial.open.sender.0.try_send((batch(series, *taken), Instant::now())).is_ok() {
        *taken += 1;
    }
}

#[tokio::test]
async fn refused_readings_are_not_written() {
    let seen = Seen::new();
    let address = fake::grpc(&seen, |_| Manner { refuses: Some(1), ..Manner::default() }).await;
    let trial = Trial::new(options(Address::Grpc(address)));
    trial.send(2).await;
    assert_eq!(trial.finish().await, [line(0, 0), line(1, 0), line(1, 2), line(0, 2)]);
}

#[tokio::test]
async fn when_refusals_have_no_names_nothing_is_written() {
    let seen = Seen::new();
    let address = fake::grpc(&seen, |_| Manner { refuses_unnamed: 1, ..Manner::default() }).await;
    let trial = Trial::new(options(Address::Grpc(address)));
    trial.send(2).await;
    assert_eq!(trial.finish().await, Vec::<String>::new());
}

#[tokio::test]
async fn credentials_are_shown_and_a_refusal_is_final() {
    let credential = Some(Credential::new("n", "s"));
    let locked = |_| Manner { locked: true, ..Manner::default() };
    let seen = Seen::new();
    for address in
        [Address::Grpc(fake::grpc(&seen, locked).await), Address::Mqtt(fake::mqtt(&seen, locked).await)]
    {
        let trial = Trial::new(Options { credential: credential.clone(), ..options(address) });
        let _ = trial.open.sender.send(batch(&dictionary(), 0), Instant::now()).await;
        assert!(trial.open.finish().await.is_err());
    }
    assert_eq!(*seen.logins.lock().unwrap(), ["Basic bjpz", "n:s"]);
}

#[tokio::test]
async fn what_is_left_is_counted() {
    let seen = Seen::new();
    let address = fake::grpc(&seen, |_| Manner { acks_only: Some(1), ..Manner::default() }).await;
    let trial = Trial::new(options(Address::Grpc(address)));
    trial.send(3).await;
    seen.wait_for(3).await;
    let told = trial.told.clone();
    while *told.lock().unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(trial.open.finish_within(Duration::ZERO).await.unwrap(), 6);
}

#[tokio::test]
async fn rows_say_the_same_as_columns() {
    let readings = async |rows| {
        let seen = Seen::new();
        let address = fake::grpc(&seen, |_| Manner::default()).await;
        let trial = Trial::new(Options { rows, ..options(Address::Grpc(address)) });
        trial.send(3).await;
        trial.finish().await;
        seen.all().into_iter().flat_map(|got| got.readings).collect::<Vec<_>>()
    };
    assert_eq!(readings(true).await, readings(false).await);
}

#[test]
fn optional_columns_stay_empty_until_they_are_needed() {
    let mut batch = Batch::of(&dictionary());
    batch.push(0, 1, 1.0);
    assert!(batch.quality.is_empty() && batch.vintage.is_empty());
    batch.push_whole(1, 2, 2.0, 3, None, Some(9));
    batch.push(0, 3, 3.0);
    assert_eq!(
        (batch.quality.as_slice(), batch.vintage.as_slice()),
        ([0, 3, 0].as_slice(), [0, 9, 0].as_slice())
    );
    assert!(batch.period_end.is_empty());
    let vintages: Vec<_> = batch.items().map(|item| item.vintage).collect();
    assert_eq!(vintages, [None, Some(9), None]);
}

#[test]
fn a_credential_is_read_from_a_file_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, " hush \n").unwrap();
    let credential: Credential = format!("me:{}", path.display()).parse().unwrap();
    assert_eq!((credential.name(), credential.secret()), ("me", "hush"));
    assert!(!format!("{credential:?}").contains("hush"));
    std::fs::write(&path, "\n").unwrap();
    assert!(format!("me:{}", path.display()).parse::<Credential>().is_err());
    assert!("no-colon".parse::<Credential>().is_err());
}
