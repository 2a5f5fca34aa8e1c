//! The simulated city of `up --simulate`: it sends through the open doors, like any sensor.
//!
//! Where the doors ask for credentials it has one of its own, which may write and no more. Its secret is made anew at each
//! start and never leaves the process.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use anyhow::Context;
use sensors_sim::city::{self, Options};
use sensors_sim::door;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;

use crate::city::City;
use crate::config::{Config, Credential};

/// Which city it is, unless somebody wants another.
const SEED: u64 = 510_100;

/// Who the simulated gateways are; the blank keeps the name apart from all that a configuration can have.
const NAME: &str = "simulated city";

/// A running simulation.
pub struct Simulation {
    /// Ends it.
    pub stop: CancellationToken,
    /// Its end.
    pub task: JoinHandle<anyhow::Result<()>>,
}

/// Adds the simulation's credential to those of the doors; `None` where the doors ask for none.
///
/// # Errors
/// When the system gives no random bytes.
pub fn credential(config: &mut Config) -> anyhow::Result<Option<door::Credential>> {
    if config.credentials.is_empty() {
        return Ok(None);
    }
    let secret = random_secret().context("no random bytes from /dev/urandom")?;
    let digest = Sha256::digest(&secret).into();
    config.credentials.push(Credential {
        name: NAME.to_owned(),
        secret: digest,
        write: true,
        history: false,
        manage: false,
        read: false,
        act: false,
    });
    Ok(Some(door::Credential::new(NAME, secret)))
}

/// 256 random bits, in hexadecimal.
fn random_secret() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Starts it against the doors of this city.
pub fn start(
    city: &City,
    config: &Config,
    catalogue: Arc<Catalogue>,
    credential: Option<door::Credential>,
) -> Simulation {
    let stop = CancellationToken::new();
    let task = tokio::spawn(city::run(options(city, config, catalogue, credential), stop.clone()));
    Simulation { stop, task }
}

fn options(
    city: &City,
    config: &Config,
    catalogue: Arc<Catalogue>,
    credential: Option<door::Credential>,
) -> Options {
    let addresses = city.addresses();
    Options {
        catalogue,
        state: Some(config.data_dir.join("simulation")),
        clock: city.simulated_clock(),
        credential,
        ..Options::demo(Some(addresses.grpc.to_string()), Some(addresses.mqtt.to_string()), SEED)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use yiwang_ingest::gate::Gate as _;
    use yiwang_model::Span;

    use super::*;
    use crate::city::Stop;
    use crate::gate::Gate;

    fn guarded() -> Config {
        let [write, read, act] = [false, true, false];
        let secret = Sha256::digest("correct horse battery").into();
        let desk =
            Credential { name: "desk".into(), secret, write, read, act, history: false, manage: false };
        Config { credentials: vec![desk], ..Config::default() }
    }

    #[test]
    fn the_credential_writes_and_no_more_and_is_never_shown() {
        assert_eq!(credential(&mut Config::default()).unwrap(), None);
        let mut config = guarded();
        let own = credential(&mut config).unwrap().unwrap();
        let gate = Gate::new(config.credentials.clone());
        assert!(gate.write(Some(own.name()), Some(own.secret().as_bytes())).is_ok());
        let added = &config.credentials[1];
        assert_eq!((added.write, added.read, added.act), (true, false, false));
        assert!(!format!("{own:?}{config:?}").contains(own.secret()));
        assert_ne!(credential(&mut guarded()).unwrap().unwrap().secret(), own.secret());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_city_that_asks_for_credentials_lets_its_simulation_in() {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config {
            data_dir: folder.path().join("data"),
            grpc_listen: any,
            mqtt_listen: any,
            http_listen: any,
            reserve_bytes: Some(0),
            ..guarded()
        };
        let own = credential(&mut config).unwrap();
        let catalogue = Arc::new(Catalogue::demo());
        let city = City::start(&config, Arc::clone(&catalogue)).await.unwrap();
        let brief = Options {
            backfill: Span::HOUR,
            lives: Some(Duration::ZERO),
            ..options(&city, &config, catalogue, own)
        };
        city::run(brief, CancellationToken::new()).await.unwrap();
        city.close(Stop::within(Duration::from_secs(5))).await.unwrap();
    }
}
