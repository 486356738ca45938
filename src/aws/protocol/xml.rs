//! Text in XML bodies.

use std::borrow::Cow;

use http::HeaderValue;
use quick_xml::escape::escape;

/// Of errors that are no service's own form.
pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/xml");

/// `<name>text</name>`, the text escaped. Characters that XML 1.0 cannot hold are left out: a client's parser would reject the body.
pub(in crate::aws) fn element(out: &mut String, name: &str, text: &str) {
    let is_plain = |b: u8| matches!(b, b' '..=b'~') & !matches!(b, b'"' | b'&' | b'\'' | b'<' | b'>');
    let plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    let text = if plain { Cow::Borrowed(text) } else { escaped(text) };
    for part in ["<", name, ">", &text, "</", name, ">"] {
        out.push_str(part);
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        return escape(text);
    }
    let text: String = text.chars().filter(|c| allowed(*c)).collect();
    Cow::Owned(escape(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_what_xml_cannot_hold_is_dropped() {
        let mut out = String::new();
        element(&mut out, "Message", "a < b && \"c\"\u{0}\u{b}\u{ffff} ü");
        assert_eq!(out, "<Message>a &lt; b &amp;&amp; &quot;c&quot; ü</Message>");
    }
}
