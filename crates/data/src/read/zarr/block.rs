//! Boxes of entries inside an array, in C order: what two of them share is copied from one to the other.

use std::ops::Range;

/// Where a box begins in its array, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) origin: Vec<usize>,
    pub(super) shape: Vec<usize>,
}

impl Block {
    /// The box at `index` in a grid of boxes of one shape.
    pub(super) fn of_grid(index: &[usize], shape: &[usize]) -> Self {
        let origin = index.iter().zip(shape).map(|(&index, &extent)| index * extent).collect();
        Self { origin, shape: shape.to_vec() }
    }

    pub(super) fn entries(&self) -> usize {
        self.shape.iter().product()
    }

    /// The boxes of `shape` that this one touches, by their index in the grid.
    pub(super) fn touched(&self, shape: &[usize]) -> Vec<Range<usize>> {
        let axis = |axis: usize| {
            let (start, end) = (self.origin[axis], self.origin[axis] + self.shape[axis]);
            start / shape[axis]..end.div_ceil(shape[axis])
        };
        (0..shape.len()).map(axis).collect()
    }

    /// What this box and another one have in common.
    fn shared(&self, other: &Self) -> Option<Self> {
        let mut shared = Self { origin: Vec::new(), shape: Vec::new() };
        for axis in 0..self.shape.len() {
            let start = self.origin[axis].max(other.origin[axis]);
            let end = |block: &Self| block.origin[axis] + block.shape[axis];
            let extent =
                end(self).min(end(other)).checked_sub(start).filter(|&extent| extent > 0)?;
            shared.origin.push(start);
            shared.shape.push(extent);
        }
        Some(shared)
    }

    /// The number of the entry at `place`, counted inside this box.
    fn position(&self, place: &[usize]) -> usize {
        (0..place.len())
            .fold(0, |position, axis| position * self.shape[axis] + place[axis] - self.origin[axis])
    }
}

/// Copies what two boxes share, of entries of `size` bytes.
pub(super) fn copy(from: (&Block, &[u8]), to: (&Block, &mut [u8]), size: usize) {
    let Some(shared) = from.0.shared(to.0) else { return };
    // A box of no dimensions is one entry.
    let (run, rows) = match shared.shape.split_last() {
        Some((&last, rows)) => (last * size, rows),
        None => (size, &[][..]),
    };
    for_each_index(&rows.iter().map(|&extent| 0..extent).collect::<Vec<_>>(), |index| {
        let mut place = shared.origin.clone();
        place.iter_mut().zip(index).for_each(|(place, index)| *place += index);
        let (read, write) = (from.0.position(&place) * size, to.0.position(&place) * size);
        to.1[write..write + run].copy_from_slice(&from.1[read..read + run]);
    });
}

/// Calls `visit` with every index inside `ranges`, the last axis fastest; once where there is no axis.
pub(super) fn for_each_index(ranges: &[Range<usize>], mut visit: impl FnMut(&[usize])) {
    if ranges.iter().any(Range::is_empty) {
        return;
    }
    let mut index: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    loop {
        visit(&index);
        let Some(axis) = (0..ranges.len()).rev().find(|&axis| index[axis] + 1 < ranges[axis].end)
        else {
            return;
        };
        index[axis] += 1;
        (axis + 1..ranges.len()).for_each(|later| index[later] = ranges[later].start);
    }
}

/// Puts the axes of a box back that were stored in another order: axis `order[k]` is the k-th of `bytes`.
pub(super) fn transposed(bytes: &[u8], shape: &[usize], order: &[usize], size: usize) -> Vec<u8> {
    let stored = Block {
        origin: vec![0; shape.len()],
        shape: order.iter().map(|&axis| shape[axis]).collect(),
    };
    let mut plain = Vec::with_capacity(bytes.len());
    for_each_index(&shape.iter().map(|&extent| 0..extent).collect::<Vec<_>>(), |index| {
        let place: Vec<usize> = order.iter().map(|&axis| index[axis]).collect();
        let at = stored.position(&place) * size;
        plain.extend_from_slice(&bytes[at..at + size]);
    });
    plain
}
