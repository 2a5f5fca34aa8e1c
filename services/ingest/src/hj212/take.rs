//! A packet becomes admitted readings, and the answer with which it is acknowledged once they are durable.

use yiwang_catalogue::{Averaging, Catalogue, Logger};
use yiwang_model::Timestamp;
use yiwang_proto::hj212::{Content, Factor, Fault, Kind, Mode, Outgoing, Packet, command, time};
use yiwang_proto::v1::Reason;

use super::counts::Counts;
use super::line::{Heard, Line};
use super::parts::Parts;
use super::reading;
use crate::Ingest;
use crate::admit::{Plausible, admit};
use crate::clock::wall_now;
use crate::commit::Submission;
use crate::refuse::{MAX_EXCERPT_BYTES, Refusals};

/// The longest QN that is answered, in bytes; the standard has 17.
const MAX_QN_BYTES: usize = 32;

/// How many faults of one read are recorded each.
const MAX_TOLD_FAULTS: usize = 8;

/// What one read of a connection gives.
#[derive(Default)]
pub(super) struct Load {
    pub(super) submission: Submission,
    /// What to write once the submission is durable.
    pub(super) answers: Vec<u8>,
    pub(super) answered: u64,
    /// Faults that are recorded each.
    faults: usize,
    /// The others.
    more_faults: Refusals,
}

/// Takes the packets of one read, all of one logger.
pub(super) struct Taker<'a> {
    pub(super) ingest: &'a Ingest,
    pub(super) catalogue: &'a Catalogue,
    pub(super) plausible: Plausible,
    pub(super) parts: &'a mut Parts,
    pub(super) load: &'a mut Load,
}

