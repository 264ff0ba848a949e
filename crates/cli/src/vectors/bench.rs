//! The authenticator under test, and what it must be like before a vector.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{
    cbor::{Item, Profile},
    cose::P256Point,
    crypto::{OsRng, RustCrypto},
    ctap2::{ClientPin, PlatformKey, Request},
    pin_uv::{PinUvAuthProtocol, encapsulate},
};

use super::{
    client::{Client, Reply},
    set::{Precondition, code},
};
use crate::failure::Failure;

const RESET: &[u8] = &[0x07];
const PIN: &[u8] = b"1234";
/// How long a power cycle may take.
const POWER_CYCLE: Duration = Duration::from_secs(60);

/// A discoverable ES256 credential for user 1d * 32 of example.com, with hmac-secret.
const RK_EXAMPLE: &[u8] = b"\x01\xa6\
    \x01\x58\x20\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\
    \xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\
    \x02\xa1\x62id\x6bexample.com\
    \x03\xa2\x62id\x58\x20\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\
    \x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x1d\x64name\x67example\
    \x04\x81\xa2\x63alg\x26\x64type\x6apublic-key\
    \x06\xa1\x6bhmac-secret\xf5\
    \x07\xa1\x62rk\xf5";

/// An authenticator, and what is known of it.
pub(super) struct Bench {
    address: String,
    control: Option<PathBuf>,
    client: Client,
    /// What it is like; none: nobody knows.
    state: Option<Precondition>,
}

impl Bench {
    pub(super) fn connect(address: &str, control: Option<&Path>) -> Result<Self, Failure> {
        let client = Client::connect(address)?;
        let control = control.map(Path::to_path_buf);
        Ok(Self { address: address.to_owned(), control, client, state: None })
    }

    /// One command, and its status code. An error of the transport is one, too: they have the same numbers.
    pub(super) fn send(&self, command: &[u8]) -> Result<u8, Failure> {
        Ok(self.exchange(command)?.first().copied().unwrap_or(0x7f))
    }

    fn exchange(&self, command: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(match self.client.cbor(command)? {
            Reply::Message(response) => response,
            Reply::Error(error) => vec![error],
        })
    }

    /// From now on nobody knows what it is like.
    pub(super) fn spoil(&mut self) {
        self.state = None;
    }

    /// Brings it to where a vector starts. `Err`: it cannot be brought there, and why.
    pub(super) fn establish(&mut self, wanted: Precondition) -> Result<Result<(), String>, Failure> {
        if self.state == Some(wanted) {
            return Ok(Ok(()));
        }
        self.state = None;
        if self.control.is_some() {
            self.power_cycle()?;
        }
        let made = match self.send(RESET)? {
            0 => self.prepare(wanted)?,
            status => Err(format!("authenticatorReset answered {}", code(status))),
        };
        self.state = made.is_ok().then_some(wanted);
        Ok(made)
    }

    fn prepare(&self, wanted: Precondition) -> Result<Result<(), String>, Failure> {
        let (what, status) = match wanted {
            Precondition::Fresh => return Ok(Ok(())),
            Precondition::RkExample => ("authenticatorMakeCredential", self.send(RK_EXAMPLE)?),
            Precondition::PinSet => match self.set_pin()? {
                None => return Ok(Err("it offers no key for key agreement".to_owned())),
                Some(status) => ("setPIN", status),
            },
        };
        Ok(if status == 0 { Ok(()) } else { Err(format!("{what} answered {}", code(status))) })
    }

    /// setPIN with protocol 1. None: the authenticator's key cannot be had.
    fn set_pin(&self) -> Result<Option<u8>, Failure> {
        let protocol = PinUvAuthProtocol::One;
        let request = ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol.number() };
        let response = self.exchange(&Request::ClientPin(request).encode())?;
        let Some(request) = key_agreement(&response).and_then(|peer| first_pin(protocol, &peer)) else {
            return Ok(None);
        };
        self.send(&request.encode()).map(Some)
    }

    /// Sends the line `power-cycle`, waits for `ok`, and opens a channel again.
    fn power_cycle(&mut self) -> Result<(), Failure> {
        let Some(path) = &self.control else { return Ok(()) };
        let mut answer = String::new();
        let asked = UnixStream::connect(path).and_then(|mut stream| {
            stream.set_read_timeout(Some(POWER_CYCLE))?;
            stream.write_all(b"power-cycle\n")?;
            BufReader::new(stream).read_line(&mut answer)
        });
        asked.map_err(|error| Failure::file(path, &error))?;
        if answer.trim() != "ok" {
            let message = format!("{}: power-cycle was not answered with ok", path.display());
            return Err(Failure::failed("control", message));
        }
        self.client = Client::connect(&self.address)?;
        Ok(())
    }
}

/// The key of a response to getKeyAgreement.
fn key_agreement(response: &[u8]) -> Option<P256Point> {
    let body = response.strip_prefix(&[0])?;
    let response = Item::parse(body, Profile::CTAP2).ok()?.map()?;
    let key = response.at(1)?.map()?;
    let coordinate = |label| key.at_integer(label)?.bytes()?.try_into().ok();
    Some(P256Point { x: coordinate(-2)?, y: coordinate(-3)? })
}

/// setPIN, to an authenticator with this key.
fn first_pin(protocol: PinUvAuthProtocol, peer: &P256Point) -> Option<Request> {
    let mut rng = OsRng::default();
    let (key_agreement, shared) = encapsulate(&RustCrypto, protocol, peer, &mut rng).ok()?;
    let mut padded = [0; 64];
    padded[..PIN.len()].copy_from_slice(PIN);
    let new_pin_enc = shared.encrypt(&padded, &mut rng).ok()?;
    let pin_uv_auth_param = shared.authenticate(&[&new_pin_enc]);
    let platform = PlatformKey { pin_uv_auth_protocol: protocol.number(), key_agreement };
    Some(Request::ClientPin(ClientPin::SetPin { platform, new_pin_enc, pin_uv_auth_param }))
}
