//! The extension outputs in authenticator data.

use alloc::vec::Vec;

use crate::cbor::Writer;

/// A map under construction. Its members are given in canonical order.
#[derive(Default)]
pub(super) struct Outputs {
    count: usize,
    body: Writer,
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
            write(self.body.text(name), output);
        }
    }

    /// The map, or nothing at all where it would be empty.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut writer = Writer::new();
        if self.count > 0 {
            writer.map(self.count).raw(&self.body.finish());
        }
        writer.finish()
    }
}
