//! `countersign device`: the key in DIR/key as a security key for programs on this machine.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use countersign::{
    attestation::{Attester, EnterpriseAttester},
    authenticator::{Answer, Authenticator, LargeBlobs, Settings},
    credential::StateStore,
    webauthn::RpId,
};
use countersign_host::{
    Clock, HostError, KeyParts, KeyStore, Person as _, TerminalPerson, attestation_directory,
    hid::{PowerUp, Presence, UdpDevice},
    provider,
};
use serde_json::json;

use crate::{
    failure::Failure,
    key::{Role, make_parts, open_parts},
    outcome::{Outcome, Printer},
    places::Places,
};

const AFTER_HELP: &str = "\
Examples:
  countersign device --udp 127.0.0.1:8111
  countersign device --udp 127.0.0.1:0 --dir /tmp/test-key --auto-approve --control /tmp/control
  countersign device --udp 127.0.0.1:8111 --attestation certificates

One datagram is one CTAPHID report of 64 bytes; the answer goes to whoever sent the report.
READY udp=ADDRESS is printed once it listens. Where DIR has no key, one is made: of role
security-key, without a PIN, for platforms to set one. Platforms send the PIN; consent is asked
for at the terminal.

--auto-approve is for test suites: whoever can send to the port uses the key, and can erase it.
--control takes one command a line and answers each with ok: power-cycle, touch on, touch off
(nobody touches: requests end in their time-out), quit.

--attestation takes a directory as cargo xtask attestation-cert makes it: attestation.key.pem and
attestation.pem. With it, the key also speaks U2F; without it, passkeys vouch for themselves.

--large-blobs chooses how sites' large blobs are kept, of which a key offers one way at most: in
one array (largeBlobKey), or each with its passkey (largeBlob of CTAP 2.3). What was stored the
other way stays where it is, and is not offered meanwhile.

SIGTERM and SIGINT end it; what was answered is stored.";

/// How much room there is for large blobs, in bytes: for the array, or for each passkey's own.
const LARGE_BLOB_ROOM: usize = 4096;

/// Let programs on this machine use the key as a security key (CTAPHID over UDP)
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DeviceArgs {
    /// Where to listen, on the loopback interface; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS")]
    udp: SocketAddr,
    /// Grant what programs ask for without asking anybody
    #[arg(long)]
    auto_approve: bool,
    /// Take commands at a Unix socket, which is made here
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Vouch for new passkeys with the attestation key and the certificates in this directory
    #[arg(long, value_name = "DIRECTORY")]
    attestation: Option<PathBuf>,
    /// Be capable of enterprise attestation, with the key and the certificates in this directory
    #[arg(long, value_name = "DIRECTORY")]
    enterprise_attestation: Option<PathBuf>,
    /// A site that enterprise attestation is for, without its platform's order (several may be named)
    #[arg(long, value_name = "RP-ID", requires = "enterprise_attestation")]
    enterprise_site: Vec<String>,
    /// How large blobs are kept
    #[arg(long, value_name = "WAY", value_enum, default_value_t = BlobKeeping::Array)]
    large_blobs: BlobKeeping,
    /// How long to wait for consent
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    touch_timeout: u64,
}

/// How large blobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BlobKeeping {
    /// Each with its passkey: the extension largeBlob
    PerCredential,
    /// In one array for all: authenticatorLargeBlobs, and the extension largeBlobKey
    Array,
    /// Not at all
    None,
}

impl BlobKeeping {
    fn setting(self) -> LargeBlobs {
        match self {
            Self::PerCredential => LargeBlobs::PerCredential { max_bytes: LARGE_BLOB_ROOM },
            Self::Array => LargeBlobs::Array { max_bytes: LARGE_BLOB_ROOM },
            Self::None => LargeBlobs::None,
        }
    }
}

