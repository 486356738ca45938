//! Batches in JSON and CBOR: a list of items in the request, a list of failures in the answer, as `shapes.txt` tells.

use std::borrow::Cow;

use compact_str::CompactString;

use super::notation::Notation;
use super::shape::{Field, Says, Shape};
use super::{Failure, Item, Joined, survivors};
use crate::aws::request::AwsRequest;

/// The items of a request.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    shape: &'static Shape,
    notation: Notation,
    doc: &'a [u8],
    items: Vec<&'a [u8]>,
    text: String,
}

impl<'a> Lists<'a> {
    pub(super) fn read(
        request: &AwsRequest,
        shape: &'static Shape,
        notation: Notation,
        doc: &'a [u8],
    ) -> Option<(Self, Vec<Item>)> {
        let items = notation.elements(notation.member(doc, shape.items)?)?;
        let about: Vec<u8> = notation
            .members(doc)?
            .into_iter()
            .filter(|(name, value)| name != shape.items && notation.scalar(value).is_some())
            .flat_map(|(_, value)| value.to_vec())
            .collect();
        let told = items.iter().enumerate().map(|(at, item)| told(shape, notation, &about, at, item)).collect();
        let text = text(shape, request, notation, doc);
        Some((Self { shape, notation, doc, items, text }, told))
    }

    pub(super) fn without(&self, failed: &[bool]) -> Option<Vec<u8>> {
        let left = self.notation.list(&survivors(&self.items, failed));
        self.notation.with(self.doc, self.shape.items, left)
    }

    pub(super) fn empty_answer(&self) -> Vec<u8> {
        let (empty, zero) = (self.notation.list::<&[u8]>(&[]), self.notation.number(0));
        let lists = self.shape.empty.iter().map(|name| (*name, Cow::Borrowed(&*empty)));
        let numbers = self.shape.zero.iter().map(|name| (*name, Cow::Borrowed(&*zero)));
        self.notation.object(lists.chain(numbers))
    }

    pub(super) fn joined(&self, failed: &[bool], failure: &Failure, answer: &[u8]) -> Option<Joined> {
        let told = match self.notation.at(answer, self.shape.failed) {
            Some(list) => self.notation.elements(list)?,
            None => Vec::new(),
        };
        let (list, failed) = match self.shape.is_aligned {
            true => self.aligned(failed, failure, &told)?,
            false => self.listed(failed, failure, &told),
        };
        let mut answer = self.renumbered(answer, &failed.1)?;
        if !list.is_empty() || self.notation.member(&answer, self.shape.failed).is_some() {
            answer = self.notation.with(&answer, self.shape.failed, self.notation.list(&list))?;
        }
        let failed = failed.0;
        if let Some(count) = self.shape.count {
            let number = failed.iter().filter(|failed| **failed).count();
            answer = self.notation.with(&answer, count, self.notation.number(number))?;
        }
        Some(Joined { body: answer, failed })
    }

    /// An element for each item, the far end's in the places of those it was given.
    fn aligned<'b>(&self, failed: &[bool], failure: &Failure, told: &[&'b [u8]]) -> Option<Merged<'b>> {
        if told.len() != failed.iter().filter(|failed| !**failed).count() {
            return None;
        }
        let (mut told, mut all) = (told.iter(), failed.to_vec());
        let mut list = Vec::with_capacity(failed.len());
        for (at, failed) in failed.iter().enumerate() {
            if *failed {
                list.push(Cow::Owned(self.failure(at, failure)));
                continue;
            }
            let element = told.next()?;
            let code = self.shape.code_at().and_then(|code| self.notation.at(element, code));
            all[at] = code.is_some_and(|code| self.notation.scalar(code).as_deref() != self.shape.done);
            list.push(Cow::Borrowed(*element));
        }
        Some((list, (all, places(failed))))
    }

    /// The failures alone, in the items' order; a failure of the far end's that is no item's comes last.
    fn listed<'b>(&self, failed: &[bool], failure: &Failure, told: &[&'b [u8]]) -> Merged<'b> {
        let (places, mut all) = (places(failed), failed.to_vec());
        let own = (0..failed.len()).filter(|at| failed[*at]).map(|at| (at, Cow::Owned(self.failure(at, failure))));
        let mut list: Vec<(usize, Cow<'_, [u8]>)> = own.collect();
        for element in told {
            let whose = self.whose(element, &places, &all);
            if let Some(at) = whose {
                all[at] = true;
            }
            let element = self.numbered(element, &places).map_or(Cow::Borrowed(*element), Cow::Owned);
            list.push((whose.unwrap_or(usize::MAX), element));
        }
        list.sort_by_key(|(at, _)| *at);
        (list.into_iter().map(|(_, element)| element).collect(), (all, places))
    }

    /// Which of the items that went on a failure of the far end's is about.
    fn whose(&self, element: &[u8], places: &[usize], failed: &[bool]) -> Option<usize> {
        let own = self.shape.own()?;
        let says = if own.name.is_empty() { Some(element) } else { self.notation.at(element, own.name) }?;
        if own.says == Says::Number {
            let number: usize = self.notation.scalar(says)?.parse().ok()?;
            return places.get(number).copied();
        }
        let says = self.notation.canonical(says);
        let is_it = |at: &usize| {
            let own = value(self.notation, own, self.items.get(*at)?)?;
            (self.notation.canonical(own) == says).then_some(())
        };
        places.iter().copied().find(|at| !failed[*at] && is_it(at).is_some())
    }

    /// Items are told by their numbers: those of the whole batch, not of what went on.
    fn renumbered(&self, answer: &[u8], places: &[usize]) -> Option<Vec<u8>> {
        let mut answer = answer.to_vec();
        if self.shape.own().is_none_or(|own| own.says != Says::Number) {
            return Some(answer);
        }
        let members: Vec<_> =
            self.notation.members(&answer)?.into_iter().map(|(n, v)| (n.into_owned(), v.to_vec())).collect();
        for (name, value) in members.iter().filter(|(name, _)| name != self.shape.failed) {
            let Some(elements) = self.notation.elements(value) else { continue };
            let numbered: Vec<Cow<'_, [u8]>> = elements
                .into_iter()
                .map(|element| self.numbered(element, places).map_or(Cow::Borrowed(element), Cow::Owned))
                .collect();
            answer = self.notation.with(&answer, name, self.notation.list(&numbered))?;
        }
        Some(answer)
    }

    fn numbered(&self, element: &[u8], places: &[usize]) -> Option<Vec<u8>> {
        let own = self.shape.own().filter(|own| own.says == Says::Number)?;
        let number: usize = self.notation.scalar(self.notation.at(element, own.name)?)?.parse().ok()?;
        self.notation.with(element, own.name, self.notation.number(*places.get(number)?))
    }

    fn failure(&self, at: usize, failure: &Failure) -> Vec<u8> {
        let item = self.items.get(at).copied().unwrap_or_default();
        let fields = self.shape.fields.iter().filter_map(|field| {
            let says = match field.says {
                Says::Code => Cow::Owned(self.notation.text(failure.code_or(self.shape.code))),
                Says::Text => Cow::Owned(self.notation.text(&failure.message_or(|| Cow::Borrowed(&self.text)))),
                Says::NotSender => Cow::Owned(self.notation.truth(false)),
                Says::Number => Cow::Owned(self.notation.number(at)),
                Says::Item | Says::Member(_) => Cow::Borrowed(value(self.notation, field, item)?),
            };
            Some((field.name, says))
        });
        let fields: Vec<_> = fields.collect();
        match &*fields {
            [("", whole)] => whole.to_vec(),
            _ => nested(self.notation, &fields),
        }
    }
}

