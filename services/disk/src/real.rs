//! Placeholder.
/// Placeholder.
pub struct RealDisk;
