//! CTAPHID, by rule (CTAP 2.3 section 11.2): framing, channels, arbitration, locks, time-outs.

mod common;

use common::hid::{self, *};
use countersign::ctaphid::{
    Assembler, BROADCAST, Capabilities, Command, ErrorCode, Fragments, Identity, KeepaliveStatus, Link,
    Progress, Received, Report, TooLong,
};

const BUSY: u8 = 0x06;
const NONCE: [u8; 8] = *b"nonce001";
const IDENTITY: Identity =
    Identity { version: [1, 2, 3], capabilities: Capabilities { wink: true, msg: false } };

/// A link, its clock, and what came out.
struct Bench {
    link: Link,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        Self { link: Link::new(IDENTITY, 0x1234_5678), now: 1_000 }
    }

    fn drain(&mut self) -> Vec<Report> {
        std::iter::from_fn(|| self.link.next_report()).collect()
    }

    /// One report; what was received, and what goes back.
    fn report(&mut self, report: &Report) -> (Option<Received>, Vec<hid::Message>) {
        let received = self.link.receive(report, self.now);
        (received, messages(&self.drain()))
    }

    /// A whole message; what was received at its end, and what goes back. Nothing happens before the end.
    fn message(
        &mut self,
        channel: u32,
        command: u8,
        message: &[u8],
    ) -> (Option<Received>, Vec<hid::Message>) {
        let reports = reports(channel, command, message);
        let (last, before) = reports.split_last().unwrap();
        for report in before {
            assert_eq!(self.report(report), (None, Vec::new()));
        }
        self.report(last)
    }

    fn channel(&mut self) -> u32 {
        let (received, replies) = self.report(&init_request(&NONCE));
        assert_eq!(received, None);
        u32::from_be_bytes(replies[0].2[8..12].try_into().unwrap())
    }

    /// After `milliseconds` have passed.
    fn wait(&mut self, milliseconds: u64) -> Vec<hid::Message> {
        self.now += milliseconds;
        self.link.poll(self.now);
        messages(&self.drain())
    }

    fn assert_alive(&mut self, channel: u32) {
        let echo = (None, vec![(channel, PING, b"alive".to_vec())]);
        assert_eq!(self.message(channel, PING, b"alive"), echo);
    }
}

fn error(channel: u32, code: u8) -> (Option<Received>, Vec<hid::Message>) {
    (None, vec![(channel, ERROR, vec![code])])
}

#[test]
fn init_on_broadcast_allocates_a_fresh_channel_each_time() {
    let mut bench = Bench::new();
    let (received, replies) = bench.report(&init_request(&NONCE));
    assert_eq!(received, None);
    let [(BROADCAST, INIT, response)] = &replies[..] else { panic!("{replies:?}") };
    let channel = bench.channel();
    assert_eq!(response[..8], NONCE);
    assert_ne!(response[8..12], channel.to_be_bytes());
    // Protocol version 2, device version, WINK | CBOR | NMSG.
    assert_eq!(response[12..], [2, 1, 2, 3, 0x0d]);
    let mut all: Vec<u32> = (0..1_000).map(|_| bench.channel()).collect();
    all.push(channel);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1_001);
}

#[test]
fn init_never_allocates_the_reserved_channels() {
    for seed in [0, 1, u32::MAX - 3, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let mut bench = Bench { link: Link::new(IDENTITY, seed), now: 0 };
        let channels: Vec<u32> = (0..8).map(|_| bench.channel()).collect();
        for channel in &channels {
            assert!(*channel != 0 && *channel != BROADCAST, "{seed:x}");
            bench.assert_alive(*channel);
        }
        // Nor does anybody have those at the ends of the range who was not given them.
        let near = (0..20).chain(BROADCAST - 20..=BROADCAST).filter(|channel| !channels.contains(channel));
        for stranger in near {
            assert_eq!(
                bench.report(&initialization(stranger, PING, 0, &[])),
                error(stranger, 0x0b),
                "{seed:x}"
            );
        }
    }
}

#[test]
fn init_of_another_length_is_invalid_length() {
    let mut bench = Bench::new();
    for length in [0, 7, 9] {
        assert_eq!(bench.report(&initialization(BROADCAST, INIT, length, &NONCE)), error(BROADCAST, 0x03));
    }
}

#[test]
fn init_on_an_own_channel_aborts_its_message_and_keeps_the_channel() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.report(&initialization(channel, PING, 100, &[1; 57]));
    let (received, replies) = bench.report(&initialization(channel, INIT, 8, &NONCE));
    assert_eq!(received, None, "nothing was being processed");
    assert_eq!((replies[0].0, replies[0].1), (channel, INIT));
    assert_eq!(replies[0].2[8..12], channel.to_be_bytes());
    assert_eq!(bench.report(&continuation(channel, 0, &[1; 43])), (None, Vec::new()), "it is stray now");
    bench.assert_alive(channel);
}

