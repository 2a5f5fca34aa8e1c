//! A checkpoint that is whole and yet refused: by a detector that does not take its state.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use yiwang_disk::{Disk, SimDisk};
use yiwang_log::{Append, Class, CursorClass, Extent, Layout, Log, Offset, Position, Stored};

use super::crash::{City, assert_undisturbed, script};
use super::world::{CHECKPOINTS, block_on, judge, log_of, open, parts};
use crate::checkpoint::Checkpoints;
use crate::closer::State;
use crate::pack::Pack;
use crate::{Error, Parts, Stream};

/// A log whose first record is gone.
struct CutLog(Arc<dyn Log>);

#[async_trait]
impl Log for CutLog {
    fn layout(&self) -> &Layout {
        self.0.layout()
    }

    async fn append(&self, class: Class, records: Vec<Append>) -> Result<Vec<Offset>, yiwang_log::Error> {
        self.0.append(class, records).await
    }

    async fn read(&self, from: &[Position], max_bytes: usize) -> Result<Vec<Stored>, yiwang_log::Error> {
        self.0.read(from, max_bytes).await
    }

    fn extents(&self) -> Vec<Extent> {
        self.0.extents().into_iter().map(|extent| Extent { start: Offset(1), ..extent }).collect()
    }

    async fn commit_cursor(
        &self,
        name: &str,
        class: CursorClass,
        to: &[Position],
    ) -> Result<(), yiwang_log::Error> {
        self.0.commit_cursor(name, class, to).await
    }

    fn cursor(&self, name: &str) -> Vec<Position> {
        self.0.cursor(name)
    }

    fn gap(&self, name: &str) -> u64 {
        self.0.gap(name)
    }
}

/// Writes a base behind the newest checkpoint that is whole, and whose every detector has a state that it does not take.
fn write_refused(disk: &SimDisk) -> u64 {
    let (mut checkpoints, state) = Checkpoints::open(Arc::new(disk.clone()), Path::new(CHECKPOINTS)).unwrap();
    let state = state.expect("a checkpoint");
    let mut saved: Vec<_> = state.series.iter().flat_map(|pack| pack.states().unwrap()).collect();
    assert!(saved.iter().any(|series| !series.detectors.is_empty()), "a detector has a state");
    saved
        .iter_mut()
        .flat_map(|series| &mut series.detectors)
        .for_each(|detector| detector.state = vec![0xff]);
    let refused = State { epoch: state.epoch + 1, series: Pack::of(saved.into_iter()).collect(), ..state };
    checkpoints.write(&refused).unwrap();
    refused.epoch
}

/// A state that a detector refuses, in a file that is whole, costs a start from the checkpoint before, and the orders nothing.
#[test]
fn a_refused_checkpoint_falls_back_to_the_one_before() {
    let commits = script(1);
    block_on(async {
        let whole = judge(&log_of(&commits).await, 1, 1 << 20).await;
        let mut city = City::new(1);
        city.live(&commits[..commits.len() / 2], 1).await.expect("the power stays on");
        let refused = write_refused(&city.disk);
        city.live(&commits, 2).await.expect("it begins with the checkpoint before");
        assert_undisturbed(&city, &whole, "one refused").await;
        let aside = Path::new(CHECKPOINTS).join(format!("refused-checkpoint-{refused:020}"));
        assert!(city.disk.paths().contains(&aside), "{:?}", city.disk.paths());
        city.live(&commits, 1).await.expect("it is not looked at again");
    });
}

/// With no other left, the log is judged from its beginning; where it was cut, the start says why the newest was refused, and all files stay.
#[test]
fn a_start_without_a_checkpoint_that_fits_begins_with_the_log_or_says_why_not() {
    let commits = script(1);
    block_on(async {
        let whole = judge(&log_of(&commits).await, 1, 1 << 20).await;
        let mut city = City::new(1);
        city.live(&commits[..commits.len() / 2], 1).await.expect("the power stays on");
        let refused = write_refused(&city.disk);
        for path in city.disk.paths().into_iter().filter(|path| path.starts_with(CHECKPOINTS)) {
            if !path.ends_with(format!("checkpoint-{refused:020}")) {
                city.disk.remove(&path).unwrap();
            }
        }
        let files = city.disk.paths();
        let log = open(Arc::new(city.disk.clone())).unwrap();
        let whole_log = parts(&log, &city.orders, Arc::new(city.disk.clone()));
        let parts = Parts { log: Arc::new(CutLog(log)), ..whole_log };
        let error = Stream::start(parts, Path::new(CHECKPOINTS), 1)
            .await
            .err()
            .expect("there is nothing to go on from");
        assert!(matches!(&error, Error::State(why) if why.contains("0xff")), "{error}");
        assert_eq!(city.disk.paths(), files, "nothing is touched");
        city.live(&commits, 1).await.expect("the log has all");
        assert_undisturbed(&city, &whole, "from the beginning").await;
    });
}
