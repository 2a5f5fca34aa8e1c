//! One connection: reads, admits, submits, and answers when the disk has it.
//!
//! A connection is one task, and a step of it does whatever can be done now: answer what became durable, hand over what
//! gathered, read, write. While one submission is on its way to the committer the next gathers. Nothing waits while
//! something else could go on, so that a PING is answered while readings wait for the disk.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use yiwang_model::series::check_name;

use super::closed::Closed;
use super::protocol::{Bytes, Hello, Incoming, NoEntry, Protocol, Publish};
use super::take::{Sender, take};
use super::{Door, MAX_WAITING_BYTES, RECEIVE_MAXIMUM};
use crate::admit::Plausible;
use crate::budget::Share;
use crate::clients::Place;
use crate::commit::Stopping;
use crate::flow::{Flow, Load};
use crate::gate::Denied;
use crate::seq::Order;

/// What is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Answers that wait for the client before no more is read, in bytes.
const MAX_UNREAD_BYTES: usize = 64 << 10;

thread_local! {
    /// What is read is taken apart at once, so that an idle connection needs no buffer.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// One connection.
pub(super) struct Connection {
    door: Arc<Door>,
    socket: TcpStream,
    protocol: Protocol,
    place: Option<Place>,
    flow: Flow,
    /// Bytes of the packet that is not whole yet.
    partial: usize,
    share: Share,
    out: Vec<u8>,
    ending: Option<Ending>,
    times: Times,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A connection that ends: nothing more is read.
struct Ending {
    why: Closed,
    /// Whether what was handed over is still answered.
    answer: bool,
    /// What is said last.
    say: Option<DisconnectReasonCode>,
}

/// When what must have happened.
struct Times {
    sleep: Pin<Box<Sleep>>,
    /// How long the client may be silent.
    silence: std::time::Duration,
    heard: Instant,
    /// When something was last written, or there was first something to write.
    wrote: Instant,
    /// Whether no more is read for the moment: then silence is not the client's.
    paused: bool,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, door: Arc<Door>) -> Self {
        let now = Instant::now();
        let silence = door.options.connect_time;
        let times = Times {
            sleep: Box::pin(tokio::time::sleep(silence)),
            silence,
            heard: now,
            wrote: now,
            paused: false,
        };
        Self {
            share: door.budget.share(),
            stop: Box::pin(door.stop.child_token().cancelled_owned()),
            flow: Flow::new(door.ingest.committer.clone()),
            door,
            socket,
            protocol: Protocol::new(),
            place: None,
            partial: 0,
            out: Vec::new(),
            ending: None,
            times,
        }
    }

    pub(super) async fn run(mut self) -> Closed {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            self.poll_signals(cx);
            let mut moved = self.poll_durable(cx);
            moved |= self.poll_submit(cx);
            moved |= self.poll_read(cx);
            self.say_last();
            moved |= self.poll_write(cx);
            if let Some(closed) = self.ended() {
                return Poll::Ready(closed);
            }
            if !moved {
                break;
            }
        }
        self.poll_times(cx)
    }

    /// Stop, and another connection of the same client.
    fn poll_signals(&mut self, cx: &mut Context<'_>) {
        let taken = self.place.as_mut().is_some_and(|place| Pin::new(&mut place.taken).poll(cx).is_ready());
        if taken {
            self.end(Closed::TakenOver, false, Some(DisconnectReasonCode::SessionTakenOver));
        }
        if self.ending.is_none() && self.stop.as_mut().poll(cx).is_ready() {
            self.end(Closed::Stopping, true, Some(DisconnectReasonCode::ServerShuttingDown));
        }
    }

    /// Answers what became durable, in order.
    fn poll_durable(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(durable) = self.flow.poll_durable(cx) {
            moved = true;
            self.share.set(self.flow.bytes() + self.partial);
            match durable {
                Ok(load) => self.answer(&load),
                Err(Stopping) => self.end_stopping(),
            }
        }
        moved
    }

    fn answer(&mut self, load: &Load) {
        if self.ending.as_ref().is_some_and(|ending| !ending.answer) {
            return;
        }
        for (id, verdict) in &load.answers {
            self.protocol.acknowledge(*id, verdict.as_deref(), &mut self.out);
        }
    }

    /// Hands over what gathered, one submission after the other.
    fn poll_submit(&mut self, cx: &mut Context<'_>) -> bool {
        self.flow.poll_submit(cx).unwrap_or_else(|Stopping| {
            self.end_stopping();
            true
        })
    }

    fn end_stopping(&mut self) {
        self.end(Closed::Stopping, false, Some(DisconnectReasonCode::ServerShuttingDown));
    }

    fn may_read(&self) -> bool {
        self.ending.is_none()
            && self.flow.messages() <= usize::from(RECEIVE_MAXIMUM)
            && self.flow.bytes() <= MAX_WAITING_BYTES
            && self.out.len() <= MAX_UNREAD_BYTES
            && (self.flow.messages() == 0 || !self.share.is_overdrawn())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.may_read() {
            self.times.paused = true;
            return false;
        }
        if std::mem::take(&mut self.times.paused) {
            self.times.heard = Instant::now();
        }
        let read = READ.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            self.take(buffer.filled());
            self.hold();
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(read)) if read > 0 => {}
            Poll::Ready(_) => self.end(Closed::Lost, false, None),
        }
        true
    }

    /// Says what is held now. A large packet that is not whole is given up when all together hold too much.
    fn hold(&mut self) {
        self.share.set(self.flow.bytes() + self.partial);
        if self.partial > READ_BYTES && self.share.is_overdrawn() {
            self.end(Closed::Quota, false, Some(DisconnectReasonCode::QuotaExceeded));
        }
    }

    /// Takes apart what was read.
    fn take(&mut self, read: &[u8]) {
        let plausible = self.door.ingest.plausible();
        let mut bytes = Bytes::new(read);
        self.partial += read.len();
        while self.ending.is_none() {
            match self.protocol.next(&mut bytes, &mut self.out) {
                None => return,
                Some(Incoming::Publish(publish)) => self.take_message(plausible, &publish),
                Some(Incoming::Connect(hello)) => self.let_in(hello),
                Some(Incoming::Ping | Incoming::Answered) => {}
                Some(Incoming::Goodbye) => self.end(Closed::Goodbye, false, None),
                Some(Incoming::Fault(error)) => self.end(Closed::by(error), false, None),
            }
            self.times.heard = Instant::now();
            self.partial = read.len() - usize::try_from(bytes.position()).unwrap_or_default();
        }
    }

    fn take_message(&mut self, plausible: Plausible, publish: &Publish) {
        let Some(place) = &self.place else { return self.end(Closed::Malformed, false, None) };
        let (qos, id) = (publish.qos(), publish.id());
        if qos == Qos::ExactlyOnce {
            return self.end(Closed::QosNotSupported, false, Some(DisconnectReasonCode::QosNotSupported));
        }
        if qos == Qos::AtLeastOnce && id == 0 {
            return self.end(Closed::Malformed, false, Some(DisconnectReasonCode::MalformedPacket));
        }
        let (topic, payload) = (publish.topic(), publish.payload());
        let order = if publish.is_again() { Order::Again } else { Order::Kept };
        let sender = Sender { door: "mqtt", name: place.id(), order };
        let id = (qos == Qos::AtLeastOnce).then_some(id);
        let ingest = &self.door.ingest;
        self.flow.gather(id, payload.len(), |into| take(ingest, plausible, sender, (topic, payload), into));
        ingest.counters.mqtt_messages.add(1);
    }

    fn let_in(&mut self, hello: Hello) {
        if let Err((closed, why)) = self.check(&hello) {
            self.protocol.turn_away(why, &mut self.out);
            return self.end(closed, false, None);
        }
        let assigned = hello.client.is_empty().then(|| self.door.clients.new_id());
        let id = assigned.clone().unwrap_or(hello.client);
        self.place = Some(self.door.clients.enter(id.into(), ()));
        self.protocol.welcome(assigned.as_deref(), &mut self.out);
        self.times.silence = match u64::from(hello.keep_alive_seconds) {
            0 => self.door.options.idle_time,
            seconds => std::time::Duration::from_millis(seconds * 1500),
        };
    }

    fn check(&self, hello: &Hello) -> Result<(), (Closed, NoEntry)> {
        let nameless = hello.client.is_empty() && (hello.clean || self.protocol.is_5());
        if !nameless && check_name("client id", &hello.client).is_err() {
            return Err((Closed::BadConnect, NoEntry::BadClientId));
        }
        if hello.will_qos_2 {
            return Err((Closed::BadConnect, NoEntry::WillQos));
        }
        self.door.gate.write(hello.name.as_deref(), hello.secret.as_deref()).map_err(|denied| match denied {
            Denied::Unknown => (Closed::Denied, NoEntry::BadSecret),
            Denied::NotAllowed | Denied::NotHistory => (Closed::Denied, NoEntry::NotAllowed),
        })
    }

    /// Begins to end; the first reason holds.
    fn end(&mut self, why: Closed, answer: bool, say: Option<DisconnectReasonCode>) {
        match &mut self.ending {
            None => self.ending = Some(Ending { why, answer, say }),
            Some(ending) => ending.answer &= answer,
        }
        self.times.wrote = Instant::now();
    }

    /// Whether all that was read is handed over, and answered if it is to be.
    fn drained(&self, answer: bool) -> bool {
        if answer { self.flow.is_answered() } else { self.flow.is_handed_over() }
    }

    fn say_last(&mut self) {
        let Some(ending) = &self.ending else { return };
        if self.drained(ending.answer)
            && let Some(code) = self.ending.as_mut().and_then(|ending| ending.say.take())
        {
            self.protocol.disconnect(code, &mut self.out);
        }
    }

    fn ended(&self) -> Option<Closed> {
        let ending = self.ending.as_ref()?;
        let over = ending.say.is_none() && self.drained(ending.answer) && self.out.is_empty();
        over.then_some(ending.why)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        if self.out.is_empty() {
            return false;
        }
        let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(cx, &self.out) else { return false };
        self.times.wrote = Instant::now();
        match written {
            Ok(written) if written > 0 => {
                self.out.drain(..written);
            }
            _ => {
                self.out.clear();
                self.end(Closed::Lost, false, None);
            }
        }
        if self.out.is_empty() && self.out.capacity() > MAX_UNREAD_BYTES {
            self.out = Vec::new();
        }
        true
    }

    /// Ends a connection whose time is over; otherwise sees to it that it is looked at again in time.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            let (deadline, closed) = self.deadline();
            if deadline < self.times.sleep.deadline() {
                self.times.sleep.as_mut().reset(deadline);
            }
            ready!(self.times.sleep.as_mut().poll(cx));
            if deadline > Instant::now() {
                self.times.sleep.as_mut().reset(deadline);
                continue;
            }
            if closed != Closed::Silent {
                return Poll::Ready(closed);
            }
            self.end(closed, false, Some(DisconnectReasonCode::KeepAliveTimeout));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }

    /// When this connection is over unless something happens, and why it is then.
    fn deadline(&self) -> (Instant, Closed) {
        let Times { silence, heard, wrote, paused, .. } = self.times;
        let options = &self.door.options;
        match &self.ending {
            Some(ending) if !ending.answer => (wrote + options.write_time, ending.why),
            _ if !self.out.is_empty() => (wrote + options.write_time, Closed::Slow),
            _ if paused => (Instant::now() + silence, Closed::Silent),
            _ if self.place.is_none() => (heard + silence, Closed::NoConnect),
            _ => (heard + silence, Closed::Silent),
        }
    }
}
