//! The security key in one struct, by rule: commands over CTAPHID, keepalives, questions, cancellation, two channels.

mod common;

use ciborium::{Value, cbor};
use common::{
    hid::{self, *},
    seeded_rng::SeededRng,
    world::{Person, World, answer},
};
use countersign::{
    authenticator::{Answer, Question, Settings, UserVerification},
    ctaphid::Report,
    device::{Device, Event, Job, QuestionId},
};

const GET_INFO: &[u8] = &[0x04];
const SELECTION: &[u8] = &[0x0b];
const NEXT_ASSERTION: &[u8] = &[0x08];
const SUCCESS: u8 = 0x00;
const KEEPALIVE_CANCEL: u8 = 0x2d;
const USER_ACTION_TIMEOUT: u8 = 0x2f;
const NOT_ALLOWED: u8 = 0x30;
const BUSY: u8 = 0x06;

/// A device with a machine; jobs run only when they are told to.
struct Bench {
    device: Device,
    world: World,
    jobs: Vec<Job>,
    asked: Vec<(QuestionId, Question)>,
    withdrawn: Vec<QuestionId>,
    winks: usize,
    sent: Vec<Report>,
}

impl Bench {
    fn new() -> Self {
        Self::with_world(World::fresh())
    }

    fn with_world(mut world: World) -> Self {
        world.rng = SeededRng(7);
        let device = Device::new([1, 0, 0], &mut world.rng);
        let (jobs, asked, withdrawn, sent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { device, world, jobs, asked, withdrawn, winks: 0, sent }
    }

    /// Takes what the device has to give.
    fn collect(&mut self) {
        self.sent.extend(std::iter::from_fn(|| self.device.next_report()));
        while let Some(event) = self.device.next_event() {
            match event {
                Event::Job(job) => self.jobs.push(job),
                Event::Ask(id, question) => self.asked.push((id, question)),
                Event::Withdraw(id) => self.withdrawn.push(id),
                Event::Wink => self.winks += 1,
            }
        }
    }

    /// Runs every job to its end, or up to a question.
    fn work(&mut self) {
        self.collect();
        while !self.jobs.is_empty() {
            let World { authenticator, store, rng, now, .. } = &mut self.world;
            let finished = self.jobs.remove(0).run(authenticator, store, *now, rng);
            self.device.finish(finished, *now);
            self.collect();
        }
    }

    /// What was sent since the last time.
    fn sent(&mut self) -> Vec<hid::Message> {
        messages(&std::mem::take(&mut self.sent))
    }

    fn report(&mut self, report: &Report) {
        self.device.receive(report, self.world.now);
        self.collect();
    }

    /// Sends a message, and runs no job.
    fn send(&mut self, channel: u32, command: u8, message: &[u8]) {
        for report in reports(channel, command, message) {
            self.report(&report);
        }
    }

    /// Sends a CTAP2 message, and runs its jobs up to a question.
    fn cbor(&mut self, channel: u32, message: &[u8]) {
        self.send(channel, CBOR, message);
        self.work();
    }

    fn cancel(&mut self, channel: u32) {
        self.report(&initialization(channel, CANCEL, 0, &[]));
    }

    fn channel(&mut self) -> u32 {
        self.report(&init_request(b"12345678"));
        u32::from_be_bytes(self.sent()[0].2[8..12].try_into().unwrap())
    }

    fn answer(&mut self, id: QuestionId, answer: Answer) -> bool {
        self.device.answer(id, answer, self.world.now)
    }

    /// The only question that was asked since the last time.
    fn question(&mut self) -> (QuestionId, Question) {
        let question = self.asked.pop().expect("a question");
        assert!(self.asked.is_empty());
        question
    }

    /// A command to its end, with a person who approves.
    fn approved(&mut self, channel: u32, message: &[u8]) -> Vec<u8> {
        self.cbor(channel, message);
        while let Some((id, question)) = self.asked.pop() {
            assert!(self.answer(id, answer(&question, Person::Willing)));
            self.work();
        }
        let (of, command, response) = self.sent().pop().unwrap();
        assert_eq!((of, command), (channel, CBOR));
        response
    }

    fn wait(&mut self, milliseconds: u64) {
        self.world.now.ticks += milliseconds;
        self.device.poll(self.world.now);
        self.collect();
    }
}

fn message(command: u8, parameters: &Value) -> Vec<u8> {
    let mut message = vec![command];
    ciborium::into_writer(parameters, &mut message).unwrap();
    message
}

/// A discoverable credential for `user` of example.com.
fn create(user: u8) -> Vec<u8> {
    let parameters = cbor!({
        1 => Value::Bytes(vec![0xcd; 32]),
        2 => { "id" => "example.com" },
        3 => { "id" => Value::Bytes(vec![user]), "name" => "n" },
        4 => [{ "alg" => -7, "type" => "public-key" }],
        7 => { "rk" => true },
    });
    message(0x01, &parameters.unwrap())
}

fn get() -> Vec<u8> {
    message(0x02, &cbor!({ 1 => "example.com", 2 => Value::Bytes(vec![0xcd; 32]) }).unwrap())
}

#[test]
fn init_says_wink_and_cbor_and_no_msg() {
    let mut bench = Bench::new();
    bench.report(&init_request(b"12345678"));
    assert_eq!(bench.sent()[0].2[12..], [2, 1, 0, 0, 0x0d]);
    let channel = bench.channel();
    bench.send(channel, WINK, &[]);
    assert_eq!((bench.sent(), bench.winks), (vec![(channel, WINK, Vec::new())], 1));
    bench.send(channel, MSG, &[0, 3, 0, 0]);
    assert_eq!(bench.sent(), [(channel, ERROR, vec![0x01])]);
}

#[test]
fn winks_that_nobody_fetches_do_not_pile_up() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for _ in 0..100 {
        bench.device.receive(&initialization(channel, WINK, 0, &[]), bench.world.now);
        while bench.device.next_report().is_some() {}
    }
    bench.collect();
    assert_eq!(bench.winks, 1);
}

