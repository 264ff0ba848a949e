//! A second opinion: `ctap-types` reads every request of the vectors too. Where the outcome differs from that of our
//! reader, the class of difference is listed here with its reason: an unlisted difference fails, and so does a listed
//! class that no longer occurs. Where both read a request, they have to have read the same.

mod common;

use common::{
    commands::{Variant, samples},
    vectors::{bytes, list, vectors},
};
use countersign::{
    cose::P256Point,
    ctap2::{
        ClientPin, Config, Configure, CredentialManagement, GetAssertionExtensions, HmacSecretInput,
        LargeBlobs, Limits, MakeCredentialExtensions, ManageCredentials, PinUvAuth, PlatformKey, Request,
        Status,
    },
    webauthn::RpId,
};
use ctap_types::{
    ctap2::{
        AuthenticatorOptions, Request as Theirs, client_pin, config, credential_management, large_blobs,
    },
    webauthn::PublicKeyCredentialDescriptorRef,
};
use serde_json::{Value, json};

/// A class of difference: our status and theirs (`None`: read), the requests that it covers, and the reason.
struct Class {
    ours: Option<Status>,
    theirs: Option<u8>,
    covers: Covers,
    reason: &'static str,
}

enum Covers {
    /// Every wire vector of that kind.
    Kind(&'static str),
    /// Every wire vector of that kind whose name ends so.
    KindEnding(&'static str, &'static str),
    /// The vectors of these names.
    Named(&'static [&'static str]),
}
use Covers::{Kind, KindEnding, Named};

const CLASSES: &[Class] = &[
    Class {
        ours: Some(Status::CborUnexpectedType),
        theirs: Some(0x12),
        covers: Kind("type"),
        reason: "they answer INVALID_CBOR for nearly every wrong type",
    },
    Class {
        ours: Some(Status::CborUnexpectedType),
        theirs: None,
        covers: KindEnding("type", "null"),
        reason: "they read null as absent",
    },
    Class {
        ours: Some(Status::InvalidCbor),
        theirs: None,
        covers: Named(&["cp-trailing-byte", "mc-trailing-byte", "mc-two-maps"]),
        reason: "they accept bytes after the parameters",
    },
    Class {
        ours: Some(Status::InvalidCbor),
        theirs: None,
        covers: Named(&[
            "mc-unsorted-credparam-keys",
            "mc-unsorted-outer-keys",
            "mc-unsorted-user-keys-alphabetical",
        ]),
        reason: "they accept maps that are not sorted",
    },
    Class {
        ours: Some(Status::InvalidCbor),
        theirs: Some(0x11),
        covers: Named(&["mc-bool-two-byte"]),
        reason: "a boolean in two bytes is not well-formed (RFC 8949 section 3.3); they call it a wrong type",
    },
    Class {
        ours: None,
        theirs: Some(0x12),
        covers: Named(&[
            "ok-mc-unknown-outer-key",
            "ok-mc-depth-4",
            "setMinPINLength-policy",
            "setMinPINLength-policy-missing-3",
            "setMinPINLength-policy-missing-4",
        ]),
        reason: "they refuse unknown integer keys, which CTAP 2.3 section 8 wants tolerated",
    },
    Class {
        ours: Some(Status::MissingParameter),
        theirs: Some(0x12),
        covers: Named(&["ga-text-keys-instead-of-ints"]),
        reason: "they refuse unknown text keys; without them the required ones are missing",
    },
    Class {
        ours: None,
        theirs: Some(0x12),
        covers: Named(&["ga-hmac-saltAuth-length-33"]),
        reason: "they have room for 32 bytes; with us it does not verify",
    },
    Class {
        ours: Some(Status::MissingParameter),
        theirs: None,
        covers: Kind("missing"),
        reason: "they leave to the handler which parameters a sub-command needs, and ask for no key's alg",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: Some(0x12),
        covers: Named(&["cp-subcommand-0", "cp-subcommand-8", "cp-subcommand-127"]),
        reason: "an unknown sub-command is INVALID_SUBCOMMAND",
    },
    Class {
        ours: Some(Status::InvalidLength),
        theirs: Some(0x12),
        covers: Named(&["empty-message"]),
        reason: "no source fixes the status of a message without a command byte",
    },
    Class {
        ours: Some(Status::MissingParameter),
        theirs: Some(0x12),
        covers: Named(&["setMinPINLength-policy-missing-1"]),
        reason: "they do not know pinComplexityPolicy; without it the sub-command is missing",
    },
    Class {
        ours: None,
        theirs: Some(0x14),
        covers: Named(&["largeBlobs-get-missing-3", "largeBlobs-set-missing-3"]),
        reason: "an absent offset is INVALID_PARAMETER (CTAP 2.3 section 6.10.2), which the handler says",
    },
    Class {
        ours: Some(Status::InvalidParameter),
        theirs: None,
        covers: Named(&["cp-cose-x-31-bytes"]),
        reason: "they take a coordinate that is too short",
    },
    Class {
        ours: Some(Status::InvalidParameter),
        theirs: Some(0x12),
        covers: Named(&["cp-cose-y-33-bytes"]),
        reason: "a coordinate of another length is well-formed CBOR of the right type",
    },
    Class {
        ours: Some(Status::UnsupportedAlgorithm),
        theirs: Some(0x12),
        covers: Named(&["cp-cose-alg-rs256", "cp-cose-crv-2"]),
        reason: "a key of another kind is well-formed CBOR of the right type",
    },
    Class {
        ours: Some(Status::CborUnexpectedType),
        theirs: None,
        covers: KindEnding("type", "array([])"),
        reason: "they read an empty array as empty bytes",
    },
];

