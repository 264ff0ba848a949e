//! `countersign device`: the security key over UDP, its control socket, its end.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use std::os::unix::net::UnixListener;

use common::{Home, contains, hid::*, mode, repository};
use countersign::{
    authenticator::{Authenticator, Settings},
    ctap2::Response,
};
use rustix::process::{Pid, Signal, kill_process};

const GET_INFO: &[u8] = &[0x04];
const RESET: &[u8] = &[0x07];
const SELECTION: &[u8] = &[0x0b];

#[test]
fn device_makes_a_key_without_a_pin_and_says_where_it_listens() {
    let home = Home::new();
    let mut plugged = Plugged::new(&home, &[]);
    assert!(plugged.address.starts_with("127.0.0.1:") && !plugged.address.ends_with(":0"));
    let client = plugged.client();
    assert_eq!(client.cbor(GET_INFO)[0], 0);
    client.send(PING, &[7; 7_609]);
    assert_eq!(client.receive(), (PING, vec![7; 7_609]));
    // The directory is in use.
    assert_eq!(home.json(&["key", "info"]).code, 7);
    assert_eq!(plugged.order("quit"), "ok");
    assert_eq!(plugged.exit_code(), Some(0));
    let info = home.json(&["key", "info"]).json();
    assert_eq!((info["role"].as_str(), info["pinSet"].as_bool()), (Some("security-key"), Some(false)));
    assert!(!home.path("control").exists(), "the control socket goes with it");
}

#[test]
fn device_serves_the_key_that_is_there() {
    let home = Home::with_key();
    let mut plugged = Plugged::new(&home, &[]);
    assert_eq!(
        plugged.client().cbor(&create_discoverable(1))[0],
        0x36,
        "its PIN is set, and the platform has to send it"
    );
    plugged.order("quit");
    plugged.exit_code();
    assert_eq!(home.json(&["key", "info"]).json()["pinSet"], true);
}

#[test]
fn device_refuses_any_address_but_loopback_and_makes_nothing() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "192.0.2.1:8111", "[::]:0"] {
        home.json(&["device", "--udp", address, "--auto-approve"]).fails(2, "not-loopback");
    }
    home.json(&["device", "--udp", "127.0.0.1:0"]).fails(3, "no-terminal");
    home.json(&["device", "--udp", "localhost", "--auto-approve"]).fails(2, "usage");
    assert!(!home.base().exists());
}

#[test]
fn device_says_that_a_port_or_a_control_socket_is_taken() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let other = Home::new();
    other.json(&["device", "--udp", &plugged.address, "--auto-approve"]).fails(7, "busy");
    let arguments = ["device", "--udp", "127.0.0.1:0", "--auto-approve", "--control"];
    other.json(&[&arguments[..], &[&plugged.control]].concat()).fails(7, "busy");
    let file = other.write("file", b"something else");
    other.json(&[&arguments[..], &[&file]].concat()).fails(1, "exists");
    assert_eq!(std::fs::read(file).unwrap(), b"something else");
    let long = other.path(&"a".repeat(120));
    other.json(&[&arguments[..], &[long.to_str().unwrap()]].concat()).fails(2, "bad-path");
}

/// A directory with the attestation key and the certificate of the host's tests.
fn attestation(home: &Home) -> String {
    let read = |name| std::fs::read(repository(&format!("crates/host/tests/data/{name}"))).unwrap();
    std::fs::create_dir(home.path("attestation")).unwrap();
    for name in ["attestation.key.pem", "attestation.pem"] {
        home.write(&format!("attestation/{name}"), &read(name));
    }
    home.path("attestation").to_str().unwrap().to_owned()
}

#[test]
fn device_has_passkeys_vouched_for_by_certificate_after_a_power_cycle_too() {
    let home = Home::new();
    let directory = attestation(&home);
    let plugged = Plugged::new(&home, &["--attestation", &directory]);
    for user in [1, 2] {
        let response = plugged.client().cbor(&create(user));
        assert_eq!(response[0], 0);
        assert!(contains(&response, b"\x63x5c"));
        assert_eq!(plugged.order("power-cycle"), "ok");
    }
    let alone = Home::new();
    assert!(!contains(&Plugged::new(&alone, &[]).client().cbor(&create(1)), b"\x63x5c"), "self attestation");
}

