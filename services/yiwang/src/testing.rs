//! Data folders for tests.

use std::path::Path;

use prost::Message;
use yiwang_log::{Append, Class, Log, Partition, TopicId};

use crate::city::{hold, open_log};
use crate::cli::{Failed, runtime};
use crate::config::Config;
use crate::reconcile::of_folder;

/// The configuration of a folder whose log is made with these records of topics of one partition.
pub fn folder_with(folder: &Path, records: &[(u8, Vec<u8>)]) -> Config {
    let config = done(of_folder(folder));
    let append = |(topic, payload): &(u8, Vec<u8>)| Append {
        to: Partition { topic: TopicId(*topic), index: 0 },
        payload: payload.clone().into(),
    };
    runtime().unwrap().block_on(async {
        let _lock = hold(&config.data_dir).unwrap();
        let log = open_log(&config).unwrap();
        log.append(Class::Inner, records.iter().map(append).collect()).await.unwrap();
    });
    config
}

/// A record of a topic.
pub fn record(topic: u8, message: &impl Message) -> (u8, Vec<u8>) {
    (topic, message.encode_to_vec())
}

/// What did not fail.
pub fn done<T>(result: Result<T, Failed>) -> T {
    match result {
        Ok(done) => done,
        Err(Failed::Failure(error)) => panic!("{error:#}"),
        Err(Failed::Usage(why)) => panic!("{why}"),
        Err(Failed::Faults(faults)) => panic!("{faults:?}"),
    }
}
