//! A body comes in: bounded in size, in time, and together with all others.

use std::io::Read;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::read::MultiGzDecoder;
use futures::StreamExt;

use super::answer::Trouble;
use super::{BODY_TIME, MAX_BODY_BYTES};
use crate::budget::Share;

/// Reads a body and undoes its gzip.
pub(super) async fn read(headers: &HeaderMap, body: Body, share: &mut Share) -> Result<Vec<u8>, Trouble> {
    let is_packed = match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(Trouble::Encoding),
    };
    let came = tokio::time::timeout(BODY_TIME, gather(body, share));
    let came = came.await.map_err(|_| Trouble::Slow)??;
    if !is_packed {
        return Ok(came);
    }
    let unpacked = unpack(&came)?;
    hold(share, unpacked.capacity())?;
    Ok(unpacked)
}

async fn gather(body: Body, share: &mut Share) -> Result<Vec<u8>, Trouble> {
    let (mut chunks, mut came) = (body.into_data_stream(), Vec::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Trouble::Broken(error.to_string()))?;
        if came.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Trouble::TooLarge);
        }
        came.extend_from_slice(&chunk);
        hold(share, came.capacity())?;
    }
    Ok(came)
}

/// Says what is held: what was set aside, not what is used of it.
fn hold(share: &mut Share, bytes: usize) -> Result<(), Trouble> {
    share.set(bytes);
    if share.is_overdrawn() { Err(Trouble::Busy) } else { Ok(()) }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut unpacked = Vec::new();
    let most = MAX_BODY_BYTES as u64;
    let read = MultiGzDecoder::new(packed).take(most + 1).read_to_end(&mut unpacked);
    read.map_err(|error| Trouble::Gzip(error.to_string()))?;
    if unpacked.len() > MAX_BODY_BYTES { Err(Trouble::TooLarge) } else { Ok(unpacked) }
}
