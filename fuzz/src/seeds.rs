//! Seeds, out of the conformance vectors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A name, which becomes a file's, and the bytes.
pub type Seed = (String, Vec<u8>);

pub(crate) fn cbor() -> Vec<Seed> {
    let mut seeds = members("cbor_ctap2_canonical", "positive_vectors", "id", &["hex"]);
    seeds.extend(members("cbor_ctap2_canonical", "negative_vectors", "id", &["hex"]));
    seeds.extend(members("cbor_rfc8949_appendix_a", "vectors", "id", &["hex"]));
    // A response without its status byte, and a request without its command byte.
    let messages = members("ctap2_transcripts", "vectors", "id", &["mc_response", "ga_response"]);
    seeds.extend(messages.into_iter().chain(request()).map(|(name, mut message)| {
        message.drain(..message.len().min(1));
        (name, message)
    }));
    seeds
}

pub(crate) fn request() -> Vec<Seed> {
    let mut seeds = members("ctap2_wire_negative", "vectors", "name", &["command"]);
    seeds.extend(members("ctap2_transcripts", "vectors", "id", &["mc_request", "ga_request"]));
    seeds.extend(members("ctap2_hmac_secret", "vectors", "id", &["request"]));
    seeds.extend(managing().into_iter().map(|(name, message)| (format!("managing-{name}"), message)));
    seeds
}

/// What no vector has: one request for each sub-command that manages something.
fn managing() -> Vec<Seed> {
    let descriptor = "a2626964410164747970656a7075626c69632d6b6579";
    let requests = [
        ("metadata", format!("0aa3010103010450{}", "00".repeat(16))),
        ("preview", format!("41a3010103010450{}", "00".repeat(16))),
        ("rps", "0aa10102".to_owned()),
        ("credentials", format!("0aa2010402a1015820{}", "a3".repeat(32))),
        ("delete", format!("0aa2010602a102{descriptor}")),
        ("update", format!("0aa2010702a202{descriptor}03a26269644101646e616d656161")),
        ("blobs-get", "0ca2010a0300".to_owned()),
        ("blobs-set", format!("0ca3025180{}03000411", "76be8b528d0075f7aae98d6fa57a6d3c")),
        ("config-uv", "0da10102".to_owned()),
        ("config-pin", "0da2010302a301060281616103f5".to_owned()),
        ("retries", "06a10201".to_owned()),
    ];
    requests.map(|(name, digits)| (name.to_owned(), hex::decode(digits).expect("digits"))).to_vec()
}

/// Sessions of each kind of authenticator: registrations and sign-ins of the transcripts, the PRF exchanges, and the wire
/// vectors in handfuls.
pub(crate) fn session() -> Vec<Seed> {
    let commands = |seeds: Vec<Seed>| seeds.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    let ceremonies = commands(members("ctap2_transcripts", "vectors", "id", &["mc_request", "ga_request"]));
    let prf = commands(members("ctap2_hmac_secret", "vectors", "id", &["request"]));
    let wire = commands(members("ctap2_wire_negative", "vectors", "name", &["command"]));
    let mut sessions = vec![("ceremonies".to_owned(), ceremonies.clone())];
    sessions.push(("prf".to_owned(), [&ceremonies[..1], &prf].concat()));
    for (number, handful) in wire.chunks(20).enumerate() {
        sessions.push((format!("wire-{number}"), [&ceremonies[..2], handful].concat()));
    }
    let kinds = [0, 1, 2, 3, 61, 63, 64, 65, 188];
    let all = sessions.iter().flat_map(|(name, commands)| {
        kinds.map(|kind| (format!("{name}-{kind}"), super::session::seed(kind, commands)))
    });
    let managing = [64, 65, 66, 68, 96, 192, 193]
        .map(|kind| (format!("managing-{kind}"), super::session::managing_seed(kind)));
    all.chain(managing).collect()
}

/// The commands of the vectors in handfuls, each by turns on two channels; and those of U2F.
pub(crate) fn ctaphid() -> Vec<Seed> {
    let mut commands = members("ctap2_transcripts", "vectors", "id", &["mc_request", "ga_request"]);
    commands.extend(members("ctap2_hmac_secret", "vectors", "id", &["request"]));
    commands.extend(members("ctap2_wire_negative", "vectors", "name", &["command"]));
    let commands: Vec<Vec<u8>> = commands.into_iter().map(|(_, bytes)| bytes).collect();
    let handfuls = (0..).zip(commands.chunks(12));
    let handfuls =
        handfuls.map(|(number, handful)| (format!("handful-{number}"), super::ctaphid::seed(handful)));
    handfuls.chain(u2f()).collect()
}

