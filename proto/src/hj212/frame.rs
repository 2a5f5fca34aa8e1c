//! Packets in a stream of bytes.
//!
//! A packet begins with `##`, wherever that stands: a data segment holds neither `##` nor control characters, so that a
//! length that is too large can neither swallow the next packet nor make the line wait for bytes that never come. The length
//! is believed only if `&&` and a sum stand where it says. After a fault the search goes on behind its `##`.
//!
//! Each byte is looked at a bounded number of times, whatever comes, and at most [`MAX_HELD_BYTES`] are kept of a packet that
//! is not whole yet; between packets nothing is kept.

use super::{Fault, Leniencies, Leniency, MAX_LENIENT_SEGMENT_BYTES, MAX_SEGMENT_BYTES, crc};

/// `##` and the length.
const HEAD_BYTES: usize = 6;
/// The sum.
const SUM_BYTES: usize = 4;
/// The most bytes that a decoder keeps.
pub const MAX_HELD_BYTES: usize = HEAD_BYTES + MAX_LENIENT_SEGMENT_BYTES + SUM_BYTES;

/// A packet whose length and sum are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The data segment.
    pub segment: &'a [u8],
    /// What was odd about its frame.
    pub leniencies: Leniencies,
}

/// Finds packets in what comes in, however it is cut.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    /// Whether the packet before has not been followed by CR LF so far.
    owes_line_end: bool,
}

/// What stands at a place of the stream.
enum Found<'a> {
    /// A packet, and how many bytes it has.
    Frame(Frame<'a>, usize),
    /// What is none, and how many bytes to go on by.
    Fault(Fault, usize),
    /// The beginning of one: more bytes are to come.
    Part,
}

impl Decoder {
    /// Hands over every packet that is whole now, and every fault, in the order of the stream. A fault comes with the bytes
    /// that it is about.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Result<Frame<'_>, (Fault, &[u8])>)) {
        if self.held.is_empty() {
            let used = self.scan(bytes, &mut take);
            self.held = bytes[used..].to_vec();
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let used = self.scan(&held, &mut take);
        if used < held.len() {
            held.drain(..used);
            held.shrink_to(MAX_HELD_BYTES);
            self.held = held;
        }
    }

    /// How many bytes of a packet that is not whole are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Answers how many bytes are done with.
    fn scan(&mut self, all: &[u8], take: &mut impl FnMut(Result<Frame<'_>, (Fault, &[u8])>)) -> usize {
        let mut at = 0;
        loop {
            let begin = at + begin_of(&all[at..]);
            self.pass(&all[at..begin], take);
            at = begin;
            if all[at..].len() < HEAD_BYTES {
                return at;
            }
            match look(&all[at..]) {
                Found::Part => return at,
                Found::Frame(mut frame, length) => {
                    frame.leniencies.add_if(self.owes_line_end, Leniency::NoLineEnd);
                    take(Ok(frame));
                    self.owes_line_end = true;
                    at += length;
                }
                Found::Fault(fault, length) => {
                    take(Err((fault, &all[at..at + length])));
                    self.owes_line_end = false;
                    at += length;
                }
            }
        }
    }

    /// Goes over what stands between packets: CR and LF, or what belongs to none.
    fn pass(&mut self, between: &[u8], take: &mut impl FnMut(Result<Frame<'_>, (Fault, &[u8])>)) {
        if between.is_empty() {
            return;
        }
        let junk = between.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
        self.owes_line_end = false;
        if junk > 0 {
            take(Err((Fault::Junk { bytes: junk }, between)));
        }
    }
}

/// Where the next `##` is, or a `#` at the end that may become one; else the end. Of more than two `#` the last two begin a
/// packet.
fn begin_of(bytes: &[u8]) -> usize {
    let Some(double) = bytes.windows(2).position(|pair| pair == b"##") else {
        return bytes.len() - usize::from(bytes.last() == Some(&b'#'));
    };
    let more = bytes[double + 2..].iter().take_while(|byte| **byte == b'#').count();
    double + more
}

/// Looks at what begins with `##` and has the bytes of a length.
fn look(bytes: &[u8]) -> Found<'_> {
    let Some(declared) = length(&bytes[2..HEAD_BYTES]) else { return Found::Fault(Fault::NoLength, 2) };
    if declared > MAX_LENIENT_SEGMENT_BYTES {
        return Found::Fault(Fault::TooLong { declared }, HEAD_BYTES);
    }
    let rest = &bytes[HEAD_BYTES..];
    let whole = declared + SUM_BYTES;
    let there = &rest[..rest.len().min(whole)];
    if let Some(end) = broken_at(there) {
        return Found::Fault(Fault::BadLength { declared }, HEAD_BYTES + end);
    }
    if there.len() < whole {
        return Found::Part;
    }
    let (segment, sum) = there.split_at(declared);
    let Some(printed) = hex(sum).filter(|_| segment.ends_with(b"&&")) else {
        return Found::Fault(Fault::BadLength { declared }, HEAD_BYTES);
    };
    match check(segment, sum, printed) {
        Ok(leniencies) => Found::Frame(Frame { segment, leniencies }, HEAD_BYTES + whole),
        Err(fault) => Found::Fault(fault, HEAD_BYTES + whole),
    }
}

/// Where a packet ends that ends too early: at a control character or at another packet.
fn broken_at(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte < b' ' || *byte == b'#')?;
        if bytes[at] != b'#' || bytes.get(at + 1) == Some(&b'#') {
            return Some(at);
        }
        from = at + 1;
    }
}

fn check(segment: &[u8], sum: &[u8], printed: u16) -> Result<Leniencies, Fault> {
    let mut leniencies = Leniencies::default();
    leniencies.add_if(segment.len() > MAX_SEGMENT_BYTES, Leniency::Oversize);
    leniencies.add_if(sum.iter().any(u8::is_ascii_lowercase), Leniency::LowerCaseCrc);
    let calculated = crc::standard(segment);
    if printed == calculated {
        return Ok(leniencies);
    }
    let modbus = crc::modbus(segment);
    leniencies.add(match printed {
        sum if sum == modbus => Leniency::ModbusCrc,
        sum if sum == modbus.swap_bytes() => Leniency::ModbusCrcSwapped,
        sum if sum == calculated.swap_bytes() => Leniency::SwappedCrc,
        printed => return Err(Fault::BadCrc { printed, calculated }),
    });
    Ok(leniencies)
}

fn length(digits: &[u8]) -> Option<usize> {
    let digit =
        |length: usize, byte: &u8| byte.is_ascii_digit().then(|| length * 10 + usize::from(byte - b'0'));
    digits.iter().try_fold(0, digit)
}

fn hex(digits: &[u8]) -> Option<u16> {
    let digit = |sum: u16, byte: &u8| {
        let value = char::from(*byte).to_digit(16)?;
        Some(sum << 4 | u16::try_from(value).ok()?)
    };
    digits.iter().try_fold(0, digit)
}
