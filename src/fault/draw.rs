//! The numbers a fault may draw.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A source of uniform numbers for one rule and one request: "how much", never "whether".
///
/// It is made by `profile::dice` from seed, rule and request, so that the same three give the same numbers. A fault that draws nothing
/// pays nothing: the stream begins with the first number.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    seed: [u8; 32],
    stream: Option<ChaCha8Rng>,
}

impl Draw {
    /// The stream that begins at this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, stream: None }
    }

    /// A source of its own, for numbers that are drawn later: what is drawn here in the meantime does not change them.
    pub fn apart(&mut self) -> Self {
        let seed = self.seed;
        let mut apart = [0; 32];
        self.stream.get_or_insert_with(|| ChaCha8Rng::from_seed(seed)).fill_bytes(&mut apart);
        Self::new(apart)
    }

    /// The next number, uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        let seed = self.seed;
        let bits = self.stream.get_or_insert_with(|| ChaCha8Rng::from_seed(seed)).next_u64();
        Self::uniform_of(bits)
    }

    /// Random bits as a number uniform in `[0, 1)`: the 53 that an `f64` can tell apart.
    pub fn uniform_of(bits: u64) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        (bits >> 11) as f64 * STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let (mut one, mut two) = (Draw::new([7; 32]), Draw::new([7; 32]));
        let drawn: Vec<f64> = (0..10).map(|_| one.uniform()).collect();
        assert_eq!(drawn, (0..10).map(|_| two.uniform()).collect::<Vec<_>>());
        assert_ne!(drawn[0], drawn[1]);
        assert_ne!(drawn[0], Draw::new([8; 32]).uniform());
    }

    #[test]
    fn numbers_drawn_apart_depend_on_where_they_were_set_apart_only() {
        let mut draw = Draw::new([7; 32]);
        let mut apart = draw.apart();
        let first = apart.uniform();
        assert_ne!(draw.uniform(), first);
        assert_eq!(Draw::new([7; 32]).apart().uniform(), first);
        assert_ne!(draw.apart().uniform(), first);
    }

    #[test]
    fn numbers_fill_the_unit_interval_and_never_reach_its_end() {
        assert_eq!(Draw::uniform_of(0), 0.0);
        assert!(Draw::uniform_of(u64::MAX) < 1.0);
        let mut draw = Draw::new([1; 32]);
        let mean = (0..10_000).map(|_| draw.uniform()).sum::<f64>() / 10_000.0;
        // Five standard deviations of the mean of 10,000 uniform numbers are 0.0144.
        assert!((0.4856..0.5144).contains(&mean), "{mean}");
    }
}