impl Covers {
    fn covers(&self, vector: &Value) -> bool {
        let name = vector["name"].as_str().unwrap_or_default();
        match self {
            Kind(kind) => vector["kind"] == *kind,
            KindEnding(kind, end) => vector["kind"] == *kind && name.ends_with(end),
            Named(names) => names.contains(&name),
        }
    }
}

/// The requests of the vectors, and the samples with their variants.
fn requests() -> Vec<(Value, Vec<u8>)> {
    let mut requests = Vec::new();
    for (set, members) in [
        ("ctap2_wire_negative", ["command"].as_slice()),
        ("ctap2_transcripts", &["mc_request", "ga_request"]),
        ("ctap2_hmac_secret", &["request"]),
    ] {
        for vector in list(&vectors(set), "vectors") {
            requests.extend(members.iter().map(|member| (vector.clone(), bytes(vector, member))));
        }
    }
    for sample in samples() {
        requests.push((json!({ "name": sample.name, "kind": "control" }), sample.message()));
        let of_kind = |kind: &'static str| {
            move |variant: Variant| (json!({ "name": variant.name, "kind": kind }), variant.message)
        };
        requests.extend(sample.without_members().into_iter().map(of_kind("missing")));
        requests.extend(sample.with_wrong_types().into_iter().map(of_kind("type")));
    }
    requests
}

fn ours(message: &[u8]) -> Result<Request, Status> {
    Request::decode(message, &Limits { max_message: 7609, max_list: 8 })
}

#[test]
fn every_difference_in_the_outcome_is_of_a_listed_class() {
    let mut occurred = vec![false; CLASSES.len()];
    let mut unlisted = Vec::new();
    for (vector, message) in requests() {
        let (ours, theirs) = (ours(&message).err(), Theirs::deserialize(&message).err().map(u8::from));
        if ours.map(Status::byte) == theirs {
            continue;
        }
        let class = CLASSES
            .iter()
            .position(|class| class.ours == ours && class.theirs == theirs && class.covers.covers(&vector));
        match class {
            Some(class) => occurred[class] = true,
            None => unlisted.push(format!("ours {ours:?}, theirs {theirs:02x?}: {}", vector["name"])),
        }
    }
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    for (class, occurred) in CLASSES.iter().zip(occurred) {
        assert!(occurred, "no longer occurs: {}", class.reason);
        if let Named(names) = class.covers {
            let known: Vec<_> = requests().into_iter().map(|(vector, _)| vector["name"].clone()).collect();
            assert!(names.iter().all(|name| known.contains(&(*name).into())), "{names:?}");
        }
    }
}

/// What a request says, in terms that both readers have.
#[derive(Debug, PartialEq)]
enum Said {
    Ceremony(Ceremony),
    Pin(Pin),
    Managed(Managed),
    Blobs(Blobs),
    Configured(Configured),
}

/// makeCredential and getAssertion. They know the algorithms -7 and -8 only, and keep descriptors of unknown type.
#[derive(Debug, PartialEq)]
struct Ceremony {
    rp_id: String,
    client_data_hash: Vec<u8>,
    user: Option<(Vec<u8>, Option<String>, Option<String>)>,
    algorithms: Vec<i64>,
    listed: Vec<Vec<u8>>,
    options: [Option<bool>; 3],
    pin_uv_auth: Option<(Vec<u8>, Option<u64>)>,
    enterprise_attestation: Option<u64>,
    cred_protect: Option<u64>,
    hmac_secret: Option<bool>,
    /// x, y, saltEnc, saltAuth and the protocol.
    hmac_secret_input: Option<([Vec<u8>; 4], Option<u64>)>,
}

