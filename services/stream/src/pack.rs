//! Packs: the saved states of some series, on their way from the judges into a checkpoint and back.
//!
//! A pack is what up to 256 `SeriesState` give, each behind its length as a varint, pressed by zstd. States of
//! series of a kind are much alike: a tenth of the bytes is left, and the state of a large city is held once, not
//! three times, while it is written.

use std::io::{self, Read as _};

use prost::Message as _;
use serde::{Deserialize, Serialize};
use yiwang_proto::log::SeriesState;

/// The most series of one pack.
const SERIES: usize = 256;
/// The most bytes that are read of a pack unpressed: a thousand times what it holds.
const MAX_BYTES: u64 = 256 << 20;
/// The fastest of zstd's usual levels: a checkpoint must not cost the judgement its time.
const LEVEL: i32 = 1;

/// The saved states of some series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pack(Vec<u8>);

impl Pack {
    /// Puts states into packs, one pack after another as they are asked for.
    pub fn of(mut states: impl Iterator<Item = SeriesState>) -> impl Iterator<Item = Self> {
        let mut press = zstd::bulk::Compressor::new(LEVEL).expect("zstd has this level");
        let mut plain = Vec::new();
        std::iter::from_fn(move || {
            plain.clear();
            for state in states.by_ref().take(SERIES) {
                state.encode_length_delimited(&mut plain).expect("a vector grows");
            }
            let pressed = || press.compress(&plain).expect("a vector has room for what it is told to have");
            (!plain.is_empty()).then(pressed).map(Self)
        })
    }

    /// The states.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn states(&self) -> Result<Vec<SeriesState>, String> {
        let plain = self.unpress().map_err(|error| error.to_string())?;
        let mut rest = plain.as_slice();
        let mut states = Vec::with_capacity(SERIES);
        while !rest.is_empty() {
            let state = SeriesState::decode_length_delimited(&mut rest).map_err(|error| error.to_string())?;
            states.push(state);
        }
        Ok(states)
    }

    fn unpress(&self) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        zstd::Decoder::with_buffer(self.0.as_slice())?.take(MAX_BYTES + 1).read_to_end(&mut plain)?;
        if plain.len() as u64 > MAX_BYTES {
            return Err(io::Error::other(format!("a pack holds more than {MAX_BYTES} bytes")));
        }
        Ok(plain)
    }
}

impl From<&[u8]> for Pack {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl AsRef<[u8]> for Pack {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_packed_is_what_is_unpacked() {
        let state = |id| SeriesState { id, lag_nanos: 7, ..SeriesState::default() };
        let states: Vec<SeriesState> = (0..SERIES as u64 * 2 + 3).map(state).collect();
        let packs: Vec<Pack> = Pack::of(states.iter().cloned()).collect();
        assert_eq!(packs.len(), 3);
        let unpacked: Vec<SeriesState> =
            packs.iter().flat_map(|pack| pack.states().expect("a whole pack")).collect();
        assert_eq!(unpacked, states);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), pressed: bool) {
            let bytes = if pressed { zstd::bulk::compress(&bytes, LEVEL).expect("bytes") } else { bytes };
            let _ = Pack::from(bytes.as_slice()).states();
        }
    }
}
