//! What becomes of open causes, and of what is left of them.

use yiwang_model::{Anomaly, Timestamp};

use super::alarm::{Alarm, Stage};
use super::{Causes, Key};
use crate::topology::Cause;

impl Causes {
    /// Says what became of open causes, and ends those that are over.
    pub(super) fn tend(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        let mut over = Vec::new();
        for (cause, parent) in &mut self.parents {
            out.extend(parent.worsened(cause, city, &self.rules));
            if parent.is_over(cause.scope, city) {
                over.push(cause.clone());
            }
        }
        for cause in over {
            let Some(parent) = self.parents.remove(&cause) else { continue };
            out.extend(parent.cleared(&cause, city, &self.rules));
            self.release(&cause, city + parent.calm, out);
        }
    }

    /// What is left of the alarms of a cause that is over is held by another one, which did not begin it; or it surfaces at `then`.
    pub(super) fn release(&mut self, cause: &Cause, then: Timestamp, out: &mut Vec<Anomaly>) {
        let is_left = |alarm: &Alarm| matches!(&alarm.stage, Stage::Child(of) if of == cause);
        let left: Vec<Key> =
            self.alarms.iter().filter(|(_, alarm)| is_left(alarm)).map(|(key, _)| key.clone()).collect();
        for key in left {
            let heir = self.joins(&key).filter(|heir| heir != cause);
            match heir {
                Some(heir) => self.join(&key, &heir, out),
                None => {
                    if let Some(alarm) = self.alarms.get_mut(&key) {
                        alarm.stage = Stage::Left(then);
                    }
                }
            }
        }
    }
}
