//! `countersign vectors run`, against `countersign device` and against authenticators that are wrong or not there.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{
    Home,
    hid::{Plugged, create_discoverable},
};
use serde_json::{Value, json};

/// How many vectors are built in.
const ALL: u64 = 185;

fn verdicts(report: &Value, verdict: &str) -> Vec<String> {
    let vectors = report["vectors"].as_array().unwrap().iter();
    let vectors = vectors.filter(|vector| vector["verdict"] == verdict);
    vectors.map(|vector| vector["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn vectors_all_pass_against_our_own_device() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    // What was there before does not count.
    assert_eq!(plugged.client().cbor(&create_discoverable(1))[0], 0);
    let run = home.json(&["vectors", "run", "--udp", &plugged.address, "--control", &plugged.control]);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(verdicts(&report, "FAIL"), Vec::<String>::new());
    assert_eq!(verdicts(&report, "NOT RUN"), Vec::<String>::new());
    assert_eq!((run.code, report["passed"].as_bool()), (0, Some(true)));
    assert_eq!(report["vectors"].as_array().unwrap().len() as u64, ALL);
    assert_eq!(report["ok"].as_u64().unwrap() + report["acceptable"].as_u64().unwrap(), ALL);
}

#[test]
fn vectors_whose_precondition_cannot_be_met_are_named_and_fail_the_run() {
    let home = Home::new();
    // Nobody touches: no reset.
    let plugged = Plugged::new(&home, &["--touch-timeout", "1"]);
    plugged.order("touch off");
    let file = home.write("one.json", one_vector("0x01").to_string().as_bytes());
    let run = home.run(&["vectors", "run", "--udp", &plugged.address, "--file", &file]);
    assert_eq!(run.code, 1);
    let text = run.text();
    assert!(text.contains("NOT RUN     unknown-command"), "{text}");
    assert!(text.contains("authenticatorReset answered 0x2f"), "{text}");
    assert!(text.contains("1 vector: 0 ok, 0 acceptable, 0 failed, 1 not run"), "{text}");
}

fn one_vector(expected: &str) -> Value {
    json!({ "set": "mine", "vectors": [{
        "name": "unknown-command",
        "why": "nobody knows it",
        "precondition": "fresh",
        "command": "00",
        "expected": [expected],
    }]})
}

#[test]
fn vectors_that_are_answered_otherwise_fail_the_run() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let right = home.write("right.json", one_vector("0x01").to_string().as_bytes());
    assert_eq!(home.run(&["vectors", "run", "--udp", &plugged.address, "--file", &right]).code, 0);
    let wrong = home.write("wrong.json", one_vector("0x12").to_string().as_bytes());
    let run = home.run(&["vectors", "run", "--udp", &plugged.address, "--file", &wrong]);
    assert_eq!(run.code, 1);
    let text = run.text();
    assert!(text.contains("FAIL        unknown-command"), "{text}");
    assert!(text.contains("0x01  expected: 0x12") && text.contains("nobody knows it"), "{text}");
}

#[test]
fn vectors_that_are_none_are_refused() {
    let home = Home::new();
    for file in ["{}", "[]", "{\"set\":\"x\",\"vectors\":[]}", &one_vector("1").to_string()] {
        let file = home.write("vectors.json", file.as_bytes());
        home.json(&["vectors", "run", "--udp", "127.0.0.1:9", "--file", &file]).fails(2, "bad-vectors");
    }
}

#[test]
fn vectors_say_that_nobody_is_there() {
    let home = Home::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    home.json(&["vectors", "run", "--udp", &address]).fails(1, "no-authenticator");
    drop(silent);
    home.json(&["vectors", "run", "--udp", &address]).fails(1, "no-authenticator");
    home.json(&["vectors", "run", "--udp", "nonsense"]).fails(2, "bad-address");
}

#[test]
fn vectors_survive_an_authenticator_that_talks_nonsense() {
    let home = Home::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let echo = std::thread::spawn(move || {
        let mut report = [0; 64];
        while !stop.load(Ordering::Relaxed) {
            // The request comes back as it is: an INIT whose response is too short.
            if let Ok((length, from)) = socket.recv_from(&mut report) {
                socket.send_to(&report[..length], from).unwrap();
            }
        }
    });
    home.json(&["vectors", "run", "--udp", &address]).fails(1, "protocol");
    done.store(true, Ordering::Relaxed);
    echo.join().unwrap();
}