#[test]
fn get_info_is_answered_as_the_machine_answers_it() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, GET_INFO);
    let expected = bench.world.ctap(GET_INFO, Person::Absent);
    assert_eq!(bench.sent(), [(channel, CBOR, expected)]);
}

#[test]
fn request_of_7609_bytes_reaches_the_machine_whole() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    // An unknown member with a byte string fills a getAssertion up.
    let mut request = get();
    request[1] += 1;
    let rest = 7_609 - request.len() - 4;
    request.extend_from_slice(&[0x09, 0x59, (rest >> 8) as u8, rest as u8]);
    request.resize(7_609, 0x5a);
    bench.approved(channel, &create(1));
    assert_eq!(bench.approved(channel, &request)[0], SUCCESS);
    request[1] += 1;
    assert_eq!(bench.approved(channel, &request), [0x12], "its last byte counts");
}

#[test]
fn registration_asks_and_keeps_alive_until_the_answer() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.send(channel, CBOR, &create(1));
    bench.wait(100);
    assert_eq!(bench.sent(), [(channel, KEEPALIVE, vec![1])], "the machine is at work");
    bench.work();
    assert_eq!(bench.sent(), [(channel, KEEPALIVE, vec![2])], "a person is asked");
    for _ in 0..20 {
        bench.wait(100);
        assert_eq!(bench.sent(), [(channel, KEEPALIVE, vec![2])]);
    }
    let (id, _) = bench.question();
    assert!(bench.answer(id, Answer::Approved { choice: None }));
    bench.collect();
    assert_eq!(bench.sent(), [(channel, KEEPALIVE, vec![1])], "and the machine is at work again");
    bench.work();
    let [(_, CBOR, response)] = &bench.sent()[..] else { panic!() };
    assert_eq!(response[0], SUCCESS);
    assert!(response.len() > 57, "it took more than one report");
    bench.wait(500);
    assert_eq!((bench.sent(), bench.withdrawn.len()), (Vec::new(), 0));
    assert_eq!(bench.world.records().len(), 1);
}

