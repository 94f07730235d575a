//! Cells that the same fits share.

use std::{collections::HashMap, ops::Range};

/// About the length of a block: a tile of the kernel between two of them stays in a processor's cache.
const EDGE: usize = 768;

/// Training cells in an order in which every fit is made of whole blocks.
///
/// Two cells that belong to the same fits stand side by side, so that a tile of the kernel between two blocks serves
/// each fit that has both, and no fit needs a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    cells: Vec<u32>,
    blocks: Vec<Block>,
    fits: Vec<Vec<Part>>,
}

/// Cells that stand side by side and belong to the same fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Positions in [`Groups::cells`].
    pub rows: Range<usize>,
    /// The fits that have these cells, ascending.
    pub fits: Vec<usize>,
}

/// A block as a part of a fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index in [`Groups::blocks`].
    pub block: usize,
    /// Rows of the fit's own matrices.
    pub rows: Range<usize>,
}

impl Groups {
    /// Of `fits`, lists of training cells without repetition; cells that are in none are left out.
    pub fn new(fits: &[Vec<u32>]) -> Self {
        let groups = alike(fits);
        let mut made =
            Self { cells: Vec::new(), blocks: Vec::new(), fits: vec![Vec::new(); fits.len()] };
        for (fits, cells) in groups {
            // Equal blocks, as products with short ones are slow.
            let blocks = ((cells.len() + EDGE / 2) / EDGE).max(1);
            for cells in cells.chunks(cells.len().div_ceil(blocks)) {
                made.push(&fits, cells);
            }
        }
        made
    }

    fn push(&mut self, fits: &[usize], cells: &[u32]) {
        let start = self.cells.len();
        self.cells.extend_from_slice(cells);
        for &fit in fits {
            let start = self.len_of(fit);
            let part = Part { block: self.blocks.len(), rows: start..start + cells.len() };
            self.fits[fit].push(part);
        }
        self.blocks.push(Block { rows: start..self.cells.len(), fits: fits.to_vec() });
    }

    /// Training cells in the order of the groups.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The parts of each fit, in order.
    pub fn fits(&self) -> &[Vec<Part>] {
        &self.fits
    }

    /// Number of training cells of a fit.
    pub fn len_of(&self, fit: usize) -> usize {
        self.fits[fit].last().map_or(0, |part| part.rows.end)
    }

    /// Training cells of a fit in the order of its parts.
    pub fn cells_of(&self, fit: usize) -> Vec<u32> {
        self.parts_of(fit).flat_map(|rows| self.cells[rows].iter().copied()).collect()
    }

    /// Positions in [`Groups::cells`] of a fit's cells, in the order of its parts.
    pub fn parts_of(&self, fit: usize) -> impl Iterator<Item = Range<usize>> {
        self.fits[fit].iter().map(|part| self.blocks[part.block].rows.clone())
    }

    /// The groups, in order.
    pub fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        let mut start = 0;
        let groups = self.blocks.chunk_by(|one, other| one.fits == other.fits).enumerate();
        groups.map(move |(index, blocks)| {
            let range = start..start + blocks.len();
            start = range.end;
            let cells = blocks[0].rows.start..blocks[blocks.len() - 1].rows.end;
            Group { index, blocks: range, cells, fits: &blocks[0].fits }
        })
    }

    /// The cells of each group, and what of `matrices` they are, side by side: one product with many columns is faster than
    /// several with few. Each of `matrices` is a fit and a number of columns; groups in none of these fits are left out.
    pub fn side_by_side(&self, matrices: &[(usize, usize)]) -> Vec<Wide> {
        let wide = |Group { index: group, blocks, cells, .. }: Group<'_>| {
            let mut end = 0;
            let sides = matrices.iter().enumerate().filter_map(|(index, &(fit, width))| {
                let start = self.rows_of(fit, blocks.start)?.start;
                let columns = end..end + width;
                end = columns.end;
                Some(Side { index, rows: start..start + cells.len(), columns })
            });
            let sides: Vec<Side> = sides.collect();
            (!sides.is_empty()).then_some(Wide { group, cells, sides })
        };
        self.iter().filter_map(wide).collect()
    }

    /// Rows of `fit`'s own matrices that are `block`, if it has that block.
    pub fn rows_of(&self, fit: usize, block: usize) -> Option<Range<usize>> {
        let parts = &self.fits[fit];
        let found = parts.binary_search_by_key(&block, |part| part.block).ok()?;
        Some(parts[found].rows.clone())
    }
}

/// Cells that are in the same fits, ascending, beside those fits; groups in the order of their lists of fits.
fn alike(fits: &[Vec<u32>]) -> Vec<(Vec<usize>, Vec<u32>)> {
    const BITS: usize = u64::BITS as usize;
    let end = fits.iter().flatten().max().map_or(0, |&last| last as usize + 1);
    // A bit a fit, for each cell: maps from lists to lists take twenty times as long.
    let words = fits.len().div_ceil(BITS).max(1);
    let mut masks = vec![0_u64; words * end];
    for (fit, cells) in fits.iter().enumerate() {
        for &cell in cells {
            masks[cell as usize * words + fit / BITS] |= 1 << (fit % BITS);
        }
    }
    let is_in = |mask: &[u64], fit: usize| mask[fit / BITS] >> (fit % BITS) & 1 == 1;
    let (mut groups, mut known) = (Vec::<(Vec<usize>, Vec<u32>)>::new(), HashMap::new());
    // Cells of a batch mostly stand side by side, and need not be looked up.
    let mut last: Option<(&[u64], usize)> = None;
    for (cell, mask) in (0..).zip(masks.chunks_exact(words)) {
        let group = match last {
            Some((same, group)) if same == mask => group,
            _ => *known.entry(mask).or_insert_with(|| {
                groups
                    .push(((0..fits.len()).filter(|&fit| is_in(mask, fit)).collect(), Vec::new()));
                groups.len() - 1
            }),
        };
        last = Some((mask, group));
        groups[group].1.push(cell);
    }
    groups.retain(|(fits, _)| !fits.is_empty());
    groups.sort_unstable();
    groups
}

