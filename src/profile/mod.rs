//! Which fault, when: the profile language, and the plan compiled from it.

pub mod dice;
#[cfg(test)]
mod yaml;

/// A YAML value as a tree, for tests of what reads trees.
#[cfg(test)]
pub(crate) fn tree(text: &str) -> crate::fault::written::Node {
    yaml::parse(text).unwrap()
}
