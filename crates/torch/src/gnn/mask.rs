//! What is left out of a step of training: a hash of the model's seed, the step, the place in the network and the index of
//! a value. It is drawn where it is needed, as often as it is needed, by whatever thread or device, and stored nowhere.

use tch::Tensor;

use crate::Result;

/// Places of one step.
const SITES: u64 = 64;

/// Where in the network something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    BatchFeatures,
    CellInput,
    GeneInput,
    /// By layer.
    GenesToCells(usize),
    CellsToGenes(usize),
    GenesToGenes(usize),
    Cells(usize),
    Genes(usize),
}

impl Site {
    fn index(self) -> u64 {
        let of_layer = |layer: usize, place: usize| 3 + 5 * layer as u64 + place as u64;
        match self {
            Self::BatchFeatures => 0,
            Self::CellInput => 1,
            Self::GeneInput => 2,
            Self::GenesToCells(layer) => of_layer(layer, 0),
            Self::CellsToGenes(layer) => of_layer(layer, 1),
            Self::GenesToGenes(layer) => of_layer(layer, 2),
            Self::Cells(layer) => of_layer(layer, 3),
            Self::Genes(layer) => of_layer(layer, 4),
        }
    }
}

/// All that one step leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masks {
    pub(super) seed: u64,
    /// Counted from zero.
    pub(super) step: u64,
}

impl Masks {
    /// None, where nothing is to be left out.
    pub(super) fn at(self, site: Site, share: f64) -> Option<Mask> {
        let place = self.step.wrapping_mul(SITES).wrapping_add(site.index() + 1);
        let key = mix(self.seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        (share > 0.0).then(|| Mask {
            keys: [key as u32, (key >> 32) as u32],
            threshold: (share * (1_u64 << 32) as f64) as u32,
            kept: (1.0 / (1.0 - share)) as f32,
        })
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What one place of one step leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    keys: [u32; 2],
    threshold: u32,
    /// What makes up for the values that are left out, in those that stay.
    pub(super) kept: f32,
}

const FIRST: u32 = 0x7feb_352d;
const SECOND: u32 = 0x846c_a68b;

impl Mask {
    /// 32 bits that look random (the multipliers are Wellons' `lowbias32`); without branches, so that loops over it become
    /// vector code.
    #[inline(always)]
    fn bits(&self, index: u32) -> u32 {
        let mut x = index ^ self.keys[0];
        x = (x ^ (x >> 16)).wrapping_mul(FIRST);
        x = (x ^ (x >> 15)).wrapping_add(self.keys[1]).wrapping_mul(SECOND);
        x ^ (x >> 16)
    }

    /// Whether the value of this index stays.
    #[inline(always)]
    pub(super) fn keeps(&self, index: u32) -> bool {
        self.bits(index) >= self.threshold
    }

    /// What the value of this index is multiplied by.
    #[inline(always)]
    pub(super) fn factor(&self, index: u32) -> f32 {
        if self.keeps(index) { self.kept } else { 0.0 }
    }

    /// [`Mask::factor`] of each of `indices`, 64-bit integers on any device.
    pub(super) fn factors(&self, indices: &Tensor) -> Result<Tensor> {
        let [one, two] = self.keys.map(i64::from);
        let low = |mut x: Tensor| x.f_bitwise_and_(i64::from(u32::MAX));
        let shifted = |x: &Tensor, by: i64| {
            x.f_bitwise_xor_tensor(&x.f_bitwise_right_shift_tensor_scalar(by)?)
        };
        let x = low(indices.f_bitwise_xor(one)?)?;
        let x = low(shifted(&x, 16)?.f_mul_scalar_(i64::from(FIRST))?)?;
        let x = low(shifted(&x, 15)?.f_add_scalar_(two)?.f_mul_scalar_(i64::from(SECOND))?)?;
        let kept = shifted(&x, 16)?.f_ge(i64::from(self.threshold))?;
        Ok(kept.f_to_kind(tch::Kind::Float)?.f_mul_scalar_(f64::from(self.kept))?)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    const MASKS: Masks = Masks { seed: 7, step: 3 };

    #[test]
    fn as_many_are_left_out_as_are_said() {
        assert!(MASKS.at(Site::CellInput, 0.0).is_none());
        for share in [0.2, 0.4] {
            let mask = MASKS.at(Site::GenesToCells(1), share).unwrap();
            let left = (0..1_000_000).filter(|&i| !mask.keeps(i)).count() as f64 / 1e6;
            // Four standard deviations.
            assert!((left - share).abs() < 4.0 * (share * (1.0 - share) / 1e6).sqrt(), "{left}");
            let mean = (0..100_000).map(|i| f64::from(mask.factor(i))).sum::<f64>() / 1e5;
            assert!((mean - 1.0).abs() < 0.015, "{mean}");
        }
    }

    #[test]
    fn places_steps_and_seeds_have_their_own() {
        let drawn = |masks: Masks, site| {
            let mask = masks.at(site, 0.5).unwrap();
            (0..4096).map(|i| mask.keeps(i)).collect::<Vec<_>>()
        };
        let one = drawn(MASKS, Site::Cells(0));
        assert_eq!(one, drawn(MASKS, Site::Cells(0)));
        let layers = (0..12).flat_map(|layer| [Site::Cells(layer), Site::CellsToGenes(layer)]);
        let others = layers.skip(1).map(|site| drawn(MASKS, site));
        let later = drawn(Masks { step: 4, ..MASKS }, Site::Cells(0));
        for other in others.chain([later, drawn(Masks { seed: 8, ..MASKS }, Site::Cells(0))]) {
            let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((1850..2250).contains(&same), "{same} of 4096 are the same");
        }
    }

    #[test]
    fn libtorch_draws_the_same() {
        let mask = MASKS.at(Site::Genes(2), 0.3).unwrap();
        let indices = [0, 1, 77, 65_535, 1 << 20, u32::MAX - 1, u32::MAX];
        let wanted: Vec<f32> = indices.iter().map(|&i| mask.factor(i)).collect();
        let indices: Vec<i64> = indices.iter().map(|&i| i64::from(i)).collect();
        assert_eq!(
            Vec::<f32>::try_from(mask.factors(&Tensor::from_slice(&indices)).unwrap()).unwrap(),
            wanted
        );
        let many = Tensor::arange(10_000, (Kind::Int64, Device::Cpu));
        let wanted: Vec<f32> = (0..10_000).map(|i| mask.factor(i)).collect();
        assert_eq!(Vec::<f32>::try_from(mask.factors(&many).unwrap()).unwrap(), wanted);
    }
}
