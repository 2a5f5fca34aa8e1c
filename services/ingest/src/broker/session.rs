//! One connection: hears, takes, and acknowledges what became durable.
//!
//! What is heard is polled until it is heard, never dropped midway; acknowledgements leave beside it. Messages gather until
//! nothing more is heard at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use yiwang_proto::v1::Reason;

use super::consumer::{Consumer, DOOR, Message};
use super::hold::Hold;
use super::link::{self, Ears, Heard, Incoming, Lost, NoRoom, Words};
use super::{MAX_MESSAGES, MAX_WAITING_BYTES, Progress, Target};
use crate::Ingest;
use crate::commit::{Stopping, Submission};
use crate::flow::{Flow, Load};
use crate::refuse::Refusals;

/// Messages that gather before they are handed over although more are heard.
const GATHER: usize = 256;

/// Why a connection ended.
pub(super) enum Ended {
    /// The city stops.
    Stopped,
    /// The connection is lost, or never stood.
    Lost(Lost),
}

/// One connection.
pub(super) struct Session<'a> {
    target: &'a Target,
    consumer: &'a mut dyn Consumer,
    ingest: Arc<Ingest>,
    progress: Arc<Progress>,
    filters: Vec<String>,
    /// Whether the broker took the connection.
    entered: bool,
    ears: Ears,
    flow: Flow,
    hold: Hold,
    words: Words,
}

impl<'a> Session<'a> {
    /// A connection that is made when it runs.
    pub(super) fn open(
        target: &'a Target,
        ingest: Arc<Ingest>,
        progress: Arc<Progress>,
        consumer: &'a mut dyn Consumer,
    ) -> Self {
        let (words, ears) = link::open(target, consumer.will());
        let filters = target.filters(consumer.filters());
        let flow = Flow::new(ingest.committer.clone());
        let hold = Hold::default();
        Self { target, consumer, ingest, progress, filters, entered: false, ears, flow, hold, words }
    }

    /// Until the connection is lost or the city stops.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Ended {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                next = hear(&mut self.ears, &mut self.flow, &mut self.hold, &self.words) => Some(next),
            };
            match next {
                None if self.entered => return self.leave().await,
                None => return Ended::Stopped,
                Some(Ok(heard)) => {
                    if self.take(heard).is_err() {
                        return self.lost(Lost::Other("there is no room for what is to be said".to_owned()));
                    }
                }
                Some(Err(Broken::Stopping)) => return Ended::Stopped,
                Some(Err(Broken::Lost(lost))) => return self.lost(lost),
            }
        }
    }

    fn lost(self, lost: Lost) -> Ended {
        self.progress.thrown_away.add(self.flow.unanswered() as u64);
        Ended::Lost(lost)
    }

    fn take(&mut self, heard: Heard) -> Result<(), NoRoom> {
        match heard {
            Heard::Entered { resumed } => {
                self.entered = true;
                self.progress.entered(&self.target.name, resumed);
                self.words.subscribe(self.filters.clone())
            }
            Heard::Subscribed(wrong) => {
                self.progress.subscribed(&self.target.name, refused(&self.filters, wrong));
                self.consumer.connected().into_iter().try_for_each(|say| self.words.say(say))
            }
            Heard::Message(incoming) => self.take_message(&incoming),
            Heard::Left => Ok(()),
        }
    }

    fn take_message(&mut self, incoming: &Incoming) -> Result<(), NoRoom> {
        let Self { target, consumer, ingest, progress, flow, .. } = self;
        let Incoming { topic, payload, id, retained, again } = incoming;
        progress.messages.add(1);
        progress.bytes.add(payload.len() as u64);
        progress.redelivered.add(u64::from(*again));
        let mut say = Vec::new();
        let message = Message {
            broker: &target.name,
            topic: &topic.text(),
            payload,
            retained: *retained,
            again: *again,
            shared: target.group.is_some(),
        };
        flow.gather(*id, payload.len(), |into| {
            if payload.len() > target.max_packet_bytes as usize {
                refuse_size(ingest, target, payload, into);
            } else {
                consumer.take(ingest, ingest.plausible(), &message, into, &mut say);
            }
            None
        });
        say.into_iter().try_for_each(|say| self.words.say(say))
    }

    /// Acknowledges what is under way, takes nothing more, and says goodbye.
    async fn leave(mut self) -> Ended {
        let Self { ears, flow, words, consumer, .. } = &mut self;
        let answered = async {
            poll_fn(|cx| match poll_flow(flow, words, cx) {
                Ok(()) if flow.is_answered() => Poll::Ready(()),
                Ok(()) => Poll::Pending,
                Err(_) => Poll::Ready(()),
            })
            .await;
            consumer.leaving().into_iter().try_for_each(|say| words.say(say))?;
            words.goodbye()
        };
        if answered.await.is_ok() {
            while !matches!(ears.next().await, Ok(Heard::Left) | Err(_)) {}
        }
        Ended::Stopped
    }
}