#[test]
fn device_tells_a_named_site_which_key_it_is_once_that_is_enabled() {
    let home = Home::new();
    let directory = attestation(&home);
    let arguments = ["--enterprise-attestation", &directory, "--enterprise-site", "example.com"];
    let plugged = Plugged::new(&home, &arguments);
    let client = plugged.client();
    let mut request = create(1);
    request[1] += 1;
    // enterpriseAttestation: vendor-facilitated.
    request.extend_from_slice(&[0x0a, 0x01]);
    assert_eq!(client.cbor(&request), [0x02], "not enabled");
    // authenticatorConfig enableEnterpriseAttestation; there is no PIN that would have to authorize it.
    assert_eq!(client.cbor(&[0x0d, 0xa1, 0x01, 0x01]), [0]);
    let response = client.cbor(&request);
    assert!(response.ends_with(&[0x04, 0xf5]) && contains(&response, b"\x63x5c"), "epAtt");
}

#[test]
fn device_refuses_what_cannot_vouch_and_makes_nothing() {
    let home = Home::new();
    let directory = attestation(&home);
    let run = |option: &[&str]| {
        home.json(&[&["device", "--udp", "127.0.0.1:0", "--auto-approve"][..], option].concat())
    };
    run(&["--attestation", "/nonexistent"]).fails(5, "no-file");
    run(&["--enterprise-site", "example.com"]).fails(2, "usage");
    let nameless = ["--enterprise-attestation", &directory, "--enterprise-site", ""];
    run(&nameless).fails(2, "usage");
    home.write("attestation/attestation.pem", b"nothing");
    run(&["--attestation", &directory]).fails(1, "bad-attestation");
    assert!(!home.base().exists());
}

/// What `cargo xtask metadata device` describes is made of the same settings.
#[test]
fn device_serves_a_security_key_for_platforms() {
    let settings = Settings::security_key().served_to_platforms();
    let described = Authenticator::new(settings, None, countersign_host::provider()).unwrap().info();
    let home = Home::new();
    let served = Plugged::new(&home, &[]).client().cbor(GET_INFO);
    assert_eq!(served, Response::GetInfo(Box::new(described)).encode());
}

#[test]
fn device_offers_the_one_way_of_large_blobs_that_was_chosen() {
    // In getInfo: the extensions' names with their CBOR heads, and the option.
    let (own, key) = (b"\x69largeBlob".as_slice(), b"\x6clargeBlobKey".as_slice());
    let array = b"\x6alargeBlobs\xf5".as_slice();
    let ways: [(&[&str], _); 4] = [
        (&[], [false, true, true]),
        (&["--large-blobs", "array"], [false, true, true]),
        (&["--large-blobs", "per-credential"], [true, false, false]),
        (&["--large-blobs", "none"], [false, false, false]),
    ];
    // One key, which any of them may be chosen for.
    let home = Home::new();
    for (option, offered) in ways {
        let mut plugged = Plugged::new(&home, option);
        for _ in 0..2 {
            let info = plugged.client().cbor(GET_INFO);
            assert_eq!([own, key, array].map(|name| contains(&info, name)), offered, "{option:?}");
            assert_eq!(plugged.order("power-cycle"), "ok");
        }
        plugged.order("quit");
        plugged.exit_code();
    }
    let both = ["device", "--udp", "127.0.0.1:0", "--auto-approve", "--large-blobs", "both"];
    home.json(&both).fails(2, "usage");
}

#[test]
fn device_warns_that_nobody_is_asked() {
    let home = Home::new();
    let mut child = device(&home).arg("--auto-approve").stderr(std::process::Stdio::piped()).spawn().unwrap();
    ready(&mut child);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Warning: nobody is asked."));
}

#[test]
fn device_grants_presence_after_a_keepalive() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    client.send(CBOR, &create(1));
    let (keepalives, (command, response)) = client.response();
    assert!(keepalives.contains(&2), "{keepalives:?}");
    assert_eq!((command, response[0]), (CBOR, 0));
}

#[test]
fn terminate_signal_loses_nothing_that_was_answered() {
    let home = Home::new();
    let mut plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    for user in 1..=3 {
        assert_eq!(client.cbor(&create_discoverable(user))[0], 0);
    }
    client.send(CBOR, SELECTION);
    kill_process(Pid::from_child(&plugged.child), Signal::TERM).unwrap();
    assert_eq!(plugged.exit_code(), Some(0));
    assert_eq!(home.json(&["key", "list"]).json()["passkeys"].as_array().unwrap().len(), 3);
    // A new process finds all of it.
    let plugged = Plugged::new(&home, &[]);
    assert_eq!(plugged.client().cbor(&assertion())[0], 0);
}

