//! Texts with wildcards.

use std::fmt;

use crate::units::wildcard;

/// A text with wildcards: `*` for any run of characters, `?` for one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::profile) struct Pattern(pub(super) String);

impl Pattern {
    pub(in crate::profile) fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// What all texts that fit begin with.
    pub(super) fn beginning(&self) -> &str {
        self.0.split(['*', '?']).next().unwrap_or_default()
    }

    /// Whether a text fits.
    pub(in crate::profile) fn fits(&self, text: &str) -> bool {
        wildcard::fits(&self.0, text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether one of the patterns fits one of the texts.
pub(super) fn any_fits<'a>(patterns: &[Pattern], texts: impl IntoIterator<Item = &'a str>) -> bool {
    texts.into_iter().any(|text| patterns.iter().any(|pattern| pattern.fits(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit_runs_and_single_characters() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abd", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("abc", "abcd", false),
            ("a*", "ba", false),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).fits(text), fits, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn wildcards_fit_as_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            fn fits(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| fits(rest, &text[taken..])),
                    ([b'?', rest @ ..], [_, more @ ..]) => fits(rest, more),
                    ([a, rest @ ..], [b, more @ ..]) => a == b && fits(rest, more),
                    _ => false,
                }
            }
            proptest::prop_assert_eq!(Pattern(pattern.clone()).fits(&text), fits(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        assert!(!Pattern("*a".repeat(500) + "b").fits(&"a".repeat(5_000)));
    }
}
