//! Hostile options: nothing panics, what is prepared keeps the client's promises, and every budget holds.

mod common;
#[allow(unreachable_pub, reason = "public in the fuzz package, whose body this is")]
#[path = "../fuzz/src/client_json.rs"]
mod fuzz_body;

use std::fs;

use common::{
    client::{caller, create_options, get_options},
    vectors::file,
};
use countersign::client::{CreationOptions, ErrorKind, OptionsError, RequestOptions};
use fuzz_body::client_json;
use proptest::prelude::*;
use serde_json::{Value, json};

fn create_error(text: &[u8]) -> OptionsError {
    CreationOptions::from_json(text).map(drop).expect_err("refused")
}

fn get_error(text: &[u8]) -> OptionsError {
    RequestOptions::from_json(text).map(drop).expect_err("refused")
}

/// The options of the quickstart and of py_webauthn, and some with every member that is used.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds =
        vec![file("crates/cli/data/quickstart-create.json"), file("crates/cli/data/quickstart-get.json")];
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/options")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            seeds.push(fs::read(path).unwrap());
        }
    }
    assert_eq!(seeds.len(), 6);
    let mut create = create_options();
    create["extensions"] = json!({
        "prf": { "eval": { "first": "AA", "second": "AQ" } },
        "credProps": true,
        "credentialProtectionPolicy": "userVerificationRequired",
        "enforceCredentialProtectionPolicy": true,
    });
    let mut get = get_options();
    get["allowCredentials"] = json!([{ "type": "public-key", "id": "AAAA", "transports": ["usb"] }]);
    get["extensions"] = json!({ "prf": { "evalByCredential": { "AAAA": { "first": "AA" } } } });
    seeds.extend([create, get].map(|options| options.to_string().into_bytes()));
    seeds
}

/// Some value to put in a member's place.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{ "type": "public-key", "id": "AAAA", "alg": -7 }])),
        Just(
            json!({ "first": "AA", "eval": { "first": "AA" }, "evalByCredential": { "": { "first": "" } } })
        ),
    ]
}

/// The JSON pointers of all values inside a value.
fn pointers(value: &Value, prefix: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => vec![],
    };
    for (name, child) in children {
        let pointer = format!("{prefix}/{name}");
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_kept_to_the_rules(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        client_json(&bytes);
    }

    #[test]
    fn damaged_options_are_refused_or_kept_to_the_rules(
        seed in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let seeds = seeds();
        let mut text = seeds[seed.index(seeds.len())].clone();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if cut {
            text.truncate(end.index(text.len()));
        }
        client_json(&text);
    }

    #[test]
    fn options_with_any_value_in_any_place_are_refused_or_kept_to_the_rules(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let seeds = seeds();
        let mut options: Value = serde_json::from_slice(&seeds[seed.index(seeds.len())]).unwrap();
        for (at, value) in changes {
            let mut found = vec![String::new()];
            pointers(&options, "", &mut found);
            *options.pointer_mut(&found[at.index(found.len())]).unwrap() = value;
        }
        client_json(options.to_string().as_bytes());
    }
}

#[test]
fn the_seeds_are_understood() {
    for seed in seeds() {
        client_json(&seed);
        assert!(CreationOptions::from_json(&seed).is_ok() || RequestOptions::from_json(&seed).is_ok());
    }
}

#[test]
fn what_is_not_json_is_told_with_line_and_column() {
    let texts: [&[u8]; 12] = [
        b"",
        b" ",
        b"{",
        b"{\"challenge\":\"AA\"",
        b"{\"challenge\":\"AA\"} x",
        b"{\"challenge\":\"AA\"}{}",
        b"{\"challenge\":\"AA\",}",
        b"{challenge:\"AA\"}",
        b"{\"challenge\":\"\xff\"}",
        b"{\"challenge\":\"\\ud800\"}",
        b"\xef\xbb\xbf{\"challenge\":\"AA\"}",
        b"{\"challenge\":\"A\nA\"}",
    ];
    for text in texts {
        assert_eq!(get_error(text).kind(), ErrorKind::NotJson, "{text:?}");
    }
    let error = get_error(b"{\n  \"challenge\": AA\n}");
    assert_eq!(error.to_string(), "line 2 column 16: the text is not JSON");
}

#[test]
fn a_member_that_is_named_twice_is_refused() {
    for text in [
        r#"{"challenge":"AA","challenge":"AA"}"#,
        r#"{"challenge":"AA","challeng\u0065":"AQ"}"#,
        r#"{"challenge":"AA","rpId":"example.org","rpId":"evil.example"}"#,
        r#"{"challenge":"AA","extensions":{"prf":{"eval":{"first":"AA","first":"AQ"}}}}"#,
        r#"{"challenge":"AA","unknown":[{"a":1,"a":1}]}"#,
    ] {
        let error = get_error(text.as_bytes());
        assert_eq!(error.kind(), ErrorKind::NotJson, "{text}");
        assert_eq!(error.reason(), "a member is named twice in one object");
    }
}