/// Cells that are in the same fits: some blocks, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Which it is.
    pub index: usize,
    /// Indices in [`Groups::blocks`].
    pub blocks: Range<usize>,
    /// Positions in [`Groups::cells`].
    pub cells: Range<usize>,
    /// The fits that have these cells, ascending.
    pub fits: &'a [usize],
}

/// A matrix in which those of several fits that have the same cells stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wide {
    /// [`Group::index`] of these cells.
    pub group: usize,
    /// Positions in [`Groups::cells`].
    pub cells: Range<usize>,
    /// What it is made of; never empty.
    pub sides: Vec<Side>,
}

impl Wide {
    /// Columns of all sides.
    pub fn width(&self) -> usize {
        self.sides.last().map_or(0, |side| side.columns.end)
    }
}

/// A fit's part of a [`Wide`] matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Index among the matrices that are asked for.
    pub index: usize,
    /// Rows of the fit's own matrix.
    pub rows: Range<usize>,
    /// Columns of the wide matrix, which begin where those of the side before end.
    pub columns: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fit_is_made_of_whole_blocks() {
        let fits = vec![vec![0, 1, 4, 5], vec![2, 3, 5], vec![5, 4]];
        let groups = Groups::new(&fits);
        for (fit, cells) in fits.iter().enumerate() {
            let mut wanted = cells.clone();
            wanted.sort_unstable();
            let mut found = groups.cells_of(fit);
            assert_eq!(found.len(), groups.len_of(fit));
            found.sort_unstable();
            assert_eq!(found, wanted);
        }
        let mut cells = groups.cells().to_vec();
        cells.sort_unstable();
        assert_eq!(cells, [0, 1, 2, 3, 4, 5]);
        assert_eq!(groups.blocks().len(), 4);
        for fit in 0..fits.len() {
            let rows = (0..groups.blocks().len()).filter_map(|block| groups.rows_of(fit, block));
            assert!(rows.flatten().eq(0..groups.len_of(fit)));
        }
    }

    #[test]
    fn cells_are_in_the_order_of_their_fits() {
        // More fits than a word has bits, and cells that are in none.
        let fits: Vec<Vec<u32>> = (0..70)
            .map(|fit| (0..400).filter(|cell| (cell * 7 + 3) % (fit + 2) == 1).collect())
            .collect();
        let those = |cell: u32| (0..fits.len()).filter(|&fit| fits[fit].contains(&cell)).collect();
        let mut wanted: Vec<(Vec<usize>, u32)> = (0..400).map(|cell| (those(cell), cell)).collect();
        wanted.retain(|(fits, _)| !fits.is_empty());
        wanted.sort_unstable();
        let groups = Groups::new(&fits);
        assert!(groups.cells().iter().eq(wanted.iter().map(|(_, cell)| cell)));
        for group in groups.iter() {
            assert!(wanted[group.cells].iter().all(|(fits, _)| fits == group.fits));
        }
        assert!(Groups::new(&[vec![], vec![]]).cells().is_empty());
    }

    #[test]
    fn long_groups_are_cut_in_equal_blocks() {
        let groups = Groups::new(&[(0..2501).collect()]);
        let lengths: Vec<usize> = groups.blocks().iter().map(|block| block.rows.len()).collect();
        assert_eq!(lengths, [834, 834, 833]);
        let whole = Group { index: 0, blocks: 0..3, cells: 0..2501, fits: &[0] };
        assert!(groups.iter().eq([whole]));
    }

    #[test]
    fn matrices_of_fits_stand_side_by_side() {
        let groups = Groups::new(&[vec![0, 1, 4, 5], vec![2, 3, 5], vec![5, 4]]);
        let matrices = [(2, 7), (0, 3)];
        let mut rows = [0, 0];
        let wide = groups.side_by_side(&matrices);
        let those: Vec<Group<'_>> = groups.iter().filter(|group| group.fits != [1]).collect();
        assert_eq!(wide.len(), those.len());
        for (wide, group) in wide.into_iter().zip(those) {
            let (width, Wide { group: index, cells, sides }) = (wide.width(), wide);
            assert_eq!((index, &cells), (group.index, &group.cells));
            let mut end = 0;
            for Side { index, rows: own, columns } in sides {
                assert!(group.fits.contains(&matrices[index].0));
                assert_eq!(own, rows[index]..rows[index] + cells.len());
                assert_eq!(columns, end..end + matrices[index].1);
                (rows[index], end) = (own.end, columns.end);
            }
            assert_eq!(width, end);
        }
        assert_eq!(rows, [2, 4]);
        assert!(groups.side_by_side(&[]).is_empty());
    }
}
