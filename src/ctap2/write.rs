//! The writer's tool: maps of which members may be absent.

use crate::cbor::Writer;

/// A map under construction. Members are written in canonical order; those that are absent leave nothing behind.
#[derive(Default)]
pub(super) struct Members {
    count: usize,
    body: Writer,
}

impl Members {
    /// A member with an unsigned key.
    pub(super) fn at(&mut self, key: u64, write: impl FnOnce(&mut Writer)) -> &mut Self {
        self.count = self.count.saturating_add(1);
        write(self.body.unsigned(key));
        self
    }

    /// A member with a text key.
    pub(super) fn named(&mut self, key: &str, write: impl FnOnce(&mut Writer)) -> &mut Self {
        self.count = self.count.saturating_add(1);
        write(self.body.text(key));
        self
    }

    /// As [`Members::at`], if there is a value.
    pub(super) fn at_some<T>(
        &mut self,
        key: u64,
        value: Option<T>,
        write: impl FnOnce(&mut Writer, T),
    ) -> &mut Self {
        match value {
            Some(value) => self.at(key, |writer| write(writer, value)),
            None => self,
        }
    }

    /// As [`Members::named`], if there is a value.
    pub(super) fn named_some<T>(
        &mut self,
        key: &str,
        value: Option<T>,
        write: impl FnOnce(&mut Writer, T),
    ) -> &mut Self {
        match value {
            Some(value) => self.named(key, |writer| write(writer, value)),
            None => self,
        }
    }

    /// An array, unless it is empty.
    pub(super) fn at_list<T>(
        &mut self,
        key: u64,
        elements: &[T],
        write: impl Fn(&mut Writer, &T),
    ) -> &mut Self {
        let some = (!elements.is_empty()).then_some(elements);
        self.at_some(key, some, |writer, elements| array(writer, elements, write))
    }

    /// A map, unless it is empty.
    pub(super) fn at_map(&mut self, key: u64, members: Self) -> &mut Self {
        let some = (members.count > 0).then_some(members);
        self.at_some(key, some, |writer, members| members.finish(writer))
    }

    /// Closes the map.
    pub(super) fn finish(self, writer: &mut Writer) {
        writer.map(self.count).raw(&self.body.finish());
    }
}

/// An array, element by element.
pub(super) fn array<T>(writer: &mut Writer, elements: &[T], write: impl Fn(&mut Writer, &T)) {
    writer.array(elements.len());
    elements.iter().for_each(|element| write(writer, element));
}
