//! Following a pointer through CBOR.

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error;

use super::{Hits, Pointer, Step};

pub(super) fn find(prefix: &[u8], pointer: &Pointer, hits: &mut Hits) {
    // An error is the usual end: of the bytes.
    let _ = value(&mut Decoder::new(prefix), pointer, &pointer.steps, hits);
}

/// Reads a value whole, or up to where the search is over.
fn value(input: &mut Decoder<'_>, pointer: &Pointer, left: &[Step], hits: &mut Hits) -> Result<(), Error> {
    let kind = input.datatype()?;
    let Some((step, left)) = left.split_first() else { return hit(input, kind, pointer, hits) };
    match kind {
        Type::Array | Type::ArrayIndef => {
            let wanted = match step {
                Step::Any => None,
                Step::Named(number) => Some(number.parse::<usize>().unwrap_or(usize::MAX)),
                Step::OneOf(_) => Some(usize::MAX),
            };
            let mut remaining = input.array()?;
            let mut index = 0;
            while !hits.done && more(input, &mut remaining)? {
                if wanted.is_none_or(|wanted| wanted == index) {
                    value(input, pointer, left, hits)?;
                } else {
                    input.skip()?;
                }
                index += 1;
            }
            Ok(())
        }
        Type::Map | Type::MapIndef => {
            let mut remaining = input.map()?;
            while !hits.done && more(input, &mut remaining)? {
                if step.fits(input.str()?) {
                    value(input, pointer, left, hits)?;
                } else {
                    input.skip()?;
                }
            }
            Ok(())
        }
        _ => input.skip(),
    }
}

/// The value is what was looked for.
fn hit(input: &mut Decoder<'_>, kind: Type, pointer: &Pointer, hits: &mut Hits) -> Result<(), Error> {
    match kind {
        Type::String => hits.add(pointer, Some(input.str()?)),
        Type::Bool => hits.add(pointer, Some(if input.bool()? { "true" } else { "false" })),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            hits.add(pointer, Some(&input.int()?.to_string()));
        }
        Type::F32 | Type::F64 => hits.add(pointer, Some(&input.f64()?.to_string())),
        Type::Null => {
            input.null()?;
            hits.add(pointer, Some("null"));
        }
        _ => {
            hits.add(pointer, None);
            if !hits.done {
                input.skip()?;
            }
        }
    }
    Ok(())
}

/// Whether a list or map goes on, of a told length or up to a break.
fn more(input: &mut Decoder<'_>, remaining: &mut Option<u64>) -> Result<bool, Error> {
    match remaining {
        Some(0) => Ok(false),
        Some(count) => {
            *count -= 1;
            Ok(true)
        }
        None if input.datatype()? == Type::Break => input.skip().map(|()| false),
        None => Ok(true),
    }
}
