//! Lines of a stream, in bounded memory, with where each one ends.

use std::io::{self, Read};

use memchr::memchr;
use serde::{Deserialize, Serialize};

/// The longest line, in bytes; longer ones are passed over.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// How far a stream was read, always at the end of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Bytes, after unpacking.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// CRC-32C of those bytes.
    pub crc: u32,
}

/// The lines of a stream.
pub(crate) struct Lines {
    from: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    mark: Mark,
    is_over: bool,
}

/// What stands at a place of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line: where it ends, counted from what was last consumed, and what is to be consumed with it.
    Line(usize, usize),
    /// More than [`MAX_LINE_BYTES`] without an end.
    TooLong,
    /// The end of the stream.
    Over,
}

impl Lines {
    /// The lines that come after a mark.
    pub(crate) fn new(from: Box<dyn Read + Send>, mark: Mark) -> Self {
        let buffer = vec![0; MAX_LINE_BYTES * 2].into();
        Self { from, buffer, begin: 0, end: 0, mark, is_over: false }
    }

    /// How far it was consumed.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// So many bytes behind what was last consumed.
    pub(crate) fn bytes(&self, count: usize) -> &[u8] {
        &self.buffer[self.begin..(self.begin + count).min(self.end)]
    }

    /// The line that begins `skip` bytes behind what was last consumed.
    pub(crate) fn find(&mut self, skip: usize) -> io::Result<Found> {
        let mut seen = skip;
        loop {
            let there = self.buffer.get(self.begin + seen..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', there).filter(|at| seen + at <= MAX_LINE_BYTES) {
                return Ok(Found::Line(seen + at, seen + at + 1));
            }
            seen = seen.max(self.end - self.begin);
            if seen > MAX_LINE_BYTES {
                return Ok(Found::TooLong);
            }
            if self.is_over {
                return Ok(if seen > skip { Found::Line(seen, seen) } else { Found::Over });
            }
            self.fill()?;
        }
    }

    /// Goes on behind so many bytes, which are so many lines.
    pub(crate) fn consume(&mut self, bytes: usize, lines: u64) {
        let passed = &self.buffer[self.begin..self.begin + bytes];
        self.mark.crc = crc32c::crc32c_append(self.mark.crc, passed);
        self.mark.bytes += bytes as u64;
        self.mark.lines += lines;
        self.begin += bytes;
    }

    /// Goes on behind the end of the line that is too long.
    pub(crate) fn pass_over(&mut self) -> io::Result<()> {
        loop {
            let there = &self.buffer[self.begin..self.end];
            if let Some(at) = memchr(b'\n', there) {
                self.consume(at + 1, 1);
                return Ok(());
            }
            self.consume(there.len(), 0);
            if self.is_over {
                self.mark.lines += 1;
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        let read = loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.is_over = read == 0;
        self.end += read;
        Ok(())
    }
}
