//! The words under which enums are stored where the model has none.

use yiwang_model::order::Channel;
use yiwang_model::{Phase, Severity};

/// A word that stands for a value in a column.
pub(super) trait Word: Copy + PartialEq + Sized + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;

    /// The value that this word stands for.
    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

macro_rules! words {
    ($($type:ident { $($value:ident = $word:literal),* })*) => {$(
        impl Word for $type {
            const ALL: &'static [Self] = &[$(Self::$value),*];
            fn word(self) -> &'static str {
                match self { $(Self::$value => $word),* }
            }
        }
    )*};
}

words! {
    Channel { Sensor = "sensor", Hotline = "hotline", Alert = "alert" }
    Phase {
        Raised = "raised", Worsened = "worsened", Cleared = "cleared",
        Revised = "revised", Withdrawn = "withdrawn"
    }
    Severity { Notice = "notice", Warning = "warning", Serious = "serious", Critical = "critical" }
}