#[test]
fn init_on_an_own_channel_abandons_what_is_processed_and_its_keepalives() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.message(channel, CBOR, &[0x04]);
    // A keepalive that nobody fetched.
    bench.link.poll(bench.now + 100);
    let (received, replies) = bench.report(&initialization(channel, INIT, 8, &NONCE));
    assert_eq!(received, Some(Received::Abandoned));
    assert_eq!(replies.len(), 1, "{replies:?}");
    bench.link.respond(vec![0; 9]);
    assert_eq!(bench.drain(), [[0; 64]; 0], "a late response has nobody to go to");
    bench.assert_alive(channel);
}

#[test]
fn init_is_answered_while_another_transaction_runs() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.message(first, CBOR, &[0x04]);
    let third = bench.channel();
    let (received, replies) = bench.report(&initialization(second, INIT, 8, &NONCE));
    assert_eq!((received, replies[0].1), (None, INIT), "it does not disturb the first");
    assert_eq!(bench.message(third, PING, b"x"), error(third, BUSY));
    bench.link.respond(vec![0]);
    assert_eq!(messages(&bench.drain()), [(first, CBOR, vec![0])]);
}

#[test]
fn channels_nobody_was_given_are_invalid() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for stranger in [channel + 1, channel - 1, 0, BROADCAST, 0x4242] {
        assert_eq!(bench.report(&initialization(stranger, PING, 1, &[7])), error(stranger, 0x0b));
    }
    for stranger in [channel + 1, 0] {
        assert_eq!(bench.report(&initialization(stranger, INIT, 8, &NONCE)), error(stranger, 0x0b));
    }
    bench.assert_alive(channel);
}

#[test]
fn ping_echoes_every_length_up_to_7609_bytes() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for length in [0, 1, 56, 57, 58, 115, 116, 117, 1_024, 7_608, 7_609] {
        let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8 + 1).collect();
        let echo = (None, vec![(channel, PING, message.clone())]);
        assert_eq!(bench.message(channel, PING, &message), echo, "{length}");
    }
}

#[test]
fn longest_message_takes_129_reports_and_one_byte_more_is_invalid_length() {
    assert_eq!(reports(1, PING, &[0; 7_609]).len(), 129);
    let mut bench = Bench::new();
    let channel = bench.channel();
    for length in [7_610, 8_192, u16::MAX] {
        assert_eq!(bench.report(&initialization(channel, CBOR, length, &[0; 57])), error(channel, 0x03));
    }
    let ours: Vec<Report> = Fragments::new(1, Command::Ping, vec![0; 7_609]).unwrap().collect();
    assert_eq!(ours, reports(1, PING, &[0; 7_609]));
    assert_eq!(Fragments::new(1, Command::Ping, vec![0; 7_610]).err(), Some(TooLong));
}

#[test]
fn response_over_7609_bytes_is_an_error_of_the_device() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.message(channel, CBOR, &[0x04]);
    bench.link.respond(vec![0; 7_610]);
    assert_eq!(messages(&bench.drain()), [(channel, ERROR, vec![0x7f])]);
}

#[test]
fn sequence_out_of_order_is_invalid_sequence_and_ends_the_message() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for wrong in [1, 127] {
        bench.report(&initialization(channel, PING, 200, &[1; 57]));
        assert_eq!(bench.report(&continuation(channel, wrong, &[2; 59])), error(channel, 0x04));
        assert_eq!(bench.report(&continuation(channel, 0, &[2; 59])), (None, Vec::new()));
        bench.assert_alive(channel);
    }
    // Twice the same.
    bench.report(&initialization(channel, PING, 200, &[1; 57]));
    bench.report(&continuation(channel, 0, &[2; 59]));
    assert_eq!(bench.report(&continuation(channel, 0, &[2; 59])), error(channel, 0x04));
}

#[test]
fn initialization_packet_where_a_continuation_was_due_is_invalid_sequence() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.report(&initialization(channel, PING, 200, &[1; 57]));
    assert_eq!(bench.report(&initialization(channel, PING, 1, &[1])), error(channel, 0x04));
    bench.assert_alive(channel);
}

#[test]
fn stray_continuations_are_ignored() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    for channel in [first, second, 0, BROADCAST, 99] {
        assert_eq!(bench.report(&continuation(channel, 0, &[2; 59])), (None, Vec::new()));
    }
    bench.report(&initialization(first, PING, 60, &[1; 57]));
    assert_eq!(bench.report(&continuation(second, 0, &[2; 59])), (None, Vec::new()));
    assert_eq!(bench.report(&continuation(first, 0, &[1; 3])).1, [(first, PING, vec![1; 60])]);
}

