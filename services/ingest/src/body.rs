//! The body of a request comes in: bounded in size, in time, and together with all others.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use futures::StreamExt;

use crate::budget::Share;

/// How long a body may take to come.
pub const TIME: Duration = Duration::from_secs(30);

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the body ends early: {0}")]
    Broken(String),
    #[error("the body has more than {0} bytes: send less at a time")]
    TooLarge(usize),
    #[error("the body did not come within {} s", TIME.as_secs())]
    Slow,
    #[error("too much is being sent at once: send again in a moment")]
    Busy,
}

impl Trouble {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read(body: Body, most: usize, share: &mut Share) -> Result<Vec<u8>, Trouble> {
    tokio::time::timeout(TIME, gather(body, most, share)).await.map_err(|_| Trouble::Slow)?
}

async fn gather(body: Body, most: usize, share: &mut Share) -> Result<Vec<u8>, Trouble> {
    let (mut chunks, mut came) = (body.into_data_stream(), Vec::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Trouble::Broken(error.to_string()))?;
        if came.len() + chunk.len() > most {
            return Err(Trouble::TooLarge(most));
        }
        came.extend_from_slice(&chunk);
        hold(share, came.capacity())?;
    }
    Ok(came)
}

/// Says what is held: what was set aside, not what is used of it.
pub(crate) fn hold(share: &mut Share, bytes: usize) -> Result<(), Trouble> {
    share.set(bytes);
    if share.is_overdrawn() { Err(Trouble::Busy) } else { Ok(()) }
}