#[test]
fn depth_has_a_budget_of_16_levels() {
    let nested = |levels: usize, open: &str, inside: &str, close: &str| {
        let value = [open.repeat(levels), inside.to_owned(), close.repeat(levels)].concat();
        format!(r#"{{"challenge":"AA","unknown":{value}}}"#)
    };
    // The options are the first level.
    for (open, inside, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
        assert!(RequestOptions::from_json(nested(15, open, inside, close).as_bytes()).is_ok());
        for levels in [17, 127, 128, 40_000] {
            let error = get_error(nested(levels, open, inside, close).as_bytes());
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{levels}");
        }
    }
    let unclosed = "[".repeat(200_000);
    assert_eq!(get_error(unclosed.as_bytes()).kind(), ErrorKind::TooLarge);
}

#[test]
fn length_has_a_budget_of_256_kibibytes() {
    let padded = |length: usize| {
        let mut text = get_options().to_string();
        text.push_str(&" ".repeat(length - text.len()));
        text
    };
    assert!(RequestOptions::from_json(padded(256 * 1024).as_bytes()).is_ok());
    assert_eq!(get_error(padded(256 * 1024 + 1).as_bytes()).kind(), ErrorKind::TooLarge);
    let challenge = "A".repeat(200 * 1024);
    let text = json!({ "challenge": challenge }).to_string();
    assert!(RequestOptions::from_json(text.as_bytes()).unwrap().prepare(&caller()).is_ok());
}

#[test]
fn lists_have_a_budget_of_256_elements() {
    let descriptors = |count: usize| json!(vec![json!({ "type": "public-key", "id": "AA" }); count]);
    let mut options = get_options();
    options["allowCredentials"] = descriptors(256);
    assert!(RequestOptions::from_json(options.to_string().as_bytes()).is_ok());
    options["allowCredentials"] = descriptors(257);
    let error = get_error(options.to_string().as_bytes());
    assert_eq!((error.kind(), error.place()), (ErrorKind::TooLarge, "allowCredentials"));

    let mut options = create_options();
    options["pubKeyCredParams"] = json!(vec![json!({ "type": "public-key", "alg": -7 }); 257]);
    let error = create_error(options.to_string().as_bytes());
    assert_eq!((error.kind(), error.place()), (ErrorKind::TooLarge, "pubKeyCredParams"));
    let mut options = create_options();
    options["hints"] = json!(vec!["x"; 257]);
    assert_eq!(create_error(options.to_string().as_bytes()).place(), "hints");

    let keys: Value = (0..257).map(|key| (key.to_string(), json!({ "first": "AA" }))).collect();
    let mut options = get_options();
    options["extensions"] = json!({ "prf": { "evalByCredential": keys } });
    let error = get_error(options.to_string().as_bytes());
    assert_eq!((error.kind(), error.place()), (ErrorKind::TooLarge, "extensions.prf.evalByCredential"));
}

#[test]
fn values_have_a_budget_wherever_they_stand() {
    let unknown = |count: usize| format!(r#"{{"challenge":"AA","unknown":[{}0]}}"#, "0,".repeat(count));
    assert!(RequestOptions::from_json(unknown(16_000).as_bytes()).is_ok());
    assert_eq!(get_error(unknown(16_384).as_bytes()).kind(), ErrorKind::TooLarge);
}

#[test]
fn errors_repeat_nothing_of_the_text() {
    let marker = "SECRETMARKER";
    let prf = |record: Value| json!({ "challenge": "AA", "extensions": { "prf": record } });
    for options in [
        json!({ "challenge": format!("{marker}=") }),
        json!({ "challenge": "AA", "rpId": marker }),
        json!({ "challenge": "AA", "hints": marker }),
        prf(json!({ "eval": { "first": format!("{marker}=") } })),
        prf(json!({ "evalByCredential": { marker: { "first": "=" } } })),
        prf(json!({ "evalByCredential": { marker: { "first": "AA" } } })),
    ] {
        let result = RequestOptions::from_json(options.to_string().as_bytes());
        let error = result.and_then(|options| options.prepare(&caller())).map(drop).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(marker), "{error}");
    }
    let error = get_error(format!(r#"{{"{marker}":1,"{marker}":2}}"#).as_bytes());
    assert!(!format!("{error} {error:?}").contains(marker), "{error}");
}
