//! JSON text, read once within a budget, and the reader that knows where it stands.

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{ErrorKind, OptionsError};

/// The longest text, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// How many arrays and objects may stand inside one another, the outermost counted.
const MAX_DEPTH: u8 = 16;
/// How many values a text may hold, those in unknown members included.
const MAX_VALUES: u32 = 16 * 1024;
/// How many elements a list that is used may have.
const MAX_LIST: usize = 256;

/// One JSON value.
pub(super) enum Node {
    Null,
    Boolean(bool),
    /// `None` for what is no integer of 64 bits.
    Number(Option<i64>),
    Text(String),
    Array(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

impl Node {
    pub(super) fn parse(json: &[u8]) -> Result<Self, OptionsError> {
        if json.len() > MAX_TEXT {
            return Err(OptionsError::new(ErrorKind::TooLarge, "", "the text is longer than 256 KiB"));
        }
        let mut budget = Budget { values_left: MAX_VALUES, refused: None };
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let seed = NodeSeed { budget: &mut budget, depth_left: MAX_DEPTH };
        let parsed = seed.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
        parsed.map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            let (kind, reason) = budget.refused.unwrap_or((ErrorKind::NotJson, "the text is not JSON"));
            OptionsError::new(kind, place, reason)
        })
    }
}

struct Budget {
    values_left: u32,
    /// Set before the visitor gives up; serde's own error could carry a text only.
    refused: Option<(ErrorKind, &'static str)>,
}

impl Budget {
    fn refuse<E: Error>(&mut self, kind: ErrorKind, reason: &'static str) -> E {
        self.refused = Some((kind, reason));
        E::custom(reason)
    }
}

struct NodeSeed<'b> {
    budget: &'b mut Budget,
    depth_left: u8,
}

impl NodeSeed<'_> {
    /// The seed for what stands inside a container.
    fn inside<E: Error>(&mut self) -> Result<NodeSeed<'_>, E> {
        let too_deep = "arrays and objects stand more than 16 deep inside one another";
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(NodeSeed { budget: self.budget, depth_left }),
            None => Err(self.budget.refuse(ErrorKind::TooLarge, too_deep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.budget.values_left.checked_sub(1) {
            Some(left) => self.budget.values_left = left,
            None => return Err(self.budget.refuse(ErrorKind::TooLarge, "the text holds too many values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(Some(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(i64::try_from(value).ok()))
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Node, E> {
        Ok(Node::Number(None))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Node, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self.inside()?)? {
            array.push(element);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Node, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.inside()?)?;
            // RFC 8259 section 4 leaves open which of two counts; a relying party and we must not disagree about it.
            if object.insert(name, value).is_some() {
                return Err(self.budget.refuse(ErrorKind::NotJson, "a member is named twice in one object"));
            }
        }
        Ok(Node::Object(object))
    }
}

/// A value with its place in the options.
pub(super) struct Member<'n> {
    node: &'n Node,
    place: String,
}

impl<'n> Member<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node, place: String::new() }
    }

    pub(super) fn error(&self, kind: ErrorKind, reason: &'static str) -> OptionsError {
        OptionsError::new(kind, self.place.as_str(), reason)
    }

    fn wrong_type<T>(&self, reason: &'static str) -> Result<T, OptionsError> {
        Err(self.error(ErrorKind::Type, reason))
    }

    pub(super) fn object(self) -> Result<Object<'n>, OptionsError> {
        match self.node {
            Node::Object(members) => Ok(Object { members, place: self.place }),
            _ => self.wrong_type("is not an object"),
        }
    }

    pub(super) fn text(&self) -> Result<&'n str, OptionsError> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => self.wrong_type("is not a string"),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, OptionsError> {
        match self.node {
            Node::Boolean(value) => Ok(*value),
            _ => self.wrong_type("is not true or false"),
        }
    }

    /// Web IDL `long`.
    pub(super) fn long(&self) -> Result<i32, OptionsError> {
        self.integer("is not a whole number of 32 bits")
    }

    /// Web IDL `unsigned long`.
    pub(super) fn unsigned_long(&self) -> Result<u32, OptionsError> {
        self.integer("is not a whole number from 0 to 4294967295")
    }

    fn integer<T: TryFrom<i64>>(&self, reason: &'static str) -> Result<T, OptionsError> {
        match self.node {
            Node::Number(Some(number)) => T::try_from(*number).or_else(|_| self.wrong_type(reason)),
            _ => self.wrong_type(reason),
        }
    }

    /// WebAuthn `Base64URLString`.
    pub(super) fn base64url(&self) -> Result<Vec<u8>, OptionsError> {
        let reason = "is not base64url without padding";
        decode_base64url(self.text()?).ok_or_else(|| self.error(ErrorKind::Encoding, reason))
    }

    pub(super) fn list(&self) -> Result<Vec<Member<'n>>, OptionsError> {
        let Node::Array(elements) = self.node else {
            return self.wrong_type("is not an array");
        };
        if elements.len() > MAX_LIST {
            return Err(self.error(ErrorKind::TooLarge, "has more than 256 elements"));
        }
        let place = |index: usize| format!("{}[{index}]", self.place);
        Ok(elements.iter().enumerate().map(|(index, node)| Member { node, place: place(index) }).collect())
    }

    pub(super) fn texts(&self) -> Result<Vec<&'n str>, OptionsError> {
        self.list()?.iter().map(Member::text).collect()
    }

    /// The entries of an object whose names are data. They are the caller's text and no part of any place.
    pub(super) fn record(&self) -> Result<Vec<(&'n str, Member<'n>)>, OptionsError> {
        let Node::Object(members) = self.node else {
            return self.wrong_type("is not an object");
        };
        if members.len() > MAX_LIST {
            return Err(self.error(ErrorKind::TooLarge, "has more than 256 members"));
        }
        let entry = |(name, node)| {
            let name: &'n String = name;
            (name.as_str(), Member { node, place: format!("{}[...]", self.place) })
        };
        Ok(members.iter().map(entry).collect())
    }
}

/// An object whose members have names that are known beforehand.
pub(super) struct Object<'n> {
    members: &'n BTreeMap<String, Node>,
    place: String,
}

impl<'n> Object<'n> {
    /// The member, unless it is absent or null.
    pub(super) fn optional(&self, name: &str) -> Option<Member<'n>> {
        match self.members.get(name)? {
            Node::Null => None,
            node => Some(Member { node, place: self.place_of(name) }),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<Member<'n>, OptionsError> {
        let missing = || OptionsError::new(ErrorKind::Type, self.place_of(name), "is required and missing");
        self.optional(name).ok_or_else(missing)
    }

    fn place_of(&self, name: &str) -> String {
        match self.place.as_str() {
            "" => name.to_string(),
            place => format!("{place}.{name}"),
        }
    }
}

/// RFC 4648 section 5 without padding, white space, or bits left over that are not zero.
pub(super) fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}
