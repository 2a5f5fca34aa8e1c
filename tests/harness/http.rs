//! As much of HTTP as the stories need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Status and body of an answer; an error when the city does not answer.
pub fn get(at: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    get_as(at, None, path)
}

/// The same, with this value of the header `Authorization`.
pub fn get_as(at: SocketAddr, who: Option<&str>, path: &str) -> std::io::Result<(u16, String)> {
    ask(at, &format!("GET {path} HTTP/1.0\r\nHost: {at}{}\r\n\r\n", authorization(who)))
}

/// Sends a JSON body.
pub fn post(at: SocketAddr, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    post_as(at, None, path, body)
}

/// The same, with this value of the header `Authorization`.
pub fn post_as(at: SocketAddr, who: Option<&str>, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    send_as(at, who, "POST", path, body)
}

/// Sends a JSON body by any method.
pub fn send(at: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    send_as(at, None, method, path, body)
}

fn send_as(
    at: SocketAddr,
    who: Option<&str>,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let (length, who) = (body.len(), authorization(who));
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}{who}"
    );
    ask(at, &format!("{head}\r\n\r\n{body}"))
}

fn authorization(who: Option<&str>) -> String {
    who.map_or_else(String::new, |who| format!("\r\nAuthorization: {who}"))
}

fn ask(at: SocketAddr, request: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let broken = || std::io::Error::other(format!("no answer of HTTP: {answer:.200}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok((status, body.to_owned()))
}

/// A text inside a URL.
pub fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
