//! Rules out of several lists, in file order.

use super::sieve::Found;

/// The rules of lists that each are in file order: in file order, and each once.
pub(in crate::profile) struct Merged<'i>(Found<'i>);

impl<'i> Merged<'i> {
    pub(super) fn new(lists: Found<'i>) -> Self {
        Self(lists)
    }
}

impl Iterator for Merged<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = *self.0.iter().filter_map(|list| list.first()).min()?;
        for list in &mut self.0 {
            if let [first, rest @ ..] = *list
                && *first == next
            {
                *list = rest;
            }
        }
        Some(next)
    }
}
