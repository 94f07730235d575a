//! An order in which pairs of blocks can be worked on side by side.

/// Every pair (i, j) with j <= i < `blocks`, in rounds in which no block occurs twice: whoever works on a pair may write to
/// both its blocks, and each block's sums have one order, whatever the number of threads. First each block with itself,
/// then the rounds of a tournament (circle method).
pub(crate) fn rounds(blocks: usize) -> Vec<Vec<(usize, usize)>> {
    let mut rounds = vec![(0..blocks).map(|block| (block, block)).collect()];
    // With an odd number of blocks, one waits in each round.
    let seats = blocks + blocks % 2;
    for round in 1..seats {
        let seat = |place: usize| match place {
            0 => 0,
            place => (place + round - 2) % (seats - 1) + 1,
        };
        let pairs = (0..seats / 2).map(|place| (seat(place), seat(seats - 1 - place)));
        let ordered = pairs.map(|(one, other)| (one.max(other), one.min(other)));
        rounds.push(ordered.filter(|&(later, _)| later < blocks).collect());
    }
    rounds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_comes_once_and_no_block_twice_in_a_round() {
        for blocks in 0..20 {
            let mut seen = BTreeSet::new();
            for round in rounds(blocks) {
                let mut busy = BTreeSet::new();
                for (later, earlier) in round {
                    assert!(earlier <= later && later < blocks);
                    assert!(busy.insert(later) && (earlier == later || busy.insert(earlier)));
                    assert!(seen.insert((later, earlier)));
                }
            }
            assert_eq!(seen.len(), blocks * (blocks + 1) / 2);
        }
    }
}
