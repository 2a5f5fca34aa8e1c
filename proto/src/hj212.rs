//! HJ 212, the protocol of China's pollution-source loggers: editions 2005, 2017 and 2025.
//!
//! A packet on the line:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | `##` |
//! | 4 | decimal digits: how many bytes the data segment has |
//! | n | the data segment, `QN=…;ST=…;CN=…;PW=…;MN=…;Flag=…;[PNUM=…;PNO=…;]CP=&&…&&` |
//! | 4 | hex digits: [`crc::standard`] of the data segment, high byte first, upper case |
//! | 2 | CR LF |
//!
//! [`frame::Decoder`] finds packets in a stream of bytes, [`Packet::read`] takes one apart, [`content::Content::read`] takes
//! its data area apart, [`encode::Outgoing`] makes one.
//!
//! The field is not the standard: what devices do otherwise and can be understood all the same is a [`Leniency`], each with a
//! name under which it is counted; [`Mode::Strict`] refuses all of them. What cannot be understood is a [`Fault`]. Nothing
//! here trusts a length, keeps more than [`frame::MAX_HELD_BYTES`], or panics.

pub mod command;
pub mod content;
pub mod crc;
pub mod encode;
pub mod fault;
pub mod frame;
pub mod leniency;
pub mod packet;
pub mod time;

pub use content::{Content, Factor, Kind};
pub use encode::Outgoing;
pub use fault::Fault;
pub use frame::{Decoder, Frame};
pub use leniency::{Leniencies, Leniency};
pub use packet::{Edition, Flag, Packet, Part};

/// The longest data segment that the standard allows, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 1024;
/// The longest data segment that is understood, in bytes: makers of the 2005 edition send whole factor lists in one packet.
pub const MAX_LENIENT_SEGMENT_BYTES: usize = 4096;

/// How closely a sender is held to the standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every [`Leniency`] refuses the packet.
    Strict,
    /// Every [`Leniency`] is taken and named.
    #[default]
    Lenient,
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