#[test]
fn poll_says_when_it_wants_to_be_called_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.device.poll(bench.world.now), None);
    let channel = bench.channel();
    bench.cbor(channel, SELECTION);
    let (_, question) = bench.question();
    bench.sent();
    // 30 s, every 80 ms.
    for _ in 0..1_000 {
        if !bench.withdrawn.is_empty() {
            break;
        }
        let next = bench.device.poll(bench.world.now).expect("something is due");
        assert!((1..=100).contains(&(next - bench.world.now.ticks)));
        bench.world.now.ticks = next;
        bench.wait(0);
    }
    assert_eq!((bench.world.now.ticks, bench.withdrawn.len()), (question.deadline + 1, 1));
}

#[test]
fn cancel_ends_the_question_with_keepalive_cancel_and_is_not_answered_itself() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, &create(1));
    let (id, _) = bench.question();
    bench.sent();
    bench.cancel(channel);
    assert_eq!(bench.withdrawn, [id]);
    bench.work();
    assert_eq!(bench.sent(), [(channel, CBOR, vec![KEEPALIVE_CANCEL])]);
    assert!(!bench.answer(id, Answer::Approved { choice: None }), "a late answer is ignored");
    bench.work();
    assert_eq!((bench.sent(), bench.world.records().len()), (Vec::new(), 0));
    assert_eq!(bench.approved(channel, &create(1))[0], SUCCESS);
}

#[test]
fn cancel_before_the_question_leaves_nobody_asked() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.send(channel, CBOR, &create(1));
    bench.cancel(channel);
    bench.work();
    assert_eq!(bench.sent(), [(channel, CBOR, vec![KEEPALIVE_CANCEL])]);
    assert!(bench.asked.is_empty() && bench.withdrawn.is_empty());
}

#[test]
fn cancel_after_the_answer_comes_too_late() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, &create(1));
    let (id, _) = bench.question();
    bench.answer(id, Answer::Approved { choice: None });
    bench.cancel(channel);
    bench.work();
    assert_eq!(bench.sent().last().unwrap().2[0], SUCCESS);
    assert_eq!(bench.world.records().len(), 1);
    bench.cancel(channel);
    bench.work();
    assert_eq!(bench.sent(), [], "and without a command nothing comes of it");
}

#[test]
fn cancel_of_another_channel_is_ignored() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.cbor(first, SELECTION);
    bench.sent();
    bench.cancel(second);
    bench.work();
    assert_eq!((bench.sent(), bench.withdrawn.len()), (Vec::new(), 0));
}

#[test]
fn question_that_nobody_answers_is_withdrawn_and_ends_in_its_time_out() {
    let settings = Settings {
        question_timeout: 2_000,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    };
    let mut bench = Bench::with_world(World::new(settings));
    let channel = bench.channel();
    bench.cbor(channel, SELECTION);
    let (id, question) = bench.question();
    assert_eq!(question.deadline, bench.world.now.ticks + 2_000);
    bench.wait(2_000);
    assert!(bench.withdrawn.is_empty(), "the deadline itself is in time");
    bench.wait(1);
    assert_eq!(bench.withdrawn, [id]);
    bench.work();
    assert_eq!(bench.sent().pop(), Some((channel, CBOR, vec![USER_ACTION_TIMEOUT])));
    assert!(!bench.answer(id, Answer::Approved { choice: None }));
}

#[test]
fn answer_to_an_earlier_question_does_not_answer_a_later_one() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, SELECTION);
    let (earlier, _) = bench.question();
    bench.cancel(channel);
    bench.work();
    bench.cbor(channel, &create(1));
    let (later, _) = bench.question();
    assert_ne!(earlier, later);
    assert!(!bench.answer(earlier, Answer::Approved { choice: None }));
    bench.work();
    assert_eq!(bench.world.records().len(), 0);
    assert!(bench.answer(later, Answer::Declined));
    assert!(!bench.answer(later, Answer::Approved { choice: None }), "one answer each");
}

