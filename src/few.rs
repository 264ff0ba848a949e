//! Lists that mostly have one element.

use alloc::vec::{self, Vec};
use core::{
    fmt, mem,
    ops::{Deref, DerefMut},
    slice,
};

/// A list that takes no memory of its own as long as it has at most one element: what a sign-in looks up, finds and asks
/// about. It reads as a slice.
pub struct Few<T>(Kept<T>);

enum Kept<T> {
    One(T),
    /// None, or several; after some were taken out, one.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Kept::Many(Vec::new()))
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        match &self.0 {
            Kept::One(element) => slice::from_ref(element),
            Kept::Many(elements) => elements,
        }
    }

    /// Adds one at the end.
    pub fn push(&mut self, element: T) {
        self.0 = match mem::take(self).0 {
            Kept::One(first) => Kept::Many(Vec::from([first, element])),
            Kept::Many(elements) if elements.is_empty() => Kept::One(element),
            Kept::Many(mut elements) => {
                elements.push(element);
                Kept::Many(elements)
            }
        };
    }

    /// Takes the last one.
    pub fn pop(&mut self) -> Option<T> {
        if let Kept::Many(elements) = &mut self.0 {
            return elements.pop();
        }
        self.take_one()
    }

    /// Takes the first one; the last one takes its place.
    pub fn swap_pop_first(&mut self) -> Option<T> {
        match &mut self.0 {
            Kept::Many(elements) => (!elements.is_empty()).then(|| elements.swap_remove(0)),
            Kept::One(_) => self.take_one(),
        }
    }

    /// Leaves those for which `keep` holds, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match &mut self.0 {
            Kept::One(element) if keep(element) => {}
            Kept::One(_) => *self = Self::new(),
            Kept::Many(elements) => elements.retain(keep),
        }
    }

    /// Of elements in a row that are the same, the first one stays.
    pub fn dedup_by(&mut self, same: impl FnMut(&mut T, &mut T) -> bool) {
        if let Kept::Many(elements) = &mut self.0 {
            elements.dedup_by(same);
        }
    }

    /// The one; `None`, and nothing is changed, where there may be another number.
    fn take_one(&mut self) -> Option<T> {
        match mem::take(self).0 {
            Kept::One(element) => Some(element),
            many @ Kept::Many(_) => {
                self.0 = many;
                None
            }
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Kept::One(element) => slice::from_mut(element),
            Kept::Many(elements) => elements,
        }
    }
}

impl<T: Clone> Clone for Few<T> {
    fn clone(&self) -> Self {
        self.iter().cloned().collect()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<T> From<T> for Few<T> {
    fn from(element: T) -> Self {
        Self(Kept::One(element))
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(Kept::Many(elements))
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut few = Self::new();
        few.extend(elements);
        few
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push(element));
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        match self.0 {
            Kept::One(element) => IntoIter { one: Some(element), many: Vec::new().into_iter() },
            Kept::Many(elements) => IntoIter { one: None, many: elements.into_iter() },
        }
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a [`Few`], one after the other.
pub struct IntoIter<T> {
    one: Option<T>,
    many: vec::IntoIter<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.one.take().or_else(|| self.many.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.many.len().saturating_add(usize::from(self.one.is_some()));
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for IntoIter<T> {}
