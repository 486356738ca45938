//! S3's DeleteObjects: keys in XML, and an answer that tells of each, or of the failed alone.

use std::ops::Range;

use compact_str::format_compact;

use super::{Failure, Item, Joined, markup};
use crate::aws::protocol::xml;

/// The objects that a request deletes.
#[derive(Debug)]
pub(super) struct Deletions<'a> {
    doc: &'a [u8],
    objects: Vec<Object>,
}

#[derive(Debug)]
struct Object {
    key: String,
    version: Option<String>,
    place: Range<usize>,
}

/// An answer that tells nothing.
pub(super) const EMPTY: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>";

impl<'a> Deletions<'a> {
    pub(super) fn read(doc: &'a [u8]) -> Option<(Self, Vec<Item>)> {
        let root = markup::find(doc, &["Delete"])?;
        let object = |(_, place): (&str, Range<usize>)| {
            let element = doc.get(place.clone())?;
            let key = markup::text(element, &["Object", "Key"])?;
            Some(Object { key, version: markup::text(element, &["Object", "VersionId"]), place })
        };
        let objects: Vec<_> = root.places().filter(|(name, _)| *name == "Object").map(object).collect::<Option<_>>()?;
        let item = |object: &Object| {
            let version = object.version.as_deref();
            let name = match version {
                Some(version) => format_compact!("{}?versionId={version}", object.key),
                None => object.key.as_str().into(),
            };
            let what = [object.key.as_bytes(), version.unwrap_or_default().as_bytes()];
            Item::new(name, &what).also([object.key.as_str().into()])
        };
        let items = objects.iter().map(item).collect();
        Some((Self { doc, objects }, items))
    }

    pub(super) fn without(&self, failed: &[bool]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(self.doc.len());
        let mut from = 0;
        for (object, _) in self.objects.iter().zip(failed).filter(|(_, failed)| **failed) {
            out.extend_from_slice(self.doc.get(from..object.place.start)?);
            from = object.place.end;
        }
        out.extend_from_slice(self.doc.get(from..)?);
        Some(out)
    }

    pub(super) fn joined(&self, failed: &[bool], failure: &Failure, answer: &[u8]) -> Option<Joined> {
        let root = markup::find(answer, &["DeleteResult"])?;
        let mut all = failed.to_vec();
        let mut told: Vec<(usize, Vec<u8>)> = Vec::new();
        for (name, child) in root.children(answer) {
            let (key, version) = (markup::text(child, &[name, "Key"]), markup::text(child, &[name, "VersionId"]));
            let is_it = |at: &usize| {
                let object = &self.objects[*at];
                Some(&object.key) == key.as_ref() && (object.version.is_none() || object.version == version)
            };
            let whose = (0..failed.len()).filter(|at| !failed[*at]).find(is_it);
            if let (Some(at), "Error") = (whose, name) {
                all[at] = true;
            }
            told.push((whose.map_or(0, |at| at + 1), child.to_vec()));
        }
        let own = self.objects.iter().zip(failed).enumerate().filter(|(_, (_, failed))| **failed);
        told.extend(own.map(|(at, (object, _))| (at + 1, error(object, failure).into_bytes())));
        told.sort_by_key(|(at, _)| *at);
        let inner: Vec<u8> = told.into_iter().flat_map(|(_, element)| element).collect();
        Some(Joined { body: root.replaced(answer, &inner)?, failed: all })
    }
}

fn error(object: &Object, failure: &Failure) -> String {
    let mut out = String::from("<Error>");
    xml::element(&mut out, "Key", &object.key);
    if let Some(version) = &object.version {
        xml::element(&mut out, "VersionId", version);
    }
    let code = failure.code_or("InternalError");
    xml::element(&mut out, "Code", code);
    xml::element(&mut out, "Message", &failure.message_or(|| text(code).into()));
    out.push_str("</Error>");
    out
}

fn text(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied",
        "SlowDown" => "Please reduce your request rate.",
        _ => "We encountered an internal error. Please try again.",
    }
}