#[test]
fn init_on_the_own_channel_withdraws_the_question_and_no_response_follows() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, &create(1));
    let (id, _) = bench.question();
    bench.sent();
    bench.report(&initialization(channel, INIT, 8, b"12345678"));
    assert_eq!(bench.withdrawn, [id]);
    bench.work();
    bench.wait(1_000);
    let sent = bench.sent();
    assert_eq!(sent.iter().map(|(_, command, _)| *command).collect::<Vec<_>>(), [INIT]);
    assert_eq!(bench.world.records().len(), 0);
    assert_eq!(bench.approved(channel, &create(1))[0], SUCCESS);
}

#[test]
fn abandoned_command_whose_job_is_out_never_answers_for_the_next() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.send(channel, CBOR, &create(1));
    bench.report(&initialization(channel, INIT, 8, b"12345678"));
    bench.send(channel, CBOR, GET_INFO);
    assert_eq!(bench.jobs.len(), 1, "the machine gets the next job when it is done with this one");
    bench.wait(100);
    bench.work();
    let sent = bench.sent();
    let commands: Vec<u8> = sent.iter().map(|(_, command, _)| *command).collect();
    assert_eq!(commands, [INIT, KEEPALIVE, CBOR]);
    assert!(sent[2].2.len() > 1, "the response is getInfo's");
    assert!(bench.asked.is_empty(), "nobody is asked for the abandoned one");
}

#[test]
fn jobs_of_abandoned_commands_do_not_pile_up() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    for _ in 0..100 {
        bench.send(channel, CBOR, GET_INFO);
        bench.report(&initialization(channel, INIT, 8, b"12345678"));
    }
    assert_eq!(bench.jobs.len(), 1);
    bench.send(channel, CBOR, GET_INFO);
    bench.sent();
    bench.work();
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn cancel_of_a_command_that_waits_for_the_machine_ends_it_at_once() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.send(channel, CBOR, GET_INFO);
    bench.report(&initialization(channel, INIT, 8, b"12345678"));
    bench.send(channel, CBOR, GET_INFO);
    bench.sent();
    bench.cancel(channel);
    assert_eq!(bench.sent(), [(channel, CBOR, vec![KEEPALIVE_CANCEL])]);
    bench.work();
    assert_eq!(bench.sent(), [], "one response is enough");
}

#[test]
fn job_of_another_device_is_ignored() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.send(channel, CBOR, GET_INFO);
    bench.work();
    bench.sent();
    let mut other = Bench::new();
    let channel = other.channel();
    other.send(channel, CBOR, SELECTION);
    other.send(channel, CBOR, SELECTION);
    let World { authenticator, store, rng, now, .. } = &mut other.world;
    let finished = other.jobs.remove(0).run(authenticator, store, *now, rng);
    bench.device.finish(finished, *now);
    bench.collect();
    assert_eq!((bench.sent(), bench.jobs.len(), bench.asked.len()), (Vec::new(), 0, 0));
}

#[test]
fn two_channels_take_turns_and_the_second_is_busy_meanwhile() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    bench.cbor(first, &create(1));
    bench.sent();
    bench.cbor(second, GET_INFO);
    assert_eq!(bench.sent(), [(second, ERROR, vec![BUSY])]);
    let (id, _) = bench.question();
    bench.answer(id, Answer::Approved { choice: None });
    bench.work();
    assert_eq!(bench.sent().pop().unwrap().2[0], SUCCESS);
    assert_eq!(bench.approved(second, &get())[0], SUCCESS);
}

#[test]
fn next_assertion_belongs_to_the_channel_that_began() {
    let mut bench = Bench::new();
    let (first, second) = (bench.channel(), bench.channel());
    for user in 1..=3 {
        assert_eq!(bench.approved(first, &create(user))[0], SUCCESS);
    }
    assert_eq!(bench.approved(first, &get())[0], SUCCESS);
    assert_eq!(bench.approved(first, NEXT_ASSERTION)[0], SUCCESS);
    assert_eq!(bench.approved(second, NEXT_ASSERTION), [NOT_ALLOWED]);
    assert_eq!(bench.approved(first, NEXT_ASSERTION), [NOT_ALLOWED], "and another's command ended it");
}

