//! Keys in words.

use std::fmt;

use super::{super::any, ANYTHING, Keys};

/// In words for people: `dynamodb PutItem or Batch* in us-east-1 on attempt 1..2`; `anything` without keys.
impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.words.services.as_slice(), self.words.operations.as_slice()) {
            ([], []) if self.name_far_ends() && self.about_requests().is_none() && self.about_aws().is_none() => {
                let names: Vec<_> = self.tcp.iter().flatten().map(|(_, pattern)| pattern).collect();
                f.write_str("tcp")?;
                if !names.is_empty() {
                    write!(f, " {}", any(&names))?;
                }
            }
            ([], []) => f.write_str(ANYTHING)?,
            (services, []) => f.write_str(&any(services))?,
            ([], operations) => f.write_str(&any(operations))?,
            (services, operations) => write!(f, "{} {}", any(services), any(operations))?,
        }
        for (patterns, joint) in [
            (&self.resources, "of"),
            (&self.regions, "in"),
            (&self.accounts, "in account"),
            (&self.access_keys, "signed by"),
            (&self.principals, "as"),
            (&self.user_agents, "from"),
            (&self.hosts, "at"),
            (&self.methods, "by"),
            (&self.paths, "to"),
        ] {
            patterns.as_ref().map_or(Ok(()), |patterns| write!(f, " {joint} {}", any(patterns)))?;
        }
        if let Some(ports) = &self.ports {
            write!(f, " on port {}", any(ports))?;
        }
        for (name, patterns) in &self.headers {
            write!(f, " with {name}: {}", any(patterns))?;
        }
        for (pointer, patterns) in &self.body {
            write!(f, " with {pointer} {} in its body", any(patterns))?;
        }
        if let Some(attempts) = &self.attempts {
            write!(f, " on attempt {}", any(attempts))?;
        }
        Ok(())
    }
}