fn said(request: &Request) -> Option<Said> {
    Some(match request {
        Request::MakeCredential(request) => Said::Ceremony(Ceremony {
            rp_id: request.rp.id.as_str().into(),
            client_data_hash: request.client_data_hash.0.into(),
            user: Some((
                request.user.id.as_bytes().into(),
                request.user.name.as_deref().map(str::to_owned),
                request.user.display_name.as_deref().map(str::to_owned),
            )),
            algorithms: request.algorithms.iter().copied().filter(|id| [-7, -8].contains(id)).collect(),
            listed: request.exclude_list.iter().map(|listed| listed.id.as_bytes().into()).collect(),
            options: [request.options.rk, request.options.up, request.options.uv],
            pin_uv_auth: request.pin_uv_auth.clone().map(|auth| (auth.param, auth.protocol)),
            enterprise_attestation: request.enterprise_attestation,
            cred_protect: request.extensions.cred_protect,
            hmac_secret: request.extensions.hmac_secret,
            hmac_secret_input: None,
        }),
        Request::GetAssertion(request) => Said::Ceremony(Ceremony {
            rp_id: request.rp_id.as_str().into(),
            client_data_hash: request.client_data_hash.0.into(),
            user: None,
            algorithms: vec![],
            listed: request.allow_list.iter().flatten().map(|listed| listed.id.as_bytes().into()).collect(),
            options: [request.options.rk, request.options.up, request.options.uv],
            pin_uv_auth: request.pin_uv_auth.clone().map(|auth| (auth.param, auth.protocol)),
            enterprise_attestation: None,
            cred_protect: None,
            hmac_secret: None,
            hmac_secret_input: request.extensions.hmac_secret.clone().map(|input| {
                let key = input.key_agreement;
                ([key.x.into(), key.y.into(), input.salt_enc, input.salt_auth], input.pin_uv_auth_protocol)
            }),
        }),
        Request::ClientPin(request) => Said::Pin(pin_said(request)),
        Request::CredentialManagement(request) => Said::Managed(managed(request)),
        Request::LargeBlobs(request) => Said::Blobs(blobs(request)),
        Request::Config(request) => Said::Configured(configured(request)),
        _ => return None,
    })
}

fn their_options(options: Option<&AuthenticatorOptions>) -> [Option<bool>; 3] {
    options.map_or([None; 3], |options| [options.rk, options.up, options.uv])
}

