//! The tissue, drawn once: cell types, genes, proteins, and what sites and donors do to them.

use super::Shape;
use super::draws::{Draws, exp};
use super::model::{Batch, DONORS, LATENTS, Model, SITES};

/// A point of the latent space.
pub(super) type Latent = [f32; LATENTS];

/// What every cell of a data set is drawn from.
pub(super) struct Tissue {
    pub(super) types: Vec<CellType>,
    pub(super) genes: Genes,
    pub(super) proteins: Vec<Protein>,
    sites: Vec<Origin>,
    donors: Vec<Origin>,
}

/// A kind of cell and the way it came.
pub(super) struct CellType {
    pub(super) centre: Latent,
    /// From the centre to the youngest cells of the type.
    pub(super) past: Latent,
    log_abundance: f32,
}

/// The gene model, one entry a gene.
pub(super) struct Genes {
    /// A row of loadings for each latent dimension.
    pub(super) loadings: [Vec<f32>; LATENTS],
    log_mean: Vec<f32>,
    /// Expected total of counts at sequencing depth 1.
    pub(super) reference_total: f32,
}

/// A protein: off on one side of two switches, on where both are passed.
pub(super) struct Protein {
    pub(super) background: f32,
    pub(super) rise: f32,
    pub(super) switches: [Switch; 2],
}

/// A soft threshold along a direction of the latent space.
pub(super) struct Switch {
    direction: Latent,
    threshold: f32,
}

/// What a site or a donor does to its cells.
struct Origin {
    latent: Latent,
    log_abundance: Vec<f32>,
    genes: Vec<f32>,
    proteins: Vec<f32>,
    log_depth: f32,
}

/// Site and donor together, ready for cells to be drawn.
pub(super) struct BatchEffect {
    pub(super) latent: Latent,
    /// Weight of each cell type.
    pub(super) abundance: Vec<f32>,
    /// Logarithm of each gene's mean where the latents are zero, at sequencing depth 1.
    pub(super) log_mean: Vec<f32>,
    /// Shift of the logarithm of each protein's mean.
    pub(super) proteins: Vec<f32>,
    pub(super) log_depth: f32,
}

/// Streams of the tissue's seed; adding one leaves the others as they are.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Types,
    Genes,
    Proteins,
    Peaks,
    Site(usize),
    Donor(usize),
    SitePeaks(usize),
    DonorPeaks(usize),
}

impl Stream {
    pub(super) fn draws(self, model: &Model) -> Draws {
        let stream = match self {
            Self::Types => 0,
            Self::Genes => 1,
            Self::Proteins => 2,
            Self::Peaks => 3,
            Self::Site(site) => 100 + site,
            Self::Donor(donor) => 200 + donor,
            Self::SitePeaks(site) => 300 + site,
            Self::DonorPeaks(donor) => 400 + donor,
        };
        Draws::new(model.tissue_seed, stream as u64)
    }
}

impl Tissue {
    pub(super) fn draw(model: &Model, shape: &Shape) -> Self {
        let types = draw_types(model);
        let genes = Genes::draw(model, shape, &types);
        let proteins = draw_proteins(model, shape.proteins);
        let origin = |stream, scale: &OriginScale| Origin::draw(stream, scale, types.len(), shape);
        let sites = (1..=SITES)
            .map(|site| origin(Stream::Site(site).draws(model), &OriginScale::site(model)));
        let sites = sites.collect();
        let donors = (1..=DONORS)
            .map(|donor| origin(Stream::Donor(donor).draws(model), &OriginScale::donor(model)));
        let donors = donors.collect();
        Self { types, genes, proteins, sites, donors }
    }

    pub(super) fn batch_effect(&self, batch: &Batch) -> BatchEffect {
        let (site, donor) = (&self.sites[batch.site - 1], &self.donors[batch.donor - 1]);
        let abundance = self.types.iter().zip(&site.log_abundance).zip(&donor.log_abundance);
        BatchEffect {
            latent: std::array::from_fn(|k| site.latent[k] + donor.latent[k]),
            abundance: abundance
                .map(|((kind, s), d)| libm::expf(kind.log_abundance + s + d))
                .collect(),
            log_mean: add(&add(&self.genes.log_mean, &site.genes), &donor.genes),
            proteins: add(&site.proteins, &donor.proteins),
            log_depth: site.log_depth + donor.log_depth,
        }
    }
}

