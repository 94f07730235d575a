//! Open chromatin: peaks, each seen or not in a cell.

use super::draws::{Draws, exp};
use super::model::{LATENTS, Model, Peaks as PeakModel};
use super::tissue::{Latent, Stream};

/// The peak model, one entry a peak: log-odds that are linear in the latents, and so of low rank.
pub(super) struct Peaks {
    /// A row of loadings for each latent dimension.
    loadings: [Vec<f32>; LATENTS],
    log_odds: Vec<f32>,
}

impl Peaks {
    pub(super) fn draw(model: &Model, peaks: usize) -> Self {
        let PeakModel { log_odds, log_odds_spread, .. } = model.peaks;
        let mut draws = Stream::Peaks.draws(model);
        let mut loadings: [Vec<f32>; LATENTS] = std::array::from_fn(|_| Vec::with_capacity(peaks));
        let mut all = Vec::with_capacity(peaks);
        for _ in 0..peaks {
            let is_marker = draws.uniform() < model.marker_share;
            let loading: Latent =
                draws.normals(if is_marker { model.marker_loading } else { model.other_loading });
            for (row, value) in loadings.iter_mut().zip(loading) {
                row.push(value);
            }
            all.push(log_odds + log_odds_spread * draws.normal());
        }
        Self { loadings, log_odds: all }
    }

    /// Log-odds of each peak in a batch of this site and donor, where the latents are zero.
    pub(super) fn in_batch(&self, model: &Model, site: usize, donor: usize) -> Vec<f32> {
        let mut log_odds = self.log_odds.clone();
        for (stream, shift) in [
            (Stream::SitePeaks(site), model.peaks.site_shift),
            (Stream::DonorPeaks(donor), model.peaks.donor_shift),
        ] {
            let mut draws = stream.draws(model);
            log_odds.iter_mut().for_each(|value| *value += shift * draws.normal());
        }
        log_odds
    }

    /// The peaks of a cell. `odds` is room for one value a peak.
    pub(super) fn seen(
        &self,
        model: &Model,
        in_batch: &[f32],
        latent: &Latent,
        draws: &mut Draws,
        odds: &mut [f32],
    ) -> Vec<u32> {
        let depth = model.peaks.depth_spread * draws.normal();
        odds.copy_from_slice(in_batch);
        for (row, position) in self.loadings.iter().zip(latent) {
            odds.iter_mut().zip(row).for_each(|(odds, loading)| *odds += position * loading);
        }
        odds.iter_mut().for_each(|odds| *odds = 1.0 / (1.0 + exp(-(*odds + depth))));
        let seen = (0..).zip(odds.iter()).filter(|(_, share)| draws.uniform() < **share);
        seen.map(|(peak, _)| peak).collect()
    }
}
