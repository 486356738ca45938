//! Synthetic addresses: one for each name that was asked for, the same for the whole run, so that a connection tells its name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The names that have addresses.
#[derive(Debug, Default)]
pub struct Names(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    places: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The address of this name, in lower case; `None`: there are too many. Whether it has just been given it, comes second.
    pub fn address(&self, name: &str) -> Option<(Ipv4Addr, bool)> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = table.places.get(name) {
            return Some((at(*place), false));
        }
        let place = u32::try_from(table.names.len()).ok().filter(|place| *place < MOST)?;
        let name: Arc<str> = name.into();
        table.names.push(Arc::clone(&name));
        table.places.insert(name, place);
        Some((at(place), true))
    }

    /// The name that has this address.
    pub fn name(&self, address: IpAddr) -> Option<Arc<str>> {
        let IpAddr::V4(address) = address.to_canonical() else { return None };
        let place = address.to_bits().checked_sub(FIRST.to_bits())?;
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.names.get(usize::try_from(place).ok()?).cloned()
    }
}

fn at(place: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + place)
}

/// In 198.18.0.0/15, which is set aside for the benchmarks of RFC 2544 and so nobody's.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 0);
/// A name takes some 100 bytes.
const MOST: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_the_address_tells_it() {
        let names = Names::default();
        let (first, is_new) = names.address("a.example").unwrap();
        assert!(is_new && first == FIRST);
        let (second, _) = names.address("b.example").unwrap();
        assert_eq!(names.address("a.example"), Some((first, false)));
        assert_eq!(names.name(second.into()).as_deref(), Some("b.example"));
        assert_eq!(names.name(second.to_ipv6_mapped().into()).as_deref(), Some("b.example"));
        for other in ["198.18.0.1", "198.18.1.2", "10.0.0.1", "255.255.255.255", "::1"] {
            assert_eq!(names.name(other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn the_last_address_is_not_the_programs_own() {
        assert!(at(MOST - 1) < super::super::super::OWN_ADDRESS);
        let names = Names::default();
        for n in 0..MOST {
            assert!(names.address(&n.to_string()).is_some());
        }
        assert_eq!(names.address("one more"), None);
    }
}
