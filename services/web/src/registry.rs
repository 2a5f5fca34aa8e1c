//! The way to another catalogue: who holds the one in force, and how it is changed.

use async_trait::async_trait;
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_catalogue::registry::Kind;
use yiwang_catalogue::{Catalogue, Fault, InForce};

use crate::Who;

/// Makes another catalogue of the one in force.
pub type Change = Box<dyn FnOnce(&Catalogue) -> Result<Catalogue, Refusal> + Send>;

/// Holds the catalogue in force.
#[async_trait]
pub trait Registrar: Send + Sync + 'static {
    /// The catalogue in force: names, units, limits and plans; and its revision.
    fn in_force(&self) -> InForce;

    /// The series that are sent and that nobody has registered, those that came first first.
    fn unknown(&self) -> Vec<UnknownSeries>;

    /// Puts another in force, if the revision is `seen`; `None` takes any. Returns the new revision when it is durable and
    /// the doors admit by it.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has changed.
    async fn revise(&self, who: &Who, seen: Option<u32>, change: Change) -> Result<u32, Refusal>;

    /// Reads the catalogue's files again and puts what they say in force, with what was registered; otherwise as
    /// [`Registrar::revise`]. Files that say what they said before change nothing.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has changed.
    async fn reload(&self, who: &Who) -> Result<u32, Refusal>;
}

/// A series whose readings are kept until its source is registered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UnknownSeries {
    /// What the source calls itself.
    pub source: String,
    /// A metric of the catalogue.
    pub metric: String,
    /// How many readings are kept.
    pub readings: u64,
    /// The earliest event time among them, RFC 3339.
    pub first: String,
    /// The latest.
    pub last: String,
    /// The value that came last, in the metric's unit.
    pub value: f64,
}

/// Why the catalogue stays as it is.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The change does not fit. The caller must act.
    #[error("{} in the catalogue; the first: {}", count(.0.len()), .0.first().map_or_else(String::new, ToString::to_string))]
    Faults(Vec<Fault>),
    /// It stands in a file, and files are changed by those who keep them.
    #[error("{kind} \"{id}\" stands in the catalogue's files: change it there")]
    InFiles {
        /// What it is.
        kind: Kind,
        /// Its name.
        id: String,
    },
    /// There is none of this name.
    #[error("there is no {kind} \"{id}\"")]
    NotThere {
        /// What it would be.
        kind: Kind,
        /// Its name.
        id: String,
    },
    /// Somebody else has changed the catalogue since. The caller must look again.
    #[error("the catalogue is at revision {found}, not {wanted}: look at it again")]
    Changed {
        /// What the caller had seen.
        wanted: u32,
        /// What holds.
        found: u32,
    },
    /// It could not be made durable now. It may be tried again.
    #[error("the catalogue cannot be changed now: {0}")]
    Unavailable(String),
}

fn count(faults: usize) -> String {
    if faults == 1 { "a fault".into() } else { format!("{faults} faults") }
}
