//! The client's end of CTAPHID, written for the tests from the packet's picture: CID (4) CMD|80 BCNT (2) data, then CID (4)
//! SEQ data.

use countersign::ctaphid::{BROADCAST, Report};

pub(crate) const PING: u8 = 0x01;
pub(crate) const MSG: u8 = 0x03;
pub(crate) const LOCK: u8 = 0x04;
pub(crate) const INIT: u8 = 0x06;
pub(crate) const WINK: u8 = 0x08;
pub(crate) const CBOR: u8 = 0x10;
pub(crate) const CANCEL: u8 = 0x11;
pub(crate) const KEEPALIVE: u8 = 0x3b;
pub(crate) const ERROR: u8 = 0x3f;

/// A message that came or goes: channel, command, bytes.
pub(crate) type Message = (u32, u8, Vec<u8>);

/// The first packet of a message that announces `length` bytes.
pub(crate) fn initialization(channel: u32, command: u8, length: u16, data: &[u8]) -> Report {
    let mut report = [0; 64];
    report[..4].copy_from_slice(&channel.to_be_bytes());
    report[4] = 0x80 | command;
    report[5..7].copy_from_slice(&length.to_be_bytes());
    report[7..7 + data.len()].copy_from_slice(data);
    report
}

pub(crate) fn continuation(channel: u32, sequence: u8, data: &[u8]) -> Report {
    let mut report = [0; 64];
    report[..4].copy_from_slice(&channel.to_be_bytes());
    report[4] = sequence;
    report[5..5 + data.len()].copy_from_slice(data);
    report
}

/// A whole message.
pub(crate) fn reports(channel: u32, command: u8, message: &[u8]) -> Vec<Report> {
    let first = &message[..message.len().min(57)];
    let mut reports = vec![initialization(channel, command, message.len() as u16, first)];
    for (sequence, piece) in message[first.len()..].chunks(59).enumerate() {
        reports.push(continuation(channel, sequence as u8, piece));
    }
    reports
}

/// What reports say, each message whole, in order and padded with zeros.
pub(crate) fn messages(reports: &[Report]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut partial: Option<(u32, u8, usize, Vec<u8>, u8)> = None;
    for report in reports {
        let channel = u32::from_be_bytes(report[..4].try_into().unwrap());
        let (mut now, data) = match partial.take() {
            Some((of, command, length, bytes, sequence)) if report[4] & 0x80 == 0 => {
                assert_eq!((channel, report[4]), (of, sequence), "the next packet of the same message");
                ((of, command, length, bytes, sequence + 1), &report[5..])
            }
            // A short message on another channel may come in between; the tests that do so split them up themselves.
            Some(other) => panic!("{other:?} was interrupted by {report:?}"),
            None => {
                assert_ne!(report[4] & 0x80, 0, "a continuation packet of nothing");
                let length = usize::from(u16::from_be_bytes([report[5], report[6]]));
                ((channel, report[4] & 0x7f, length, Vec::new(), 0), &report[7..])
            }
        };
        let missing = (now.2 - now.3.len()).min(data.len());
        now.3.extend_from_slice(&data[..missing]);
        assert!(data[missing..].iter().all(|byte| *byte == 0), "padding");
        if now.3.len() == now.2 {
            messages.push((now.0, now.1, now.3));
        } else {
            partial = Some(now);
        }
    }
    assert!(partial.is_none(), "the end of a message is missing");
    messages
}

/// The request for a channel.
pub(crate) fn init_request(nonce: &[u8; 8]) -> Report {
    initialization(BROADCAST, INIT, 8, nonce)
}
