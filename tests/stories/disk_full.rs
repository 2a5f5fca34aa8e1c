//! The disk runs full, again and again, wherever the city writes: nothing is acknowledged then, the city says so and
//! lives, and goes on when there is room.
//!
//! The data folder lies on a tmpfs of 64 MiB; ballast leaves so much room as the round says, while readings and episodes
//! keep coming. With no reserve, all that writes meets the full disk: segments, checkpoints, orders, the store's files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{orders, skip, wait};

/// How much room each round leaves, in bytes.
const ROOM: [u64; 6] = [0, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 3 << 20];
/// Enough for ticks, too little for orders and for a checkpoint, which has more than 100 bytes of each of [`SERIES`].
const JUDGEMENT_ROOM: u64 = 64 << 10;
const SERIES: &str = "1000";
const REPLAYED: Span = Span::HOUR.times(10);

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let small = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(small.path()) else {
        return skip("disk full", "a tmpfs cannot be mounted: it needs root");
    };
    for reserve in ["0", "4194304"] {
        fill_and_free(&disk, reserve);
    }
}

fn fill_and_free(disk: &Tmpfs, reserve: &str) {
    let begin = this_minute();
    let mut city = City::story();
    let data = disk.0.join(format!("data-{reserve}"));
    city.keep_in(&data)
        .fed()
        .config(&format!("reserve_bytes = {reserve}"))
        .config("segment_bytes = 1048576")
        .start();
    let (input, replayed, loaded) =
        (city.beside("story.csv"), city.beside("replay.acked"), city.beside("load.acked"));
    Feed::rhythm(12, begin, REPLAYED).write(&input);
    let speed = (REPLAYED.as_secs_f64() / 15.0).to_string();
    let paced = ["--speed", &speed, "--wait", "100", "--acked", replayed.to_str().unwrap()];
    let replay = Sim::replay(&city, Door::Mqtt, &[&input], &paced);
    let load = [
        "load",
        "--series",
        SERIES,
        "--rate",
        "2000",
        "--seconds",
        "100000",
        "--values",
        "random",
        "--wait",
        "100",
    ];
    let load = Sim::run(&city, Door::Grpc, &[&load[..], &["--acked", loaded.to_str().unwrap()]].concat());
    for room in ROOM {
        let refused = city.metric("yiwang_no_room_total");
        let ballast = disk.leave(room);
        wait::until("an append found no room", || city.metric("yiwang_no_room_total") > refused);
        nothing_is_acknowledged(&city);
        if reserve != "0" && room == JUDGEMENT_ROOM {
            // The reserve lets ticks go on, so the judgement does: whichever of its own comes due first finds too little.
            wait::until("an order or a checkpoint found no room", || {
                disk.keep(&ballast, room);
                let said = city.said();
                said.contains("the order store cannot be used now")
                    || said.contains("no checkpoint: the one before still stands")
            });
        }
        std::fs::remove_file(ballast).unwrap();
        let admitted = city.metric("yiwang_readings_admitted_total");
        wait::until("readings are taken in again", || {
            city.metric("yiwang_readings_admitted_total") > admitted
        });
    }
    for report in [load.finish(), replay.report()] {
        assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
    }
    let said = city.said();
    assert!(said.contains("no reading is acknowledged until there is room"), "{said}");
    assert!(said.contains("the disk has room again"), "{said}");
    city.settle();
    assert!(!orders::all(&city).is_empty(), "the story opens orders");
    city.stop().reconcile(false, &[&replayed, &loaded]).must_balance();
    std::fs::remove_dir_all(data).unwrap();
}

/// While appends go on finding no room, none succeeds; and the city lives. What the city itself gives back meanwhile, by a
/// merge for one, may let some in first: they are durable, as the books show in the end.
fn nothing_is_acknowledged(city: &City) {
    let count = |name: &str| city.metric(&format!("yiwang_{name}_total"));
    let look = || (count("readings_admitted"), count("no_room"));
    let mut since = look();
    wait::until("appends were tried again and again, and none was admitted", || {
        let now = look();
        if now.0 != since.0 {
            since = now;
        }
        now.1 >= since.1 + 3.0
    });
    assert!(city.lives(), "{}", city.said());
}

/// A small file system; unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(at).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Lays ballast until no more than this is left.
    fn leave(&self, room: u64) -> PathBuf {
        let path = self.0.join("ballast");
        let mut ballast = File::create(&path).unwrap();
        let page = [0x5a; 4096];
        // What the city writes meanwhile makes the last page fail: then it is full enough.
        while self.free() > room && ballast.write_all(&page).is_ok() {}
        path
    }

    /// Keeps the room between a half and all of this, whatever the city writes or drops meanwhile.
    fn keep(&self, ballast: &Path, room: u64) {
        let file = File::options().append(true).open(ballast).unwrap();
        let (free, length) = (self.free(), file.metadata().unwrap().len());
        if free < room / 2 {
            file.set_len(length.saturating_sub(room - free)).unwrap();
        } else if free > room {
            // What the city writes at this moment may be in the way.
            let _ = (&file).write_all(&vec![0x5a; usize::try_from(free - room).unwrap()]);
        }
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
