//! What the rounds come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use clbmigrate_load::benchmark::median;
use clbmigrate_load::load_generator::Measurement;
use clbmigrate_load::usage::Memory;

use crate::rounds::{CONNECTIONS, Round, Rounds};

/// Positions in a round.
const ECHO: usize = 0;
const FEW: usize = 1;
const MANY: usize = 2;

/// What is aimed at.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Ratios with their goals, and what they come from.
pub(crate) struct Results {
    ratios: Vec<(&'static str, f64, Goal)>,
    /// The p99 over a whole round, standstills of the machine included, times the echo's.
    whole: f64,
    /// By subject, in their order.
    absolute: Vec<Absolute>,
    rate: f64,
}

/// One subject's medians.
struct Absolute {
    key: &'static str,
    one: Medians,
    saturated: Medians,
    paced: Medians,
    memory: Option<Memory>,
}

struct Medians {
    rps: f64,
    p50_us: f64,
    p99_us: f64,
    typical_p99_us: f64,
    server_busy: f64,
    server_cpu_us: f64,
}

impl Results {
    /// From all rounds and the memory of the two webhooks. Ratios are medians of the rounds' own
    /// ratios: what slows a whole round down does not change them.
    pub fn new(rounds: &Rounds, memory: [Memory; 2]) -> Result<Self> {
        let ratio = |rounds: &[Round], of: usize, to: usize, value: fn(&Measurement) -> f64| {
            let ratio = |round: &Round| Some(value(round.get(of)?) / value(round.get(to)?));
            median(rounds.iter().filter_map(ratio))
        };
        let rps: fn(&Measurement) -> f64 = |measured| measured.rps;
        let p99: fn(&Measurement) -> f64 = |measured| measured.p99_us;
        let Rounds { one, saturated, paced, rate } = rounds;
        ensure!(!paced.is_empty(), "there were no rounds");
        let ratios = vec![
            ("webhook_rps_of_echo_1conn", ratio(one, FEW, ECHO, rps), Goal::AtLeast(0.9)),
            ("webhook_rps_of_echo", ratio(saturated, FEW, ECHO, rps), Goal::AtLeast(0.6)),
            ("webhook_p99_of_echo", ratio(paced, FEW, ECHO, typical_p99), Goal::AtMost(2.0)),
            ("webhook_rps_10k_of_10", ratio(saturated, MANY, FEW, rps), Goal::AtLeast(0.95)),
        ];
        let [few, many] = memory.map(Some);
        let subjects = [("echo", None), ("webhook", few), ("webhook_10k", many)];
        let absolute = subjects.into_iter().enumerate().map(|(index, (key, memory))| Absolute {
            key,
            one: Medians::new(one, index),
            saturated: Medians::new(saturated, index),
            paced: Medians::new(paced, index),
            memory,
        });
        let whole = ratio(paced, FEW, ECHO, p99);
        Ok(Self { ratios, whole, absolute: absolute.collect(), rate: *rate })
    }

    /// For `summary.json`.
    pub fn summary(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        for &(name, ratio, _) in &self.ratios {
            all.insert(name.to_owned(), ratio);
        }
        for Absolute { key, one, saturated, paced, memory } in &self.absolute {
            all.insert(format!("{key}_rps_1"), one.rps);
            all.insert(format!("{key}_p99_us_1"), one.p99_us);
            all.insert(format!("{key}_rps_{CONNECTIONS}"), saturated.rps);
            all.insert(format!("{key}_cpu_us"), saturated.server_cpu_us);
            all.insert(format!("{key}_busy"), saturated.server_busy);
            all.insert(format!("{key}_p99_us_quarter"), paced.typical_p99_us);
            all.insert(format!("{key}_p99_us_quarter_whole"), paced.p99_us);
            if let Some(memory) = memory {
                let (now, peak) = match *key {
                    "webhook_10k" => ("webhook_rss_mib_10k", "webhook_rss_peak_mib_10k"),
                    _ => ("webhook_rss_mib_10", "webhook_rss_peak_mib_10"),
                };
                all.insert(now.to_owned(), mib(memory.now));
                all.insert(peak.to_owned(), mib(memory.peak));
            }
        }
        all.insert("webhook_p99_of_echo_whole".to_owned(), self.whole);
        all.insert("quarter_rps".to_owned(), self.rate);
        all
    }

    /// For people.
    pub fn table(&self, names: &[&str; 3]) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, names);
        text
    }

    fn write(&self, text: &mut String, names: &[&str; 3]) -> std::fmt::Result {
        writeln!(
            text,
            "{:26} {:>11} {:>9} {:>11} {:>8} {:>6} {:>9} {:>9} {:>8}",
            "", "1 conn", "p99", "64 conn", "CPU", "busy", "¼: p50", "p99", "memory"
        )?;
        for (name, subject) in names.iter().zip(&self.absolute) {
            let Absolute { one, saturated, paced, memory, .. } = subject;
            let memory =
                memory.map_or("-".to_owned(), |memory| format!("{:.0} MiB", mib(memory.now)));
            writeln!(
                text,
                "{name:26} {:>9.0}/s {:>6.0} µs {:>9.0}/s {:>5.1} µs {:>4.0} % {:>6.0} µs {:>6.0} µs {memory:>8}",
                one.rps,
                one.p99_us,
                saturated.rps,
                saturated.server_cpu_us,
                100.0 * saturated.server_busy,
                paced.p50_us,
                paced.typical_p99_us,
            )?;
        }
        writeln!(text)?;
        for &(name, ratio, goal) in &self.ratios {
            let (word, bound, met) = match goal {
                Goal::AtLeast(bound) => ("at least", bound, ratio >= bound),
                Goal::AtMost(bound) => ("at most", bound, ratio <= bound),
            };
            let met = if met { "" } else { "  MISSED" };
            writeln!(text, "{name:26} {ratio:>6.3}  {word} {bound:.2}{met}")?;
        }
        Ok(())
    }
}

impl Medians {
    fn new(rounds: &[Round], index: usize) -> Self {
        let of = |value: fn(&Measurement) -> Option<f64>| {
            median(rounds.iter().filter_map(|round| value(round.get(index)?)))
        };
        Self {
            rps: of(|measured| Some(measured.rps)),
            p50_us: of(|measured| Some(measured.p50_us)),
            p99_us: of(|measured| Some(measured.p99_us)),
            typical_p99_us: of(|measured| Some(typical_p99(measured))),
            server_busy: of(|measured| measured.server_busy),
            server_cpu_us: of(|measured| measured.server_cpu_us),
        }
    }
}

/// Where so little is answered that no slot has a p99, there is but the whole.
fn typical_p99(measured: &Measurement) -> f64 {
    measured.typical_p99_us.unwrap_or(measured.p99_us)
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
