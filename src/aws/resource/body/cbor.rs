//! Names out of CBOR.

use minicbor::Decoder;
use minicbor::data::Type;

use super::{Finds, Names, Step, Way, push};

/// Out of a CBOR map.
pub(in crate::aws::resource) fn cbor(prefix: &[u8], ways: &[Way]) -> Names {
    let mut finds = Finds::new(ways);
    let _ = cbor_top(&mut Decoder::new(prefix), &mut finds);
    finds.best()
}

type Read = Result<(), minicbor::decode::Error>;

fn cbor_top(input: &mut Decoder<'_>, finds: &mut Finds<'_>) -> Read {
    let mut left = input.map()?;
    while more(input, &mut left)? {
        match finds.at(input.str()?) {
            Some((at, step)) => cbor_value(input, step, &mut finds.names[at])?,
            None => input.skip()?,
        }
        if finds.is_settled() {
            break;
        }
    }
    Ok(())
}

fn cbor_value(input: &mut Decoder<'_>, step: Step<'_>, names: &mut Names) -> Read {
    match (input.datatype()?, step) {
        (Type::String, Step::Name) => push(names, input.str()?),
        (Type::Array | Type::ArrayIndef, Step::Name | Step::Each(_)) => {
            let mut left = input.array()?;
            while more(input, &mut left)? {
                match step {
                    Step::Each(rest) => cbor_value(input, Step::of(rest), names)?,
                    _ if input.datatype()? == Type::String => push(names, input.str()?),
                    _ => input.skip()?,
                }
            }
        }
        (Type::Map | Type::MapIndef, Step::Keys | Step::Any(_) | Step::Member(_)) => cbor_map(input, step, names)?,
        _ => input.skip()?,
    }
    Ok(())
}

fn cbor_map(input: &mut Decoder<'_>, step: Step<'_>, names: &mut Names) -> Read {
    let mut left = input.map()?;
    while more(input, &mut left)? {
        let key = input.str()?;
        if matches!(step, Step::Keys) {
            push(names, key);
        }
        match step.into(key) {
            Some(step) => cbor_value(input, step, names)?,
            None => input.skip()?,
        }
    }
    Ok(())
}

/// Whether a list or map goes on, of a told length or up to a break.
fn more(input: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, minicbor::decode::Error> {
    match left {
        Some(0) => Ok(false),
        Some(count) => {
            *count -= 1;
            Ok(true)
        }
        None if input.datatype()? == Type::Break => input.skip().map(|()| false),
        None => Ok(true),
    }
}
