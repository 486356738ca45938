//! Following a pointer through JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Hits, Pointer, Step};

/// serde_json reads the text piece by piece, so what stands before an end or an error is found.
pub(super) fn find(prefix: &[u8], pointer: &Pointer, hits: &mut Hits) {
    let way = Way { pointer, left: &pointer.steps, hits };
    // An error is the usual end: of the bytes, or of the search.
    let _ = way.deserialize(&mut serde_json::Deserializer::from_slice(prefix));
}

/// A value on the way, and what is left of it.
struct Way<'a> {
    pointer: &'a Pointer,
    left: &'a [Step],
    hits: &'a mut Hits,
}

impl Way<'_> {
    /// The value is what was looked for, if the way ends here.
    fn hit(self, text: &str) {
        if self.left.is_empty() {
            self.hits.add(self.pointer, Some(text));
        }
    }

    fn go<E: Error>(&self) -> Result<(), E> {
        if self.hits.done { Err(E::custom("found")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, left)) = self.left.split_first() else {
            self.hits.add(self.pointer, None);
            self.go()?;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if step.fits(&key) {
                map.next_value_seed(Way { pointer: self.pointer, left, hits: &mut *self.hits })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.go()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((step, left)) = self.left.split_first() else {
            self.hits.add(self.pointer, None);
            self.go()?;
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let wanted = match step {
            Step::Any => None,
            Step::Named(number) => Some(number.parse::<usize>().unwrap_or(usize::MAX)),
            Step::OneOf(_) => Some(usize::MAX),
        };
        for index in 0.. {
            let more = if wanted.is_none_or(|wanted| wanted == index) {
                items.next_element_seed(Way { pointer: self.pointer, left, hits: &mut *self.hits })?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            self.go()?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.hit(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.hit(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.hit(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.hit(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.hit(&value.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.hit("null");
        Ok(())
    }
}