#[test]
fn other_channels_are_busy_from_the_first_packet_to_the_last_of_the_response() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.report(&initialization(first, CBOR, 60, &[1; 57]));
    assert_eq!(bench.message(second, PING, b"x"), error(second, BUSY), "while it is received");
    let (received, _) = bench.report(&continuation(first, 0, &[1; 3]));
    let message = vec![1; 60];
    assert_eq!(received, Some(Received::Message { channel: first, command: Command::Cbor, message }));
    assert_eq!(bench.message(second, CBOR, &[4]), error(second, BUSY), "while it is processed");
    bench.link.respond(vec![3; 200]);
    let mut sent = vec![bench.link.next_report().unwrap()];
    // The refusal goes out between two packets of the response, on its own channel.
    bench.link.receive(&initialization(second, PING, 1, &[1]), bench.now);
    let refusal = bench.link.next_report().unwrap();
    assert_eq!(messages(&[refusal]), error(second, BUSY).1, "while it is answered");
    sent.extend(bench.drain());
    assert_eq!(messages(&sent), [(first, CBOR, vec![3; 200])]);
    bench.assert_alive(second);
}

#[test]
fn second_command_on_the_same_channel_is_busy_too() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.message(channel, CBOR, &[0x04]);
    assert_eq!(bench.message(channel, PING, b"x"), error(channel, BUSY));
    bench.link.respond(vec![0]);
    assert_eq!(messages(&bench.drain()), [(channel, CBOR, vec![0])]);
}

#[test]
fn command_that_does_not_exist_is_invalid_command() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for command in (0..0x80).filter(|command| ![PING, LOCK, INIT, WINK, CBOR, CANCEL].contains(command)) {
        // Also of a message whose rest is to come: nothing is collected.
        for length in [4, 300] {
            let report = initialization(channel, command, length, &[1; 57]);
            assert_eq!(bench.report(&report), error(channel, 0x01), "{command:02x}");
        }
    }
    bench.assert_alive(channel);
}

#[test]
fn msg_is_taken_where_the_device_says_so() {
    let capabilities = Capabilities { wink: false, msg: true };
    let mut bench = Bench { link: Link::new(Identity { capabilities, ..IDENTITY }, 7), now: 0 };
    let (_, replies) = bench.report(&init_request(&NONCE));
    assert_eq!(replies[0].2[16], 0x04, "no NMSG, no WINK");
    let channel = bench.channel();
    assert_eq!(bench.message(channel, MSG, &[0; 3]), error(channel, 0x03), "shorter than any APDU");
    let message = vec![0, 3, 0, 0];
    let (received, _) = bench.message(channel, MSG, &message);
    assert_eq!(received, Some(Received::Message { channel, command: Command::Msg, message }));
    // CANCEL is for CTAPHID_CBOR.
    assert_eq!(bench.report(&initialization(channel, CANCEL, 0, &[])), (None, Vec::new()));
    bench.link.fail(ErrorCode::Other);
    assert_eq!(messages(&bench.drain()), [(channel, ERROR, vec![0x7f])]);
    assert_eq!(bench.message(channel, WINK, &[]), error(channel, 0x01));
}

#[test]
fn lengths_that_a_command_does_not_have_are_invalid_length() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for (command, message) in [(CBOR, &[][..]), (WINK, &[1]), (LOCK, &[]), (LOCK, &[1, 2])] {
        assert_eq!(bench.message(channel, command, message), error(channel, 0x03), "{command:02x}");
    }
}

#[test]
fn wink_is_answered_and_told() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    let winked = (Some(Received::Wink), vec![(channel, WINK, Vec::new())]);
    assert_eq!(bench.message(channel, WINK, &[]), winked);
}

#[test]
fn message_whose_rest_does_not_come_is_timed_out() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.report(&initialization(first, PING, 200, &[1; 57]));
    assert_eq!(bench.link.poll(bench.now), Some(bench.now + 500));
    assert_eq!(bench.wait(499), []);
    assert_eq!(bench.wait(1), [(first, ERROR, vec![0x05])]);
    assert_eq!(bench.link.poll(bench.now), None);
    bench.assert_alive(second);
    // Without a poll in between: whoever comes next finds the place free.
    bench.report(&initialization(first, PING, 200, &[1; 57]));
    bench.now += 500;
    let (_, replies) = bench.message(second, PING, b"x");
    assert_eq!(replies, [(first, ERROR, vec![0x05]), (second, PING, b"x".to_vec())]);
}

#[test]
fn message_that_trickles_is_timed_out_as_a_whole() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.report(&initialization(channel, PING, 7_609, &[1; 57]));
    let begun = bench.now;
    let mut replies = Vec::new();
    for sequence in 0..20 {
        bench.now += 400;
        let (_, reply) = bench.report(&continuation(channel, sequence, &[1; 59]));
        replies.extend(reply);
        if !replies.is_empty() {
            break;
        }
    }
    assert_eq!(replies, [(channel, ERROR, vec![0x05])]);
    assert!(bench.now - begun < 3_500);
}

