//! How the backends of a Service are laid out, and what sum of weights that makes of the Service's
//! weight.

use crate::weight::WeightSetting;

/// The backends of one Service in one group, as far as they decide the sum of their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendLayout {
    /// Cluster and ENI mode: that many nodes or pods, all with the same weight.
    Even(usize),
    /// Local mode: nodes weighted by their pods, and ECI pods that are backends themselves.
    Local {
        /// The number of counted endpoints on each node, at least 1.
        nodes: Vec<usize>,
        /// The number of pods on virtual nodes.
        eci: usize,
    },
}

impl BackendLayout {
    /// The sum of the backends' weights under a Service's weight of 0..=100.
    pub fn sum(&self, weight: u32) -> u32 {
        let setting = WeightSetting { total: Some(weight), default: None };
        match self {
            Self::Even(backends) => setting.even(*backends).saturating_mul(number(*backends)),
            Self::Local { nodes, eci } => {
                let pods = nodes.iter().sum::<usize>() + eci;
                let of_node = |count: &usize| setting.local_node(*count, pods);
                let of_nodes: u32 = nodes.iter().map(of_node).sum();
                of_nodes + setting.local_eci(pods).saturating_mul(number(*eci))
            }
        }
    }

    /// The layout with one backend less; `None` where none would be left. In Local mode that is the
    /// node with the fewest pods, for a rollout empties it first; an ECI pod where there is no node.
    #[must_use]
    pub fn one_less(&self) -> Option<Self> {
        match self {
            Self::Even(backends) => (*backends > 1).then(|| Self::Even(backends - 1)),
            Self::Local { nodes, eci } if nodes.len() + eci <= 1 => None,
            Self::Local { nodes, eci } => {
                let smallest = nodes.iter().enumerate().min_by_key(|(_, pods)| **pods);
                let Some((smallest, _)) = smallest else {
                    return Some(Self::Local { nodes: Vec::new(), eci: eci - 1 });
                };
                let mut nodes = nodes.clone();
                nodes.remove(smallest);
                Some(Self::Local { nodes, eci: *eci })
            }
        }
    }

    /// The layout with one backend more. In Local mode that is a node with the average number of
    /// pods, or an ECI pod where there is no node.
    #[must_use]
    pub fn one_more(&self) -> Self {
        match self {
            Self::Even(backends) => Self::Even(backends + 1),
            Self::Local { nodes, eci } if nodes.is_empty() => {
                Self::Local { nodes: Vec::new(), eci: eci + 1 }
            }
            Self::Local { nodes, eci } => {
                let usual = (nodes.iter().sum::<usize>() / nodes.len()).max(1);
                let nodes = nodes.iter().copied().chain([usual]).collect();
                Self::Local { nodes, eci: *eci }
            }
        }
    }
}

/// No group has more backends than `u32` holds.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The highest weight of a server.
const MOST: u32 = 100;

/// Servers that may be given weight: those that have some, or all where none has.
fn is_open(present: &[u32]) -> impl Fn(u32) -> bool {
    let none_has = present.iter().all(|weight| *weight == 0);
    move |weight| none_has || weight > 0
}

/// The highest sum that servers with these weights can reach, 100 each. A server at 0 stays at 0
/// while another has weight, for somebody has taken it out.
pub fn capacity(present: &[u32]) -> u32 {
    let open = is_open(present);
    number(present.iter().filter(|weight| open(**weight)).count()).saturating_mul(MOST)
}

/// Distributes a sum to servers, in the proportion of their present weights as far as integers and
/// the bound of 100 allow. What is above [`capacity`] is not given to anybody. Returns the servers'
/// weights in the same order.
#[expect(clippy::indexing_slicing, reason = "all indexes are positions of `present`")]
pub fn distribute(sum: u32, present: &[u32]) -> Vec<u32> {
    let open = is_open(present);
    let none_has = present.iter().all(|weight| *weight == 0);
    let part = |at: usize| if none_has { 1 } else { present[at] };
    let mut given: Vec<u32> = vec![0; present.len()];
    let mut left = sum.min(capacity(present));
    // Whoever reaches the bound leaves the rest to others, so a few rounds are needed.
    while left > 0 {
        let mut free: Vec<usize> =
            (0..present.len()).filter(|at| open(present[*at]) && given[*at] < MOST).collect();
        let parts: u32 = free.iter().map(|at| part(*at)).sum();
        if parts == 0 {
            break;
        }
        let round = left;
        for at in free.iter().copied() {
            let more = (round.saturating_mul(part(at)) / parts).min(MOST - given[at]).min(left);
            given[at] += more;
            left -= more;
        }
        if left == round {
            // Less than one for each: the largest get it.
            free.sort_by_key(|at| std::cmp::Reverse(present[*at]));
            for at in free.into_iter().take(left as usize) {
                given[at] += 1;
                left -= 1;
            }
        }
    }
    given
}
