//! Cells and genes, and who is joined to whom.

use tch::{Device, Tensor};

use super::{edges::Edges, messages::Tiles, statistics::NUMBERS};
use crate::{Error, Result, frozen::Frozen, rows::Entries};

/// All edges that there are, of which a [`Graph`] has some.
pub(super) struct Joined {
    /// Cells, training before test, to the genes that they express.
    pub(super) cells: Edges,
    /// Genes to the other genes of their pathways, a row for each that is sent to.
    pub(super) genes: Option<Between>,
    pub(super) device: Device,
    /// The same on a device, where libtorch's operations compute.
    pub(super) uploaded: Option<Uploaded>,
}

/// Entries on a device.
pub(super) struct Uploaded {
    pub(super) cells: Entries,
    pub(super) genes: Option<Entries>,
}

impl Joined {
    pub(super) fn new(
        cells: Edges,
        genes: Option<Between>,
        device: Device,
        upload: bool,
    ) -> Result<Self> {
        let uploaded = upload.then(|| {
            let upload = |edges: &Edges| {
                let (columns, weights) = edges.entries();
                Entries::upload(columns, weights, device)
            };
            let genes = genes.as_ref().map(|between| upload(&between.edges)).transpose()?;
            Ok::<_, Error>(Uploaded { cells: upload(&cells)?, genes })
        });
        Ok(Self { cells, genes, device, uploaded: uploaded.transpose()? })
    }
}

/// Edges between genes.
pub(super) struct Between {
    pub(super) edges: Edges,
    /// Each gene.
    pub(super) rows: Vec<u32>,
    /// One over the number of edges that end at a gene: genes x 1.
    pub(super) scales: Frozen,
    /// Where the CPU computes.
    pub(super) tiles: Option<Tiles>,
}

/// Some cells and all genes.
pub(super) struct Graph {
    /// Rows of [`Joined::cells`].
    pub(super) cells: Vec<u32>,
    /// Their edges, where the CPU computes.
    pub(super) tiles: Option<Tiles>,
    /// One over the number of genes of a cell: cells x 1.
    pub(super) cell_scales: Tensor,
    /// One over the number of cells of a gene: genes x 1.
    pub(super) gene_scales: Tensor,
    /// What is known of each cell's batch: cells x [`NUMBERS`].
    pub(super) batches: Tensor,
}

impl Graph {
    /// Of these rows of `joined`, and the numbers of their batches; `masked` where some of its edges will be left out.
    pub(super) fn new(
        joined: &Joined,
        cells: Vec<u32>,
        batches: &[[f32; NUMBERS]],
        masked: bool,
    ) -> Result<Self> {
        let device = joined.device;
        assert_eq!(cells.len(), batches.len(), "each cell has a batch");
        let mut in_genes = vec![0_u32; joined.cells.width()];
        let mut in_cells = Vec::with_capacity(cells.len());
        for &cell in &cells {
            let genes = joined.cells.columns(cell);
            in_cells.push(genes.len() as u32);
            genes.iter().for_each(|&gene| in_genes[gene as usize] += 1);
        }
        let batches = Tensor::f_from_slice(batches.as_flattened())?;
        let batches = batches.f_view([cells.len() as i64, NUMBERS as i64])?.f_to_device(device)?;
        let tiles = joined.uploaded.is_none().then(|| Tiles::new(&joined.cells, &cells, masked));
        Ok(Self {
            cells,
            tiles,
            cell_scales: scales(in_cells, device)?,
            gene_scales: scales(in_genes, device)?,
            batches,
        })
    }
}

impl Between {
    pub(super) fn new(edges: Edges, device: Device) -> Result<Self> {
        let rows: Vec<u32> = (0..edges.rows() as u32).collect();
        let counts = rows.iter().map(|&row| edges.columns(row).len() as u32).collect();
        let tiles = (device == Device::Cpu).then(|| Tiles::new(&edges, &rows, true));
        Ok(Self { scales: Frozen::new(scales(counts, device)?), tiles, edges, rows })
    }
}

/// One over each count, as a column; one where it is zero, and there is nothing to scale.
fn scales(counts: Vec<u32>, device: Device) -> Result<Tensor> {
    let scales: Vec<f32> = counts.into_iter().map(|count| 1.0 / count.max(1) as f32).collect();
    let column = [scales.len() as i64, 1];
    Ok(Tensor::f_from_slice(&scales)?.f_view(column)?.f_to_device(device)?)
}
