//! A second opinion: `ctap-types` reads every request of the vectors too. Where the outcome differs from that of our
//! reader, the class of difference is listed here with its reason: an unlisted difference fails, and so does a listed
//! class that no longer occurs. Where both read a request, they have to have read the same.

mod common;

use common::vectors::{bytes, list, vectors};
use countersign::ctap2::{Limits, Request, Status};
use ctap_types::{
    ctap2::{AuthenticatorOptions, Request as Theirs},
    webauthn::PublicKeyCredentialDescriptorRef,
};
use serde_json::Value;

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
    /// Every clientPIN request with a sub-command that comes with PIN support.
    SubCommandsToCome,
    /// The vectors of these names.
    Named(&'static [&'static str]),
}
use Covers::{Kind, Named, SubCommandsToCome};

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
        covers: Named(&["mc-type-options-rk-null"]),
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
        covers: Named(&["ok-mc-unknown-outer-key", "ok-mc-depth-4"]),
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
        covers: Named(&["cp-getKeyAgreement-missing-protocol"]),
        reason: "they leave to the handler which parameters a sub-command needs",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: Some(0x12),
        covers: Named(&["cp-subcommand-0", "cp-subcommand-8", "cp-subcommand-127"]),
        reason: "an unknown sub-command is INVALID_SUBCOMMAND",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: None,
        covers: Named(&["cp-getUVRetries-unsupported"]),
        reason: "there is no getUVRetries without built-in user verification",
    },
    Class {
        ours: Some(Status::InvalidLength),
        theirs: Some(0x12),
        covers: Named(&["empty-message"]),
        reason: "no source fixes the status of a message without a command byte",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: None,
        covers: SubCommandsToCome,
        reason: "sub-commands that come with PIN support",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: Some(0x12),
        covers: SubCommandsToCome,
        reason: "sub-commands that come with PIN support, malformed",
    },
    Class {
        ours: Some(Status::InvalidSubcommand),
        theirs: Some(0x14),
        covers: SubCommandsToCome,
        reason: "sub-commands that come with PIN support, with a member missing",
    },
];

impl Covers {
    fn covers(&self, vector: &Value, message: &[u8]) -> bool {
        match self {
            Kind(kind) => vector["kind"] == *kind,
            // {1: protocol, 2: sub-command, ...}, the protocol below 24.
            SubCommandsToCome => matches!(
                message,
                [0x06, _, 0x01, _, 0x02, 1 | 3 | 4 | 5 | 9, ..] | [0x06, _, 0x02, 1 | 3 | 4 | 5 | 9, ..]
            ),
            Named(names) => vector["name"].as_str().is_some_and(|name| names.contains(&name)),
        }
    }
}

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
    requests
}

fn ours(message: &[u8]) -> Result<Request, Status> {
    Request::decode(message, &Limits { max_message: 7609, max_list: 8 })
}

#[test]
fn every_difference_in_the_outcome_is_of_a_listed_class() {
    let mut occurred = vec![false; CLASSES.len()];
    for (vector, message) in requests() {
        let (ours, theirs) = (ours(&message).err(), Theirs::deserialize(&message).err().map(u8::from));
        if ours.map(Status::byte) == theirs {
            continue;
        }
        let class = CLASSES.iter().position(|class| {
            class.ours == ours && class.theirs == theirs && class.covers.covers(&vector, &message)
        });
        match class {
            Some(class) => occurred[class] = true,
            None => panic!("unlisted: ours {ours:?}, theirs {theirs:02x?}: {vector}"),
        }
    }
    for (class, occurred) in CLASSES.iter().zip(occurred) {
        assert!(occurred, "no longer occurs: {}", class.reason);
        if let Named(names) = class.covers {
            let known: Vec<_> = requests().into_iter().map(|(vector, _)| vector["name"].clone()).collect();
            assert!(names.iter().all(|name| known.contains(&(*name).into())), "{names:?}");
        }
    }
}

/// What a request says, in terms that both readers have. They know the algorithms -7 and -8 only, and keep
/// descriptors of unknown type.
#[derive(Debug, PartialEq)]
struct Said {
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
        Request::MakeCredential(request) => Said {
            rp_id: request.rp.id.as_str().into(),
            client_data_hash: request.client_data_hash.0.into(),
            user: Some((
                request.user.id.as_bytes().into(),
                request.user.name.clone(),
                request.user.display_name.clone(),
            )),
            algorithms: request.algorithms.iter().copied().filter(|id| [-7, -8].contains(id)).collect(),
            listed: request.exclude_list.iter().map(|listed| listed.id.as_bytes().into()).collect(),
            options: [request.options.rk, request.options.up, request.options.uv],
            pin_uv_auth: request.pin_uv_auth.clone().map(|auth| (auth.param, auth.protocol)),
            enterprise_attestation: request.enterprise_attestation,
            cred_protect: request.extensions.cred_protect,
            hmac_secret: request.extensions.hmac_secret,
            hmac_secret_input: None,
        },
        Request::GetAssertion(request) => Said {
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
        },
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
        Theirs::MakeCredential(request) => Said {
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
        },
        Theirs::GetAssertion(request) => Said {
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
        },
        _ => return None,
    })
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
    // The transcripts and the hmac-secret exchanges at the very least.
    assert!(compared > 28, "{compared}");
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
