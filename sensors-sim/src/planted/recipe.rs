//! What each metric of a planted city is made of: a table.
//!
//! All gains are in units of the series' own noise σ, so that the table says how hard the city is: a gain of 6 for the weather means
//! that weather moves the series by up to 6 σ either way.

use yiwang_catalogue::{MetricKind, StationKind};

/// What a series does each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// Nothing.
    None,
    /// Follows the sun.
    Sun,
    /// Traffic on roads; working days differ from others.
    Traffic,
    /// Work at building sites; working days differ from others.
    Work,
}

impl Rhythm {
    /// Whether the statutory calendar shows in it.
    pub(super) const fn has_weeks(self) -> bool {
        matches!(self, Self::Traffic | Self::Work)
    }
}

/// How a metric behaves.
#[derive(Debug, PartialEq)]
pub(super) struct Recipe {
    pub(super) metric: &'static str,
    pub(super) station: StationKind,
    pub(super) kind: MetricKind,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    pub(super) unit: &'static str,
    /// Least and greatest possible value.
    pub(super) range: (f64, f64),
    /// Decimals that an instrument sends.
    pub(super) decimals: u8,
    /// The ordinary value.
    pub(super) base: f64,
    /// σ: the standard deviation of the noise of each reading.
    pub(super) noise: f64,
    pub(super) rhythm: Rhythm,
    /// σ at the height of the rhythm.
    pub(super) day: f64,
    /// σ by the weather that the city shares, either way.
    pub(super) city: f64,
    /// σ by what the region shares, or what comes down the river, either way.
    pub(super) region: f64,
    /// σ for each mm/h of rain that is still running off.
    pub(super) rain: f64,
    /// σ by slow changes that are the station's alone, either way.
    pub(super) own: f64,
    /// The limit of the hourly mean, with where it stands.
    pub(super) limit: Option<(f64, &'static str)>,
}

const BLANK: Recipe = Recipe {
    metric: "",
    station: StationKind::Air,
    kind: MetricKind::Environment,
    zh: "",
    en: "",
    unit: "µg/m³",
    range: (0.0, 2000.0),
    decimals: 1,
    base: 0.0,
    noise: 1.0,
    rhythm: Rhythm::None,
    day: 0.0,
    city: 0.0,
    region: 0.0,
    rain: 0.0,
    own: 0.5,
    limit: None,
};
const SITE: Recipe = Recipe { station: StationKind::ConstructionSite, ..BLANK };
const RIVER: Recipe = Recipe { station: StationKind::Water, kind: MetricKind::Water, ..BLANK };
const HOURLY: &str = "GB 3095 table 1, 1 hour, grade II";

/// All metrics; those of one kind of station stand together.
pub(super) const RECIPES: [Recipe; 13] = [
    Recipe {
        metric: "pm2_5",
        zh: "细颗粒物（PM2.5）",
        en: "Fine particles (PM2.5)",
        base: 60.0,
        noise: 2.5,
        rhythm: Rhythm::Traffic,
        day: 3.0,
        city: 6.0,
        region: 2.5,
        ..BLANK
    },
    Recipe {
        metric: "pm10",
        zh: "可吸入颗粒物（PM10）",
        en: "Inhalable particles (PM10)",
        range: (0.0, 3000.0),
        base: 95.0,
        noise: 4.0,
        rhythm: Rhythm::Work,
        day: 3.0,
        city: 6.0,
        region: 2.5,
        ..BLANK
    },
    Recipe {
        metric: "no2",
        zh: "二氧化氮",
        en: "Nitrogen dioxide",
        range: (0.0, 4000.0),
        base: 45.0,
        noise: 2.0,
        rhythm: Rhythm::Traffic,
        day: 6.0,
        city: 4.0,
        region: 2.0,
        limit: Some((200.0, HOURLY)),
        ..BLANK
    },
    Recipe {
        metric: "o3",
        zh: "臭氧",
        en: "Ozone",
        base: 70.0,
        noise: 3.0,
        rhythm: Rhythm::Sun,
        day: 12.0,
        city: -4.0,
        region: 2.0,
        limit: Some((200.0, HOURLY)),
        ..BLANK
    },
    Recipe {
        metric: "water_level",
        zh: "水位",
        en: "Water level",
        unit: "m",
        range: (-5.0, 30.0),
        decimals: 3,
        base: 2.0,
        noise: 0.01,
        region: 5.0,
        rain: 3.0,
        ..RIVER
    },
    Recipe {
        metric: "ph",
        zh: "pH 值",
        en: "pH",
        unit: "1",
        range: (0.0, 14.0),
        decimals: 2,
        base: 7.6,
        noise: 0.03,
        rhythm: Rhythm::Sun,
        day: 4.0,
        region: 3.0,
        limit: Some((9.0, "GB 3838-2002 table 1, class III; as an hourly mean: a rule of this city")),
        ..RIVER
    },
    Recipe {
        metric: "do",
        zh: "溶解氧",
        en: "Dissolved oxygen",
        unit: "mg/L",
        range: (0.0, 30.0),
        decimals: 2,
        base: 8.2,
        noise: 0.08,
        rhythm: Rhythm::Sun,
        day: 8.0,
        region: 3.0,
        ..RIVER
    },
    Recipe {
        metric: "turbidity",
        zh: "浊度",
        en: "Turbidity",
        unit: "NTU",
        range: (0.0, 4000.0),
        base: 20.0,
        noise: 0.8,
        region: 4.0,
        rain: 4.0,
        ..RIVER
    },
    Recipe {
        metric: "conductivity",
        zh: "电导率",
        en: "Conductivity",
        unit: "µS/cm",
        range: (0.0, 20_000.0),
        base: 420.0,
        noise: 3.0,
        region: 4.0,
        rain: -3.0,
        ..RIVER
    },
    Recipe {
        metric: "site_noise",
        zh: "施工场界噪声（Leq）",
        en: "Noise at the site boundary (Leq)",
        unit: "dB(A)",
        range: (20.0, 150.0),
        base: 52.0,
        noise: 0.8,
        rhythm: Rhythm::Work,
        day: 14.0,
        ..SITE
    },
    Recipe {
        metric: "site_power",
        zh: "工地用电功率",
        en: "Power drawn by the site",
        unit: "kW",
        range: (0.0, 5000.0),
        base: 180.0,
        noise: 6.0,
        rhythm: Rhythm::Work,
        day: 20.0,
        ..SITE
    },
    Recipe {
        metric: "site_vehicles",
        zh: "工地门前车流",
        en: "Vehicles that pass the site in 10 minutes",
        unit: "1",
        range: (0.0, 2000.0),
        decimals: 0,
        base: 60.0,
        noise: 4.0,
        rhythm: Rhythm::Traffic,
        day: 14.0,
        ..SITE
    },
    Recipe {
        metric: "project_percent",
        station: StationKind::Project,
        kind: MetricKind::Project,
        zh: "工程形象进度",
        en: "Progress of the project",
        unit: "%",
        range: (0.0, 100.0),
        noise: 0.15,
        own: 0.0,
        ..BLANK
    },
];

/// The metrics of a kind of station.
pub(super) fn of(station: StationKind) -> impl Iterator<Item = &'static Recipe> {
    RECIPES.iter().filter(move |recipe| recipe.station == station)
}