/// Why nothing more is heard.
enum Broken {
    Stopping,
    Lost(Lost),
}

/// Hears the next, unless too much is under way; what is under way goes on meanwhile.
async fn hear(ears: &mut Ears, flow: &mut Flow, hold: &mut Hold, words: &Words) -> Result<Heard, Broken> {
    let mut next = pin!(ears.next());
    poll_fn(|cx| {
        loop {
            if flow.gathered() >= GATHER {
                poll_flow(flow, words, cx)?;
            }
            let full = flow.messages() >= usize::from(MAX_MESSAGES) || flow.bytes() >= MAX_WAITING_BYTES;
            if !full && let Poll::Ready(heard) = next.as_mut().poll(cx) {
                return Poll::Ready(heard.map_err(Broken::Lost));
            }
            if flow.gathered() == 0 || hold.poll_due(flow.unanswered(), cx).is_ready() {
                poll_flow(flow, words, cx)?;
            } else {
                poll_durable(flow, words, cx)?;
            }
            let room = flow.messages() < usize::from(MAX_MESSAGES) && flow.bytes() < MAX_WAITING_BYTES;
            if !(full && room) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Hands over what gathered and acknowledges what became durable.
fn poll_flow(flow: &mut Flow, words: &Words, cx: &mut Context<'_>) -> Result<(), Broken> {
    while flow.poll_submit(cx).map_err(|Stopping| Broken::Stopping)? | poll_durable(flow, words, cx)? {}
    Ok(())
}

/// Acknowledges what became durable; whether anything did.
fn poll_durable(flow: &mut Flow, words: &Words, cx: &mut Context<'_>) -> Result<bool, Broken> {
    let mut some = false;
    while let Poll::Ready(durable) = flow.poll_durable(cx) {
        let load = durable.map_err(|Stopping| Broken::Stopping)?;
        acknowledge(words, &load).map_err(|NoRoom| {
            Broken::Lost(Lost::Other("there is no room for acknowledgements".to_owned()))
        })?;
        some = true;
    }
    Ok(some)
}

fn acknowledge(words: &Words, load: &Load) -> Result<(), NoRoom> {
    load.answers.iter().try_for_each(|(id, _)| words.acknowledge(*id))
}

/// The filters that were not granted as asked, each with what is wrong.
fn refused(filters: &[String], wrong: Vec<Option<String>>) -> Vec<String> {
    let named = filters.iter().zip(wrong);
    named.filter_map(|(filter, wrong)| Some(format!("filter \"{filter}\" was {}", wrong?))).collect()
}

fn refuse_size(ingest: &Ingest, target: &Target, payload: &[u8], into: &mut Submission) {
    let mut refusals = Refusals::default();
    let (length, most) = (payload.len(), target.max_packet_bytes);
    refusals.add(0, Reason::Malformed, || {
        format!("the message has {length} bytes, and at most {most} are taken (max_packet_bytes)")
    });
    refusals.set_excerpt(payload);
    into.rejected.extend(ingest.rejected(DOOR, &target.name, &refusals));
}