impl Taker<'_> {
    fn counts(&self) -> &Counts {
        &self.ingest.counters.hj212
    }

    /// Takes a packet of a logger that was let in.
    pub(super) fn packet(
        &mut self,
        logger: &Logger,
        packet: Packet<'_>,
        segment: &[u8],
        line: Option<&Line>,
    ) {
        let taken = self
            .content(logger, &packet)
            .inspect(|content| {
                self.counts().packet(packet.cn);
                self.counts().leniencies(packet.leniencies);
                self.counts().leniencies(content.leniencies);
            })
            .and_then(|content| self.command(logger, &packet, &content, segment, line));
        if let Err(fault) = taken {
            self.refuse(&logger.mn, &fault, segment);
        }
    }

    /// The data area, if the logger may speak as it does.
    fn content<'p>(&self, logger: &Logger, packet: &Packet<'p>) -> Result<Content<'p>, Fault> {
        let mode = if logger.strict { Mode::Strict } else { Mode::Lenient };
        packet.clone().held_to(mode)?;
        let content = Content::read(packet.content)?;
        match content.leniencies.iter().next() {
            Some(leniency) if logger.strict => Err(Fault::Strict(leniency)),
            _ => Ok(content),
        }
    }

    fn command(
        &mut self,
        logger: &Logger,
        packet: &Packet<'_>,
        content: &Content<'_>,
        segment: &[u8],
        line: Option<&Line>,
    ) -> Result<(), Fault> {
        if let Some(averaging) = reading::averaging(packet.cn) {
            self.factors(logger, packet, content, averaging, segment)?;
            self.answer(packet, command::DATA_ACK);
            return Ok(());
        }
        match packet.cn {
            command::STATE | command::DAY_RUNNING => {
                self.equipment(logger, packet, content, segment)?;
                self.answer(packet, command::DATA_ACK);
            }
            command::POWER_ON => self.answer(packet, command::DATA_ACK),
            command::HEARTBEAT => self.answer(packet, command::NOTICE_ACK),
            command::ASK_TIME => {
                self.answer(packet, command::NOTICE_ACK);
                self.tell_time(packet);
            }
            command::DATA_ACK => {}
            command::GET_TIME | command::GET_INTERVAL => {
                if self.heard(packet, content, line) {
                    self.answer(packet, command::DATA_ACK);
                } else {
                    self.not_taken(logger, packet.cn, segment);
                }
            }
            command::ACCEPTED..=command::NOTICE_ACK => {
                self.heard(packet, content, line);
            }
            cn => self.not_taken(logger, cn, segment),
        }
        Ok(())
    }

    /// Hands an answer to who asked; whether somebody had. The edition of 2005 has the QN of the request in the data area.
    fn heard(&self, packet: &Packet<'_>, content: &Content<'_>, line: Option<&Line>) -> bool {
        let known = line.zip(packet.qn.or(content.named("QN"))).zip(Heard::read(packet.cn, content));
        let known = known.is_some_and(|((line, qn), heard)| line.heard(qn, heard));
        self.counts().unasked.add(u64::from(!known));
        known
    }

    fn factors(
        &mut self,
        logger: &Logger,
        packet: &Packet<'_>,
        content: &Content<'_>,
        averaging: Averaging,
        segment: &[u8],
    ) -> Result<(), Fault> {
        let time = data_time(content)?;
        if let Some(part) = packet.part {
            self.parts.note(packet.cn, time.secs(), part, &self.ingest.counters.hj212);
        }
        self.counts().resent.add(u64::from(content.named("RF") == Some("1")));
        let (mut refusals, mut values_beside) = (Refusals::default(), 0);
        for (at, factor) in content.factors.iter().enumerate() {
            let taken = logger.factors.get(factor.code);
            let admitted = reading::said(self.catalogue, logger, taken, averaging, time, factor)
                .and_then(|said| admit(&self.ingest.names, self.plausible, &logger.mn, &said));
            match admitted {
                Ok(row) => self.load.submission.rows.push(row),
                Err((reason, message)) => refusals.add(at, reason, || message),
            }
            let named = self.beside(logger, packet.cn, time, (at, factor), &mut refusals);
            values_beside += beside(factor).saturating_sub(named);
        }
        self.counts().values_beside.add(values_beside);
        self.record(&logger.mn, refusals, segment);
        Ok(())
    }

    /// State and hours of equipment: readings if the catalogue names them.
    fn equipment(
        &mut self,
        logger: &Logger,
        packet: &Packet<'_>,
        content: &Content<'_>,
        segment: &[u8],
    ) -> Result<(), Fault> {
        let mut refusals = Refusals::default();
        if content.factors.iter().any(|factor| logger.factors.contains_key(factor.code)) {
            let time = data_time(content)?;
            for (at, factor) in content.factors.iter().enumerate() {
                self.beside(logger, packet.cn, time, (at, factor), &mut refusals);
            }
        }
        self.record(&logger.mn, refusals, segment);
        Ok(())
    }

    /// Takes the values of a factor that the catalogue names beside the main one; answers how many those are.
    fn beside(
        &mut self,
        logger: &Logger,
        cn: u16,
        time: Timestamp,
        (at, factor): (usize, &Factor<'_>),
        refusals: &mut Refusals,
    ) -> u64 {
        let mut named = 0;
        let taken = logger.factors.get(factor.code).filter(|taken| !taken.beside.is_empty());
        for said in reading::beside(logger, taken, cn, time, factor) {
            named += 1;
            match said.and_then(|said| admit(&self.ingest.names, self.plausible, &logger.mn, &said)) {
                Ok(row) => self.load.submission.rows.push(row),
                Err((reason, message)) => refusals.add(at, reason, || message),
            }
        }
        named
    }

    /// A packet, or what stands in its place, that cannot be taken: recorded, counted, not answered.
    ///
    /// Of one read the first are recorded each, the others together: whoever sends nothing but `##` fills no log with it.
    pub(super) fn refuse(&mut self, sender: &str, fault: &Fault, segment: &[u8]) {
        self.counts().fault(fault);
        if self.load.faults >= MAX_TOLD_FAULTS {
            self.load
                .more_faults
                .add(0, Reason::Malformed, || format!("after {MAX_TOLD_FAULTS} others: {fault}"));
            return;
        }
        self.load.faults += 1;
        let mut refusals = Refusals::default();
        refusals.add(0, Reason::Malformed, || fault.to_string());
        self.record(sender, refusals, segment);
    }

    /// The read is at its end.
    pub(super) fn finish(&mut self, sender: &str) {
        let more = std::mem::take(&mut self.load.more_faults);
        self.load.submission.rejected.extend(self.ingest.rejected("hj212", sender, &more));
    }

    fn not_taken(&mut self, logger: &Logger, cn: u16, segment: &[u8]) {
        let mut refusals = Refusals::default();
        refusals.add(0, Reason::NotJudged, || format!("packets of CN {cn} are not taken"));
        self.record(&logger.mn, refusals, segment);
    }

    pub(super) fn record(&mut self, sender: &str, mut refusals: Refusals, segment: &[u8]) {
        if !refusals.is_empty() {
            let head = &segment[..segment.len().min(MAX_EXCERPT_BYTES)];
            refusals.set_excerpt(&without_password(head));
            self.load.submission.rejected.extend(self.ingest.rejected("hj212", sender, &refusals));
        }
    }

    /// Answers with the same QN, if an answer is wanted and can be told to which packet it belongs.
    fn answer(&mut self, packet: &Packet<'_>, cn: u16) {
        let qn = packet.qn.filter(|qn| qn.len() <= MAX_QN_BYTES);
        if !packet.wants_answer() || qn.is_none() {
            return;
        }
        let flag = packet.flag.map(|flag| flag.of_answer());
        self.send(&Outgoing { qn, st: command::ST_EXCHANGE, cn, flag, ..outgoing(packet) });
    }

    /// Tells a logger that asked for it the time: the wall's, because it is a clock on a wall that is set.
    fn tell_time(&mut self, packet: &Packet<'_>) {
        let now = wall_now();
        let (qn, content) = (time::to_milli(now), format!("SystemTime={}", time::to_second(now)));
        let sent = Outgoing { qn: Some(&qn), cn: command::SET_TIME, content: &content, ..outgoing(packet) };
        self.send(&sent);
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) {
        outgoing.write(&mut self.load.answers);
        self.load.answered += 1;
    }
}

