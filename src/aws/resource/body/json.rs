//! Names out of JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Finds, Names, Step, Way, push};

/// Out of a JSON object. serde_json reads the text piece by piece, so what stands before an end or an error is found.
pub(in crate::aws::resource) fn json(prefix: &[u8], ways: &[Way]) -> Names {
    if prefix.is_empty() {
        return Names::new();
    }
    let mut finds = Finds::new(ways);
    // An error is the usual end: of the bytes, or of the search.
    let _ = serde_json::Deserializer::from_slice(prefix).deserialize_map(Top(&mut finds));
    finds.best()
}

struct Top<'a, 'w>(&'a mut Finds<'w>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(way) = map.next_key_seed(Key(|key: &str| self.0.at(key)))? {
            match way {
                Some((at, step)) => map.next_value_seed(Value { names: &mut self.0.names[at], step })?,
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
            if self.0.is_settled() {
                break;
            }
        }
        Ok(())
    }
}

/// A key, as what is made of it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<T, E> {
        Ok((self.0)(key))
    }
}

/// A value somewhere on the way.
struct Value<'a, 'w> {
    names: &'a mut Names,
    step: Step<'w>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if matches!(self.step, Step::Name) {
            push(self.names, text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let step = match self.step {
            Step::Each(rest) => Step::of(rest),
            other => other,
        };
        while items.next_element_seed(Value { names: &mut *self.names, step })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value { names, step } = self;
        while let Some(below) = map.next_key_seed(Key(|key: &str| {
            if matches!(step, Step::Keys) {
                push(names, key);
            }
            step.into(key)
        }))? {
            match below {
                Some(step) => map.next_value_seed(Value { names: &mut *names, step })?,
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
