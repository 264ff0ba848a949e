//! The security key over UDP, in this process.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    net::UdpSocket,
    os::unix::net::UnixStream,
    sync::mpsc,
    time::Duration,
};

use common::cheap_key;
use countersign::{
    authenticator::Authenticator, credential::StateStore, crypto::RustCrypto, ctaphid::Report,
};
use countersign_host::{
    KeyDirectory, SeenFile,
    hid::{Presence, UdpDevice},
};
use tempfile::tempdir;

const INIT: u8 = 0x86;
const WINK: u8 = 0x88;

fn report(channel: u32, command: u8, message: &[u8]) -> Report {
    let mut report = [0; 64];
    report[..4].copy_from_slice(&channel.to_be_bytes());
    report[4] = command;
    report[6] = message.len() as u8;
    report[7..7 + message.len()].copy_from_slice(message);
    report
}

/// A client and its channel.
fn connect(device: std::net::SocketAddr) -> (UdpSocket, u32) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(device).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.send(&report(u32::MAX, INIT, b"87654321")).unwrap();
    let mut response = [0; 64];
    socket.recv(&mut response).unwrap();
    (socket, u32::from_be_bytes(*response[15..].first_chunk().unwrap()))
}

/// A device on which each wink makes somebody send two datagrams more, so that there always is another one.
fn device_with_an_endless_sender(
    directory: &std::path::Path,
    datagrams: mpsc::Receiver<(UdpSocket, [Vec<u8>; 2])>,
) -> UdpDevice {
    let seen = SeenFile::at(directory.join("seen"));
    let key = KeyDirectory::init_without_pin(&directory.join("key"), cheap_key(), seen).unwrap();
    let power_up = Box::new(|store: &countersign_host::KeyStore| {
        let state = store.load_state()?;
        Ok(Authenticator::new(cheap_key(), state.as_ref(), std::sync::Arc::new(RustCrypto))?)
    });
    let address = "127.0.0.1:0".parse().unwrap();
    let device = UdpDevice::bind(address, key.into_parts(), power_up, Presence::Granted).unwrap();
    let mut sender = None;
    device.with_control(&directory.join("control")).unwrap().with_wink(move || {
        let (socket, datagrams) = sender.get_or_insert_with(|| datagrams.recv().unwrap());
        datagrams.iter().for_each(|datagram| _ = socket.send(datagram).unwrap());
    })
}

/// Deterministic: a wink is answered by the thread that serves, so its queue is never empty between two datagrams.
#[test]
fn device_hears_orders_while_datagrams_come_without_end() {
    let directory = tempdir().unwrap();
    let (sender, datagrams) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let path = directory.path().to_owned();
    let serving = std::thread::spawn(move || {
        let device = device_with_an_endless_sender(&path, datagrams);
        tell.send(device.address()).unwrap();
        device.serve()
    });
    let (socket, channel) = connect(told.recv().unwrap());
    let wink = report(channel, WINK, &[]);
    let no_report = vec![0; 3];
    sender.send((socket.try_clone().unwrap(), [no_report, wink.to_vec()])).unwrap();
    socket.send(&wink).unwrap();
    // Answered: it has begun.
    socket.recv(&mut [0; 64]).unwrap();

    let mut control = UnixStream::connect(directory.path().join("control")).unwrap();
    control.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    control.write_all(b"quit\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&control).read_line(&mut answer).unwrap();
    assert_eq!(answer, "ok\n");
    serving.join().unwrap().unwrap();
}
