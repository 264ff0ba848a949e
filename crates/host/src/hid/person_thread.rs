//! Whoever is asked, on a thread of its own: people take their time.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, Sender, channel},
};

use countersign::{
    authenticator::{Answer, Question},
    device::QuestionId,
};

use super::withdrawal::Withdrawal;
use crate::clock::Clock;

/// Asks somebody. The clock is the one by which the question's deadline counts; after the withdrawal nobody waits for the
/// answer any more.
pub type AskPerson = Box<dyn FnMut(&Question, Clock, &Withdrawal) -> Answer + Send>;

/// The thread's end of it. The thread ends with its last question: who sits at a terminal is not torn away from it.
pub(super) struct PersonThread {
    questions: Sender<Asked>,
    answers: Receiver<(QuestionId, Answer)>,
}

struct Asked {
    id: QuestionId,
    question: Question,
    clock: Clock,
    withdrawal: Withdrawal,
}

impl PersonThread {
    pub(super) fn start(mut ask: AskPerson, mut wake: UnixStream) -> Self {
        let (questions, asked) = channel::<Asked>();
        let (to_outside, answers) = channel();
        std::thread::spawn(move || {
            for Asked { id, question, clock, withdrawal } in asked {
                if withdrawal.is_withdrawn() {
                    continue;
                }
                let answer = ask(&question, clock, &withdrawal);
                if to_outside.send((id, answer)).is_err() || wake.write_all(&[0]).is_err() {
                    return;
                }
            }
        });
        Self { questions, answers }
    }

    pub(super) fn ask(&self, id: QuestionId, question: Question, clock: Clock, withdrawal: Withdrawal) {
        _ = self.questions.send(Asked { id, question, clock, withdrawal });
    }

    pub(super) fn answer(&self) -> Option<(QuestionId, Answer)> {
        self.answers.try_recv().ok()
    }
}