#[test]
fn cancel_is_told_for_the_channel_that_is_processed_and_never_answered() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    let cancel = |channel| initialization(channel, CANCEL, 0, &[]);
    assert_eq!(bench.report(&cancel(first)), (None, Vec::new()), "nothing is processed");
    bench.report(&initialization(first, CBOR, 60, &[1; 57]));
    assert_eq!(bench.report(&cancel(first)), (None, Vec::new()), "it is still received");
    assert!(bench.report(&continuation(first, 0, &[1; 3])).0.is_some(), "and was not disturbed");
    assert_eq!(bench.report(&cancel(second)), (None, Vec::new()), "another channel's");
    assert_eq!(bench.report(&cancel(0x9999)), (None, Vec::new()), "a stranger's");
    assert_eq!(bench.report(&cancel(first)), (Some(Received::Cancel), Vec::new()));
}

#[test]
fn keepalive_leaves_at_least_every_100_ms_and_at_each_change() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.message(channel, CBOR, &[0x04]);
    let (processing, waiting) = ((channel, KEEPALIVE, vec![1]), (channel, KEEPALIVE, vec![2]));
    for _ in 0..5 {
        assert_eq!(bench.wait(100), std::slice::from_ref(&processing));
    }
    bench.link.set_status(KeepaliveStatus::UserPresenceNeeded, bench.now);
    assert_eq!(messages(&bench.drain()), std::slice::from_ref(&waiting), "at once");
    bench.link.set_status(KeepaliveStatus::UserPresenceNeeded, bench.now);
    assert_eq!(bench.drain(), [[0; 64]; 0], "no change, no report");
    // A host that polls when it is told to is in time.
    let begun = bench.now;
    for _ in 0..10 {
        let next = bench.link.poll(bench.now).unwrap();
        assert!(next > bench.now && next - bench.now <= 100);
        bench.now = next;
        assert_eq!(bench.wait(0), std::slice::from_ref(&waiting));
    }
    assert!(bench.now - begun <= 1_000);
    bench.link.respond(vec![0]);
    assert_eq!(messages(&bench.drain()), [(channel, CBOR, vec![0])]);
    assert_eq!(bench.wait(1_000), [], "and none after the response");
}

#[test]
fn keepalives_that_nobody_fetches_do_not_pile_up() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.message(channel, CBOR, &[0x04]);
    for second in 0..1_000 {
        bench.link.poll(bench.now + second * 1_000);
        bench.link.receive(&initialization(channel, PING, 1, &[1]), bench.now);
        bench.link.receive(&init_request(&NONCE), bench.now);
    }
    assert!(bench.drain().len() <= 32);
}

#[test]
fn lock_keeps_other_channels_out_until_it_ends() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    assert_eq!(bench.message(first, LOCK, &[10]), (None, vec![(first, LOCK, Vec::new())]));
    assert_eq!(bench.message(second, PING, b"x"), error(second, BUSY));
    assert_eq!(bench.message(second, LOCK, &[1]), error(second, BUSY), "nobody takes it over");
    bench.assert_alive(first);
    bench.channel();
    assert_eq!(bench.link.poll(bench.now), Some(bench.now + 10_000));
    bench.wait(9_999);
    assert_eq!(bench.message(second, PING, b"x"), error(second, BUSY));
    bench.wait(1);
    bench.assert_alive(second);
}

#[test]
fn lock_is_released_by_zero_and_prolonged_by_repetition() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.message(first, LOCK, &[1]);
    bench.wait(900);
    bench.message(first, LOCK, &[1]);
    bench.wait(900);
    assert_eq!(bench.message(second, PING, b"x"), error(second, BUSY));
    assert_eq!(bench.message(first, LOCK, &[0]), (None, vec![(first, LOCK, Vec::new())]));
    bench.assert_alive(second);
}

#[test]
fn lock_over_10_seconds_is_an_invalid_parameter() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    for seconds in [11, 255] {
        assert_eq!(bench.message(first, LOCK, &[seconds]), error(first, 0x02));
    }
    bench.assert_alive(second);
}

#[test]
fn assembler_takes_what_fragments_make() {
    let message: Vec<u8> = (0..1_000).map(|index| index as u8).collect();
    let mut reports = Fragments::new(5, Command::Cbor, message.clone()).unwrap();
    let first = reports.next().unwrap();
    let length = u16::from_be_bytes([first[5], first[6]]);
    let mut progress = Assembler::begin(length, &first[7..]).unwrap();
    for report in reports {
        let Progress::Incomplete(assembler) = progress else { panic!("done too early") };
        progress = assembler.go_on(report[4], &report[5..]).unwrap();
    }
    assert_eq!(progress, Progress::Complete(message));
}
