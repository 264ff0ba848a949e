//! One well-formed message for each command and sub-command that manages something, in the standard's key numbers, written
//! by ciborium; and what becomes of each when a member is taken out, or is of another type.

use ciborium::{Value, cbor};

/// A message as a platform sends it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) command: u8,
    pub(crate) parameters: Value,
    /// The members that may be absent, as dotted paths.
    optional: &'static [&'static str],
}

/// A message in which one member is not as it should be.
pub(crate) struct Variant {
    /// `NAME-missing-PATH` or `NAME-type-PATH-VALUE`.
    pub(crate) name: String,
    pub(crate) message: Vec<u8>,
    /// For [`Sample::without_members`]: whether it may be absent.
    pub(crate) allowed: bool,
}

pub(crate) const RP_ID: &str = "example.com";
/// Coordinates of a key-agreement key; not a point of the curve.
pub(crate) const X: [u8; 32] = [0x11; 32];
pub(crate) const Y: [u8; 32] = [0x22; 32];

fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

fn cose_key() -> Value {
    cbor!({ 1 => 2, 3 => -25, -1 => 1, -2 => bytes(X), -3 => bytes(Y) }).unwrap()
}

fn descriptor() -> Value {
    cbor!({ "id" => bytes([0xc1; 16]), "type" => "public-key" }).unwrap()
}

fn user() -> Value {
    cbor!({ "id" => bytes([0x1d; 8]), "name" => "alex", "displayName" => "Alex" }).unwrap()
}

/// Every sample.
pub(crate) fn samples() -> Vec<Sample> {
    [client_pin(), credential_management(), large_blobs(), config()].into_iter().flatten().collect()
}

pub(crate) fn sample(name: &str) -> Sample {
    samples().into_iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no sample {name}"))
}

fn client_pin() -> Vec<Sample> {
    let (new_pin, hash) = (bytes([0xe5; 64]), bytes([0xe6; 16]));
    let sample = |name, parameters: Result<Value, _>, optional| Sample {
        name,
        command: 0x06,
        parameters: parameters.unwrap(),
        optional,
    };
    vec![
        sample("getPINRetries", cbor!({ 2 => 1 }), &[]),
        sample("getKeyAgreement", cbor!({ 1 => 2, 2 => 2 }), &[]),
        sample(
            "setPIN",
            cbor!({ 1 => 1, 2 => 3, 3 => cose_key(), 4 => bytes([0xa4; 16]), 5 => new_pin }),
            &[],
        ),
        sample(
            "changePIN",
            cbor!({ 1 => 2, 2 => 4, 3 => cose_key(), 4 => bytes([0xa4; 32]), 5 => new_pin, 6 => hash }),
            &[],
        ),
        sample("getPinToken", cbor!({ 1 => 1, 2 => 5, 3 => cose_key(), 6 => hash }), &[]),
        sample(
            "getPinUvAuthTokenUsingUvWithPermissions",
            cbor!({ 1 => 2, 2 => 6, 3 => cose_key(), 9 => 3, 10 => RP_ID }),
            &["10"],
        ),
        sample("getUVRetries", cbor!({ 2 => 7 }), &[]),
        sample(
            "getPinUvAuthTokenUsingPinWithPermissions",
            cbor!({ 1 => 2, 2 => 9, 3 => cose_key(), 6 => hash, 9 => 0x7f, 10 => RP_ID }),
            &["10"],
        ),
    ]
}

fn credential_management() -> Vec<Sample> {
    let param = bytes([0xa4; 16]);
    let sample = |name, parameters: Result<Value, _>, optional| Sample {
        name,
        command: 0x0a,
        parameters: parameters.unwrap(),
        optional,
    };
    vec![
        sample("getCredsMetadata", cbor!({ 1 => 1, 3 => 1, 4 => param }), &["3", "4"]),
        sample("enumerateRPsBegin", cbor!({ 1 => 2, 3 => 2, 4 => bytes([0xa4; 32]) }), &["3", "4"]),
        sample("enumerateRPsGetNextRP", cbor!({ 1 => 3 }), &[]),
        sample(
            "enumerateCredentialsBegin",
            cbor!({ 1 => 4, 2 => { 1 => bytes([0x4a; 32]) }, 3 => 1, 4 => param }),
            &["3", "4"],
        ),
        sample("enumerateCredentialsGetNextCredential", cbor!({ 1 => 5 }), &[]),
        sample(
            "deleteCredential",
            cbor!({ 1 => 6, 2 => { 2 => descriptor() }, 3 => 1, 4 => param }),
            &["3", "4"],
        ),
        sample(
            "updateUserInformation",
            cbor!({ 1 => 7, 2 => { 2 => descriptor(), 3 => user() }, 3 => 1, 4 => param }),
            &["3", "4", "2.3.name", "2.3.displayName"],
        ),
    ]
}

fn large_blobs() -> Vec<Sample> {
    let all = &["1", "2", "3", "4", "5", "6"];
    let get = cbor!({ 1 => 960, 3 => 0 }).unwrap();
    let set = cbor!({ 2 => bytes([0xb1; 17]), 3 => 0, 4 => 17, 5 => bytes([0xa4; 32]), 6 => 2 }).unwrap();
    vec![
        Sample { name: "largeBlobs-get", command: 0x0c, parameters: get, optional: all },
        Sample { name: "largeBlobs-set", command: 0x0c, parameters: set, optional: all },
    ]
}

