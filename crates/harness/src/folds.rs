//! Cross-validation folds: by site, by groups of donors, or by cells, whichever the training half has three of.

use std::{cmp::Reverse, collections::BTreeMap};

use modality_data::{Cells, Labels};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use modality_protocol::Fold;

/// Folds where the cells' own sites do not give them.
const FOLDS: usize = 3;

/// One fold a site. With fewer than three sites, three groups of whole donors of about equal size; with fewer
/// than three donors, three groups of cells, drawn with `seed`.
pub(crate) fn draw(cells: &Cells, seed: u64) -> Vec<Fold> {
    let (sites, donors) = (present(&cells.site), present(&cells.donor));
    if sites.len() >= FOLDS {
        let of = |(code, _): &(u32, usize)| {
            let name = cells.site.names[*code as usize].clone();
            Fold { name, cells: cells.site.cells_of(&[*code]), ..Fold::default() }
        };
        return sites.iter().map(of).collect();
    }
    let groups = if donors.len() >= FOLDS {
        ("donors", balanced(donors).iter().map(|codes| cells.donor.cells_of(codes)).collect())
    } else {
        ("cells", shuffled(cells.donor.len(), seed))
    };
    let (what, groups): (&str, Vec<Vec<u32>>) = groups;
    let name = |group| format!("{what} {group}/{FOLDS}");
    (1..)
        .zip(groups)
        .map(|(group, cells)| Fold { name: name(group), cells, ..Fold::default() })
        .collect()
}

/// The codes that occur, with their numbers of cells, in order of their names.
fn present(labels: &Labels) -> Vec<(u32, usize)> {
    let mut counts = BTreeMap::new();
    for &code in &labels.codes {
        *counts.entry((&labels.names[code as usize], code)).or_default() += 1;
    }
    counts.into_iter().map(|((_, code), count)| (code, count)).collect()
}

/// The largest first, each into the group that has the fewest cells so far.
fn balanced(mut codes: Vec<(u32, usize)>) -> Vec<Vec<u32>> {
    codes.sort_by_key(|&(_, count)| Reverse(count));
    let mut groups = vec![(0, Vec::new()); FOLDS];
    for (code, count) in codes {
        if let Some((size, group)) = groups.iter_mut().min_by_key(|(size, _)| *size) {
            *size += count;
            group.push(code);
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn shuffled(cells: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..cells as u32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let cut = |group| cells * group / FOLDS;
    let groups = (0..FOLDS).map(|group| {
        let mut cells = order[cut(group)..cut(group + 1)].to_vec();
        cells.sort_unstable();
        cells
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(site: &[&str], donor: &[&str]) -> Cells {
        Cells {
            names: site.iter().map(|_| String::new()).collect(),
            batch: Labels::constant("b", site.len()),
            donor: Labels::from_names(donor),
            site: Labels::from_names(site),
        }
    }

    fn sorted(folds: &[Fold]) -> Vec<u32> {
        let mut all: Vec<u32> = folds.iter().flat_map(|fold| fold.cells.clone()).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn three_sites_are_three_folds() {
        let folds = draw(&cells(&["s3", "s1", "s2", "s1"], &["a", "b", "c", "d"]), 0);
        let named: Vec<_> = folds.iter().map(|f| (f.name.as_str(), f.cells.as_slice())).collect();
        assert_eq!(named, [("s1", [1, 3].as_slice()), ("s2", &[2]), ("s3", &[0])]);
    }

    #[test]
    fn two_sites_give_way_to_balanced_groups_of_whole_donors() {
        let donor = ["a", "a", "a", "b", "b", "c", "d", "e", "e"];
        let folds =
            draw(&cells(&["s1", "s2", "s1", "s1", "s1", "s1", "s1", "s1", "s1"], &donor), 0);
        assert_eq!(folds.len(), 3);
        assert_eq!(folds[0].name, "donors 1/3");
        assert!(folds.iter().all(|fold| fold.cells.len() == 3), "{folds:?}");
        assert_eq!(sorted(&folds), (0..9).collect::<Vec<_>>());
        for name in ["a", "b", "c", "d", "e"] {
            let has = |fold: &&Fold| fold.cells.iter().any(|&cell| donor[cell as usize] == name);
            assert_eq!(folds.iter().filter(has).count(), 1, "donor {name} is split");
        }
    }

    #[test]
    fn one_donor_gives_way_to_groups_of_cells() {
        let one = cells(&["s1"; 10], &["d1"; 10]);
        let folds = draw(&one, 5);
        assert_eq!(folds.iter().map(|fold| fold.cells.len()).collect::<Vec<_>>(), [3, 3, 4]);
        assert_eq!(sorted(&folds), (0..10).collect::<Vec<_>>());
        assert_eq!(folds[2].name, "cells 3/3");
        assert_eq!(folds, draw(&one, 5));
        assert_ne!(folds, draw(&one, 6));
    }
}
