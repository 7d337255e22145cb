//! Which target is next.

use std::net::SocketAddr;

/// Targets in turn.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    targets: Vec<SocketAddr>,
    next: usize,
}

impl Rotation {
    /// Puts other targets into force.
    pub fn set(&mut self, targets: Vec<SocketAddr>) {
        self.targets = targets;
    }

    /// The next target; none if there is none at all.
    pub fn next(&mut self) -> Option<SocketAddr> {
        let turn = self.next.checked_rem(self.targets.len())?;
        self.next = turn + 1;
        self.targets.get(turn).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::Rotation;

    fn targets(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|&port| ([127, 0, 0, 1], port).into()).collect()
    }

    #[test]
    fn targets_have_equal_turns_also_after_a_change() {
        let mut rotation = Rotation::default();
        let ports =
            |rotation: &mut Rotation| [(); 4].map(|()| rotation.next().map(|target| target.port()));
        assert_eq!(ports(&mut rotation), [None; 4]);
        rotation.set(targets(&[1, 2, 3]));
        assert_eq!(ports(&mut rotation), [1, 2, 3, 1].map(Some));
        rotation.set(targets(&[4, 5]));
        assert_eq!(ports(&mut rotation), [5, 4, 5, 4].map(Some));
        rotation.set(Vec::new());
        assert_eq!(ports(&mut rotation), [None; 4]);
    }
}
