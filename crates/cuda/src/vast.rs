//! Sizes at which no host can compute, and every index is at its largest: the competition's, and a million cells. The emulated device
//! runs some blocks of each launch, the first and the last among them, and looks at where they read and write.

use modality_data::Csr;
use modality_emulator::Emulator;
use modality_methods::KernelEntries;
use modality_recipe::{Groups, Linalg as _, Nystrom, Rbf as _, Rows as _, Step, Tsvd};
use ndarray::{Array2, s};

use crate::{CudaStages, Device, Matrix, apart::apart, rbf::tiles_of};

const TRAIN: usize = 66_175;
const MILLION: usize = 1_000_000;
const BATCHES: usize = 12;

/// The fit with the fewest cells.
const LAST: usize = 10;

/// Blocks of each launch beside the first and the last, each of which takes up to a second.
const DRAWN: u32 = 1;

fn stages(entries: KernelEntries) -> (Emulator, CudaStages) {
    let emulator = Emulator::start(None).unwrap();
    emulator.memory_limit(64 << 40);
    emulator.sample(Some(DRAWN));
    let device = Device::open(0).unwrap();
    (emulator, CudaStages::new(device, u64::MAX, entries))
}

/// Ten halves of the batches, and the last thousand cells.
fn fits(cells: usize) -> Vec<Vec<u32>> {
    let batch = |cell: u32| cell as usize * BATCHES / cells;
    let is_in =
        |half: usize, batch: usize| ((batch * (2 * half + 3) + half) % 13).is_multiple_of(2);
    let half = |half| (0..cells as u32).filter(|&cell| is_in(half, batch(cell))).collect();
    let last = (cells as u32 - 1000..cells as u32).collect();
    (0..10).map(half).chain([last]).collect()
}

/// A feature a cell.
fn sparse(cells: usize, features: usize) -> Csr {
    let features_of = (0..cells).map(|cell| (cell * 7919 % features) as u32).collect();
    Csr::new((cells, features), (0..=cells).collect(), features_of, vec![1.5; cells])
}

/// What conjugate gradients do, with so many components and columns. Products with the kernel are those of the fits from `first` on, as each
/// block goes through all cells of a fit.
fn solve(
    stages: &mut CudaStages,
    cells: usize,
    (components, columns): (usize, usize),
    first: usize,
) {
    let fits = fits(cells);
    let groups = Groups::new(&fits);
    let scores = stages.zeros(cells, components).unwrap();
    let x = stages.gather_rows(&scores, groups.cells()).unwrap();
    let kernel = stages.shared_kernel(&x, 0.005, &groups).unwrap();
    let all = groups.cells().len();
    let landmarks = (8.0 * (all as f64).sqrt()) as usize;
    let landmarks: Vec<u32> = (0..landmarks).map(|i| (i * (all / landmarks)) as u32).collect();
    let inverse = Nystrom::new(stages, &x, (0.005, 0.2), &landmarks, &groups).unwrap();
    let targets = stages.zeros(cells, columns).unwrap();
    let all: Vec<Vec<u32>> = (0..fits.len()).map(|fit| groups.cells_of(fit)).collect();
    let residuals: Vec<Matrix> =
        all.iter().map(|cells| stages.gather_rows(&targets, cells).unwrap()).collect();
    let those: Vec<(usize, &Matrix)> = residuals.iter().enumerate().collect();
    let next = inverse.apply(stages, &groups, &those).unwrap();
    let mut products = stages.shared_products(&kernel, &groups, &those[first..]).unwrap();
    drop((kernel, inverse));
    let missing = next[..first].iter().map(|next| stages.copy(next).unwrap());
    products.splice(..0, missing.collect::<Vec<_>>());
    let mut sum = stages.zeros(cells, columns).unwrap();
    for ((product, next), (fit, residual)) in products.into_iter().zip(next).zip(those) {
        let rho = stages.column_dots(residual, &next).unwrap();
        let (mut solution, mut left) =
            (stages.copy(residual).unwrap(), stages.copy(residual).unwrap());
        let mut direction = stages.copy(&next).unwrap();
        stages.turn(&mut direction, &next, &rho, Some(&rho)).unwrap();
        let step = Step {
            solution: &mut solution,
            residual: &mut left,
            direction: &direction,
            product,
            alpha: 0.2,
            rho: &rho,
        };
        stages.step(step).unwrap();
        let half: Vec<u32> = (0..columns as u32).step_by(2).collect();
        let narrow = stages.select_columns(&solution, &half).unwrap();
        stages.put_columns(&mut solution, &half, &narrow).unwrap();
        stages.scatter_add_rows(&mut sum, &all[fit], &solution).unwrap();
    }
    stages.synchronize().unwrap();
}

