//! The writer's tool: maps of which members may be absent.

use crate::cbor::{OpenMap, Writer};

/// A map under construction, in the buffer of its message. Members are written in canonical order; those that are absent
/// leave nothing behind.
pub(super) struct Members<'w> {
    writer: &'w mut Writer,
    map: OpenMap,
    count: usize,
}

impl<'w> Members<'w> {
    /// Begins the map.
    pub(super) fn of(writer: &'w mut Writer) -> Self {
        let map = writer.open_map();
        Self { writer, map, count: 0 }
    }

    /// A member with an unsigned key.
    pub(super) fn at(&mut self, key: u64, write: impl FnOnce(&mut Writer)) -> &mut Self {
        self.count = self.count.saturating_add(1);
        write(self.writer.unsigned(key));
        self
    }

    /// A member with a text key.
    pub(super) fn named(&mut self, key: &str, write: impl FnOnce(&mut Writer)) -> &mut Self {
        self.count = self.count.saturating_add(1);
        write(self.writer.text(key));
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
    pub(super) fn at_map(&mut self, key: u64, write: impl FnOnce(&mut Members<'_>)) -> &mut Self {
        let before = self.writer.written();
        let mut members = Members::of(self.writer.unsigned(key));
        write(&mut members);
        if members.finish() > 0 {
            self.count = self.count.saturating_add(1);
        } else {
            self.writer.take_back(before);
        }
        self
    }

    /// Closes the map, and says how many members it has.
    pub(super) fn finish(self) -> usize {
        self.writer.close_map(self.map, self.count);
        self.count
    }
}

/// An array, element by element.
pub(super) fn array<T>(writer: &mut Writer, elements: &[T], write: impl Fn(&mut Writer, &T)) {
    writer.array(elements.len());
    elements.iter().for_each(|element| write(writer, element));
}