fn add(left: &[f32], right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

fn draw_types(model: &Model) -> Vec<CellType> {
    let mut draws = Stream::Types.draws(model);
    let mut types: Vec<CellType> = Vec::with_capacity(model.lineages * model.types_per_lineage);
    for _ in 0..model.lineages {
        let lineage: Latent = draws.normals(model.lineage_spread);
        for rank in 0..model.types_per_lineage {
            let offset: Latent = draws.normals(model.type_spread);
            let centre: Latent = std::array::from_fn(|k| lineage[k] + offset[k]);
            let parent = if rank == 0 { lineage } else { types[types.len() - 1].centre };
            let past = std::array::from_fn(|k| model.youngest * (parent[k] - centre[k]));
            types.push(CellType {
                centre,
                past,
                log_abundance: model.abundance_spread * draws.normal(),
            });
        }
    }
    types
}

impl Genes {
    fn draw(model: &Model, shape: &Shape, types: &[CellType]) -> Self {
        let mut draws = Stream::Genes.draws(model);
        let mut loadings: [Vec<f32>; LATENTS] =
            std::array::from_fn(|_| Vec::with_capacity(shape.genes));
        let mut log_mean = Vec::with_capacity(shape.genes);
        for _ in 0..shape.genes {
            let marker = draws.uniform() < model.marker_share;
            let loading: Latent =
                draws.normals(if marker { model.marker_loading } else { model.other_loading });
            for (row, value) in loadings.iter_mut().zip(loading) {
                row.push(value);
            }
            log_mean.push(shape.gene_log_mean + model.gene_spread * draws.normal());
        }
        let mut genes = Self { loadings, log_mean, reference_total: 0.0 };
        genes.reference_total = genes.mean_total(types);
        genes
    }

    fn mean_total(&self, types: &[CellType]) -> f32 {
        let mut log_rates = vec![0.0; self.log_mean.len()];
        let total_at = |kind: &CellType| {
            log_rates.copy_from_slice(&self.log_mean);
            self.add_latent(&kind.centre, &mut log_rates);
            log_rates.iter().map(|&rate| exp(rate)).sum::<f32>()
        };
        types.iter().map(total_at).sum::<f32>() / types.len() as f32
    }

    /// Adds loadings x latents to the genes' logarithms of means, dimension by dimension, in one order.
    pub(super) fn add_latent(&self, latent: &Latent, log_rates: &mut [f32]) {
        for (row, position) in self.loadings.iter().zip(latent) {
            for (rate, loading) in log_rates.iter_mut().zip(row) {
                *rate += position * loading;
            }
        }
    }
}

fn draw_proteins(model: &Model, proteins: usize) -> Vec<Protein> {
    let mut draws = Stream::Proteins.draws(model);
    let draw = |_| Protein {
        background: model.background + model.background_spread * draws.normal(),
        rise: model.rise + model.rise_spread * draws.normal(),
        switches: std::array::from_fn(|_| Switch::draw(model, &mut draws)),
    };
    (0..proteins).map(draw).collect()
}

impl Switch {
    fn draw(model: &Model, draws: &mut Draws) -> Self {
        let raw: Latent = draws.normals(1.0);
        let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
        let threshold = model.switch_threshold + model.switch_threshold_spread * draws.normal();
        Self { direction: raw.map(|x| x / length), threshold }
    }

    /// Between 0 (off) and 1 (on).
    pub(super) fn state(&self, latent: &Latent, slope: f32) -> f32 {
        let position: f32 = self.direction.iter().zip(latent).map(|(a, z)| a * z).sum();
        1.0 / (1.0 + libm::expf(-slope * (position - self.threshold)))
    }
}

/// Deviations of what a site or a donor does.
struct OriginScale {
    latent: f32,
    log_abundance: f32,
    genes: f32,
    proteins: f32,
    log_depth: f32,
}

impl OriginScale {
    fn site(model: &Model) -> Self {
        Self {
            latent: model.site_latent_shift,
            log_abundance: 0.0,
            genes: model.site_gene_shift,
            proteins: model.site_protein_shift,
            log_depth: model.batch_depth_shift,
        }
    }

    fn donor(model: &Model) -> Self {
        Self {
            latent: model.donor_latent_shift,
            log_abundance: model.donor_abundance_spread,
            genes: model.donor_gene_shift,
            proteins: model.donor_protein_shift,
            log_depth: model.batch_depth_shift,
        }
    }
}

impl Origin {
    fn draw(mut draws: Draws, scale: &OriginScale, types: usize, shape: &Shape) -> Self {
        let mut many = |deviation: f32, count| {
            (0..count).map(|_| deviation * draws.normal()).collect::<Vec<_>>()
        };
        let log_abundance = many(scale.log_abundance, types);
        let proteins = many(scale.proteins, shape.proteins);
        let genes = many(scale.genes, shape.genes);
        let latent = draws.normals(scale.latent);
        Self { latent, log_abundance, genes, proteins, log_depth: scale.log_depth * draws.normal() }
    }
}
