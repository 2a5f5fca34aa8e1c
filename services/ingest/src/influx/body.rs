//! A body comes in, and its gzip is undone.

use std::io::Read;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::read::MultiGzDecoder;

use super::MAX_BODY_BYTES;
use super::answer::Trouble;
use crate::body::{self, hold};
use crate::budget::Share;

/// Reads a body and undoes its gzip.
pub(super) async fn read(headers: &HeaderMap, body: Body, share: &mut Share) -> Result<Vec<u8>, Trouble> {
    let is_packed = match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(Trouble::Encoding),
    };
    let came = body::read(body, MAX_BODY_BYTES, share).await?;
    if !is_packed {
        return Ok(came);
    }
    let unpacked = unpack(&came)?;
    hold(share, unpacked.capacity())?;
    Ok(unpacked)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut unpacked = Vec::new();
    let most = MAX_BODY_BYTES as u64;
    let read = MultiGzDecoder::new(packed).take(most + 1).read_to_end(&mut unpacked);
    read.map_err(|error| Trouble::Gzip(error.to_string()))?;
    if unpacked.len() > MAX_BODY_BYTES {
        return Err(body::Trouble::TooLarge(MAX_BODY_BYTES).into());
    }
    Ok(unpacked)
}
