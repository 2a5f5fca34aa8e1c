//! The seam for a consumer that also speaks: a will, a birth once subscribed, an answer to a message.

use bytes::Bytes;

use super::fake::Fake;
use crate::Ingest;
use crate::admit::Plausible;
use crate::broker::{Consumer, Message, Say};
use crate::commit::Submission;
use crate::mqtt::tests::client::{packet, publish};

/// A host that counts its lives.
struct Host {
    lives: u32,
}

impl Host {
    fn state(&self, online: bool) -> Say {
        let payload = Bytes::from(format!("{online} {}", self.lives));
        Say { topic: "STATE/host".into(), payload, acknowledged: true, retain: true }
    }
}

impl Consumer for Host {
    fn filters(&self) -> Vec<String> {
        vec!["spBv1.0/#".into()]
    }

    fn will(&mut self) -> Option<Say> {
        Some(self.state(false))
    }

    fn connected(&mut self) -> Vec<Say> {
        vec![self.state(true)]
    }

    fn take(
        &mut self,
        _: &Ingest,
        _: Plausible,
        message: &Message<'_>,
        _: &mut Submission,
        say: &mut Vec<Say>,
    ) {
        let payload = Bytes::copy_from_slice(message.payload);
        say.push(Say { topic: "rebirth".into(), payload, acknowledged: false, retain: false });
    }

    fn lost(&mut self) {
        self.lives += 1;
    }
}

#[tokio::test]
async fn a_consumer_speaks_before_after_and_on_a_message() {
    for version in [4, 5] {
        let mut fake = Fake::begin_as(version, Box::new(Host { lives: 0 })).await;
        for life in 0..2 {
            let (mut peer, connect) = fake.connecting().await;
            let will = format!("false {life}");
            assert!(connect.windows(will.len()).any(|part| part == will.as_bytes()), "{connect:x?}");
            // With a will of QoS 1 that is retained.
            assert_eq!(connect[7] & 0x3c, 0x2c);
            let none: &[u8] = if version == 5 { &[0] } else { &[] };
            peer.send(&packet(0x20, &[&[0, 0], none].concat())).await;
            let (_, subscribe) = peer.read().await.expect("SUBSCRIBE");
            assert!(subscribe.windows(9).any(|part| part == b"spBv1.0/#"));
            peer.send(&packet(0x90, &[&subscribe[..2], none, &[1, 1, 1]].concat())).await;
            let (kind, birth) = peer.read().await.expect("the birth");
            assert_eq!(kind, 0x33);
            assert!(birth.ends_with(format!("true {life}").as_bytes()));
            peer.send(&publish(version, 0, 0, "spBv1.0/x", "what")).await;
            let (kind, said) = peer.read().await.expect("the answer");
            assert_eq!(kind, 0x30);
            assert!(said.ends_with(b"what"), "{said:x?}");
        }
    }
}
