//! `fido-authenticator` 0.4 with Trussed in software: its services answer in place, as on a device, and their storage is
//! littlefs in memory, which is what `trussed` has for tests. It has no attestation key, so it attests by itself.

use ctaphid_app::{App, Command};
use fido_authenticator::{Authenticator, Config, Silent};
use heapless_bytes::Bytes;
use trussed::{
    ClientImplementation, Service,
    backend::BackendId,
    pipe::{ServiceEndpoint, TrussedChannel},
    platform::Syscall,
    types::CoreContext,
    virt::{Platform, StoreConfig, with_platform},
};
use trussed_staging::{
    StagingContext,
    virt::{BackendIds, Dispatcher},
};

use crate::messages::Ctap;

/// Runs `body` with an authenticator. It lives in a closure, because its storage does.
pub fn with_device<R>(body: impl FnOnce(&mut dyn Ctap) -> R) -> R {
    with_platform(StoreConfig::ram(), |platform| {
        let channel = TrussedChannel::new();
        let (requester, responder) = channel.split().expect("a new channel");
        let context = CoreContext::new("fido".try_into().expect("a path"));
        let services = InPlace {
            service: Service::with_dispatch(platform, Dispatcher::default()),
            endpoints: [ServiceEndpoint::new(responder, context, BACKENDS)],
        };
        let client = ClientImplementation::<_, Dispatcher>::new(requester, services, None);
        let config = Config { max_resident_credential_count: None, ..Config::new(7609) };
        body(&mut Device {
            authenticator: Authenticator::new(client, Silent {}, config),
            response: Bytes::new(),
        })
    })
}

static BACKENDS: &[BackendId<BackendIds>] = &[BackendId::Custom(BackendIds::StagingBackend), BackendId::Core];

/// Trussed's services, called by the client itself.
struct InPlace<'a> {
    service: Service<Platform<'a>, Dispatcher>,
    endpoints: [ServiceEndpoint<'a, BackendIds, StagingContext>; 1],
}

impl Syscall for InPlace<'_> {
    fn syscall(&mut self) {
        self.service.process(&mut self.endpoints);
    }
}

struct Device<'a> {
    authenticator: Authenticator<Silent, ClientImplementation<'a, InPlace<'a>, Dispatcher>>,
    response: Bytes<7609>,
}

impl Ctap for Device<'_> {
    fn call(&mut self, message: &[u8]) -> Vec<u8> {
        self.response.clear();
        self.authenticator.call(Command::Cbor, message, &mut self.response).expect("a command that it has");
        self.response.to_vec()
    }
}
