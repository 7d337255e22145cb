//! What the rounds come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use clbmigrate_load::benchmark::median;
use clbmigrate_load::load_generator::Measurement;
use clbmigrate_load::usage::Memory;

use crate::figures::{Figure, Goal, Medians, RPS, ratios};
use crate::rounds::{CONNECTIONS, Reviews, Rounds};

/// The numbers of Services, in keys.
const SIZES: [&str; 3] = ["10", "10k", "100k"];

/// Ratios with their goals, and what they come from.
pub(crate) struct Results {
    ratios: Vec<Figure>,
    /// By reviews, echo and webhook.
    absolute: Vec<(Reviews, [Medians; 2])>,
    /// Reviews/s at which latency was measured.
    rates: Vec<(Reviews, f64)>,
    /// Of the webhooks, by the number of Services.
    rps: [f64; 3],
    memory: [Memory; 3],
}

impl Results {
    /// From all rounds and the memory of the webhooks.
    pub fn new(rounds: &Rounds, memory: [Memory; 3]) -> Result<Self> {
        let Rounds { comparisons, sizes } = rounds;
        ensure!(!sizes.is_empty(), "there were no rounds");
        let mut all: Vec<Figure> = comparisons.iter().flat_map(ratios).collect();
        let of_few = |size: fn(&[Measurement; 3]) -> f64| {
            median(sizes.iter().map(|round| size(round) / RPS(&round[0])))
        };
        let [_, many, _] = memory;
        let at_least = Goal::AtLeast(0.95);
        all.push(Figure::new("webhook_rps_10k_of_10", of_few(|round| RPS(&round[1])), at_least));
        all.push(Figure::new("webhook_rps_100k_of_10", of_few(|round| RPS(&round[2])), at_least));
        all.push(Figure::new("webhook_rss_mib_10k", mib(many.now), Goal::AtMost(40.0)));
        let absolute = comparisons.iter().map(|of| {
            let echo = Medians::new("echo", of, |pair| &pair.echo);
            (of.reviews, [echo, Medians::new("webhook", of, |pair| &pair.webhook)])
        });
        let rps = |size: fn(&[Measurement; 3]) -> f64| median(sizes.iter().map(size));
        Ok(Self {
            ratios: all,
            absolute: absolute.collect(),
            rates: comparisons.iter().map(|of| (of.reviews, of.rate)).collect(),
            rps: [
                rps(|round| RPS(&round[0])),
                rps(|round| RPS(&round[1])),
                rps(|round| RPS(&round[2])),
            ],
            memory,
        })
    }

    /// For `summary.json`.
    pub fn summary(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        all.extend(self.ratios.iter().map(|figure| (figure.key.clone(), figure.value)));
        for (reviews, subjects) in &self.absolute {
            all.extend(subjects.iter().flat_map(|medians| medians.figures(reviews.suffix())));
        }
        for (reviews, rate) in &self.rates {
            all.insert(format!("quarter_rps{}", reviews.suffix()), *rate);
        }
        for ((size, rps), memory) in SIZES.iter().zip(self.rps).zip(self.memory) {
            all.insert(format!("webhook_rps_{CONNECTIONS}_over_{size}"), rps);
            all.insert(format!("webhook_rss_mib_{size}"), mib(memory.now));
            all.insert(format!("webhook_rss_peak_mib_{size}"), mib(memory.peak));
        }
        all
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "{:24} {:>11} {:>9} {:>11} {:>8} {:>6} {:>9} {:>9}",
            "", "1 conn", "p99", "64 conn", "CPU", "busy", "¼: p50", "p99"
        )?;
        for (reviews, subjects) in &self.absolute {
            writeln!(text, "{}", reviews.name())?;
            for medians in subjects {
                writeln!(
                    text,
                    "  {:22} {:>9.0}/s {:>6.0} µs {:>9.0}/s {:>5.1} µs {:>4.0} % {:>6.0} µs {:>6.0} µs",
                    medians.name,
                    medians.rps_1,
                    medians.p99_us_1,
                    medians.rps,
                    medians.cpu_us,
                    100.0 * medians.busy,
                    medians.p50_us_quarter,
                    medians.p99_us_quarter,
                )?;
            }
        }
        writeln!(text, "\n{:24} {:>11} {:>9} {:>9}", "Services", "64 conn", "memory", "peak")?;
        for ((size, rps), memory) in SIZES.iter().zip(self.rps).zip(self.memory) {
            let (now, peak) = (mib(memory.now), mib(memory.peak));
            writeln!(text, "{size:24} {rps:>9.0}/s {now:>5.0} MiB {peak:>5.0} MiB")?;
        }
        writeln!(text)?;
        for Figure { key, value, goal } in &self.ratios {
            writeln!(text, "{key:36} {value:>7.3}  {}", goal.shown(*value))?;
        }
        Ok(())
    }
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
