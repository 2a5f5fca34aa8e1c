//! What the city tells a logger to do: 9011, what it asked for, 9012.

use yiwang_model::{Span, Timestamp};
use yiwang_proto::hj212::{Content, Flag, Outgoing, Packet, command, time};

/// `QnRtn` of a command that a logger does not know, and `ExeRtn` of one that it cannot do.
const WRONG_CN: u16 = 8;
const FAILED: u16 = 2;

/// What can be set in a logger, for as long as it is connected.
#[derive(Debug)]
pub(super) struct Machine {
    /// In seconds; it is kept and changes nothing, because load has a schedule of its own.
    interval: u32,
    /// By how much its clock leads the wall's.
    leads: Span,
    sends: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self { interval: 60, leads: Span::ZERO, sends: true }
    }
}

impl Machine {
    /// Whether it is to send real-time data.
    pub(super) fn sends(&self) -> bool {
        self.sends
    }

    /// Does what it is told; the packets that answer it. `None` for what is no command.
    pub(super) fn command(&mut self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        if (command::ACCEPTED..=command::HEARTBEAT).contains(&packet.cn) {
            return None;
        }
        let now = Timestamp::from_jiff(jiff::Timestamp::now());
        let done = Content::read(packet.content).ok().and_then(|content| self.act(packet.cn, &content, now));
        let mut answers = Vec::new();
        let mut say = |st, cn, content: &str| {
            let flag = packet.flag.map(Flag::of_answer);
            Outgoing { qn: packet.qn, st, cn, pw: packet.pw, mn: packet.mn, flag, part: None, content }
                .write(&mut answers);
        };
        let known = KNOWN.contains(&packet.cn);
        let accepted = if known { command::READY } else { WRONG_CN };
        say(command::ST_EXCHANGE, command::ACCEPTED, &format!("QnRtn={accepted}"));
        if known {
            let said = done.as_deref().filter(|said| !said.is_empty());
            said.into_iter().for_each(|said| say(packet.st, packet.cn, said));
            let ended = if done.is_some() { command::DONE } else { FAILED };
            say(command::ST_EXCHANGE, command::RESULT, &format!("ExeRtn={ended}"));
        }
        Some(answers)
    }

    /// What it says to that, perhaps nothing; `None` when it cannot do it.
    fn act(&mut self, cn: u16, content: &Content<'_>, now: Timestamp) -> Option<String> {
        match cn {
            command::GET_TIME => return Some(format!("SystemTime={}", time::to_second(now + self.leads))),
            command::SET_TIME => self.leads = time::read(content.named("SystemTime")?)? - now,
            command::GET_INTERVAL => return Some(format!("RtdInterval={}", self.interval)),
            command::SET_INTERVAL => self.interval = content.named("RtdInterval")?.parse().ok()?,
            command::REAL_TIME => self.sends = true,
            command::STOP_REAL_TIME => self.sends = false,
            _ => return None,
        }
        Some(String::new())
    }
}

const KNOWN: [u16; 6] = [
    command::GET_TIME,
    command::SET_TIME,
    command::GET_INTERVAL,
    command::SET_INTERVAL,
    command::REAL_TIME,
    command::STOP_REAL_TIME,
];

#[cfg(test)]
mod tests {
    use yiwang_proto::hj212::{Decoder, Mode, packet};

    use super::*;

    fn told(machine: &mut Machine, cn: u16, content: &str) -> Vec<(u16, String)> {
        let qn = Some("20260302101500123");
        let (flag, pw, mn) = (Some(Flag(5)), "123456", "M1");
        let sent = Outgoing { qn, st: "32", cn, pw, mn, flag, part: None, content }.to_bytes();
        let mut answers = Vec::new();
        Decoder::default().feed(&sent, |frame| {
            let (text, leniencies) = packet::text(&frame.unwrap());
            let asked = Packet::read(&text, leniencies, Mode::Lenient).unwrap();
            Decoder::default().feed(&machine.command(&asked).unwrap_or_default(), |frame| {
                let (text, leniencies) = packet::text(&frame.unwrap());
                let answer = Packet::read(&text, leniencies, Mode::Lenient).unwrap();
                assert_eq!((answer.qn, answer.flag), (asked.qn, Some(Flag(4))));
                answers.push((answer.cn, answer.content.to_owned()));
            });
        });
        answers
    }

    #[test]
    fn a_logger_does_what_it_is_told() {
        let mut machine = Machine::default();
        let yes = |said: &[(u16, &str)]| -> Vec<(u16, String)> {
            let all = [&[(9011, "QnRtn=1")], said, &[(9012, "ExeRtn=1")]].concat();
            all.into_iter().map(|(cn, content)| (cn, content.to_owned())).collect()
        };
        assert_eq!(told(&mut machine, 1062, "RtdInterval=30"), yes(&[]));
        assert_eq!(told(&mut machine, 1061, ""), yes(&[(1061, "RtdInterval=30")]));
        assert_eq!(told(&mut machine, 1012, "SystemTime=20000101000000"), yes(&[]));
        assert!(told(&mut machine, 1011, "")[1].1.starts_with("SystemTime=20000101"));
        assert_eq!((told(&mut machine, 2012, ""), machine.sends()), (yes(&[]), false));
        assert_eq!((told(&mut machine, 2011, ""), machine.sends()), (yes(&[]), true));
        assert_eq!(told(&mut machine, 1062, "RtdInterval=x")[1], (9012, "ExeRtn=2".into()));
        assert_eq!(told(&mut machine, 3020, ""), [(9011, "QnRtn=8".into())]);
        assert_eq!(told(&mut machine, 9014, ""), []);
    }
}
