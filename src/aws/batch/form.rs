//! Batches in query's protocol: numbered fields of a form, and an answer in XML.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};

use super::shape::{Form, Says, Shape};
use super::{Failure, Item, Joined, markup};
use crate::aws::request::AwsRequest;

/// The entries of a form.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    shape: &'static Shape,
    form: &'static Form,
    operation: &'static str,
    namespace: &'static str,
    /// All fields as they were written, each with the entry it belongs to.
    fields: Vec<Field<'a>>,
    count: usize,
}

#[derive(Debug)]
struct Field<'a> {
    written: &'a [u8],
    value: Cow<'a, str>,
    of: Option<Of>,
}

/// A field's entry, from 0, and what it is called there.
#[derive(Debug)]
struct Of {
    entry: usize,
    name: String,
}

impl<'a> Entries<'a> {
    pub(super) fn read(
        request: &AwsRequest,
        operation: &'static str,
        shape: &'static Shape,
        body: &'a [u8],
    ) -> Option<(Self, Vec<Item>)> {
        let form = shape.form.as_ref()?;
        let mut numbers = Vec::new();
        let mut fields = Vec::new();
        let mut about = Vec::new();
        for written in body.split(|byte| *byte == b'&') {
            let (name, value) = form_urlencoded::parse(written).next()?;
            let of = name.strip_prefix(form.items).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| {
                let (number, name) = rest.split_once('.').unwrap_or((rest, ""));
                Some((number.parse::<u32>().ok()?, name.to_owned()))
            });
            if of.is_none() && !matches!(&*name, "Action" | "Version") {
                about.extend_from_slice(written);
            }
            numbers.extend(of.as_ref().map(|(number, _)| *number));
            fields.push((written, value, of));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let entry = |number: u32| numbers.binary_search(&number).ok();
        let of = |of: Option<(u32, String)>| of.and_then(|(number, name)| Some(Of { entry: entry(number)?, name }));
        let fields: Vec<_> =
            fields.into_iter().map(|(written, value, field)| Field { written, value, of: of(field) }).collect();
        let has_parts = fields.iter().any(|field| field.of.as_ref().is_some_and(|of| !of.name.is_empty()));
        if has_parts && shape.fields.iter().any(|field| field.says == Says::Item) {
            return None;
        }
        let namespace = request.reading()?.service.xml_namespace.unwrap_or_default();
        let entries = Self { shape, form, operation, namespace, fields, count: numbers.len() };
        let items = (0..entries.count).map(|at| entries.item(at, &about)).collect();
        Some((entries, items))
    }

    /// The survivors' fields as they were written, but for their numbers.
    pub(super) fn without(&self, failed: &[bool]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for field in &self.fields {
            let of = field.of.as_ref();
            if of.is_some_and(|of| failed.get(of.entry).copied().unwrap_or(false)) {
                continue;
            }
            if !out.is_empty() {
                out.push(b'&');
            }
            let Some(Of { entry, name }) = of else {
                out.extend_from_slice(field.written);
                continue;
            };
            let number = failed[..*entry].iter().filter(|failed| !**failed).count() + 1;
            let dot = if name.is_empty() { "" } else { "." };
            let name = format!("{}.{number}{dot}{name}", self.form.items);
            out.extend(form_urlencoded::byte_serialize(name.as_bytes()).flat_map(str::bytes));
            let value = field.written.iter().position(|byte| *byte == b'=').map(|at| &field.written[at..]);
            out.extend_from_slice(value.unwrap_or_default());
        }
        out
    }

    pub(super) fn empty_answer(&self) -> Vec<u8> {
        let Self { operation, namespace, .. } = self;
        let list = self.form.list.map(|list| format!("<{list}></{list}>")).unwrap_or_default();
        format!(
            "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{list}</{operation}Result>\
             <ResponseMetadata><RequestId></RequestId></ResponseMetadata></{operation}Response>"
        )
        .into_bytes()
    }

