//! Packs: the saved states of some series, on their way from the judges into a checkpoint and back.
//!
//! A pack is what up to 256 `SeriesState` give, fewer where they are large, each behind its length as a varint, pressed by zstd. States of
//! series of a kind are much alike: a tenth of the bytes is left, and the state of a large city is held once, not
//! three times, while it is written.

use std::io::{self, Read as _};

use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint};
use serde::{Deserialize, Serialize};
use yiwang_proto::log::SeriesState;

/// The most series of one pack.
const SERIES: usize = 256;
/// A pack of so many bytes, before it is pressed, takes no more series.
const FULL_BYTES: usize = 16 << 20;
/// The most bytes that are read of a pack unpressed: a thousand times what it holds.
const MAX_BYTES: u64 = 256 << 20;
/// The fastest of zstd's usual levels: a checkpoint must not cost the judgement its time.
const LEVEL: i32 = 1;
/// How a state begins: the key of `id`, of wire type fixed64.
const ID: u8 = 1 << 3 | 1;

/// The saved states of some series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pack(Vec<u8>);

/// Puts states into packs.
pub(crate) struct Packer {
    press: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    count: usize,
    /// One encoded state.
    state: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        let press = zstd::bulk::Compressor::new(LEVEL).expect("zstd has this level");
        Self { press, plain: Vec::new(), count: 0, state: Vec::new() }
    }
}

impl Packer {
    /// Adds the encoded `SeriesState` that `put` writes; gives a pack when it is full.
    pub(crate) fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Option<Pack> {
        self.state.clear();
        put(&mut self.state);
        encode_varint(self.state.len() as u64, &mut self.plain);
        self.plain.extend_from_slice(&self.state);
        self.count += 1;
        if self.count < SERIES && self.plain.len() < FULL_BYTES { None } else { self.end() }
    }

    /// A pack of those that are left, if any are.
    pub(crate) fn end(&mut self) -> Option<Pack> {
        if std::mem::take(&mut self.count) == 0 {
            return None;
        }
        let pressed =
            self.press.compress(&self.plain).expect("a vector has room for what it is told to have");
        self.plain.clear();
        Some(Pack(pressed))
    }
}

impl Pack {
    /// Puts states into packs, one pack after another as they are asked for.
    pub fn of(mut states: impl Iterator<Item = SeriesState>) -> impl Iterator<Item = Self> {
        let mut packer = Packer::default();
        std::iter::from_fn(move || {
            let full = states
                .by_ref()
                .find_map(|state| packer.add(|out| state.encode(out).expect("a vector grows")));
            full.or_else(|| packer.end())
        })
    }

    /// The states.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn states(&self) -> Result<Vec<SeriesState>, String> {
        let plain = self.plain()?;
        plain.states().map(|state| state?.decode()).collect()
    }

    /// The states, not pressed any more.
    pub(crate) fn plain(&self) -> Result<Plain, String> {
        self.unpress().map(Plain).map_err(|error| error.to_string())
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

/// A pack that is not pressed.
pub(crate) struct Plain(Vec<u8>);

/// A state in it, and of which series it is.
pub(crate) struct Encoded<'a> {
    pub(crate) id: u64,
    bytes: &'a [u8],
}

impl Plain {
    /// The states, one after another: most workers want few of them.
    pub(crate) fn states(&self) -> impl Iterator<Item = Result<Encoded<'_>, String>> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| {
                let state = next(&mut rest);
                if state.is_err() {
                    rest = &[];
                }
                state
            })
        })
    }
}

/// Takes a state off its front; its first field is its number, unless that is 0.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Encoded<'a>, String> {
    let length = decode_varint(rest).map_err(|error| error.to_string())?;
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let (bytes, after) = rest.split_at_checked(length).ok_or("a state is cut off")?;
    *rest = after;
    let number = bytes.strip_prefix(&[ID]).and_then(<[u8]>::first_chunk);
    let id = number.map_or(0, |number| u64::from_le_bytes(*number));
    Ok(Encoded { id, bytes })
}

impl Encoded<'_> {
    pub(crate) fn decode(&self) -> Result<SeriesState, String> {
        let state = SeriesState::decode(self.bytes).map_err(|error| error.to_string())?;
        if state.id == self.id { Ok(state) } else { Err("a state has two numbers".into()) }
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
    use yiwang_proto::log::DetectorState;

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

    /// The states of a flapping series with all its steps are large: so many in one pack would be refused.
    #[test]
    fn large_states_make_packs_that_are_read() {
        let large = DetectorState { state: vec![7; 2 << 20], ..DetectorState::default() };
        let state = |id| SeriesState { id, detectors: vec![large.clone()], ..SeriesState::default() };
        let packs: Vec<Pack> = Pack::of((1..20).map(state)).collect();
        let counts: Vec<usize> =
            packs.iter().map(|pack| pack.states().expect("a whole pack").len()).collect();
        assert_eq!(counts, [8, 8, 3]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), pressed: bool) {
            let bytes = if pressed { zstd::bulk::compress(&bytes, LEVEL).expect("bytes") } else { bytes };
            let _ = Pack::from(bytes.as_slice()).states();
        }
    }
}