#[test]
fn disconnecting_withdraws_the_question_and_forgets_the_channels() {
    let mut bench = Bench::new();
    let channel = bench.channel();
    bench.cbor(channel, &create(1));
    let (id, _) = bench.question();
    bench.sent();
    bench.device.disconnect(&mut bench.world.rng);
    bench.work();
    assert_eq!((bench.withdrawn.clone(), bench.sent()), (vec![id], Vec::new()));
    bench.send(channel, CBOR, GET_INFO);
    assert_eq!(bench.sent(), [(channel, ERROR, vec![0x0b])]);
    let channel = bench.channel();
    bench.cbor(channel, GET_INFO);
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn jobs_go_to_other_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Job>();
    is_send::<Device>();
    is_send::<countersign::device::Finished>();
}

/// U2F over CTAPHID_MSG: register and authenticate with a touch that is waited for, and the words for what is refused.
#[cfg(feature = "u2f")]
#[test]
fn u2f_messages_are_answered_over_ctaphid_msg() {
    const MSG: u8 = 0x03;
    const KEEPALIVE: u8 = 0x3b;
    let mut bench = Bench::new();
    let settings = bench.world.authenticator.settings().clone();
    let machine = countersign::authenticator::Authenticator::new(
        settings,
        None,
        std::sync::Arc::new(countersign::crypto::RustCrypto),
    );
    bench.world.authenticator =
        machine.unwrap().with_attester(common::attesters::attester("fido-u2f.ES256")).unwrap();
    bench.device = Device::with_u2f([1, 0, 0], &mut bench.world.rng);
    bench.report(&init_request(b"12345678"));
    let init = bench.sent().remove(0).2;
    assert_eq!(init[16] & 0x08, 0, "CAPABILITY_NMSG is not set");
    let channel = u32::from_be_bytes(init[8..12].try_into().unwrap());
    let u2f = |bench: &mut Bench, apdu: &[u8], answer: Answer| {
        bench.send(channel, MSG, apdu);
        bench.work();
        if let Some((id, _)) = bench.asked.pop() {
            bench.wait(100);
            assert!(bench.sent().iter().any(|message| message.1 == KEEPALIVE));
            assert!(bench.answer(id, answer));
            bench.work();
        }
        let (_, command, response) = bench.sent().pop().expect("a response");
        assert_eq!(command, MSG);
        response
    };
    assert_eq!(u2f(&mut bench, &[0, 3, 0, 0, 0, 0, 0], Answer::Declined), b"U2F_V2\x90\x00");
    let register = [&[0, 1, 0, 0, 0, 0, 64][..], &[7; 64], &[0, 0]].concat();
    assert_eq!(u2f(&mut bench, &register, Answer::Declined), [0x69, 0x85]);
    let made = u2f(&mut bench, &register, Answer::Approved { choice: None });
    assert_eq!((made[0], &made[made.len() - 2..]), (0x05, &[0x90, 0x00][..]));
    let handle = &made[67..67 + usize::from(made[66])];
    let data = [&[7; 64], &[handle.len() as u8][..], handle].concat();
    let sign = [&[0, 2, 3, 0, 0, 0, data.len() as u8], data.as_slice(), &[0, 0]].concat();
    let signed = u2f(&mut bench, &sign, Answer::Approved { choice: None });
    assert_eq!((signed[0], &signed[signed.len() - 2..]), (1, &[0x90, 0x00][..]));
    assert_eq!(u2f(&mut bench, &[0x80, 3, 0, 0], Answer::Declined), [0x6e, 0x00]);
    // And CTAP2 beside it.
    bench.cbor(channel, GET_INFO);
    assert_eq!(bench.sent().pop().map(|message| (message.1, message.2[0])), Some((CBOR, SUCCESS)));
}
