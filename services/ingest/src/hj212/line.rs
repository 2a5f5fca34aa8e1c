//! The line to one logger that is connected: what it is asked, and what it says to that.
//!
//! Whoever asks has a [`Call`]; the connection writes what was not written yet ([`Line::unsent`]) and hands over what comes
//! back ([`Line::heard`]). Calls are told apart by QN, which no two of a line share, so that an answer that belongs to none
//! changes nothing. At most [`MAX_CALLS`] are open at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use yiwang_model::{Span, Timestamp};
use yiwang_proto::hj212::{Content, command, time};

use super::request::Request;
use crate::clock::wall_now;

/// The most calls of one logger that are open at once.
pub(super) const MAX_CALLS: usize = 8;
/// By how much two QN differ at least.
const MILLISECOND: Span = Span::from_millis(1);
/// The longest text of a logger that is handed on, in bytes.
const MAX_SAID_BYTES: usize = 40;

/// What a logger said to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How often the request was written.
    pub sent: u32,
    /// 9011: whether it will do it.
    pub qn_rtn: Option<u16>,
    /// What it was asked for: `SystemTime` or `RtdInterval`, with the name.
    pub said: Option<(&'static str, String)>,
    /// 9012: how that ended.
    pub exe_rtn: Option<u16>,
    /// 9013: it took note; no more will come.
    pub noted: bool,
}

impl Told {
    /// Whether the logger has answered at all.
    pub(super) fn is_answered(&self) -> bool {
        self.qn_rtn.is_some() || self.has_ended()
    }

    /// Whether it will say no more.
    pub(super) fn has_ended(&self) -> bool {
        let refused = self.qn_rtn.is_some_and(|code| code != command::READY);
        refused || self.exe_rtn.is_some() || self.noted
    }
}

/// One answer of a logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Accepted(u16),
    Said(&'static str, String),
    Result(u16),
    Noted,
}

impl Heard {
    /// Reads an answer; `None` for what is none.
    pub(super) fn read(cn: u16, content: &Content<'_>) -> Option<Self> {
        let number = |name| content.named(name).filter(|text| !text.starts_with('+'))?.parse().ok();
        let said = |name: &'static str| {
            let text = content.named(name).filter(|text| !text.is_empty() && text.len() <= MAX_SAID_BYTES)?;
            Some(Self::Said(name, text.to_owned()))
        };
        match cn {
            command::ACCEPTED => number("QnRtn").map(Self::Accepted),
            command::RESULT => number("ExeRtn").map(Self::Result),
            command::NOTICE_ACK => Some(Self::Noted),
            command::GET_TIME => said("SystemTime"),
            command::GET_INTERVAL => said("RtdInterval"),
            _ => None,
        }
    }

    /// Notes it; whether it belongs to this request and is the first of its kind.
    fn note(self, cn: u16, told: &mut Told) -> bool {
        match self {
            Self::Accepted(code) => told.qn_rtn.is_none() && told.qn_rtn.replace(code).is_none(),
            Self::Result(code) => told.exe_rtn.is_none() && told.exe_rtn.replace(code).is_none(),
            Self::Noted => !std::mem::replace(&mut told.noted, true),
            Self::Said(name, text) => {
                let asked = matches!(
                    (cn, name),
                    (command::GET_TIME, "SystemTime") | (command::GET_INTERVAL, "RtdInterval")
                );
                asked && told.said.is_none() && told.said.replace((name, text)).is_none()
            }
        }
    }
}

/// The line to one logger.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    ring: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Open>,
    newest: Option<Timestamp>,
    hung_up: bool,
}

#[derive(Debug)]
struct Open {
    qn: Arc<str>,
    request: Request,
    unsent: bool,
    told: watch::Sender<Told>,
}

/// Why there is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCall {
    /// [`MAX_CALLS`] are open.
    TooMany,
    /// The logger is gone.
    HungUp,
}

impl Line {
    /// Asks something; it is written as soon as the connection comes to it.
    pub(super) fn call(self: &Arc<Self>, request: Request) -> Result<Call, NoCall> {
        let mut state = self.lock();
        match (state.hung_up, state.calls.len() < MAX_CALLS) {
            (true, _) => return Err(NoCall::HungUp),
            (_, false) => return Err(NoCall::TooMany),
            _ => {}
        }
        let (told, hears) = watch::channel(Told::default());
        let qn: Arc<str> = state.new_qn().into();
        state.calls.push(Open { qn: Arc::clone(&qn), request, unsent: true, told });
        drop(state);
        self.ring.notify_one();
        Ok(Call { line: Arc::clone(self), qn, told: hears })
    }

    /// Resolves when there is something to write.
    pub(super) async fn rung(&self) {
        self.ring.notified().await;
    }

    /// Hands over each request that is to be written, with its QN.
    pub(super) fn unsent(&self, mut write: impl FnMut(&str, &Request)) {
        for call in self.lock().calls.iter_mut().filter(|call| call.unsent) {
            call.unsent = false;
            call.told.send_modify(|told| told.sent += 1);
            write(&call.qn, &call.request);
        }
    }

    /// Takes an answer; false when it belongs to no call.
    pub(super) fn heard(&self, qn: &str, heard: Heard) -> bool {
        let state = self.lock();
        let Some(call) = state.calls.iter().find(|call| &*call.qn == qn && call.told.borrow().sent > 0)
        else {
            return false;
        };
        let cn = call.request.cn();
        call.told.send_if_modified(|told| heard.note(cn, told))
    }

    /// The logger is gone: all calls end.
    pub(super) fn hang_up(&self) {
        let mut state = self.lock();
        state.hung_up = true;
        state.calls.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A QN that this line has not had, as near to now as can be.
    fn new_qn(&mut self) -> String {
        let now = wall_now();
        let qn = self.newest.map_or(now, |newest| now.max(newest + MILLISECOND));
        self.newest = Some(qn);
        time::to_milli(qn)
    }
}

/// An open call; closed when dropped.
#[derive(Debug)]
pub(super) struct Call {
    line: Arc<Line>,
    pub(super) qn: Arc<str>,
    pub(super) told: watch::Receiver<Told>,
}

impl Call {
    /// Writes the request again, with the same QN; one that waits to be written is written once.
    pub(super) fn repeat(&self) {
        if let Some(call) = self.line.lock().calls.iter_mut().find(|call| call.qn == self.qn) {
            call.unsent = true;
        }
        self.line.ring.notify_one();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.line.lock().calls.retain(|call| call.qn != self.qn);
    }
}
