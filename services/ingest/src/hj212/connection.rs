//! One connection: reads, takes, waits until it is durable, answers, reads on.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use yiwang_catalogue::{Catalogue, Logger};
use yiwang_proto::hj212::{Decoder, Fault, Frame, Mode, Packet, packet};
use yiwang_proto::v1::Reason;

use super::Door;
use super::closed::Closed;
use super::parts::Parts;
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
    bound: Option<Place>,
    parts: Parts,
    /// Bytes since the last good packet that belong to none.
    junk: usize,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, door: Arc<Door>) -> Self {
        Self { door, socket, decoder: Decoder::default(), bound: None, parts: Parts::default(), junk: 0 }
    }

    pub(super) async fn run(mut self) -> Closed {
        let closed = loop {
            if let Err(closed) = self.step().await {
                break closed;
            }
        };
        self.parts.end(self.door.counts());
        closed
    }

    /// One read, from the first byte to the last answer.
    async fn step(&mut self) -> Result<(), Closed> {
        self.readable().await?;
        let door = Arc::clone(&self.door);
        let _under_way = door.reads.acquire().await.map_err(|_| Closed::Stopping)?;
        let (load, taken) = match self.read() {
            Ok((0, ..)) => return Err(Closed::Lost),
            Ok((_, load, taken)) => (load, taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Closed::Lost),
        };
        self.settle(load).await?;
        taken
    }

    async fn readable(&mut self) -> Result<(), Closed> {
        let options = &self.door.options;
        let (silence, closed) = match self.bound {
            Some(_) => (options.idle_time, Closed::Silent),
            None => (options.first_time, Closed::NoPacket),
        };
        let taken = async {
            match &mut self.bound {
                Some(place) => (&mut place.taken).await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.door.stop.cancelled() => Err(Closed::Stopping),
            () = taken => Err(Closed::TakenOver),
            readable = timeout(silence, self.socket.readable()) => match readable {
                Ok(readable) => readable.map_err(|_| Closed::Lost),
                Err(_) => Err(closed),
            },
        }
    }

    /// Reads what is there, and takes it.
    fn read(&mut self) -> io::Result<(usize, Load, Result<(), Closed>)> {
        READ.with_borrow_mut(|buffer| {
            let read = self.socket.try_read(buffer)?;
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
        self.taker(&door, &catalogue, load).packet(logger, packet, segment);
        Ok(())
    }

    /// The logger that this packet is of: the one that the connection is bound to, or is bound to from now on.
    fn let_in<'c>(
        &mut self,
        catalogue: &'c Catalogue,
        packet: &Packet<'_>,
    ) -> Result<&'c Logger, (Closed, String)> {
        let mn = packet.mn;
        if let Some(place) = self.bound.as_ref().filter(|place| place.id() != mn) {
            let message = format!("this connection is of logger \"{}\", not of \"{mn}\"", place.id());
            return Err((Closed::OtherMn, message));
        }
        let Some(logger) = catalogue.loggers.get(mn) else {
            let message = format!("logger \"{mn}\" is not in the catalogue: add a [[logger]] of this MN");
            return Err((Closed::UnknownMn, message));
        };
        if !self.door.passwords.allows(mn, packet.pw) {
            return Err((Closed::Denied, format!("the password of logger \"{mn}\" is another")));
        }
        if self.bound.is_none() {
            self.bound = Some(self.door.clients.enter(Arc::clone(&logger.mn)));
        }
        Ok(logger)
    }

    fn refuse(&mut self, fault: &Fault, bytes: &[u8], load: &mut Load) -> Result<(), Closed> {
        self.junk += bytes.len();
        let door = Arc::clone(&self.door);
        let sender = self.bound.as_ref().map_or(NOBODY.to_owned(), |place| place.id().to_owned());
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

    /// Waits until a load is durable, then writes its answers.
    async fn settle(&mut self, load: Load) -> Result<(), Closed> {
        let Load { submission, answers, answered } = load;
        if !submission.rows.is_empty() || !submission.rejected.is_empty() {
            let receipt =
                self.door.ingest.committer.submit(submission).await.map_err(|_| Closed::Stopping)?;
            receipt.await.map_err(|_| Closed::Stopping)?;
        }
        if answers.is_empty() {
            return Ok(());
        }
        match timeout(self.door.options.write_time, self.socket.write_all(&answers)).await {
            Ok(Ok(())) => self.door.counts().answers.add(answered),
            Ok(Err(_)) => return Err(Closed::Lost),
            Err(_) => return Err(Closed::Slow),
        }
        Ok(())
    }
}
