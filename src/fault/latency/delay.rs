//! How late: always the same, or drawn.

use std::{f64::consts::TAU, fmt, time::Duration};

use super::super::{
    Draw,
    written::{Complaint, Content, Fields, Node},
};
use crate::units::{Millis, Percent};

/// A distribution of delays.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Delay {
    Fixed(Millis),
    LogNormal {
        p50: Millis,
        p99: Millis,
    },
    Normal {
        mean: Millis,
        stddev: Millis,
    },
    /// Rising shares with rising delays.
    Quantiles(Vec<(Percent, Millis)>),
    Uniform {
        min: Millis,
        max: Millis,
    },
}

impl Delay {
    /// Reads it out of the settings of `latency`.
    pub(super) fn read(settings: &Node, fields: &Fields<'_>) -> Result<Self, Complaint> {
        let length = |key| fields.optional(key)?.map(|node| Ok((node, node.parse("a duration")?))).transpose();
        let pair = |low: &'static str, high: &'static str| -> Result<_, Complaint> {
            let (low_value, high_value) = (length(low)?, length(high)?);
            Ok((low_value, high_value))
        };
        let fixed: Option<(&Node, Millis)> = length("fixed")?;
        let uniform = pair("min", "max")?;
        let normal = pair("mean", "stddev")?;
        let lognormal = pair("p50", "p99")?;
        let quantiles = fields.optional("quantiles")?;
        match (fixed, uniform, normal, lognormal, quantiles) {
            (Some((_, fixed)), (None, None), (None, None), (None, None), None) => Ok(Self::Fixed(fixed)),
            (None, (Some((_, min)), Some((at, max))), (None, None), (None, None), None) => {
                not_less(at, ("min", min), ("max", max))?;
                Ok(Self::Uniform { min, max })
            }
            (None, (None, None), (Some((_, mean)), Some((_, stddev))), (None, None), None) => {
                Ok(Self::Normal { mean, stddev })
            }
            (None, (None, None), (None, None), (Some((median, p50)), Some((at, p99))), None) => {
                if p50.duration().is_zero() {
                    return Err(Complaint::new(median.at, "a lognormal distribution has no median of 0"));
                }
                not_less(at, ("p50", p50), ("p99", p99))?;
                Ok(Self::LogNormal { p50, p99 })
            }
            (None, (None, None), (None, None), (None, None), Some(node)) => read_quantiles(node),
            _ => Err(Complaint::new(
                settings.at,
                "`latency` takes one of `fixed`, `min` and `max`, `mean` and `stddev`, `p50` and `p99`, or `quantiles`",
            )
            .help("write `{fixed: 300ms}` or `{p50: 20ms, p99: 2s}`")),
        }
    }

    /// One of its delays.
    pub(super) fn draw(&self, draw: &mut Draw) -> Duration {
        match self {
            Self::Fixed(fixed) => fixed.duration(),
            Self::Uniform { min, max } => between(*min, *max, draw.uniform()),
            Self::Normal { mean, stddev } => {
                seconds(mean.duration().as_secs_f64() + normal(draw) * stddev.duration().as_secs_f64())
            }
            Self::LogNormal { p50, p99 } => {
                let (p50, p99) = (p50.duration().as_secs_f64(), p99.duration().as_secs_f64());
                let sigma = (p99 / p50).ln() / NORMAL_P99;
                seconds((p50 * (sigma * normal(draw)).exp()).min(p99 * MOST_OF_P99))
            }
            Self::Quantiles(quantiles) => quantile(quantiles, draw.uniform()),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(fixed) => fixed.fmt(f),
            Self::Uniform { min, max } => write!(f, "{min} to {max}"),
            Self::Normal { mean, stddev } => write!(f, "{mean} on average (standard deviation {stddev})"),
            Self::LogNormal { p50, p99 } => write!(f, "{p50}, in one of a hundred over {p99}"),
            Self::Quantiles(quantiles) => {
                f.write_str("at most ")?;
                quantiles.iter().enumerate().try_for_each(|(i, (share, delay))| {
                    write!(f, "{}{delay} in {share}", if i == 0 { "" } else { ", " })
                })
            }
        }
    }
}

fn not_less(at: &Node, (low_key, low): (&str, Millis), (high_key, high): (&str, Millis)) -> Result<(), Complaint> {
    if low <= high {
        return Ok(());
    }
    Err(Complaint::new(at.at, format!("`{high_key}` ({high}) is less than `{low_key}` ({low})")))
}

