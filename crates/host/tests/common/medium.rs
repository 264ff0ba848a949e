//! A medium that can fail, and that remembers what it was told, so that a power cut can be played at any point.

use std::{
    io,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

/// One thing that the database told the medium.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// When the medium stops to obey, and with what error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// So many operations succeed before.
    pub(crate) after: usize,
    pub(crate) error: io::ErrorKind,
    /// Whether a failing write leaves half of its bytes behind.
    pub(crate) torn: bool,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    log: Vec<Op>,
    failure: Option<Failure>,
}

/// Copies share one medium, which outlives the database on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Medium(Arc<Mutex<Inner>>);

impl Medium {
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Inner { bytes, ..Inner::default() })))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    /// What was told since the last call.
    pub(crate) fn take_log(&self) -> Vec<Op> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }

    pub(crate) fn fail(&self, failure: Option<Failure>) {
        let mut inner = self.0.lock().unwrap();
        inner.log.clear();
        inner.failure = failure;
    }

    fn obey(&self, op: Op) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        if let Some(failure) = inner.failure.filter(|failure| inner.log.len() >= failure.after) {
            if let (Op::Write(offset, data), true) = (&op, failure.torn) {
                apply(&mut inner.bytes, &Op::Write(*offset, data[..data.len() / 2].to_vec()));
            }
            return Err(failure.error.into());
        }
        apply(&mut inner.bytes, &op);
        inner.log.push(op);
        Ok(())
    }
}

/// What an operation does to the bytes.
pub(crate) fn apply(bytes: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write(offset, data) => {
            let end = *offset as usize + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset as usize..end].copy_from_slice(data);
        }
        Op::SetLen(length) => bytes.resize(*length as usize, 0),
        Op::Sync => {}
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.0.lock().unwrap();
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(inner.bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.obey(Op::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.obey(Op::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.obey(Op::Write(offset, data.to_vec()))
    }
}
