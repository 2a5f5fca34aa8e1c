//! One connection: reads, takes, waits until it is durable, answers, reads on; in between it writes what the logger is told to do.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use yiwang_catalogue::{Catalogue, Logger};
use yiwang_proto::hj212::{Decoder, Fault, Frame, Mode, Packet, packet};
use yiwang_proto::v1::Reason;

use super::Door;
use super::closed::Closed;
use super::line::Line;
use super::parts::Parts;
use super::speech::Speech;
use super::take::{Load, Taker};
use crate::clients::Place;
use crate::refuse::Refusals;

/// What is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// How many bytes that belong to no good packet may come between two good ones.
const MAX_JUNK_BYTES: usize = 64 << 10;
/// How many before the first.
const MAX_JUNK_BEFORE: usize = 8 << 10;
/// Who sent what came before the first packet.
const NOBODY: &str = "unbound";

thread_local! {
    /// What is read is taken apart at once, so that an idle connection needs no buffer.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// One connection.
pub(super) struct Connection {
    door: Arc<Door>,
    socket: TcpStream,
    decoder: Decoder,
    bound: Option<Bound>,
    parts: Parts,
    /// Bytes since the last good packet that belong to none.
    junk: usize,
    /// When something came last.
    heard: Instant,
}

/// What a connection has once it is known whose it is.
struct Bound {
    place: Place<Arc<Line>>,
    line: Arc<Line>,
    speech: Speech,
}

/// What there is to do.
enum Next {
    Read,
    Tell,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, door: Arc<Door>) -> Self {
        let (decoder, parts, heard) = (Decoder::default(), Parts::default(), Instant::now());
        Self { door, socket, decoder, bound: None, parts, junk: 0, heard }
    }

    pub(super) async fn run(mut self) -> Closed {
        let closed = loop {
            if let Err(closed) = self.step().await {
                break closed;
            }
        };
        self.parts.end(self.door.counts());
        if let Some(bound) = &self.bound {
            bound.line.hang_up();
        }
        closed
    }

    async fn step(&mut self) -> Result<(), Closed> {
        match self.next().await? {
            Next::Read => self.read_and_answer().await,
            Next::Tell => self.tell().await,
        }
    }

    /// One read, from the first byte to the last answer.
    async fn read_and_answer(&mut self) -> Result<(), Closed> {
        let door = Arc::clone(&self.door);
        let under_way = door.reads.acquire().await.map_err(|_| Closed::Stopping)?;
        let (load, taken) = match self.read() {
            Ok((0, ..)) => return Err(Closed::Lost),
            Ok((_, load, taken)) => (load, taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Closed::Lost),
        };
        let Load { submission, answers, answered, .. } = load;
        if !submission.rows.is_empty() || !submission.rejected.is_empty() {
            let receipt = door.ingest.committer.submit(submission).await.map_err(|_| Closed::Stopping)?;
            receipt.await.map_err(|_| Closed::Stopping)?;
        }
        // Who does not read its answers keeps nobody from being read.
        drop(under_way);
        self.write(&answers).await?;
        door.counts().answers.add(answered);
        taken
    }

    /// Writes what the logger is to be told.
    async fn tell(&mut self) -> Result<(), Closed> {
        let Some(bound) = &self.bound else { return Ok(()) };
        let mut bytes = Vec::new();
        let mn = bound.place.id();
        bound.line.unsent(|qn, request| bound.speech.write(mn, qn, request, &mut bytes));
        self.write(&bytes).await
    }

    async fn next(&mut self) -> Result<Next, Closed> {
        let options = &self.door.options;
        let (silence, closed) = match self.bound {
            Some(_) => (options.idle_time, Closed::Silent),
            None => (options.first_time, Closed::NoPacket),
        };
        let called = async {
            match &mut self.bound {
                Some(Bound { place, line, .. }) => tokio::select! {
                    biased;
                    _ = &mut place.taken => Err(Closed::TakenOver),
                    () = line.rung() => Ok(Next::Tell),
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.door.stop.cancelled() => Err(Closed::Stopping),
            called = called => called,
            readable = timeout_at(self.heard + silence, self.socket.readable()) => match readable {
                Ok(readable) => readable.map(|()| Next::Read).map_err(|_| Closed::Lost),
                Err(_) => Err(closed),
            },
        }
    }

    /// Reads what is there, and takes it.
    fn read(&mut self) -> io::Result<(usize, Load, Result<(), Closed>)> {
        READ.with_borrow_mut(|buffer| {
            let read = self.socket.try_read(buffer)?;
            self.heard = Instant::now();
            let (load, taken) = self.take(&buffer[..read]);
            Ok((read, load, taken))
        })
    }

    /// Takes apart what was read. An error closes the connection once what came before it is durable and answered.
    fn take(&mut self, bytes: &[u8]) -> (Load, Result<(), Closed>) {
        let (mut load, mut taken) = (Load::default(), Ok(()));
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.feed(bytes, |frame| {
            if taken.is_ok() {
                taken = self.one(frame, &mut load);
            }
        });
        self.decoder = decoder;
        let (door, sender) = (Arc::clone(&self.door), self.sender());
        self.taker(&door, &door.ingest.names.catalogue(), &mut load).finish(&sender);
        (load, taken)
    }

    fn one(&mut self, frame: Result<Frame<'_>, (Fault, &[u8])>, load: &mut Load) -> Result<(), Closed> {
        let frame = match frame {
            Ok(frame) => frame,
            Err((fault, bytes)) => return self.refuse(&fault, bytes, load),
        };
        let (text, leniencies) = packet::text(&frame);
        match Packet::read(&text, leniencies, Mode::Lenient) {
            Ok(packet) => self.packet(packet, frame.segment, load),
            Err(fault) => self.refuse(&fault, frame.segment, load),
        }
    }

    fn packet(&mut self, packet: Packet<'_>, segment: &[u8], load: &mut Load) -> Result<(), Closed> {
        let door = Arc::clone(&self.door);
        let catalogue = door.ingest.names.catalogue();
        let logger = match self.let_in(&catalogue, &packet) {
            Ok(logger) => logger,
            Err((closed, message)) => {
                let mut refusals = Refusals::default();
                refusals.add(0, Reason::Forbidden, || message);
                self.taker(&door, &catalogue, load).record(packet.mn, refusals, segment);
                return Err(closed);
            }
        };
        self.junk = 0;
        let line = self.bound.as_mut().map(|bound| {
            bound.speech.learn(&packet);
            Arc::clone(&bound.line)
        });
        self.taker(&door, &catalogue, load).packet(logger, packet, segment, line.as_deref());
        Ok(())
    }

    /// The logger that this packet is of: the one that the connection is bound to, or is bound to from now on.
    fn let_in<'c>(
        &mut self,
        catalogue: &'c Catalogue,
        packet: &Packet<'_>,
    ) -> Result<&'c Logger, (Closed, String)> {
        let mn = packet.mn;
        if let Some(own) = self.mn().filter(|own| *own != mn) {
            let message = format!("this connection is of logger \"{own}\", not of \"{mn}\"");
            return Err((Closed::OtherMn, message));
        }
        let Some(logger) = catalogue.loggers.get(mn) else {
            let message = format!("logger \"{mn}\" is not in the catalogue: add a [[logger]] of this MN");
            return Err((Closed::UnknownMn, message));
        };
        // Who was let in with this password need not be asked again.
        let known = self.bound.as_ref().is_some_and(|bound| bound.speech.has_password(packet.pw));
        if !known && !self.door.passwords.allows(mn, packet.pw) {
            return Err((Closed::Denied, format!("the password of logger \"{mn}\" is another")));
        }
        if self.bound.is_none() {
            let line = Arc::<Line>::default();
            let place = self.door.ingest.desk.lines.enter(Arc::clone(&logger.mn), Arc::clone(&line));
            self.bound = Some(Bound { place, line, speech: Speech::default() });
        }
        Ok(logger)
    }

    fn refuse(&mut self, fault: &Fault, bytes: &[u8], load: &mut Load) -> Result<(), Closed> {
        self.junk += bytes.len();
        let door = Arc::clone(&self.door);
        let sender = self.sender();
        let catalogue = door.ingest.names.catalogue();
        self.taker(&door, &catalogue, load).refuse(&sender, fault, bytes);
        let most = if self.bound.is_some() { MAX_JUNK_BYTES } else { MAX_JUNK_BEFORE };
        if self.junk > most { Err(Closed::Junk) } else { Ok(()) }
    }

    fn taker<'t>(&'t mut self, door: &'t Door, catalogue: &'t Catalogue, load: &'t mut Load) -> Taker<'t> {
        Taker {
            ingest: &door.ingest,
            catalogue,
            plausible: door.ingest.plausible(),
            parts: &mut self.parts,
            load,
        }
    }

    /// As what it stands in records.
    fn sender(&self) -> Arc<str> {
        self.bound.as_ref().map_or_else(|| NOBODY.into(), |bound| bound.place.id().into())
    }

    /// The logger that the connection is bound to.
    fn mn(&self) -> Option<&str> {
        self.bound.as_ref().map(|bound| bound.place.id())
    }

    /// Writes; what the socket does not take at once counts against what all connections together may hold so.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        let written = match self.socket.try_write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Closed::Lost),
        };
        let rest = &bytes[written..];
        if rest.is_empty() {
            return Ok(());
        }
        self.door.counts().answers_waited.add(1);
        let size = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let _held = self.door.unread.try_acquire_many(size).map_err(|_| Closed::Slow)?;
        match timeout(self.door.options.write_time, self.socket.write_all(rest)).await {
            Ok(written) => written.map_err(|_| Closed::Lost),
            Err(_) => Err(Closed::Slow),
        }
    }
}
