//! The index as an authenticated binary trie (vault-format.md, "item_root"). It is persistent: a copy costs nothing and
//! shares what did not change, so that a draft can be given up, and one item is changed in log n.

use alloc::{sync::Arc, vec::Vec};

use super::{ids::ItemId, item::Row};
use crate::crypto::{sha256, sha256_parts};

const PATH_BITS: u16 = 256;
/// L("item-leaf") and L("item-node"), at hand: they are hashed for every row.
const LEAF: &[u8] = b"countersign/v1/item-leaf\0";
const NODE: &[u8] = b"countersign/v1/item-node\0";

/// All rows of one state.
#[derive(Clone)]
pub(super) struct Trie {
    root: Node,
    rows: usize,
}

#[derive(Clone)]
enum Node {
    Empty,
    Leaf(Arc<Leaf>),
    Branch(Arc<Branch>),
}

struct Leaf {
    row: Row,
    /// h(item_id)
    path: [u8; 32],
    hash: [u8; 32],
}

struct Branch {
    hash: [u8; 32],
    zero: Node,
    one: Node,
}

impl Leaf {
    fn new(row: Row) -> Arc<Self> {
        let parts: [&[u8]; 4] = [LEAF, &row.item_id.0, &row.version.to_be_bytes(), &row.hash];
        Arc::new(Self { row, path: sha256(&row.item_id.0), hash: sha256_parts(&parts) })
    }
}

impl Node {
    fn hash(&self) -> [u8; 32] {
        match self {
            Self::Empty => [0; 32],
            Self::Leaf(leaf) => leaf.hash,
            Self::Branch(branch) => branch.hash,
        }
    }

    fn branch(zero: Self, one: Self) -> Self {
        let hash = sha256_parts(&[NODE, &zero.hash(), &one.hash()]);
        Self::Branch(Arc::new(Branch { hash, zero, one }))
    }

    /// The trie of leaves that are sorted by path, and agree in the bits before `depth`.
    fn build(leaves: &[Arc<Leaf>], depth: u16) -> Self {
        match leaves {
            [] => Self::Empty,
            [leaf] => Self::Leaf(leaf.clone()),
            _ if depth >= PATH_BITS => Self::Empty,
            _ => {
                let (zeros, ones) = leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.path, depth)));
                let below = depth.saturating_add(1);
                Self::branch(Self::build(zeros, below), Self::build(ones, below))
            }
        }
    }

    /// Adds a leaf, or replaces that of the same item.
    fn insert(&self, leaf: Arc<Leaf>, depth: u16) -> Self {
        match self {
            Self::Empty => Self::Leaf(leaf),
            Self::Leaf(old) if old.path == leaf.path => Self::Leaf(leaf),
            Self::Leaf(old) if bit(&old.path, depth) => Self::place(&Self::Empty, self, leaf, depth),
            Self::Leaf(_) => Self::place(self, &Self::Empty, leaf, depth),
            Self::Branch(branch) => Self::place(&branch.zero, &branch.one, leaf, depth),
        }
    }

    /// A branch of two sides, of which one takes in a leaf.
    fn place(zero: &Self, one: &Self, leaf: Arc<Leaf>, depth: u16) -> Self {
        let below = depth.saturating_add(1);
        if bit(&leaf.path, depth) {
            Self::branch(zero.clone(), one.insert(leaf, below))
        } else {
            Self::branch(zero.insert(leaf, below), one.clone())
        }
    }

    /// Takes a leaf out. A lone leaf stands as high as it can.
    fn remove(&self, path: &[u8; 32], depth: u16) -> Self {
        let Self::Branch(branch) = self else { return Self::Empty };
        let below = depth.saturating_add(1);
        let (zero, one) = if bit(path, depth) {
            (branch.zero.clone(), branch.one.remove(path, below))
        } else {
            (branch.zero.remove(path, below), branch.one.clone())
        };
        match (&zero, &one) {
            (Self::Empty, Self::Empty | Self::Leaf(_)) => one,
            (Self::Leaf(_), Self::Empty) => zero,
            _ => Self::branch(zero, one),
        }
    }

    fn find(&self, path: &[u8; 32]) -> Option<&Row> {
        let mut node = self;
        for depth in 0..=PATH_BITS {
            match node {
                Self::Empty => return None,
                Self::Leaf(leaf) => return (leaf.path == *path).then_some(&leaf.row),
                Self::Branch(branch) if bit(path, depth) => node = &branch.one,
                Self::Branch(branch) => node = &branch.zero,
            }
        }
        None
    }

    fn collect(&self, rows: &mut Vec<Row>) {
        match self {
            Self::Empty => {}
            Self::Leaf(leaf) => rows.push(leaf.row),
            Self::Branch(branch) => {
                branch.zero.collect(rows);
                branch.one.collect(rows);
            }
        }
    }
}

impl Trie {
    pub(super) const EMPTY: Self = Self { root: Node::Empty, rows: 0 };

    /// The trie of rows of distinct items, in any order: two hashes a row.
    pub(super) fn from_rows(rows: impl Iterator<Item = Row>) -> Self {
        let mut leaves: Vec<_> = rows.map(Leaf::new).collect();
        leaves.sort_unstable_by_key(|leaf| leaf.path);
        Self { root: Node::build(&leaves, 0), rows: leaves.len() }
    }

    /// The item_root.
    pub(super) fn root_hash(&self) -> [u8; 32] {
        self.root.hash()
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn get(&self, id: &ItemId) -> Option<&Row> {
        self.root.find(&sha256(&id.0))
    }

    pub(super) fn insert(&mut self, row: Row) {
        if self.get(&row.item_id).is_none() {
            self.rows = self.rows.saturating_add(1);
        }
        self.root = self.root.insert(Leaf::new(row), 0);
    }

    pub(super) fn remove(&mut self, id: &ItemId) {
        if self.get(id).is_some() {
            self.rows = self.rows.saturating_sub(1);
            self.root = self.root.remove(&sha256(&id.0), 0);
        }
    }

    /// All rows, ascending by item.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.rows);
        self.root.collect(&mut rows);
        rows.sort_unstable_by_key(|row| row.item_id);
        rows
    }
}

/// Bit `index`, counted from the most significant.
fn bit(path: &[u8; 32], index: u16) -> bool {
    let byte = path.get(usize::from(index >> 3)).copied().unwrap_or(0);
    (byte << (index & 7)) & 0x80 != 0
}
