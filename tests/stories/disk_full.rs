//! The disk runs full, again and again, wherever the city writes: nothing is acknowledged then, the city says so and
//! lives, and goes on when there is room.
//!
//! Here all parts share one disk; `disk_full_parts.rs` tells of a disk for each. The data folder lies on a tmpfs of 64 MiB; ballast leaves so much room as the round says, while readings and episodes
//! keep coming. With no reserve, all that writes meets the full disk: segments, checkpoints, orders, the store's files.

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::tmpfs::Tmpfs;
use yiwang_tests::{http, orders, skip, wait};

/// How much room each round leaves, in bytes.
const ROOM: [u64; 6] = [0, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 3 << 20];
/// What the second half of the story keeps free of readings, in bytes.
const RESERVE: u64 = 16 << 20;
/// Within the reserve, with room for all that the city itself writes: a checkpoint of [`SERIES`] that remember all they can
/// has 2 MiB and stands beside older ones; the journal of the orders grows to 4 MiB before SQLite takes it up.
const RESERVE_ROOM: u64 = 12 << 20;
/// Enough for ticks, too little for orders and for a checkpoint, which has more than 100 bytes of each of [`SERIES`].
const JUDGEMENT_ROOM: u64 = 64 << 10;
const SERIES: &str = "1000";
const REPLAYED: Span = Span::HOUR.times(10);

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let Some(disk) = Tmpfs::mount() else {
        return skip("disk full", "a tmpfs cannot be mounted: it needs root");
    };
    for reserve in [0, RESERVE] {
        fill_and_free(&disk, reserve);
    }
}

fn fill_and_free(disk: &Tmpfs, reserve: u64) {
    let begin = this_minute();
    let mut city = City::story();
    let data = disk.path().join(format!("data-{reserve}"));
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
    let within_the_reserve = (reserve > 0).then_some(RESERVE_ROOM);
    for room in ROOM.into_iter().chain(within_the_reserve) {
        let refused = city.metric("yiwang_no_room_total");
        let ballast = disk.leave(room);
        wait::until("an append found no room", || city.metric("yiwang_no_room_total") > refused);
        nothing_is_acknowledged(&city);
        if Some(room) == within_the_reserve {
            the_city_goes_on_within_the_reserve(&city);
        }
        if reserve > 0 && room == JUDGEMENT_ROOM {
            // The reserve lets ticks go on, so the judgement does: whichever of its own comes due first finds too little.
            wait::until("an order or a checkpoint found no room", || {
                disk.keep(&ballast, room);
                let said = city.said();
                said.contains("the order store cannot be used now")
                    || said.contains("no checkpoint: the one before still stands")
            });
        }
        drop(ballast);
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

/// No reading is admitted, and yet epochs are judged, people work on orders, the state is saved, and what the series store
/// has in memory goes to its files.
fn the_city_goes_on_within_the_reserve(city: &City) {
    let (epoch, saved) = (city.metric("yiwang_epoch"), city.metric("yiwang_checkpoint_epoch"));
    wait::until("the judgement goes on", || city.metric("yiwang_epoch") > epoch);
    let orders = city.json("/api/v1/orders?limit=1&state=opened");
    let path = format!("/api/v1/orders/{}/transitions", orders["orders"][0]["no"].as_str().unwrap());
    let (status, answer) =
        http::post(city.at().http, &path, r#"{"to":"accepted","note":"within the reserve"}"#).unwrap();
    assert_eq!(status, 200, "{answer}");
    wait::until("there is a checkpoint", || city.metric("yiwang_checkpoint_epoch") > saved);
    // The rows that came last before the disk was full.
    wait::until("rows go to files", || city.metric("yiwang_store_buffered_rows") == 0.0);
    nothing_is_acknowledged(city);
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
