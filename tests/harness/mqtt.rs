//! A client of MQTT 3.1.1 and 5 that sends the bytes a story gives it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    version: u8,
}

/// A packet that the city sent: its first byte and its body.
pub type Packet = (u8, Vec<u8>);

impl Client {
    /// Opens a socket and says nothing.
    pub fn silent(at: SocketAddr, version: u8) -> Self {
        let socket = TcpStream::connect(at).expect("the door is open");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        socket.set_nodelay(true).expect("a socket");
        Self { socket, version }
    }

    /// Connects; `version` is 4 for 3.1.1 and 5 for 5.0.
    pub fn connect(at: SocketAddr, version: u8, name: &str) -> Self {
        let (client, code) = Self::knock(at, version, name, None);
        assert_eq!(code, 0, "CONNECT was refused");
        client
    }

    /// Connects with a user name and a password; the code of the CONNACK comes with it.
    pub fn knock(at: SocketAddr, version: u8, name: &str, login: Option<(&str, &str)>) -> (Self, u8) {
        let mut client = Self::silent(at, version);
        let flags = if login.is_some() { 0xc2 } else { 0x02 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', version, flags, 0, 60];
        if version == 5 {
            body.push(0);
        }
        text(&mut body, name.as_bytes());
        if let Some((user, password)) = login {
            text(&mut body, user.as_bytes());
            text(&mut body, password.as_bytes());
        }
        client.send(&packet(0x10, &body));
        let (kind, answer) = client.receive().expect("CONNACK");
        assert_eq!(kind, 0x20, "something else than CONNACK: {answer:?}");
        (client, answer[1])
    }

    /// Sends bytes; that the city has closed meanwhile shows when it is asked for its answer.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// A PUBLISH of QoS 1.
    pub fn publish(&mut self, id: u16, topic: &[u8], payload: &[u8]) {
        let mut body = Vec::new();
        text(&mut body, topic);
        body.extend(id.to_be_bytes());
        if self.version == 5 {
            body.push(0);
        }
        body.extend(payload);
        self.send(&packet(0x32, &body));
    }

    /// Publishes and waits for the PUBACK of it; its reason code, 0 in version 3.1.1. `None` when the city closed.
    pub fn publish_and_wait(&mut self, id: u16, topic: &str, payload: &[u8]) -> Option<u8> {
        self.publish(id, topic.as_bytes(), payload);
        loop {
            match self.receive()? {
                (0x40, body) if body[..2] == id.to_be_bytes() => {
                    return Some(body.get(2).copied().unwrap_or(0));
                }
                (0xe0, _) => return None,
                _ => {}
            }
        }
    }

    /// The next packet; `None` when the city closed the connection.
    pub fn receive(&mut self) -> Option<Packet> {
        let [kind] = self.exactly()?;
        let mut length = 0_usize;
        for shift in (0..).step_by(7) {
            let [byte] = self.exactly()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.fill(&mut body)?;
        Some((kind, body))
    }

    /// Waits until the city closes; what it said before that, the last packet.
    pub fn closed(&mut self) -> Option<Packet> {
        let mut last = None;
        while let Some(packet) = self.receive() {
            last = Some(packet);
        }
        last
    }

    /// Closes the sending side: what was cut stays cut.
    pub fn cut(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    fn exactly<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Some(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.socket.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the city neither answered nor closed the connection")
            }
            Err(_) => None,
        }
    }
}

/// A packet with this first byte and body.
pub fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// A text with its length before it.
pub fn text(into: &mut Vec<u8>, text: &[u8]) {
    into.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
    into.extend(text);
}
