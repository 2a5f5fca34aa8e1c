//! What sensors measure, as a function of the hour, the weather, the place and a little noise.

use yiwang_model::{Span, Timestamp};

use super::census::Site;
use super::hours;
use super::noise::Noise;
use super::weather::{Weather, run_off};

const REGION: u64 = 0x5245_4749;

/// The value of a sensor's metric at a site, in the catalogue's unit and not yet rounded; `None` for a metric that is
/// not known here.
pub(super) fn value(noise: Noise, site: &Site, metric: &str, at: Timestamp) -> Option<f64> {
    let air =
        |base: f64, of: fn(&Air) -> f64| base * of(&Air::at(noise, site, at)) * site.jitter(noise, at, 0.03);
    Some(match metric {
        "pm2_5" => air(22.0, Air::particles),
        "pm10" => air(22.0, Air::particles) * 1.5 + air(12.0, Air::dust),
        "so2" => air(7.0, Air::industry),
        "no2" => air(26.0, Air::exhaust),
        "co" => air(0.62, Air::exhaust) + 0.15,
        "o3" => ozone(noise, site, at),
        "site_noise" => site_noise(noise, site, at),
        "site_dust" => site_dust(noise, site, at),
        "water_level" => water_level(noise, site, at),
        "ph" => {
            7.6 + 0.15 * hours::sun(at)
                + site.own(noise, at, Span::HOUR.times(7), 0.2)
                + site.hum(noise, at, 0.01)
        }
        "do" => oxygen(noise, site, at),
        "cod" => {
            11.5 + 0.9 * run_off(noise, at).min(3.0)
                + site.own(noise, at, Span::HOUR.times(9), 2.2)
                + site.hum(noise, at, 0.1)
        }
        "nh3_n" => {
            0.36 + 0.06 * run_off(noise, at).min(3.0)
                + site.own(noise, at, Span::HOUR.times(8), 0.14)
                + site.hum(noise, at, 0.004)
        }
        "tp" => {
            0.085
                + 0.012 * run_off(noise, at).min(3.0)
                + site.own(noise, at, Span::HOUR.times(10), 0.03)
                + site.hum(noise, at, 0.001)
        }
        _ => return None,
    })
}

/// The air of a place: what the whole city shares, what the district adds, what is the station's own.
struct Air {
    at: Timestamp,
    weather: Weather,
    region: f64,
}

impl Air {
    fn at(noise: Noise, site: &Site, at: Timestamp) -> Self {
        let region = 1.0
            + 0.2 * noise.rough(REGION, at, Span::HOUR.times(8))
            + 0.1 * noise.smooth(site.district, at, Span::HOUR.times(3))
            + site.own(noise, at, Span::MINUTE.times(45), 0.06);
        Self { at, weather: Weather::at(noise, at), region: region * site.scale }
    }

    fn particles(&self) -> f64 {
        let season = 1.0 + 0.25 * hours::winter(self.at);
        season * self.weather.stagnation() * self.region * (0.88 + 0.2 * hours::traffic(self.at))
    }

    fn dust(&self) -> f64 {
        self.region * libm::sqrt(self.weather.wind) * (0.6 + 0.4 * hours::work(self.at))
            / (1.0 + self.weather.rain)
    }

    fn industry(&self) -> f64 {
        self.weather.stagnation() * self.region * (0.8 + 0.2 * hours::work(self.at))
    }

    fn exhaust(&self) -> f64 {
        self.weather.stagnation() * self.region * (0.55 + 0.75 * hours::traffic(self.at))
    }
}

/// µg/m³; follows the sun with a lag of an hour and a half, eaten by fresh exhaust.
fn ozone(noise: Noise, site: &Site, at: Timestamp) -> f64 {
    let air = Air::at(noise, site, at);
    let sun = hours::sun(at - Span::MINUTE.times(90));
    let made = sun * air.weather.clear * (62.0 - 30.0 * hours::winter(at));
    (26.0 + made - 10.0 * hours::traffic(at)) * (0.6 + 0.4 * air.region) * site.jitter(noise, at, 0.02)
}

/// dB(A): a quiet floor, machines in working hours, seconds that differ.
fn site_noise(noise: Noise, site: &Site, at: Timestamp) -> f64 {
    let floor = 45.0 + 4.0 * hours::traffic(at);
    let machines = 15.0 * hours::work(at) * (1.0 + site.own(noise, at, Span::MINUTE.times(15), 0.1));
    floor + machines * site.scale + site.hum(noise, at, 0.9)
}

/// µg/m³: raised by work and wind, laid by rain.
fn site_dust(noise: Noise, site: &Site, at: Timestamp) -> f64 {
    let weather = Weather::at(noise, at);
    let raised = 70.0 * hours::work(at) * libm::sqrt(weather.wind / 2.0) / (1.0 + weather.rain);
    (55.0 + raised * (1.0 + site.own(noise, at, Span::MINUTE.times(12), 0.3)))
        * site.scale
        * site.jitter(noise, at, 0.04)
}

/// Metres above the station's gauge.
fn water_level(noise: Noise, site: &Site, at: Timestamp) -> f64 {
    let swell = site.own(noise, at, Span::HOUR.times(16), 0.12);
    1.3 * site.scale + swell + 0.22 * run_off(noise, at).min(5.0) + site.hum(noise, at, 0.003)
}

/// mg/L: less in warm water, more while plants work.
fn oxygen(noise: Noise, site: &Site, at: Timestamp) -> f64 {
    let weather = Weather::at(noise, at);
    let cold = 0.09 * (17.0 - weather.temperature);
    8.0 + cold
        + 0.6 * hours::sun(at) * weather.clear
        + site.own(noise, at, Span::HOUR.times(6), 0.4)
        + site.hum(noise, at, 0.02)
}

/// A metric that is not known here: around a fifth of its range, with a day and a little noise.
pub(super) fn unknown(noise: Noise, site: &Site, at: Timestamp, min: f64, max: f64) -> f64 {
    let day = 0.02 * hours::traffic(at) + site.own(noise, at, Span::HOUR, 0.02) + site.hum(noise, at, 0.001);
    min + (max - min) * (0.2 + day)
}

impl Site {
    /// Noise of this series alone: up to `size` either way, on the scale of `period`.
    fn own(&self, noise: Noise, at: Timestamp, period: Span, size: f64) -> f64 {
        size * noise.rough(self.key, at, period)
    }

    /// Noise of each single reading, with this standard deviation.
    fn hum(&self, noise: Noise, at: Timestamp, deviation: f64) -> f64 {
        deviation * noise.bell(self.key, at.millis())
    }

    /// As [`Site::hum`], as a factor around 1.
    fn jitter(&self, noise: Noise, at: Timestamp, deviation: f64) -> f64 {
        1.0 + self.hum(noise, at, deviation)
    }
}