pub(crate) fn run(places: &Places, arguments: &DeviceArgs) -> Result<Outcome, Failure> {
    if !arguments.udp.ip().is_loopback() {
        // Said before anything is made.
        return Err(HostError::NotLoopback(arguments.udp).into());
    }
    let presence = presence(places.printer, arguments.auto_approve)?;
    let vouchers = Vouchers::read(arguments)?;
    let settings = |role: Role| settings(role, arguments);
    let parts = if places.has_key() {
        open_parts(places, settings)?.0
    } else {
        places.printer.progress("Making a key (security-key), without a PIN ...");
        make_parts(places, Role::SecurityKey, settings(Role::SecurityKey))?
    };
    let device = plug_in(parts, arguments, vouchers, presence)?;
    let printer = places.printer;
    let device =
        device.with_wink(move || printer.progress("Here! (A program wants to see which key this is.)"));
    if arguments.auto_approve {
        places.printer.progress(
            "Warning: nobody is asked. Whoever can send to this port uses the key, and can erase it.",
        );
    }
    let address = device.address();
    let json = json!({ "udp": address.to_string(), "autoApprove": arguments.auto_approve });
    places.printer.ready(&format!("READY udp={address}"), &json)?;
    device.serve()?;
    Ok(Outcome::Said)
}

/// A security key's settings, with what the arguments say.
fn settings(role: Role, arguments: &DeviceArgs) -> Settings {
    Settings {
        large_blobs: arguments.large_blobs.setting(),
        question_timeout: arguments.touch_timeout.saturating_mul(1_000),
        ..role.settings().served_to_platforms()
    }
}

fn presence(printer: Printer, auto_approve: bool) -> Result<Presence, Failure> {
    if auto_approve {
        return Ok(Presence::Granted);
    }
    TerminalPerson::new(Clock::start()).map_err(|_| {
        Failure::no_terminal(
            "consent is asked for at the terminal, and there is none; pass --auto-approve to grant everything",
        )
    })?;
    Ok(Presence::Person(Box::new(move |question, clock, withdrawal| {
        let Ok(person) = TerminalPerson::new(clock) else { return Answer::Declined };
        let answer = person.until(withdrawal.clone()).answer(question);
        if withdrawal.is_withdrawn() {
            printer.progress("That question is over.");
        }
        answer
    })))
}

/// Who vouches for new passkeys.
struct Vouchers {
    batch: Option<Arc<dyn Attester>>,
    enterprise: Option<EnterpriseAttester>,
}

impl Vouchers {
    fn read(arguments: &DeviceArgs) -> Result<Self, Failure> {
        let read = |directory: &Option<PathBuf>| -> Result<Option<Arc<dyn Attester>>, HostError> {
            let Some(directory) = directory else { return Ok(None) };
            Ok(Some(Arc::new(attestation_directory::read(directory)?)))
        };
        let sites = arguments.enterprise_site.iter().map(|site| RpId::new(site));
        let vendor_facilitated = sites.collect::<Result<_, _>>().map_err(|_| {
            Failure::usage("usage", "an RP ID of --enterprise-site is not 1 to 253 bytes long")
        })?;
        let enterprise = read(&arguments.enterprise_attestation)?.map(|attester| EnterpriseAttester {
            attester,
            vendor_facilitated,
            platform_managed: true,
        });
        Ok(Self { batch: read(&arguments.attestation)?, enterprise })
    }

    fn stand_by(&self, mut authenticator: Authenticator) -> Result<Authenticator, HostError> {
        if let Some(attester) = &self.batch {
            authenticator = authenticator.with_attester(Arc::clone(attester))?;
        }
        if let Some(attester) = &self.enterprise {
            authenticator = authenticator.with_enterprise_attester(attester.clone())?;
        }
        Ok(authenticator)
    }
}

fn plug_in(
    mut parts: KeyParts,
    arguments: &DeviceArgs,
    vouchers: Vouchers,
    presence: Presence,
) -> Result<UdpDevice, Failure> {
    let settings = parts.authenticator.settings().clone();
    parts.authenticator = vouchers.stand_by(parts.authenticator)?;
    let power_up: PowerUp = Box::new(move |store: &KeyStore| {
        let state = store.load_state()?;
        let authenticator = Authenticator::new(settings.clone(), state.as_ref(), provider())?;
        vouchers.stand_by(authenticator)
    });
    let device = UdpDevice::bind(arguments.udp, parts, power_up, presence)?.with_stop_signals()?;
    Ok(match &arguments.control {
        Some(path) => device.with_control(path)?,
        None => device,
    })
}
