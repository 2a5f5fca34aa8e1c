//! What checkpoints cost: one of all series, one of the hundredth part that changed, and a start from both.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use yiwang_disk::RealDisk;
use yiwang_stream::checkpoint::Checkpoints;
use yiwang_stream::closer::State;
use yiwang_stream::directory::Directory;
use yiwang_stream::item::Save;

use crate::city::{self, City};
use crate::gauge::cpu_seconds;
use crate::{Stage, warm};

/// One series of so many speaks in an epoch; a save has what changed in two.
const SPEAKS: usize = 200;

pub(crate) fn run(set: &str, series: usize, workers: usize, lateness: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = Arc::new(Directory::default());
    directory.revise(1, Arc::new(city::catalogue(set, lateness)));
    let mut city = City::new(series, false, &directory);
    let mut stage = warm(&directory, &mut city, series, workers);
    let (mut checkpoints, _) = open(folder.path());
    let mut calm = Epochs::default();
    (0..20).for_each(|_| _ = calm.run(&mut stage, city.epoch(series / SPEAKS, Save::No)));
    let whole = Taken::of(&mut stage, &mut city, &mut checkpoints, series, Save::Whole);
    let mut changes = Vec::new();
    // Each has what spoke since the one before was asked for: the first all that spoke while all was saved.
    for _ in 0..6 {
        let since = changes.last().map_or(whole.epoch, |taken: &Taken| taken.epoch);
        changes.push(Taken::of(&mut stage, &mut city, &mut checkpoints, series, Save::Changes { since }));
    }
    stage.end();
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let (_, state) = open(folder.path());
    let restarted = Stage::start(&directory, workers + 1, state.expect("a whole chain"));
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    restarted.end();
    format!(
        r#"{{"set":"{set}","series":{series},"workers":{workers},"calm_epoch_cpu_ms":{:.1},{},{},"restore_by_one_more_worker":{{"wall_s":{wall:.2},"cpu_s":{cpu:.2}}}}}"#,
        1e3 * calm.longest,
        whole.shown("whole"),
        changes[changes.len() - 1].shown("hundredth"),
    )
}

fn open(folder: &Path) -> (Checkpoints, Option<State>) {
    Checkpoints::open(Arc::new(RealDisk), folder).expect("a folder that can be read")
}

/// How long epochs took, in seconds of CPU: the flow is held for so long on a machine of its own.
#[derive(Default)]
struct Epochs {
    longest: f64,
}

impl Epochs {
    fn run(&mut self, stage: &mut Stage, epoch: Vec<yiwang_stream::dataflow::Message>) -> Option<State> {
        let began = cpu_seconds();
        let closed = stage.closed(vec![epoch]).pop();
        self.longest = self.longest.max(cpu_seconds() - began);
        closed.and_then(|closed| closed.state)
    }
}

/// A checkpoint that was taken while readings came.
struct Taken {
    epoch: u64,
    epochs: Epochs,
    count: usize,
    cpu: f64,
    wall: f64,
    write_wall: f64,
    bytes: usize,
}

impl Taken {
    fn of(
        stage: &mut Stage,
        city: &mut City,
        checkpoints: &mut Checkpoints,
        series: usize,
        save: Save,
    ) -> Self {
        let (mut epochs, mut count, mut ask) = (Epochs::default(), 0, save);
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let state = loop {
            count += 1;
            if let Some(state) = epochs.run(stage, city.epoch(series / SPEAKS, ask)) {
                break state;
            }
            ask = Save::No;
        };
        let began = Instant::now();
        checkpoints.write(&state).expect("room");
        let bytes = state.series.iter().map(|pack| pack.as_ref().len()).sum();
        let write_wall = began.elapsed().as_secs_f64();
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        Self { epoch: state.epoch, epochs, count, cpu, wall, write_wall, bytes }
    }

    fn shown(&self, name: &str) -> String {
        let Self { epochs, count, cpu, wall, write_wall, bytes, .. } = self;
        let longest = 1e3 * epochs.longest;
        format!(
            r#""{name}":{{"cpu_s":{cpu:.3},"wall_s":{wall:.3},"write_wall_s":{write_wall:.3},"epochs":{count},"longest_epoch_cpu_ms":{longest:.1},"bytes":{bytes}}}"#
        )
    }
}
