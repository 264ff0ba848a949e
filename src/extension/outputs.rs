//! The extension outputs in authenticator data.

use alloc::vec::Vec;

use crate::cbor::{OpenMap, Writer};

/// What most outputs fit into, in bytes: those of hmac-secret are 80.
const ROOM: usize = 128;

/// A map under construction. Its members are given in canonical order.
#[derive(Default)]
pub(super) struct Outputs {
    count: usize,
    /// Begun with the first output.
    map: Option<OpenMap>,
    writer: Writer,
}

impl Outputs {
    pub(super) fn boolean(&mut self, name: &str, output: Option<bool>) {
        self.some(name, output, |writer, output| _ = writer.boolean(output));
    }

    pub(super) fn unsigned(&mut self, name: &str, output: Option<u64>) {
        self.some(name, output, |writer, output| _ = writer.unsigned(output));
    }

    pub(super) fn bytes(&mut self, name: &str, output: Option<&[u8]>) {
        self.some(name, output, |writer, output| _ = writer.bytes(output));
    }

    fn some<T>(&mut self, name: &str, output: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        if let Some(output) = output {
            self.count = self.count.saturating_add(1);
            self.map.get_or_insert_with(|| {
                self.writer.reserve(ROOM);
                self.writer.open_map()
            });
            write(self.writer.text(name), output);
        }
    }

    /// The map, or nothing at all where it would be empty.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(map) = self.map {
            self.writer.close_map(map, self.count);
        }
        self.writer.finish()
    }
}