/// Sign-in to example.com.
fn assertion() -> Vec<u8> {
    unhex(&format!("02a2016b6578616d706c652e636f6d025820{}", "cd".repeat(32)))
}

#[test]
fn control_socket_is_for_its_owner_alone_and_takes_a_dead_ones_place() {
    let home = Home::new();
    drop(UnixListener::bind(home.path("control")).unwrap());
    let plugged = Plugged::new(&home, &[]);
    assert_eq!(mode(&home.path("control")), 0o600);
    for line in ["reboot", "", "touch", "touch maybe", "quit now"] {
        assert!(plugged.order(line).starts_with("error: "), "{line}");
    }
    assert_eq!(plugged.client().cbor(GET_INFO)[0], 0, "it goes on");
}

#[test]
fn control_lines_are_answered_in_their_order_though_nothing_more_is_sent() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let answers = plugged.orders("touch off\nreboot\npower-cycle\nreboot\ntouch on\n");
    let heads: Vec<&str> = answers.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(heads, ["ok", "error", "ok", "error", "ok"]);
    assert_eq!(plugged.orders("touch"), "", "that is no line yet");
    assert_eq!(plugged.client().cbor(SELECTION), [0]);
    assert_eq!(plugged.orders("touch off\nquit\ntouch on\n"), "ok\nok\n", "nobody is there any more");
}

#[test]
fn power_cycle_forgets_channels_and_opens_the_reset_window() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    assert_eq!(client.cbor(&create_discoverable(1))[0], 0);
    assert_eq!(plugged.order("power-cycle"), "ok");
    client.send(CBOR, GET_INFO);
    assert_eq!(client.response().1, (ERROR, vec![0x0b]));
    let client = plugged.client();
    assert_eq!(client.cbor(RESET), [0]);
    assert_eq!(client.cbor(&assertion()), [0x2e]);
}

#[test]
fn power_cycle_ends_what_was_under_way_without_an_answer() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    plugged.order("touch off");
    client.send(CBOR, SELECTION);
    assert_eq!(client.receive(), (KEEPALIVE, vec![2]));
    assert_eq!(plugged.order("power-cycle"), "ok");
    assert_eq!(plugged.order("touch on"), "ok");
    client.send(CBOR, GET_INFO);
    assert_eq!(client.response().1, (ERROR, vec![0x0b]));
    assert_eq!(plugged.client().cbor(SELECTION), [0]);
}

#[test]
fn touch_that_is_off_ends_requests_in_their_time_out() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &["--touch-timeout", "1"]);
    let client = plugged.client();
    assert_eq!(plugged.order("touch off"), "ok");
    assert_eq!(client.cbor(SELECTION), [0x2f]);
    assert_eq!(client.cbor(&create(1)), [0x27], "makeCredential tells time-out and refusal alike");
    assert_eq!(plugged.order("touch on"), "ok");
    assert_eq!(client.cbor(SELECTION), [0]);
}

#[test]
fn touch_that_comes_on_grants_what_waits_for_it() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    plugged.order("touch off");
    client.send(CBOR, SELECTION);
    assert_eq!(client.receive(), (KEEPALIVE, vec![2]));
    plugged.order("touch on");
    assert_eq!(client.response().1, (CBOR, vec![0]));
}

#[test]
fn cancel_during_the_prompt_ends_it_with_keepalive_cancel() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let client = plugged.client();
    plugged.order("touch off");
    client.send(CBOR, &create(1));
    assert_eq!(client.receive(), (KEEPALIVE, vec![2]));
    client.send(CANCEL, &[]);
    assert_eq!(client.response().1, (CBOR, vec![0x2d]));
    plugged.order("touch on");
    assert_eq!(client.cbor(GET_INFO)[0], 0);
}

#[test]
fn answers_go_to_whoever_sent_the_channels_reports() {
    let home = Home::new();
    let plugged = Plugged::new(&home, &[]);
    let (first, second) = (plugged.client(), plugged.client());
    assert_ne!(first.channel, second.channel);
    plugged.order("touch off");
    first.send(CBOR, SELECTION);
    assert_eq!(first.receive(), (KEEPALIVE, vec![2]));
    second.send(CBOR, GET_INFO);
    assert_eq!(second.receive(), (ERROR, vec![0x06]));
    let third = plugged.client();
    plugged.order("touch on");
    assert_eq!(first.response().1, (CBOR, vec![0]));
    assert_eq!(second.cbor(GET_INFO), third.cbor(GET_INFO));
}