/// U2F: what is registered and what signs, in both encodings of lengths, and what is refused.
fn u2f() -> [Seed; 3] {
    use super::ctaphid::{PARAMETERS, u2f_command, u2f_seed};
    let version = u2f_command(3, 0, &[]);
    let register = u2f_command(1, 0, &PARAMETERS);
    // One byte for a length.
    let short = |instruction: u8, p1: u8, data: &[u8]| {
        let length = u8::try_from(data.len()).expect("data of at most 255 bytes");
        [&[0, instruction, p1, 0, length], data, &[0]].concat()
    };
    let strange = [&PARAMETERS[..], &[32], &[1; 32]].concat();
    let refused = vec![
        u2f_command(1, 0, &PARAMETERS[1..]),
        u2f_command(2, 3, &strange),
        u2f_command(2, 3, &strange[..80]),
        u2f_command(2, 9, &strange),
        short(0x10, 0, &[]),
        vec![0x80, 3, 0, 0],
        vec![0xff; 300],
    ];
    let seeds = [
        ("u2f", vec![version, register.clone()]),
        ("u2f-short", vec![short(1, 3, &PARAMETERS), vec![0, 3, 0, 0]]),
        ("u2f-refused", [vec![register], refused].concat()),
    ];
    seeds.map(|(name, commands)| (name.to_owned(), u2f_seed(&commands)))
}

/// Every envelope of the vault vectors, genuine or forged.
pub(crate) fn vault_open() -> Vec<Seed> {
    let file = vectors("vault-v1-envelope");
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let states = list(&file, "vaults").iter().flat_map(|vault| list(vault, "states")).collect::<Vec<_>>();
    let all = [states, list(&file, "memory"), list(&file, "negative")].concat();
    let envelopes = all.iter().enumerate().filter_map(|(number, entry)| {
        let bytes = hex::decode(entry["envelope"].as_str()?).ok()?;
        Some((format!("envelope-{number}"), bytes))
    });
    envelopes.chain(of_states("envelope")).collect()
}

/// What the states of `vectors/vault` have of that name: `envelope` or `backup_file`.
pub(crate) fn of_states(what: &'static str) -> impl Iterator<Item = Seed> {
    let of = move |set: &'static str| {
        let states = vectors(&format!("vault/{set}"))["states"].as_array().cloned().unwrap_or_default();
        states.into_iter().filter_map(move |state| {
            let bytes = hex::decode(state[what].as_str()?).ok()?;
            Some((format!("{set}: {}", state["name"].as_str()?), bytes))
        })
    };
    ["states", "python"].into_iter().flat_map(of)
}

/// Options that relying-party libraries generated, and the shapes of the PRF extension's vectors.
pub(crate) fn client_json() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for folder in ["vectors/options", "crates/cli/data"] {
        let entries = fs::read_dir(folder_of(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
                seeds.push((name, fs::read(&path).expect("readable options")));
            }
        }
    }
    for shape in vectors("webauthn_l3_prf")["js_shape_vectors"].as_array().into_iter().flatten() {
        let id = shape["id"].as_str().expect("an id");
        let get =
            serde_json::json!({ "challenge": "AAAA", "rpId": "example.org", "extensions": shape["input"] });
        seeds.push((format!("prf-{id}"), get.to_string().into_bytes()));
    }
    seeds.sort();
    seeds
}

/// The given hexadecimal members of all entries of a list in a vector file.
fn members(set: &str, list: &str, name: &str, members: &[&str]) -> Vec<Seed> {
    let file = vectors(set);
    let entries = file[list].as_array().unwrap_or_else(|| panic!("{set}: no list {list}"));
    let mut seeds = Vec::new();
    for entry in entries {
        let name = entry[name].as_str().unwrap_or_else(|| panic!("{set}: an entry without {name}"));
        for member in members {
            let digits = entry[member].as_str().unwrap_or_else(|| panic!("{set}: {name} without {member}"));
            let bytes = hex::decode(digits).unwrap_or_else(|error| panic!("{set}: {name}: {error}"));
            seeds.push((format!("{set}-{name}-{member}"), bytes));
        }
    }
    seeds
}

/// A file in `vectors/`.
pub(crate) fn vectors(set: &str) -> Value {
    let path = folder_of("vectors").join(format!("{set}.json"));
    let json = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder of the repository, which is this package's folder or the one above.
fn folder_of(name: &str) -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(name));
    folders.find(|folder| folder.is_dir()).unwrap_or_else(|| panic!("no folder {name}"))
}
