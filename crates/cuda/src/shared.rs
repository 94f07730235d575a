//! The kernel of all cells, for the products of all fits.

use modality_recipe::{Group, Groups};

use crate::{
    device::Device,
    error::Result,
    matrix::Matrix,
    rbf::{Entries, Packed, Tile, Tiles, tiles_of},
};

/// The kernel among cells in the order of the groups.
pub struct SharedKernel {
    packed: Packed,
    entries: Entries,
    gamma: f64,
    components: usize,
    /// Of each fit, the tiles that its cells are, with rows of the fit's own matrices.
    fits: Vec<Tiles>,
}

/// Tiles of all cells, and of each fit: each group of blocks begins with a tile of its own, so that a fit is made of whole
/// tiles.
pub(crate) fn layout(groups: &Groups) -> (Vec<Tile>, Vec<Vec<Tile>>) {
    let mut all: Vec<Tile> = Vec::new();
    let mut fits = vec![Vec::new(); groups.fits().len()];
    let mut done = vec![0; fits.len()];
    for Group { cells, fits: those, .. } in groups.iter() {
        let first = all.len();
        for &fit in those {
            fits[fit].extend(tiles_of(done[fit]..done[fit] + cells.len(), first));
            done[fit] += cells.len();
        }
        all.extend(tiles_of(cells, first));
    }
    (all, fits)
}

impl SharedKernel {
    /// Of the rows of `x`, with so many rows of tiles in memory.
    pub(crate) fn new(
        device: &Device,
        x: &Matrix,
        gamma: f64,
        groups: &Groups,
        kept: usize,
    ) -> Result<Self> {
        let (all, fits) = layout(groups);
        let tiles = device.tiles(all)?;
        let packed = device.pack(x, &tiles)?;
        let entries = device.keep(&packed, &tiles, gamma, kept)?;
        let fits = fits.into_iter().map(|tiles| device.tiles(tiles)).collect::<Result<_>>()?;
        Ok(Self { packed, entries, gamma, components: x.columns, fits })
    }

    /// Width of the rows that it is made from.
    pub(crate) fn components(&self) -> usize {
        self.components
    }

    /// Of its rows, how many are formed for each product.
    pub(crate) fn formed_share(&self) -> f64 {
        self.entries.formed_share()
    }

    /// K_f V for each fit and V.
    pub(crate) fn products(
        &self,
        device: &Device,
        vectors: &[(usize, &Matrix)],
    ) -> Result<Vec<Matrix>> {
        let products: Vec<(&Tiles, &Matrix)> =
            vectors.iter().map(|&(fit, vectors)| (&self.fits[fit], vectors)).collect();
        device.products((&self.packed, self.gamma, &self.entries), &products)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fit_is_made_of_whole_tiles() {
        let fits = [
            (0..100).collect(),
            (70..200).collect(),
            vec![3, 150, 199],
            (0..200).step_by(3).collect(),
        ];
        let groups = Groups::new(&fits);
        let (all, by_fit) = layout(&groups);
        let cells: u32 = all.iter().map(|tile| tile.count).sum();
        assert_eq!(cells as usize, groups.cells().len());
        assert!(all.iter().zip(0..).all(|(tile, index)| tile.tile == index));
        for (fit, tiles) in by_fit.iter().enumerate() {
            let of_tile = |tile: &Tile| {
                let whole = all[tile.tile as usize];
                assert_eq!((whole.tile, whole.count), (tile.tile, tile.count));
                whole.row..whole.row + whole.count
            };
            let cells: Vec<usize> =
                tiles.iter().flat_map(of_tile).map(|cell| cell as usize).collect();
            assert!(groups.parts_of(fit).flatten().eq(cells));
            let rows = tiles.iter().flat_map(|tile| tile.row..tile.row + tile.count);
            assert!(rows.eq(0..fits[fit].len() as u32));
        }
    }
}
