//! The canonical writer.

use alloc::vec::Vec;

use super::read::key_order;

/// Writes canonical CBOR into a growing buffer.
///
/// Heads are always shortest. Map keys are written by the caller in canonical order (unsigned, then negative, then
/// text by length); [`Writer::sorted_map`] sorts for those who do not know the order beforehand. Every response that
/// is written this way is read back by the strict reader in the tests.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
}

/// Where a map was begun, with a head of one byte that counts nothing yet.
pub(crate) struct OpenMap(usize);

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// A buffer that starts with one byte that is not CBOR: a CTAP2 command or status.
    pub fn after(first: u8) -> Self {
        Self::after_with_room(first, 0)
    }

    /// The same, with room for `more` bytes than messages usually have.
    pub(crate) fn after_with_room(first: u8, more: usize) -> Self {
        let mut writer = Self::with_capacity(more.saturating_add(256));
        writer.out.push(first);
        writer
    }

    /// Goes on where `out` ends.
    pub(crate) fn onto(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// Makes room for `more` bytes, so that the buffer need not grow on the way.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.out.reserve(more);
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written after the first `written` bytes.
    pub(crate) fn take_back(&mut self, written: usize) {
        self.out.truncate(written);
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// An unsigned integer.
    pub fn unsigned(&mut self, value: u64) -> &mut Self {
        self.head(0, value)
    }

    /// An integer of either sign.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        match u64::try_from(value) {
            Ok(value) => self.head(0, value),
            // -1 - n is the bitwise complement of n.
            Err(_) => self.head(1, (!value).unsigned_abs()),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(2, length(value.len()));
        self.raw(value)
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(3, length(value.len()));
        self.raw(value.as_bytes())
    }

    /// The head of an array; its `count` elements follow.
    pub fn array(&mut self, count: usize) -> &mut Self {
        self.head(4, length(count))
    }

    /// The head of a map; its `count` entries follow, keys in canonical order.
    pub fn map(&mut self, count: usize) -> &mut Self {
        self.head(5, length(count))
    }

    /// Begins a map whose entries are counted while they are written; [`Writer::close_map`] ends it.
    pub(crate) fn open_map(&mut self) -> OpenMap {
        let open = OpenMap(self.out.len());
        self.map(0);
        open
    }

    /// Ends a map: since it was begun, `count` entries were written, and nothing else.
    pub(crate) fn close_map(&mut self, open: OpenMap, count: usize) {
        match (self.out.get_mut(open.0), u8::try_from(count)) {
            (Some(head), Ok(count @ 0..=23)) => *head |= count,
            // A head of more bytes: what follows moves.
            _ => {
                let entries = self.out.split_off(open.0.min(self.out.len()));
                self.map(count).raw(entries.split_first().map_or(&[], |(_, entries)| entries));
            }
        }
    }

    /// True or false.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(&[if value { 0xf5 } else { 0xf4 }])
    }

    /// Bytes that are canonical CBOR already.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.out.extend_from_slice(encoded);
        self
    }

    /// A map from entries whose key and value are encoded already, in whatever order. Of two entries with one key, the
    /// first stays.
    pub fn sorted_map(&mut self, mut entries: Vec<(Vec<u8>, Vec<u8>)>) -> &mut Self {
        entries.sort_by(|left, right| key_order(&left.0, &right.0));
        entries.dedup_by(|later, earlier| later.0 == earlier.0);
        self.map(entries.len());
        for (key, value) in &entries {
            self.raw(key).raw(value);
        }
        self
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let bytes = argument.to_be_bytes();
        let (info, width) = match argument {
            0..=23 => (bytes.last().copied().unwrap_or(0), 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        self.out.push((major << 5) | info);
        self.raw(bytes.last_chunk::<8>().map_or(&[], |all| all.split_at(8usize.saturating_sub(width)).1))
    }
}

/// Lengths are 64 bits on the wire and at most 64 bits in memory.
fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