fn config() -> Vec<Sample> {
    let param = bytes([0xa4; 16]);
    let optional = &["2", "3", "4", "2.1", "2.2", "2.3", "2.4"];
    let sample = |name, parameters: Result<Value, _>| Sample {
        name,
        command: 0x0d,
        parameters: parameters.unwrap(),
        optional,
    };
    vec![
        sample("enableEnterpriseAttestation", cbor!({ 1 => 1, 3 => 1, 4 => param })),
        sample("toggleAlwaysUv", cbor!({ 1 => 2, 3 => 1, 4 => param })),
        sample(
            "setMinPINLength",
            cbor!({ 1 => 3, 2 => { 1 => 6, 2 => [RP_ID, "b.example"], 3 => true }, 3 => 1, 4 => param }),
        ),
        sample("setMinPINLength-policy", cbor!({ 1 => 3, 2 => { 4 => true }, 3 => 1, 4 => param })),
        sample("enableLongTouchForReset", cbor!({ 1 => 4, 3 => 2, 4 => bytes([0xa4; 32]) })),
    ]
}

/// Step by step into maps by their keys, into arrays by index.
type Path = Vec<Value>;

impl Sample {
    pub(crate) fn message(&self) -> Vec<u8> {
        self.with(&self.parameters)
    }

    /// The same command with other parameters.
    pub(crate) fn with(&self, parameters: &Value) -> Vec<u8> {
        let mut message = vec![self.command];
        ciborium::into_writer(parameters, &mut message).unwrap();
        message
    }

    /// Each member of each map taken out in turn.
    pub(crate) fn without_members(&self) -> Vec<Variant> {
        let members = paths(&self.parameters).into_iter().filter(|path| !in_array(&self.parameters, path));
        let without = |path: Path| {
            let mut parameters = self.parameters.clone();
            let (key, map) = path.split_last().unwrap();
            into(&mut parameters, map).as_map_mut().unwrap().retain(|(k, _)| k != key);
            let name = format!("{}-missing-{}", self.name, dotted(&path));
            Variant {
                name,
                message: self.with(&parameters),
                allowed: self.optional.contains(&dotted(&path).as_str()),
            }
        };
        members.map(without).collect()
    }

    /// Each member replaced in turn by values of every other type.
    pub(crate) fn with_wrong_types(&self) -> Vec<Variant> {
        let mut variants = Vec::new();
        for path in paths(&self.parameters) {
            let right = into(&mut self.parameters.clone(), &path).clone();
            for wrong in wrong_types(&right) {
                let mut parameters = self.parameters.clone();
                *into(&mut parameters, &path) = wrong.clone();
                let value = format!("{wrong:?}").to_lowercase();
                let name = format!("{}-type-{}-{value}", self.name, dotted(&path));
                variants.push(Variant { name, message: self.with(&parameters), allowed: false });
            }
        }
        variants
    }
}

/// A value of every other type. Unsigned integers are a type of their own, and may not be negative.
fn wrong_types(right: &Value) -> Vec<Value> {
    let all = [
        Value::Integer(0.into()),
        Value::Integer((-1).into()),
        bytes([0]),
        Value::Text("0".into()),
        Value::Array(vec![]),
        Value::Map(vec![]),
        Value::Bool(true),
        Value::Null,
    ];
    let signed = right.as_integer().is_some_and(|number| i128::from(number) < 0);
    let same = |other: &Value| match (right, other) {
        (Value::Integer(_), Value::Integer(other)) => signed || i128::from(*other) >= 0,
        _ => std::mem::discriminant(right) == std::mem::discriminant(other),
    };
    all.into_iter().filter(|other| !same(other)).collect()
}

fn in_array(parameters: &Value, path: &[Value]) -> bool {
    let (_, parent) = path.split_last().unwrap();
    into(&mut parameters.clone(), parent).is_array()
}

/// The paths to everything in a value, itself left out.
fn paths(value: &Value) -> Vec<Path> {
    let children: Vec<(Value, &Value)> = match value {
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => (0u64..).map(Value::from).zip(elements).collect(),
        _ => vec![],
    };
    let with_their_own = |(key, child): (Value, &Value)| {
        let below = paths(child).into_iter();
        let below: Vec<Path> =
            below.map(|path| [std::slice::from_ref(&key), path.as_slice()].concat()).collect();
        [vec![vec![key]], below].concat()
    };
    children.into_iter().flat_map(with_their_own).collect()
}

fn into<'a>(value: &'a mut Value, path: &[Value]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Map(entries) => &mut entries.iter_mut().find(|(key, _)| key == step).unwrap().1,
        Value::Array(elements) => &mut elements[usize::try_from(step.as_integer().unwrap()).unwrap()],
        _ => panic!("no way into {value:?}"),
    })
}

fn dotted(path: &[Value]) -> String {
    let step = |step: &Value| match step {
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} as a key"),
    };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}
