//! Nystrom preconditioners that share their landmarks, on any backend.
//!
//! With F = K(x, z) L^-T and L L^T = K(z, z), F F^T is near K (Williams and Seeger, NeurIPS 2001), and (F_f F_f^T + alpha I)^-1
//! of a fit's rows is, by the identity of Woodbury, (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. F serves all fits, and
//! their F_f^T F_f are sums of those of groups of cells that are in the same fits.
//!
//! Along the leading directions the identity leaves a share of alpha / ||K|| of what is subtracted, 4e-5 for 33,000 cells. So
//! what is in the middle is of float64, and products with F have the bits of float32.

use crate::{Group, Groups, Linalg, Wide};

/// Added to K(z, z), whose float32 entries may not be those of a positive definite matrix.
const FIRST_JITTER: f64 = 1e-6;
const TRIES: usize = 8;

/// The arithmetic of Nystrom preconditioners. Of symmetric matrices a backend may leave out a triangle, the same everywhere.
pub trait LowRank: Linalg {
    /// What L of L L^T = K(z, z) is needed for: products with L^-T.
    type Root;
    /// F: cells in the order of the groups x landmarks.
    type Factor;
    /// The inverse of a landmarks x landmarks matrix, in float64.
    type Inverse;

    /// Landmarks become a multiple of so many; columns of F beyond them are zero.
    const PADDING: usize = 1;

    /// The root of K(`z`, `z`) plus the first of `shifts` times I that is positive definite.
    fn root(
        &mut self,
        z: &Self::Matrix,
        gamma: f64,
        shifts: &[f64],
    ) -> Result<Self::Root, Self::Error>;

    /// F = K(x, z) L^-T.
    fn factor(
        &mut self,
        x_z: (&Self::Matrix, &Self::Matrix),
        gamma: f64,
        root: &Self::Root,
        groups: &Groups,
    ) -> Result<Self::Factor, Self::Error>;

    /// `gram` = F^T F of the cells of a group.
    fn gram(
        &mut self,
        factor: &Self::Factor,
        group: &Group<'_>,
        gram: &mut Self::Matrix,
    ) -> Result<(), Self::Error>;

    /// Adds `gram` to those of `sums` that are named.
    fn add_to(
        &mut self,
        sums: &mut [Self::Matrix],
        named: &[usize],
        gram: &Self::Matrix,
    ) -> Result<(), Self::Error>;

    /// F as the products of [`LowRank::project`] and [`LowRank::expand`] want it.
    fn settle(&mut self, factor: Self::Factor) -> Result<Self::Factor, Self::Error> {
        Ok(factor)
    }

    /// The inverse of each matrix plus the first of `shifts` times I for which it is positive definite.
    fn inverses(
        &mut self,
        matrices: Vec<Self::Matrix>,
        shifts: &[f64],
    ) -> Result<Vec<Self::Inverse>, Self::Error>;

    /// F_f^T R_f for the `residuals` that stand side by side in `wide`: landmarks x columns each.
    fn project(
        &mut self,
        factor: &Self::Factor,
        wide: &[Wide],
        residuals: &[&Self::Matrix],
    ) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// Each inverse times its matrix.
    fn invert(
        &mut self,
        pairs: &[(&Self::Inverse, Self::Matrix)],
    ) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// (R_f - F_f S_f) / `alpha` for the residuals R and what was solved for them, S.
    fn expand(
        &mut self,
        factor: &Self::Factor,
        wide: &[Wide],
        residuals_solved: (&[&Self::Matrix], &[Self::Matrix]),
        alpha: f64,
    ) -> Result<Vec<Self::Matrix>, Self::Error>;
}

/// Stands in for the inverse of each fit's K + alpha I.
#[derive(Debug)]
pub struct Nystrom<S: LowRank> {
    factor: S::Factor,
    /// (alpha I + F_f^T F_f)^-1 of each fit.
    inverses: Vec<S::Inverse>,
    alpha: f64,
}

impl<S: LowRank> Nystrom<S> {
    /// With the rows `landmarks` of `x`, whose rows are in the order of `groups`, and the kernel of `gamma`.
    ///
    /// # Errors
    /// Those of the arithmetic; where no shift makes a matrix positive definite.
    pub fn new(
        stages: &mut S,
        x: &S::Matrix,
        (gamma, alpha): (f64, f64),
        landmarks: &[u32],
        groups: &Groups,
    ) -> Result<Self, S::Error> {
        let z = stages.gather_rows(x, landmarks)?;
        let root = stages.root(&z, gamma, &shifts(FIRST_JITTER))?;
        let factor = stages.factor((x, &z), gamma, &root, groups)?;
        drop((z, root));
        let grams = Self::grams(stages, &factor, landmarks.len(), groups)?;
        let factor = stages.settle(factor)?;
        let inverses = stages.inverses(grams, &shifts(alpha))?;
        Ok(Self { factor, inverses, alpha })
    }

    /// F_f^T F_f of each fit.
    fn grams(
        stages: &mut S,
        factor: &S::Factor,
        landmarks: usize,
        groups: &Groups,
    ) -> Result<Vec<S::Matrix>, S::Error> {
        let m = Self::rank(landmarks);
        let sums = groups.fits().iter().map(|_| stages.zeros(m, m));
        let mut sums = sums.collect::<Result<Vec<_>, _>>()?;
        let mut gram = stages.zeros(m, m)?;
        for group in groups.iter() {
            stages.gram(factor, &group, &mut gram)?;
            stages.add_to(&mut sums, group.fits, &gram)?;
        }
        Ok(sums)
    }

    /// Columns of F for so many landmarks.
    pub fn rank(landmarks: usize) -> usize {
        landmarks.next_multiple_of(S::PADDING)
    }

    /// Float32 numbers of F and of its products with itself, for so many cells, landmarks and fits: what [`Nystrom::new`] takes
    /// beside what its inverses do.
    pub fn floats(cells: usize, landmarks: usize, fits: usize) -> usize {
        let m = Self::rank(landmarks);
        cells * m + (fits + 1) * m * m
    }

    /// The preconditioner of each fit f times R in `residuals`: a fit, and its cells x columns in the order of
    /// [`Groups::cells_of`].
    ///
    /// # Errors
    /// Those of the arithmetic.
    pub fn apply(
        &self,
        stages: &mut S,
        groups: &Groups,
        residuals: &[(usize, &S::Matrix)],
    ) -> Result<Vec<S::Matrix>, S::Error> {
        let widths = residuals.iter().map(|&(fit, residual)| (fit, stages.shape(residual).1));
        let wide = groups.side_by_side(&widths.collect::<Vec<_>>());
        let own: Vec<&S::Matrix> = residuals.iter().map(|(_, residual)| *residual).collect();
        let projected = stages.project(&self.factor, &wide, &own)?.into_iter();
        let pairs = residuals.iter().map(|(fit, _)| &self.inverses[*fit]).zip(projected);
        let solved = stages.invert(&pairs.collect::<Vec<_>>())?;
        stages.expand(&self.factor, &wide, (&own, &solved), self.alpha)
    }
}

/// `first`, ten times as much, and so on.
fn shifts(first: f64) -> [f64; TRIES] {
    std::array::from_fn(|power| first * 10_f64.powi(power as i32))
}
