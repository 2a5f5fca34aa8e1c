//! The disk of one part of the city runs full: the part says so and what to do, the others go on, nothing that was
//! acknowledged is lost, and it goes on by itself when there is room.
//!
//! A tmpfs of 64 MiB holds one part of the data folder, by a link; all else lies elsewhere. So it is sure which part meets
//! the full disk, and that the others do not. `disk_full.rs` tells of one disk for all. Most stories end with a kill
//! while the disk is full again: what was acknowledged until then must be in the log.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use yiwang_model::{Span, Timestamp};
use yiwang_proto::v1::Reading;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::sim::{Door, Sim};
use yiwang_tests::tmpfs::{Ballast, Tmpfs};
use yiwang_tests::{skip, wait};

const REPLAYED: Span = Span::HOUR.times(10);
/// How long the replay takes, in seconds: longer than a story.
const REPLAY_SECONDS: f64 = 60.0;
/// What the store's disk has left when flushes find room and merges do not, in bytes.
const FLUSH_ROOM: u64 = 512 << 10;
/// As many files of one level are merged, see `yiwang_series::embedded::Options::merge_files`.
const MERGE_FILES: i64 = 8;

#[test]
fn segments_find_no_room() {
    let Some(mut small) = Small::holding("log") else { return };
    small.city.start();
    let senders = Senders::start(&small.city);
    let full = "the log has no room, make some on its disk";
    small.fill_until("log", full);
    let admitted = small.count("readings_admitted_total");
    let tried = small.count("no_room_total");
    wait::until("appends were tried again", || small.count("no_room_total") >= tried + 5.0);
    assert_eq!(small.count("readings_admitted_total"), admitted, "acknowledged on a full disk");
    small.make_room_until("readings are taken in", |small| small.count("readings_admitted_total") > admitted);
    small.fill_until("log", full);
    senders.kill_and_balance(small);
}

#[test]
fn checkpoints_find_no_room() {
    let Some(mut small) = Small::holding("checkpoints") else { return };
    small.city.start();
    let senders = Senders::start(&small.city);
    // A checkpoint is due after so many readings.
    let many = ["load", "--series", "100", "--rate", "300000", "--seconds", "100000", "--gateway", "many"];
    let many = Sim::run(&small.city, Door::Grpc, &many);
    let full = "checkpoints/checkpoint-";
    small.fill_until("checkpoints", full);
    small.others_go_on();
    assert!(small.city.said().contains("no checkpoint: the one before still stands"));
    let saved = small.count("checkpoint_epoch");
    small.make_room_until("there is a checkpoint", |small| small.count("checkpoint_epoch") > saved);
    small.fill_until("checkpoints", full);
    drop(many);
    senders.kill_and_balance(small);
}

#[test]
fn orders_find_no_room() {
    let Some(mut small) = Small::holding("orders.sqlite") else { return };
    small.city.start();
    let senders = Senders::start(&small.city);
    let full = "the order store cannot be used now: see that its disk has room";
    small.fill_until("orders", full);
    small.others_go_on();
    let opened = small.count("orders_opened_total");
    small.make_room_until("orders are opened", |small| small.count("orders_opened_total") > opened);
    small.fill_until("orders", full);
    senders.kill_and_balance(small);
}

/// Two parts in one story, since a merge wants files of many flushes: each of the first comes from a city that was stopped.
#[test]
fn parquet_files_and_merges_find_no_room() {
    let Some(mut small) = Small::holding("series") else { return };
    let (begin, mut run) = (this_minute(), 1);
    small.city.start();
    while small.count("store_files") < (MERGE_FILES - 1) as f64 {
        small.send(begin, run, 20_000);
        run += 1;
        small.city.stop();
        small.city.start();
    }
    small.leave(0);
    let files = small.count("store_files");
    small.send(begin, run, 100);
    small.wait_until_full("series", "the series store has no room, make some on its disk");
    small.others_go_on();
    assert_eq!(small.count("store_files"), files, "a file on a full disk");

    small.leave(FLUSH_ROOM);
    wait::until("rows go to files", || small.count("store_files") > files);
    let mut seen = files;
    wait::until("a merge found no room", || {
        let there = small.count("store_files");
        if there > seen {
            // Of one kind and level there must be as many: where a run made two files and they were merged, or records of
            // late minutes, which are files of their own, it takes some more runs.
            (seen, run) = (there, run + 1);
            small.send(begin, run, 100);
        }
        small.city.metric("yiwang_put_off{what=\"merges\"}") > 0.0
    });
    let (ready, well, why) = small.city.readiness("merges");
    assert!(why.contains("make some on its disk") && why.contains("to merge 8 files of"), "{why}");
    assert!(ready && !well, "files that stay small stop nobody");
    assert!(small.city.said().contains("merge put off"), "{}", small.city.said());

    small.make_room_until("files are merged", |small| small.count("store_files") < seen);
    wait::until("no merge waits", || small.city.metric("yiwang_put_off{what=\"merges\"}") == 0.0);
    small.city.stop().reconcile(false, &[]).must_balance();
}

