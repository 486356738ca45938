//! XML answers: an element found by its path, its children as the bytes they are, and others put in their place.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Failure;
use super::shape::{Says, Shape};
use crate::aws::protocol::xml;

/// An element somewhere in a document.
#[derive(Debug)]
pub(super) struct Element {
    whole: Range<usize>,
    /// Between its tags; none where it closes itself.
    inner: Option<Range<usize>>,
    children: Vec<(String, Range<usize>)>,
}

/// The first element at this path of local names, the root's first; `*` is any.
pub(super) fn find(doc: &[u8], path: &[&str]) -> Option<Element> {
    let mut reader = Reader::from_reader(doc);
    let (mut depth, mut matched) = (0, 0);
    let mut found: Option<Element> = None;
    let mut child = None;
    loop {
        let start = position(&reader)?;
        let event = reader.read_event().ok()?;
        let end = position(&reader)?;
        match (event, &mut found) {
            (Event::Eof, _) => return None,
            (Event::Start(tag), Some(_)) => {
                if depth == path.len() {
                    child = Some((tag.local_name().as_ref().to_owned(), start));
                }
                depth += 1;
            }
            (Event::Start(tag), None) => {
                if depth == matched && fits(path, matched, tag.local_name().as_ref()) {
                    matched += 1;
                }
                depth += 1;
                if matched == path.len() {
                    found = Some(Element { whole: start..end, inner: Some(end..end), children: Vec::new() });
                }
            }
            (Event::Empty(tag), Some(element)) if depth == path.len() => {
                element.children.push((tag.local_name().as_ref().to_owned(), start..end));
            }
            (Event::Empty(tag), None)
                if depth == matched && matched + 1 == path.len() && fits(path, matched, tag.local_name().as_ref()) =>
            {
                return Some(Element { whole: start..end, inner: None, children: Vec::new() });
            }
            (Event::End(_), element) => {
                depth = depth.checked_sub(1)?;
                matched = matched.min(depth);
                let Some(found) = element else { continue };
                if depth == path.len() {
                    let (name, from) = child.take()?;
                    found.children.push((name, from..end));
                }
                if depth + 1 == path.len() {
                    let opened = found.whole.end;
                    let children = std::mem::take(&mut found.children);
                    return Some(Element { whole: found.whole.start..end, inner: Some(opened..start), children });
                }
            }
            _ => {}
        }
    }
}

/// The text of the first element at this path.
pub(super) fn text(doc: &[u8], path: &[&str]) -> Option<String> {
    let inner = doc.get(find(doc, path)?.inner?)?;
    let raw = std::str::from_utf8(inner).ok()?;
    quick_xml::escape::unescape(raw).ok().map(|text| text.into_owned())
}

impl Element {
    /// Its children, each with its name and its bytes.
    pub(super) fn children<'a>(&self, doc: &'a [u8]) -> impl Iterator<Item = (&str, &'a [u8])> {
        self.children.iter().filter_map(move |(name, range)| Some((name.as_str(), doc.get(range.clone())?)))
    }

    /// Where its children stand.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.children.iter().map(|(name, range)| (name.as_str(), range.clone()))
    }

    /// The document with this between the element's tags.
    pub(super) fn replaced(&self, doc: &[u8], inner: &[u8]) -> Option<Vec<u8>> {
        let (before, after) = match &self.inner {
            Some(range) => (doc.get(..range.start)?.to_vec(), doc.get(range.end..)?.to_vec()),
            None => {
                let tag = std::str::from_utf8(doc.get(self.whole.clone())?).ok()?;
                let open = tag.strip_suffix("/>")?;
                let name = open.trim_start_matches('<').split(|c: char| c.is_ascii_whitespace()).next()?;
                let before = [doc.get(..self.whole.start)?, open.as_bytes(), b">"].concat();
                (before, [b"</", name.as_bytes(), b">", doc.get(self.whole.end..)?].concat())
            }
        };
        Some([&before, inner, &after].concat())
    }
}

/// An item's failure as an element; `own` gives a member of the item.
pub(super) fn failure(entry: &str, shape: &Shape, failure: &Failure, own: &dyn Fn(&Says) -> Option<String>) -> String {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for field in &shape.fields {
        let says = match &field.says {
            Says::Code => Some(failure.code_or(shape.code).to_owned()),
            Says::Text => Some(failure.message_or(|| shape.text.into()).into_owned()),
            Says::NotSender => Some("false".to_owned()),
            says => own(says),
        };
        fields.extend(says.map(|says| (field.name, says)));
    }
    let mut out = format!("<{entry}>");
    fields.iter().for_each(|(name, says)| xml::element(&mut out, name, says));
    out.push_str("</");
    out.push_str(entry);
    out.push('>');
    out
}

fn fits(path: &[&str], at: usize, name: &str) -> bool {
    path.get(at).is_some_and(|wanted| *wanted == "*" || *wanted == name)
}

fn position(reader: &Reader<&[u8]>) -> Option<usize> {
    usize::try_from(reader.buffer_position()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &[u8] = b"<?xml version='1.0'?>\n<A xmlns='x'><B><C>no</C></B><D/><B>1 &amp; 2</B></A>";

    #[test]
    fn elements_are_found_by_their_path_and_given_with_their_bytes() {
        let root = find(DOC, &["*"]).unwrap();
        let children: Vec<_> =
            root.children(DOC).map(|(name, bytes)| (name, std::str::from_utf8(bytes).unwrap())).collect();
        assert_eq!(children, [("B", "<B><C>no</C></B>"), ("D", "<D/>"), ("B", "<B>1 &amp; 2</B>")]);
        assert_eq!(text(DOC, &["A", "B", "C"]).as_deref(), Some("no"));
        assert_eq!(text(b"<B>1 &amp; 2</B>", &["B"]).as_deref(), Some("1 & 2"));
        assert!(find(DOC, &["A", "C"]).is_none() && find(DOC, &["B"]).is_none());
    }

    #[test]
    fn what_is_between_the_tags_is_replaced_even_where_there_is_one_tag_only() {
        let closed = find(DOC, &["A", "D"]).unwrap().replaced(DOC, b"new").unwrap();
        assert!(closed.windows(16).any(|part| part == b"</B><D>new</D><B"), "{}", String::from_utf8_lossy(&closed));
        let root = find(DOC, &["A"]).unwrap().replaced(DOC, b"").unwrap();
        assert!(root.ends_with(b"<A xmlns='x'></A>"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(text in "[<>/abAB '\"=&;!-]{0,80}") {
            let _ = find(text.as_bytes(), &["a", "b"]);
        }
    }
}