/// A request to the sender of a packet, in its edition.
fn outgoing<'a>(packet: &Packet<'a>) -> Outgoing<'a> {
    let flag = packet.flag.map(|flag| yiwang_proto::hj212::Flag(flag.of_answer().0 | 1));
    Outgoing { qn: None, st: packet.st, cn: 0, pw: packet.pw, mn: packet.mn, flag, part: None, content: "" }
}

fn data_time(content: &Content<'_>) -> Result<Timestamp, Fault> {
    let text = content.named("DataTime").ok_or(Fault::MissingField("DataTime"))?;
    let found = || text.chars().filter(|c| !c.is_control()).take(40).collect();
    time::read(text).ok_or_else(|| Fault::BadField { field: "DataTime", found: found() })
}

/// Values of a factor that become no reading.
fn beside(factor: &Factor<'_>) -> u64 {
    let kinds = [
        Kind::Min,
        Kind::Max,
        Kind::Cou,
        Kind::ZsRtd,
        Kind::ZsMin,
        Kind::ZsAvg,
        Kind::ZsMax,
        Kind::DayData,
        Kind::NightData,
    ];
    u64::from(factor.unknown) + kinds.iter().filter(|kind| factor.get(**kind).is_some()).count() as u64
}

/// What came, as it may be kept: without any password, however the field is written.
fn without_password(segment: &[u8]) -> Vec<u8> {
    let (mut kept, mut rest) = (Vec::with_capacity(segment.len()), segment);
    let is_name = |name: &[u8]| name[..2].eq_ignore_ascii_case(b"PW") && !name[2].is_ascii_alphanumeric();
    while let Some(at) = rest.windows(3).position(is_name) {
        let (head, tail) = rest.split_at(at + 3);
        kept.extend_from_slice(head);
        kept.extend_from_slice(b"***");
        let end = tail.iter().position(|byte| *byte == b';').unwrap_or(tail.len());
        rest = &tail[end..];
    }
    kept.extend_from_slice(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn every_password_is_left_out_however_it_is_written() {
        for (came, kept) in [
            ("PW=1;MN=2", "PW=***;MN=2"),
            ("CN=1;PW:1;MN=2;pw=1", "CN=1;PW:***;MN=2;pw=***"),
            ("PW=1;##0001PW=1;NewPW=1", "PW=***;##0001PW=***;NewPW=***"),
            ("PW=", "PW=***"),
            ("PWD=7;PW", "PWD=7;PW"),
        ] {
            assert_eq!(String::from_utf8(without_password(came.as_bytes())).unwrap(), kept);
        }
    }
}
