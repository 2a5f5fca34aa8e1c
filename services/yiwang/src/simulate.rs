//! The simulated city of `up --simulate`: it sends through the open doors, like any sensor.

use std::sync::Arc;

use sensors_sim::city::{self, Options};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;

use crate::city::City;
use crate::config::Config;

/// Which city it is, unless somebody wants another.
const SEED: u64 = 510_100;

/// A running simulation.
pub struct Simulation {
    /// Ends it.
    pub stop: CancellationToken,
    /// Its end.
    pub task: JoinHandle<anyhow::Result<()>>,
}

/// Starts it against the doors of this city.
pub fn start(city: &City, config: &Config, catalogue: Arc<Catalogue>) -> Simulation {
    let addresses = city.addresses();
    let options = Options {
        catalogue,
        state: Some(config.data_dir.join("simulation")),
        clock: city.simulated_clock(),
        ..Options::demo(Some(addresses.grpc.to_string()), Some(addresses.mqtt.to_string()), SEED)
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(city::run(options, stop.clone()));
    Simulation { stop, task }
}