    pub(super) fn joined(&self, failed: &[bool], failure: &Failure, answer: &[u8]) -> Option<Joined> {
        let result = format!("{}Result", self.operation);
        let mut answer = Cow::Borrowed(answer);
        let mut path = vec!["*", &*result];
        if let Some(list) = self.form.list {
            let around = markup::find(&answer, &path)?;
            if !around.children(&answer).any(|(name, _)| name == list) {
                let mut inner: Vec<u8> = around.children(&answer).flat_map(|(_, child)| child.to_vec()).collect();
                inner.extend_from_slice(format!("<{list}></{list}>").as_bytes());
                answer = Cow::Owned(around.replaced(&answer, &inner)?);
            }
            path.push(list);
        }
        let around = markup::find(&answer, &path)?;
        let (inner, failed) = match self.shape.is_aligned {
            true => self.aligned(failed, failure, around.children(&answer))?,
            false => self.listed(failed, failure, around.children(&answer)),
        };
        Some(Joined { body: around.replaced(&answer, &inner)?, failed })
    }

    /// An element for each entry, the far end's in the places of those it was given; and of each whether it failed.
    fn aligned<'b>(
        &self,
        failed: &[bool],
        failure: &Failure,
        told: impl Iterator<Item = (&'b str, &'b [u8])>,
    ) -> Option<(Vec<u8>, Vec<bool>)> {
        let mut told = told.filter(|(name, _)| *name == self.form.entry).map(|(_, element)| element);
        let (mut inner, mut all) = (Vec::new(), failed.to_vec());
        for (at, failed) in failed.iter().enumerate() {
            if *failed {
                inner.extend(self.failure(at, failure));
                continue;
            }
            let element = told.next()?;
            let code = self.shape.code_at().and_then(|code| markup::text(element, &[self.form.entry, code]));
            all[at] = code.is_some_and(|code| Some(&*code) != self.shape.done);
            inner.extend_from_slice(element);
        }
        told.next().is_none().then_some((inner, all))
    }

    /// The failures among whatever else is there, in the entries' order; and of each entry whether it failed.
    fn listed<'b>(
        &self,
        failed: &[bool],
        failure: &Failure,
        told: impl Iterator<Item = (&'b str, &'b [u8])>,
    ) -> (Vec<u8>, Vec<bool>) {
        let mut all = failed.to_vec();
        let mut inner = Vec::new();
        let mut failures: Vec<(usize, Cow<'_, [u8]>)> = Vec::new();
        for (name, child) in told {
            if name != self.form.entry {
                inner.extend_from_slice(child);
                continue;
            }
            let whose = self.whose(child, &all);
            if let Some(at) = whose {
                all[at] = true;
            }
            failures.push((whose.unwrap_or(usize::MAX), Cow::Borrowed(child)));
        }
        for at in (0..failed.len()).filter(|at| failed[*at]) {
            failures.push((at, Cow::Owned(self.failure(at, failure))));
        }
        failures.sort_by_key(|(at, _)| *at);
        failures.iter().for_each(|(_, element)| inner.extend_from_slice(element));
        (inner, all)
    }

    fn failure(&self, at: usize, failure: &Failure) -> Vec<u8> {
        let own = |says: &Says| self.own(at, says).map(str::to_owned);
        markup::failure(self.form.entry, self.shape, failure, &own).into_bytes()
    }

    fn whose(&self, entry: &[u8], failed: &[bool]) -> Option<usize> {
        let own = self.shape.own()?;
        let says = markup::text(entry, &[self.form.entry, own.name])?;
        (0..self.count).find(|at| !failed[*at] && self.own(*at, &own.says) == Some(&*says))
    }

    fn own(&self, at: usize, says: &Says) -> Option<&str> {
        match says {
            Says::Item => self.field(at, ""),
            Says::Member(name) => self.field(at, name),
            Says::Code | Says::NotSender | Says::Number | Says::Text => None,
        }
    }

    fn field(&self, at: usize, name: &str) -> Option<&str> {
        self.of(at).find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn of(&self, at: usize) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().filter_map(move |field| {
            field.of.as_ref().filter(|of| of.entry == at).map(|of| (of.name.as_str(), &*field.value))
        })
    }

    fn item(&self, at: usize, about: &[u8]) -> Item {
        let number = format_compact!("#{}", at + 1);
        let own = self.shape.own().and_then(|own| self.own(at, &own.says));
        let name = self.shape.name.and_then(|name| self.field(at, name)).or(own).map(CompactString::from);
        let fields = self.of(at).filter(|(name, _)| self.shape.ticket != Some(*name));
        let what: Vec<u8> = fields.flat_map(|(name, value)| [name, "=", value, "&"]).flat_map(str::bytes).collect();
        Item::new(name.unwrap_or_else(|| number.clone()), &[about, &what]).also([number])
    }
}