/// TSVD of sparse genes and dense proteins, and what is made of them.
fn decompose(stages: &mut CudaStages, cells: usize, genes: usize, proteins: usize) {
    let (train, test) = (sparse(cells, genes), sparse(1000, genes));
    let rows = stages.upload_rows(&[(&train).into(), (&test).into()]).unwrap();
    let mut scores = stages.tsvd(&rows, 300, 0).unwrap().scores;
    stages.standardize_rows(&mut scores[0]).unwrap();
    drop((rows, scores));
    let target = Array2::zeros((cells, proteins));
    let rows = stages.upload_rows(&[target.view().into()]).unwrap();
    let Tsvd { scores: targets, components } = stages.tsvd(&rows, 70, 0).unwrap();
    let product = stages.matmul(&targets[0], &components).unwrap();
    assert_eq!(product.shape(), (cells as u32, proteins as u32));
    stages.synchronize().unwrap();
}

/// What the last block writes is where it should be: an index that overflows may well be another one of the same matrix.
fn last_entries(device: &Device, cells: usize, genes: usize) {
    let last = |matrix: &Matrix| {
        let row = matrix.rows(matrix.rows - 1..matrix.rows);
        *device.fetch(&row).unwrap().last().unwrap()
    };
    let dense = device.normal(cells, genes, 1, 1.0).unwrap();
    assert_ne!(last(&dense), 0.0, "normal");
    let places: Vec<u32> = (0..cells as u32).collect();
    let gathered = device.gather_rows(&dense, &places).unwrap();
    assert_eq!(last(&gathered), last(&dense), "gather_rows");
    let mut sum = device.zeros(cells, genes).unwrap();
    device.scatter_add_rows(&mut sum, &places, &dense).unwrap();
    assert_eq!(last(&sum), last(&dense), "scatter_add_rows");
    device.add(&mut sum, &dense).unwrap();
    assert_eq!(last(&sum), 2.0 * last(&dense), "add");
    assert_eq!(last(&device.transpose(&dense).unwrap()), last(&dense), "transpose");
    drop((dense, gathered, sum));
    let (train, test) = (sparse(cells, genes), sparse(1, genes));
    let rows = crate::upload::rows(device, &[(&train).into(), (&test).into()]).unwrap();
    let test = device.densify(&rows).unwrap().remove(1);
    assert_eq!(device.fetch(&test.rows(0..1)).unwrap()[0], 1.5, "densify_rows");
    drop(test);
    // Of rows that are all zero, every entry of the kernel is one.
    let (x, z) = (device.zeros(cells, 300).unwrap(), device.zeros(8000, 300).unwrap());
    assert_eq!(last(&device.kernel(&x, &z, 0.005).unwrap()), 1.0, "dense_kernel");
    // Of whole squares: the last block has the last tile.
    let tiles = device.tiles(tiles_of(0..cells / 1024 * 1024, 0)).unwrap();
    let packed = device.pack(&x, &tiles).unwrap();
    let entries = device.keep(&packed, &tiles, 0.005, tiles.count()).unwrap();
    let words = entries.words();
    let quad = words.slice(words.len() - 8..);
    assert_eq!(device.fetch(&quad).unwrap(), [65535; 8], "keep_tiles");
}

#[test]
#[ignore = "run by the others"]
fn competition() {
    for (entries, first) in [(KernelEntries::Kept, 0), (KernelEntries::Formed, LAST)] {
        let (_, mut stages) = stages(entries);
        solve(&mut stages, TRAIN, (300, 70), first);
    }
    let (_, mut stages) = stages(KernelEntries::Kept);
    decompose(&mut stages, TRAIN, 13_953, 134);
    last_entries(stages.device(), TRAIN + 1000, 13_960);
    let (test, train) = (stages.zeros(1000, 300).unwrap(), stages.zeros(TRAIN, 300).unwrap());
    let coefficients = stages.zeros(TRAIN, 70).unwrap();
    let sum = stages.kernel_product(&test, &train, 0.005, &coefficients).unwrap();
    assert_eq!(stages.download(&sum).unwrap().slice(s![999.., 69..]), Array2::<f32>::zeros((1, 1)));
}

#[test]
#[ignore = "run by the others"]
fn million() {
    for entries in [KernelEntries::Kept, KernelEntries::Formed] {
        let (_, mut stages) = stages(entries);
        solve(&mut stages, MILLION, (300, 70), LAST);
    }
    let (_, mut stages) = stages(KernelEntries::Kept);
    decompose(&mut stages, MILLION, 14_000, 80);
    last_entries(stages.device(), MILLION, 6_000);
}

#[test]
fn indices_are_right_at_the_competition_s_size() {
    apart("vast::competition");
}

#[test]
fn indices_are_right_at_a_million_cells() {
    apart("vast::million");
}