fn their_list(list: Option<&[PublicKeyCredentialDescriptorRef<'_>]>) -> Vec<Vec<u8>> {
    let known = list.unwrap_or_default().iter().filter(|listed| listed.key_type == "public-key");
    known.map(|listed| listed.id.to_vec()).collect()
}

fn they_said(request: &Theirs<'_>) -> Option<Said> {
    Some(match request {
        Theirs::MakeCredential(request) => Said::Ceremony(Ceremony {
            rp_id: request.rp.id.as_str().into(),
            client_data_hash: request.client_data_hash.to_vec(),
            user: Some((
                request.user.id.to_vec(),
                request.user.name.as_ref().map(|name| name.as_str().into()),
                request.user.display_name.as_ref().map(|name| name.as_str().into()),
            )),
            algorithms: request.pub_key_cred_params.0.iter().map(|known| known.alg().into()).collect(),
            listed: their_list(request.exclude_list.as_deref()),
            options: their_options(request.options.as_ref()),
            pin_uv_auth: request.pin_auth.map(|param| (param.to_vec(), request.pin_protocol.map(u64::from))),
            enterprise_attestation: request.enterprise_attestation.map(u64::from),
            cred_protect: request.extensions.as_ref().and_then(|ext| ext.cred_protect).map(u64::from),
            hmac_secret: request.extensions.as_ref().and_then(|ext| ext.hmac_secret),
            hmac_secret_input: None,
        }),
        Theirs::GetAssertion(request) => Said::Ceremony(Ceremony {
            rp_id: request.rp_id.into(),
            client_data_hash: request.client_data_hash.to_vec(),
            user: None,
            algorithms: vec![],
            listed: their_list(request.allow_list.as_deref()),
            options: their_options(request.options.as_ref()),
            pin_uv_auth: request.pin_auth.map(|param| (param.to_vec(), request.pin_protocol.map(u64::from))),
            enterprise_attestation: None,
            cred_protect: None,
            hmac_secret: None,
            hmac_secret_input: request.extensions.as_ref().and_then(|ext| ext.hmac_secret.as_ref()).map(
                |input| {
                    let key = &input.key_agreement;
                    let parts =
                        [key.x.to_vec(), key.y.to_vec(), input.salt_enc.to_vec(), input.salt_auth.to_vec()];
                    (parts, input.pin_protocol.map(u64::from))
                },
            ),
        }),
        Theirs::ClientPin(request) => Said::Pin(their_pin(request)),
        Theirs::CredentialManagement(request) => Said::Managed(their_managed(request)),
        Theirs::LargeBlobs(request) => Said::Blobs(their_blobs(request)),
        Theirs::Config(request) => Said::Configured(their_configured(request)),
        _ => return None,
    })
}

type Auth = Option<(Vec<u8>, Option<u64>)>;

/// A protocol without a parameter says nothing to us.
fn auth(auth: Option<&PinUvAuth>) -> Auth {
    auth.map(|auth| (auth.param.clone(), auth.protocol))
}

fn their_auth(param: Option<&(impl AsRef<[u8]> + ?Sized)>, protocol: Option<impl Into<u64>>) -> Auth {
    param.map(|param| (param.as_ref().to_vec(), protocol.map(Into::into)))
}

/// clientPIN, as far as the sub-command asks for it.
#[derive(Debug, PartialEq, Default)]
struct Pin {
    number: u64,
    protocol: Option<u64>,
    key: Option<[Vec<u8>; 2]>,
    param: Option<Vec<u8>>,
    new_pin: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    permissions: Option<u64>,
    rp_id: Option<String>,
}

fn pin_said(request: &ClientPin) -> Pin {
    let of = |number, platform: &PlatformKey| Pin {
        number,
        protocol: Some(platform.pin_uv_auth_protocol),
        key: Some([platform.key_agreement.x.into(), platform.key_agreement.y.into()]),
        ..Pin::default()
    };
    match request.clone() {
        ClientPin::GetPinRetries => Pin { number: 1, ..Pin::default() },
        ClientPin::GetKeyAgreement { pin_uv_auth_protocol } => {
            Pin { number: 2, protocol: Some(pin_uv_auth_protocol), ..Pin::default() }
        }
        ClientPin::SetPin { platform, new_pin_enc, pin_uv_auth_param } => {
            Pin { new_pin: Some(new_pin_enc), param: Some(pin_uv_auth_param), ..of(3, &platform) }
        }
        ClientPin::ChangePin { platform, new_pin_enc, pin_hash_enc, pin_uv_auth_param } => Pin {
            new_pin: Some(new_pin_enc),
            hash: Some(pin_hash_enc),
            param: Some(pin_uv_auth_param),
            ..of(4, &platform)
        },
        ClientPin::GetPinToken { platform, pin_hash_enc, permissions, rp_id } => Pin {
            hash: Some(pin_hash_enc),
            permissions,
            rp_id: rp_id.map(|id| id.as_str().into()),
            ..of(5, &platform)
        },
        ClientPin::GetTokenUsingUv { platform, permissions, rp_id } => Pin {
            permissions: Some(permissions),
            rp_id: rp_id.map(|id| id.as_str().into()),
            ..of(6, &platform)
        },
        ClientPin::GetUvRetries => Pin { number: 7, ..Pin::default() },
        ClientPin::GetTokenUsingPin { platform, pin_hash_enc, permissions, rp_id } => Pin {
            hash: Some(pin_hash_enc),
            permissions: Some(permissions),
            rp_id: rp_id.map(|id| id.as_str().into()),
            ..of(9, &platform)
        },
        other => panic!("{other:?}"),
    }
}

fn their_pin(request: &client_pin::Request<'_>) -> Pin {
    let number = request.sub_command.clone() as u64;
    let whole = Pin {
        number,
        protocol: request.pin_protocol.map(u64::from),
        key: request.key_agreement.as_ref().map(|key| [key.x.to_vec(), key.y.to_vec()]),
        param: request.pin_auth.map(|bytes| bytes.to_vec()),
        new_pin: request.new_pin_enc.map(|bytes| bytes.to_vec()),
        hash: request.pin_hash_enc.map(|bytes| bytes.to_vec()),
        permissions: request.permissions.map(u64::from),
        rp_id: request.rp_id.map(Into::into),
    };
    // These need nothing, and whatever else is there does not matter.
    if matches!(number, 1 | 7) { Pin { number, ..Pin::default() } } else { whole }
}

/// authenticatorCredentialManagement.
#[derive(Debug, PartialEq)]
struct Managed {
    number: u64,
    rp_id_hash: Option<Vec<u8>>,
    credential: Option<Vec<u8>>,
    user: Option<(Vec<u8>, Option<String>, Option<String>)>,
    auth: Auth,
}

fn managed(request: &CredentialManagement) -> Managed {
    let said = |number, rp_id_hash, credential, user| Managed {
        number,
        rp_id_hash,
        credential,
        user,
        auth: auth(request.pin_uv_auth.as_ref()),
    };
    match request.subcommand.clone() {
        ManageCredentials::GetMetadata => said(1, None, None, None),
        ManageCredentials::EnumerateRpsBegin => said(2, None, None, None),
        ManageCredentials::EnumerateRpsNext => said(3, None, None, None),
        ManageCredentials::EnumerateCredentialsBegin { rp_id_hash } => {
            said(4, Some(rp_id_hash.0.into()), None, None)
        }
        ManageCredentials::EnumerateCredentialsNext => said(5, None, None, None),
        ManageCredentials::Delete { credential } => {
            said(6, None, credential.map(|id| id.as_bytes().into()), None)
        }
        ManageCredentials::UpdateUser { credential, user } => said(
            7,
            None,
            credential.map(|id| id.as_bytes().into()),
            Some((
                user.id.as_bytes().into(),
                user.name.as_deref().map(str::to_owned),
                user.display_name.as_deref().map(str::to_owned),
            )),
        ),
    }
}

fn their_managed(request: &credential_management::Request<'_>) -> Managed {
    let parameters = request.sub_command_params.as_ref();
    let user = parameters.and_then(|parameters| parameters.user.as_ref());
    Managed {
        number: request.sub_command as u64,
        rp_id_hash: parameters.and_then(|parameters| parameters.rp_id_hash).map(|hash| hash.to_vec()),
        credential: parameters
            .and_then(|parameters| parameters.credential_id.as_ref())
            .map(|descriptor| descriptor.id.to_vec()),
        user: user.map(|user| {
            let text = |name: Option<&str>| name.map(Into::into);
            (user.id.to_vec(), text(user.name.as_deref()), text(user.display_name.as_deref()))
        }),
        auth: their_auth(request.pin_auth, request.pin_protocol),
    }
}

/// authenticatorLargeBlobs.
#[derive(Debug, PartialEq)]
struct Blobs {
    set: Option<Vec<u8>>,
    /// get, offset, length
    numbers: [Option<u64>; 3],
    auth: Auth,
}

fn blobs(request: &LargeBlobs) -> Blobs {
    Blobs {
        set: request.set.clone(),
        numbers: [request.get, request.offset, request.length],
        auth: auth(request.pin_uv_auth.as_ref()),
    }
}

fn their_blobs(request: &large_blobs::Request<'_>) -> Blobs {
    let numbers = [request.get, Some(request.offset), request.length];
    Blobs {
        set: request.set.map(|bytes| bytes.to_vec()),
        numbers: numbers.map(|number| number.map(u64::from)),
        auth: their_auth(request.pin_uv_auth_param, request.pin_uv_auth_protocol),
    }
}

/// authenticatorConfig.
#[derive(Debug, PartialEq)]
struct Configured {
    number: u64,
    min_pin_length: Option<u64>,
    rp_ids: Option<Vec<String>>,
    force_change: Option<bool>,
    auth: Auth,
}

fn configured(request: &Config) -> Configured {
    let length = match request.subcommand.clone() {
        Configure::SetMinPinLength(length) => length,
        _ => Default::default(),
    };
    let text = |ids: Vec<RpId>| ids.iter().map(|id| id.as_str().into()).collect();
    Configured {
        number: request.subcommand.number().into(),
        min_pin_length: length.new_min_pin_length,
        rp_ids: length.min_pin_length_rp_ids.map(text),
        force_change: length.force_change_pin,
        auth: auth(request.pin_uv_auth.as_ref()),
    }
}

fn their_configured(request: &config::Request<'_>) -> Configured {
    let length = request.sub_command_params.clone().unwrap_or_default();
    Configured {
        number: request.sub_command as u64,
        min_pin_length: length.new_min_pin_length.map(u64::from),
        rp_ids: length.min_pin_length_rp_ids.map(|ids| ids.iter().map(|id| (*id).into()).collect()),
        force_change: length.force_change_pin,
        auth: their_auth(request.pin_auth, request.pin_protocol),
    }
}

#[test]
fn what_both_read_says_the_same() {
    let mut compared = 0;
    for (vector, message) in requests() {
        let (Ok(ours), Ok(theirs)) = (ours(&message), Theirs::deserialize(&message)) else { continue };
        let (Some(ours), Some(theirs)) = (said(&ours), they_said(&theirs)) else { continue };
        assert_eq!(ours, theirs, "{vector}");
        compared += 1;
    }
    // The transcripts, the hmac-secret exchanges and the samples at the very least.
    assert!(compared > 28 + 22, "{compared}");
}

#[test]
fn their_limits_are_not_ours() {
    // An allowList of 11: they have room for 10. The number of elements is announced in getInfo, by each for itself.
    let element = hex::decode("a2626964410164747970656a7075626c69632d6b6579").unwrap();
    let set = vectors("ctap2_transcripts");
    let plain = bytes(&list(&set, "vectors")[0], "ga_request");
    let at = plain.windows(2).position(|window| window == [0x03, 0x81]).unwrap();
    let listed = |count: u8| [&plain[..at], &[0x03, 0x80 + count], &element.repeat(count.into())].concat();
    let limits = Limits { max_message: 7609, max_list: 16 };
    assert!(Theirs::deserialize(&listed(10)).is_ok());
    assert!(Theirs::deserialize(&listed(11)).is_err());
    assert!(Request::decode(&listed(11), &limits).is_ok());
}

/// The vectors have no extensions but credProtect and hmac-secret. These requests are ours, with all that both know:
/// ctap-types lacks `largeBlob` and `pinComplexityPolicy`.
#[test]
fn extension_inputs_say_the_same_to_both() {
    let set = vectors("ctap2_transcripts");
    let vector = &list(&set, "vectors")[0];
    let salts = HmacSecretInput {
        key_agreement: P256Point { x: [1; 32], y: [2; 32] },
        salt_enc: vec![3; 80],
        salt_auth: vec![4; 32],
        pin_uv_auth_protocol: Some(2),
    };
    for on in [true, false] {
        let Ok(Request::MakeCredential(mut create)) = ours(&bytes(vector, "mc_request")) else { panic!() };
        create.extensions = MakeCredentialExtensions {
            cred_blob: Some(b"blob".into()),
            cred_protect: Some(2),
            hmac_secret: Some(on),
            large_blob_key: Some(on),
            min_pin_length: Some(on),
            hmac_secret_mc: Some(salts.clone()),
            third_party_payment: Some(on),
            ..Default::default()
        };
        let message = Request::MakeCredential(create).encode();
        let Ok(Theirs::MakeCredential(theirs)) = Theirs::deserialize(&message) else { panic!() };
        let theirs = theirs.extensions.unwrap();
        assert_eq!(theirs.cred_blob.map(|blob| blob.as_ref()), Some(&b"blob"[..]));
        assert_eq!(theirs.cred_protect, Some(2));
        assert_eq!([theirs.hmac_secret, theirs.large_blob_key], [Some(on); 2]);
        assert_eq!([theirs.min_pin_length, theirs.third_party_payment], [Some(on); 2]);
        let mc = theirs.hmac_secret_mc.unwrap();
        assert_eq!((mc.salt_enc.as_slice(), mc.salt_auth.as_slice()), (&[3; 80][..], &[4; 32][..]));
        assert_eq!((mc.key_agreement.x.to_vec(), mc.pin_protocol), (vec![1; 32], Some(2)));

        let Ok(Request::GetAssertion(mut get)) = ours(&bytes(vector, "ga_request")) else { panic!() };
        get.extensions = GetAssertionExtensions {
            cred_blob: Some(on),
            hmac_secret: Some(salts.clone()),
            large_blob_key: Some(on),
            third_party_payment: Some(on),
            ..Default::default()
        };
        let message = Request::GetAssertion(get).encode();
        let Ok(Theirs::GetAssertion(theirs)) = Theirs::deserialize(&message) else { panic!() };
        let theirs = theirs.extensions.unwrap();
        assert_eq!([theirs.cred_blob, theirs.large_blob_key, theirs.third_party_payment], [Some(on); 3]);
        assert_eq!(theirs.hmac_secret.unwrap().salt_enc.as_slice(), [3; 80]);
    }
}
