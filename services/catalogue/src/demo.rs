//! The demo city that the program carries.

use std::sync::LazyLock;

use crate::source::{join, split};

const FILES: [(&str, &str); 11] = [
    ("bench.toml", include_str!("../demo/bench.toml")),
    ("beijing.toml", include_str!("../demo/beijing.toml")),
    ("detectors.toml", include_str!("../demo/detectors.toml")),
    ("districts.toml", include_str!("../demo/districts.toml")),
    ("limits.toml", include_str!("../demo/limits.toml")),
    ("lines.toml", include_str!("../demo/lines.toml")),
    ("loggers.toml", include_str!("../demo/loggers.toml")),
    ("metrics.toml", include_str!("../demo/metrics.toml")),
    ("offices.toml", include_str!("../demo/offices.toml")),
    ("projects.toml", include_str!("../demo/projects.toml")),
    ("stations.toml", include_str!("../demo/stations.toml")),
];

static TEXT: LazyLock<String> =
    LazyLock::new(|| split(&FILES).map(|sources| join(&sources)).expect("the demo city is small"));

/// The text of [`crate::Catalogue::demo`]: Chengdu, and twelve stations of Beijing to replay.
#[must_use]
pub fn demo_text() -> &'static str {
    &TEXT
}