/// The list; of each item whether it failed, and which of all items each of those that went on is.
type Merged<'b> = (Vec<Cow<'b, [u8]>>, (Vec<bool>, Vec<usize>));

fn places(failed: &[bool]) -> Vec<usize> {
    (0..failed.len()).filter(|at| !failed[*at]).collect()
}

fn value<'a>(notation: Notation, field: &Field, item: &'a [u8]) -> Option<&'a [u8]> {
    match field.says {
        Says::Item => Some(item),
        Says::Member(name) => notation.member(item, name),
        Says::Code | Says::NotSender | Says::Number | Says::Text => None,
    }
}

/// An object of members whose names may have dots: `Error.Code` stands in an object `Error`.
fn nested(notation: Notation, fields: &[(&str, Cow<'_, [u8]>)]) -> Vec<u8> {
    let mut members: Vec<(&str, Cow<'_, [u8]>)> = Vec::new();
    for (name, value) in fields {
        let Some((outer, _)) = name.split_once('.') else {
            members.push((name, Cow::Borrowed(&**value)));
            continue;
        };
        if members.iter().any(|(name, _)| *name == outer) {
            continue;
        }
        let inner: Vec<_> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.split_once('.').filter(|(of, _)| *of == outer)?.1, value.clone())))
            .collect();
        members.push((outer, Cow::Owned(nested(notation, &inner))));
    }
    notation.object(members)
}

/// An item for people, named by what names it best: the text itself, a member (of a list the first), or its number.
fn told(shape: &Shape, notation: Notation, about: &[u8], at: usize, item: &[u8]) -> Item {
    let number = || compact_str::format_compact!("#{}", at + 1);
    let named = |name: &str| {
        let value = notation.at(item, name)?;
        notation.scalar(value).or_else(|| notation.scalar(notation.elements(value)?.first()?))
    };
    let own = shape.fields.iter().find_map(|field| match field.says {
        Says::Member(name) => named(name),
        _ => None,
    });
    let name = shape.name.and_then(named).or(own).or_else(|| notation.scalar(item)).map(CompactString::from);
    let what = match shape.ticket {
        Some(ticket) => {
            let members = notation.members(item).unwrap_or_default().into_iter().filter(|(name, _)| name != ticket);
            let members: Vec<_> = members.collect();
            notation.object(members.iter().map(|(name, value)| (&**name, Cow::Borrowed(*value))))
        }
        None => item.to_vec(),
    };
    Item::new(name.unwrap_or_else(number), &[about, &notation.canonical(&what)]).also([number()])
}

/// The usual text, with what it says of the resource and the account.
fn text(shape: &Shape, request: &AwsRequest, notation: Notation, doc: &[u8]) -> String {
    let resource = || {
        let known = request.resource.as_ref().map(|resource| resource.name.to_string());
        let named = || ["StreamName", "StreamARN"].iter().find_map(|name| notation.scalar(notation.member(doc, name)?));
        let last = |name: Cow<'_, str>| name.rsplit('/').next().unwrap_or_default().to_owned();
        known.or_else(|| named().map(last)).unwrap_or_default()
    };
    if !shape.text.contains('{') {
        return shape.text.to_owned();
    }
    let account = request.account.as_deref().unwrap_or("000000000000");
    shape.text.replace("{resource}", &resource()).replace("{account}", account)
}