/// A city with a part of its data folder on a small disk.
struct Small {
    city: City,
    disk: Tmpfs,
    ballast: Option<Ballast>,
}

impl Small {
    /// With this file or folder of the data folder on the small disk.
    fn holding(part: &str) -> Option<Self> {
        let Some(disk) = Tmpfs::mount() else {
            skip(&format!("disk full: {part}"), "a tmpfs cannot be mounted: it needs root");
            return None;
        };
        let mut city = City::story();
        city.fed();
        let held = disk.path().join(part);
        if Path::new(part).extension().is_none() {
            std::fs::create_dir(&held).unwrap();
        }
        std::fs::create_dir(city.data()).unwrap();
        symlink(held, city.data().join(part)).unwrap();
        Some(Self { city, disk, ballast: None })
    }

    fn count(&self, what: &str) -> f64 {
        self.city.metric(&format!("yiwang_{what}"))
    }

    /// Leaves so much room, in bytes.
    fn leave(&mut self, room: u64) {
        self.ballast = None;
        self.ballast = Some(self.disk.leave(room));
    }

    /// Fills the disk until the part cannot go on and says so.
    fn fill_until(&mut self, item: &str, saying: &str) {
        self.leave(0);
        self.wait_until_full(item, saying);
    }

    /// Waits until the part cannot go on; then its readiness says so, with what to do, and so does the log of the process.
    fn wait_until_full(&self, item: &str, saying: &str) {
        let (ready, _, why) = wait::until_some(&format!("{item} found no room"), || {
            self.disk.keep(self.ballast.as_ref().unwrap(), 0);
            Some(self.city.readiness(item)).filter(|(_, ok, _)| !ok)
        });
        // Readings go on into the log while any other part waits: nobody is to be sent away.
        assert_eq!(ready, item != "log", "{item}: {why}");
        assert!(why.contains(saying) && why.contains("its disk"), "{item}: {why}");
        let said = self.city.said();
        assert!(said.contains(saying), "\"{saying}\" is not said:\n{said}");
        assert!(self.city.lives());
    }

    /// What is on other disks goes on.
    fn others_go_on(&mut self) {
        let ticks = self.count("ticks_total");
        wait::until("the city ticks on", || self.count("ticks_total") > ticks);
        let admitted = self.count("readings_admitted_total");
        let mut gateway = Gateway::open(self.city.at().grpc, "bench");
        let reading = pm2_5("bench-others", this_minute(), admitted / 1e9);
        assert_eq!(gateway.rows(vec![reading]).unwrap().refused_total, 0);
        assert!(self.count("readings_admitted_total") > admitted);
    }

    /// Makes room and waits until the very process goes on and is well.
    fn make_room_until(&mut self, what: &str, goes_on: impl Fn(&Self) -> bool) {
        self.ballast = None;
        wait::until(what, || goes_on(self));
        wait::until("the city is ready again", || self.city.readiness("log").0);
    }

    /// Sends readings of this run, each with a value that no other has, below all limits.
    fn send(&self, begin: Timestamp, run: i64, count: i64) {
        let reading = |number: i64| -> Reading {
            let time = begin - Span::SECOND.times(run * 100 + number / 1000);
            let value = 20.0 + (run * 100_000 + number) as f64 * 0.618_033_988_749_895 % 30.0;
            pm2_5(&format!("bench-{}", number % 1000), time, value)
        };
        let mut gateway = Gateway::open(self.city.at().grpc, "bench");
        assert_eq!(gateway.rows((0..count).map(reading).collect()).unwrap().refused_total, 0);
    }
}

/// Readings through both doors, and episodes.
struct Senders {
    sims: [Sim; 2],
    acked: [PathBuf; 2],
}

impl Senders {
    fn start(city: &City) -> Self {
        let input = city.beside("story.csv");
        Feed::rhythm(12, this_minute(), REPLAYED).write(&input);
        let acked = [city.beside("replay.acked"), city.beside("load.acked")];
        let [replayed, loaded] = [0, 1].map(|at: usize| acked[at].to_str().unwrap());
        let speed = (REPLAYED.as_secs_f64() / REPLAY_SECONDS).to_string();
        let replay = ["--speed", &speed, "--acked", replayed];
        let load = ["load", "--series", "100", "--rate", "1000", "--seconds", "100000", "--acked", loaded];
        let sims = [Sim::replay(city, Door::Mqtt, &[&input], &replay), Sim::run(city, Door::Grpc, &load)];
        Self { sims, acked }
    }

    /// Kills the city on its full disk, then the senders; with room, nothing that they were told is missing.
    fn kill_and_balance(self, mut small: Small) {
        small.city.kill();
        drop(self.sims);
        small.ballast = None;
        let books = small.city.reconcile(true, &self.acked.each_ref().map(PathBuf::as_path));
        books.must_balance();
        for file in &self.acked {
            assert!(std::fs::metadata(file).unwrap().len() > 0, "{} is empty", file.display());
        }
    }
}
