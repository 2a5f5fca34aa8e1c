//! Stop and start.
