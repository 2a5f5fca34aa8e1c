//! Why an episode was found, and what another limit would have found: what the judgement can say of a capsule.
//!
//! The console knows capsules as bytes. What they say is told by whoever hands in a [`Reasons`].

use serde::Serialize;
use utoipa::ToSchema;
use yiwang_model::Row;

/// The most readings that a what-if is asked with.
pub const MAX_READINGS: usize = 20_160;
/// How many what-ifs are reckoned at a time.
pub(crate) const AT_ONCE: usize = 2;

/// Reads capsules.
pub trait Reasons: Send + Sync + 'static {
    /// Why an episode was found.
    ///
    /// # Errors
    /// Why the capsule cannot be believed.
    fn why(&self, capsule: &[u8]) -> Result<Why, String>;

    /// What is found in these readings, in the order of event time, with the limit as it was and with this one; `None` where the rule has
    /// no limit to move.
    ///
    /// # Errors
    /// As [`Reasons::why`].
    fn what_if(&self, capsule: &[u8], value: f64, readings: &[Row]) -> Result<Option<[Outcome; 2]>, String>;
}

/// Why an episode was found. Times are RFC 3339, values in the unit of the metric or as the kind of rule states.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Why {
    /// The rule's name in the catalogue.
    pub detector: String,
    /// Its kind.
    pub kind: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Where the limit stands.
    pub edition: String,
    /// The limit that was judged against.
    pub limit: Option<f64>,
    /// Whether another limit can be tried.
    pub adjustable: bool,
    /// When the episode began.
    pub begin: String,
    /// When it was opened, by event time.
    pub raised: String,
    /// The value furthest out then.
    pub extreme: f64,
    /// The readings that it was opened by, since the state that was kept: pairs of milliseconds since 1970 and value.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub readings: Vec<(i64, f64)>,
    /// Of a kind that asks several witnesses: each one's share of what it takes for an alarm, the loudest first.
    pub witnesses: Vec<Witness>,
    /// The revision of the catalogue.
    pub catalogue_revision: u32,
    /// SHA-256 of what was kept.
    pub hash: String,
    /// Why it does not hold; null when the rule says the same again.
    pub differs: Option<String>,
}

/// A parameter of a rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Param {
    /// Its key in the catalogue.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// One of several that a rule asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Witness {
    /// What it is called.
    pub name: String,
    /// Its share.
    pub share: f64,
    /// How often a day the series has what it measured; null while that is not known.
    pub a_day: Option<f64>,
}

/// What is found with one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outcome {
    /// Episodes.
    pub episodes: usize,
    /// Judged readings beyond the limit.
    pub exceedances: usize,
}