fn read_quantiles(node: &Node) -> Result<Delay, Complaint> {
    let Content::Map(entries) = &node.content else {
        return Err(Complaint::new(node.at, format!("expected delays by share, found {}", node.content))
            .help("write `quantiles: {0.5: 20ms, 0.9: 80ms, 0.99: 2s}`"));
    };
    let mut quantiles: Vec<(Percent, Millis)> = Vec::new();
    for (key, value) in entries {
        let (share, delay): (Percent, Millis) = (key.parse("a share")?, value.parse("a duration")?);
        if let Some((before, shorter)) = quantiles.last() {
            if share <= *before {
                return Err(Complaint::new(key.at, format!("quantile {share} stands behind {before}; they must rise")));
            }
            if delay < *shorter {
                let message =
                    format!("the delay of quantile {share} ({delay}) is less than that of {before} ({shorter})");
                return Err(Complaint::new(value.at, message));
            }
        }
        quantiles.push((share, delay));
    }
    if quantiles.is_empty() {
        return Err(Complaint::new(node.at, "`quantiles` is empty"));
    }
    Ok(Delay::Quantiles(quantiles))
}

fn quantile(quantiles: &[(Percent, Millis)], uniform: f64) -> Duration {
    let (mut before, mut shorter) = (0.0, Millis::default());
    for (share, delay) in quantiles {
        if uniform < share.fraction() {
            return between(shorter, *delay, (uniform - before) / (share.fraction() - before));
        }
        (before, shorter) = (share.fraction(), *delay);
    }
    shorter.duration()
}

fn between(min: Millis, max: Millis, share: f64) -> Duration {
    min.duration() + max.duration().saturating_sub(min.duration()).mul_f64(share)
}

/// A number of the standard normal distribution, by the transform of Box and Muller.
fn normal(draw: &mut Draw) -> f64 {
    let (radius, angle) = (1.0 - draw.uniform(), draw.uniform());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;
/// Of a lognormal distribution's long tail: one request in a million must not wait for hours.
const MOST_OF_P99: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::tree;

    const DRAWS: u32 = 20_000;

    /// Many delays in milliseconds, sorted.
    fn drawn(yaml: &str) -> Vec<f64> {
        let settings = tree(yaml);
        let delay = Delay::read(&settings, &super::super::LATENCY.fields(&settings).unwrap()).unwrap();
        let draws = (0..DRAWS).map(|n| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&n.to_le_bytes());
            delay.draw(&mut Draw::new(seed)).as_secs_f64() * 1e3
        });
        let mut draws: Vec<f64> = draws.collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    fn at(drawn: &[f64], per_mille: usize) -> f64 {
        drawn[drawn.len() * per_mille / 1000]
    }

    fn near(got: f64, want: f64, within: f64) -> bool {
        (got - want).abs() <= want * within
    }

    #[test]
    fn a_fixed_delay_is_always_the_same() {
        let drawn = drawn("{fixed: 300ms}");
        assert_eq!((drawn[0], drawn[drawn.len() - 1]), (300.0, 300.0));
    }

    #[test]
    fn a_uniform_delay_fills_its_range() {
        let drawn = drawn("{min: 100ms, max: 300ms}");
        assert!(drawn[0] >= 100.0 && drawn[0] < 101.0 && drawn[drawn.len() - 1] < 300.0, "{}", drawn[0]);
        assert!(near(at(&drawn, 500), 200.0, 0.02) && near(at(&drawn, 900), 280.0, 0.02), "{}", at(&drawn, 500));
    }

    #[test]
    fn a_normal_delay_has_its_mean_and_spread_and_is_never_negative() {
        let usual = drawn("{mean: 100ms, stddev: 20ms}");
        assert!(near(at(&usual, 500), 100.0, 0.02), "{}", at(&usual, 500));
        assert!(near(at(&usual, 841), 120.0, 0.02) && near(at(&usual, 159), 80.0, 0.02), "{}", at(&usual, 841));
        assert!(drawn("{mean: 10ms, stddev: 100ms}")[0] >= 0.0);
    }

    #[test]
    fn a_lognormal_delay_has_its_median_and_its_99th_percentile_and_an_end() {
        let drawn = drawn("{p50: 20ms, p99: 2s}");
        assert!(near(at(&drawn, 500), 20.0, 0.05), "{}", at(&drawn, 500));
        assert!(near(at(&drawn, 990), 2000.0, 0.25), "{}", at(&drawn, 990));
        assert!(drawn[drawn.len() - 1] <= 20_000.0);
    }

    #[test]
    fn a_delay_by_quantiles_lies_between_them_and_never_above_the_last() {
        let drawn = drawn("{quantiles: {0.5: 20ms, 0.9: 80ms, 0.99: 2s}}");
        assert!(near(at(&drawn, 250), 10.0, 0.05) && near(at(&drawn, 500), 20.0, 0.05), "{}", at(&drawn, 250));
        assert!(near(at(&drawn, 700), 50.0, 0.05) && near(at(&drawn, 880), 77.0, 0.05), "{}", at(&drawn, 700));
        assert!((drawn[drawn.len() - 1] - 2000.0).abs() < 1e-6);
    }
}
