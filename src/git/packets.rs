//! Packet lines, in which git's protocol is written (gitprotocol-common(5), gitprotocol-v2(5)).

use std::io::{self, Read};

/// Ends a message.
pub(super) const FLUSH: &[u8] = b"0000";
/// Separates the parts of a message.
pub(super) const DELIMITER: &[u8] = b"0001";

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Line(Vec<u8>),
    Flush,
    Delimiter,
    /// The end of an answer.
    End,
}

/// A line as a packet.
pub(super) fn packet(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// Reads one packet.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] when the stream ends, [`io::ErrorKind::InvalidData`] at what is no packet.
pub(super) fn read(stream: &mut dyn Read) -> io::Result<Packet> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = std::str::from_utf8(&length).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(Packet::Flush),
        Some(1) => Ok(Packet::Delimiter),
        Some(2) => Ok(Packet::End),
        Some(length @ 4..) => {
            let mut content = vec![0; length - 4];
            stream.read_exact(&mut content)?;
            Ok(Packet::Line(content))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Splits packet lines; `None` stands for a flush packet and its like. Ends at what is no packet.
pub(super) fn packets(bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from_str_radix(std::str::from_utf8(rest.get(..4)?).ok()?, 16).ok()?;
        let content = if length < 4 { None } else { Some(rest.get(4..length)?) };
        rest = &rest[length.max(4)..];
        Some(content)
    })
}

/// The bytes before and after the first `at`; all and nothing when there is none.
pub(super) fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(position) => (&bytes[..position], &bytes[position + 1..]),
        None => (bytes, &[]),
    }
}
