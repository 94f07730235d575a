//! One cell: its place in the latent space, its counts, and their normalisation.

use super::draws::{Draws, exp, negative_binomial};
use super::model::Model;
use super::peaks::Peaks;
use super::tissue::{BatchEffect, Latent, Protein, Tissue};

/// A cell as both matrices' rows.
pub(super) struct Cell {
    /// Genes with a count.
    pub(super) genes: Vec<u32>,
    /// Their normalised expression.
    pub(super) gex: Vec<f32>,
    /// What else was measured.
    pub(super) other: Other,
}

/// The modality beside gene expression.
pub(super) enum Other {
    /// Normalised proteins.
    Adt(Vec<f32>),
    /// Peaks that are seen.
    Atac(Vec<u32>),
}

/// Draws cells of one batch.
pub(super) struct CellSource<'a> {
    pub(super) model: &'a Model,
    pub(super) tissue: &'a Tissue,
    pub(super) effect: &'a BatchEffect,
    /// Peaks in place of proteins, and their log-odds in the batch.
    pub(super) peaks: Option<(&'a Peaks, &'a [f32])>,
}

impl CellSource<'_> {
    /// `rates` is room for one value a gene, `odds` for one a peak.
    pub(super) fn draw(&self, mut draws: Draws, rates: &mut [f32], odds: &mut [f32]) -> Cell {
        let latent = self.latent(&mut draws);
        let other = match self.peaks {
            Some((peaks, in_batch)) => {
                Other::Atac(peaks.seen(self.model, in_batch, &latent, &mut draws, odds))
            }
            None => Other::Adt(self.adt(&latent, &mut draws)),
        };
        let (genes, gex) = self.gex(&latent, &mut draws, rates);
        Cell { genes, gex, other }
    }

    fn latent(&self, draws: &mut Draws) -> Latent {
        let kind = &self.tissue.types[draws.index(&self.effect.abundance)];
        let age = draws.uniform();
        let noise: Latent = draws.normals(self.model.cell_spread);
        std::array::from_fn(|k| {
            kind.centre[k] + age * kind.past[k] + noise[k] + self.effect.latent[k]
        })
    }

    fn gex(&self, latent: &Latent, draws: &mut Draws, rates: &mut [f32]) -> (Vec<u32>, Vec<f32>) {
        let log_depth = self.effect.log_depth + self.model.depth_spread * draws.normal();
        self.success_probabilities(latent, log_depth, rates);
        let (mut genes, mut gex) = (Vec::new(), Vec::new());
        let mut total = 0;
        for (gene, &success) in rates.iter().enumerate() {
            let count = negative_binomial(draws.uniform(), success, self.model.gene_shape);
            if count > 0 {
                genes.push(gene as u32);
                gex.push(count as f32);
                total += count;
            }
        }
        let scale = self.tissue.genes.reference_total / total.max(1) as f32;
        for value in &mut gex {
            *value = libm::log1pf(*value * scale);
        }
        (genes, gex)
    }

    /// shape / (shape + mean) of each gene.
    fn success_probabilities(&self, latent: &Latent, log_depth: f32, rates: &mut [f32]) {
        rates.copy_from_slice(&self.effect.log_mean);
        self.tissue.genes.add_latent(latent, rates);
        let shape = self.model.gene_shape as f32;
        for rate in rates {
            *rate = shape / (shape + exp(*rate + log_depth));
        }
    }

    fn adt(&self, latent: &Latent, draws: &mut Draws) -> Vec<f32> {
        let log_depth = self.model.protein_depth_spread * draws.normal();
        let proteins = self.tissue.proteins.iter().zip(&self.effect.proteins);
        let mut adt: Vec<f32> = proteins
            .map(|(protein, shift)| {
                let noise = self.model.protein_noise * draws.normal();
                draws.poisson(libm::expf(
                    self.log_level(protein, latent) + shift + log_depth + noise,
                ))
            })
            .collect();
        let log_centre =
            adt.iter().map(|&count| libm::log1pf(count)).sum::<f32>() / adt.len() as f32;
        let centre = libm::expf(log_centre);
        for value in &mut adt {
            *value = libm::log1pf(*value / centre);
        }
        adt
    }

    fn log_level(&self, protein: &Protein, latent: &Latent) -> f32 {
        let states =
            protein.switches.iter().map(|switch| switch.state(latent, self.model.switch_slope));
        protein.background + protein.rise * states.product::<f32>()
    }
}
