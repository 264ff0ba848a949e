//! Reports over UDP.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

use countersign::ctaphid::{BROADCAST, Packet, REPORT_LENGTH, Report};

use crate::error::HostError;

/// How many channels' senders are remembered. Whoever speaks on more makes the one that was silent longest forgotten.
const MAX_SENDERS: usize = 256;

/// What has come.
pub(super) enum Datagram {
    Report(Report),
    /// One of another length; or a peer that is gone, which some systems tell here.
    Other,
    /// Nothing.
    None,
}

/// A socket, and who speaks on which channel.
pub(super) struct Reports {
    socket: UdpSocket,
    /// Who sent the last report on a channel; the last to speak stands last.
    senders: Vec<(u32, SocketAddr)>,
    /// Who sent the last report.
    last: Option<SocketAddr>,
}

impl Reports {
    /// Loopback only: whoever can send to it can use the key.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, HostError> {
        if !address.ip().is_loopback() {
            return Err(HostError::NotLoopback(address));
        }
        let failed = |error| HostError::Socket(address, error);
        let socket = UdpSocket::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self { socket, senders: Vec::new(), last: None })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes one datagram, so that whoever calls it decides how many are enough.
    pub(super) fn receive(&mut self) -> Datagram {
        let mut datagram = [0; REPORT_LENGTH + 1];
        match self.socket.recv_from(&mut datagram) {
            Ok((REPORT_LENGTH, sender)) => {
                let [report @ .., _] = datagram;
                self.remember(Packet::of(&report).channel(), sender);
                Datagram::Report(report)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Datagram::None,
            Ok(_) | Err(_) => Datagram::Other,
        }
    }

    fn remember(&mut self, channel: u32, sender: SocketAddr) {
        self.last = Some(sender);
        self.senders.retain(|(of, _)| *of != channel);
        if channel != BROADCAST {
            if self.senders.len() >= MAX_SENDERS {
                self.senders.remove(0);
            }
            self.senders.push((channel, sender));
        }
    }

    /// Sends a report to whoever spoke last on its channel; on the broadcast channel, to whoever spoke last.
    pub(super) fn send(&self, report: &Report) {
        let channel = Packet::of(report).channel();
        let sender = self.senders.iter().find(|(of, _)| *of == channel).map(|(_, sender)| *sender);
        if let Some(sender) = sender.or(self.last) {
            // Datagrams may get lost; the peer notices.
            _ = self.socket.send_to(report, sender);
        }
    }
}

impl AsFd for Reports {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
