//! Cutting texts at ASCII characters. `str`'s own searches for a character set up more than the short texts of a head are worth.

use memchr::{memchr, memchr2, memrchr};

/// As [`str::split_once`], at an ASCII character.
pub(super) fn once(text: &str, at: u8) -> Option<(&str, &str)> {
    around(text, memchr(at, text.as_bytes())?)
}

/// As [`str::rsplit_once`], at an ASCII character.
pub(super) fn last(text: &str, at: u8) -> Option<(&str, &str)> {
    around(text, memrchr(at, text.as_bytes())?)
}

/// As [`str::split`], at an ASCII character.
pub(super) fn all(text: &str, at: u8) -> impl Iterator<Item = &str> {
    parts(text, move |rest| memchr(at, rest))
}

/// As [`str::split`], at two ASCII characters.
pub(super) fn all_at_either(text: &str, [one, other]: [u8; 2]) -> impl Iterator<Item = &str> {
    parts(text, move |rest| memchr2(one, other, rest))
}

fn parts(text: &str, find: impl Fn(&[u8]) -> Option<usize>) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = find(text.as_bytes()).and_then(|at| around(text, at));
        rest = cut.map(|(_, after)| after);
        Some(cut.map_or(text, |(part, _)| part))
    })
}

fn around(text: &str, at: usize) -> Option<(&str, &str)> {
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_as_by_str() {
        for text in ["", "/", "a", "a/", "/b", "a/b", "ä/ö/ü", "//"] {
            assert_eq!(once(text, b'/'), text.split_once('/'), "{text}");
            assert_eq!(last(text, b'/'), text.rsplit_once('/'), "{text}");
            assert!(all(text, b'/').eq(text.split('/')), "{text}");
            assert!(all_at_either(text, *b"/b").eq(text.split(['/', 'b'])), "{text}");
        }
    }
}
