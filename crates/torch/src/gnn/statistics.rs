//! What the network is told of a cell's batch.

use std::collections::HashMap;

use modality_data::Labels;
use rayon::prelude::*;

use super::edges::Edges;

/// Numbers of a batch.
pub(super) const NUMBERS: usize = 9;

/// By cell: mean, standard deviation, quartiles of the nonzeros, maximum, number of nonzeros in thousands, their mean and
/// standard deviation; over all features where nothing else is said, deviations of the population.
pub(super) fn of_cells(cells: &Edges) -> Vec<[f64; NUMBERS]> {
    let cell = |row: u32| {
        numbers(cells.weights(row).iter().copied().map(f64::from).collect(), cells.width())
    };
    (0..cells.rows() as u32).into_par_iter().map(cell).collect()
}

/// All zero for a cell without nonzeros.
fn numbers(mut nonzeros: Vec<f64>, features: usize) -> [f64; NUMBERS] {
    if nonzeros.is_empty() {
        return [0.0; NUMBERS];
    }
    nonzeros.sort_unstable_by(f64::total_cmp);
    let (count, features) = (nonzeros.len() as f64, features as f64);
    let (sum, squares) =
        nonzeros.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    let deviation = |n: f64| (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
    // What is zero counts where a cell has negative values only.
    let largest = nonzeros[nonzeros.len() - 1];
    let largest = if count < features { largest.max(0.0) } else { largest };
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| percentile(&nonzeros, share));
    [
        sum / features,
        deviation(features),
        low,
        middle,
        high,
        largest,
        count / 1000.0,
        sum / count,
        deviation(count),
    ]
}

/// Between the two values next to it in proportion, as NumPy has it.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = sorted[at.floor() as usize];
    below + (sorted[at.ceil() as usize] - below) * at.fract()
}

/// For each of `rows`, the mean over those of them that have its batch. `batches` has a code a row of all cells.
pub(super) fn batch_means(
    cells: &[[f64; NUMBERS]],
    batches: &[u32],
    rows: &[u32],
) -> Vec<[f32; NUMBERS]> {
    let mut sums: HashMap<u32, ([f64; NUMBERS], f64)> = HashMap::new();
    for &row in rows {
        let (sum, count) = sums.entry(batches[row as usize]).or_default();
        sum.iter_mut().zip(&cells[row as usize]).for_each(|(sum, number)| *sum += number);
        *count += 1.0;
    }
    let mean = |&row: &u32| {
        let (sum, count) = sums[&batches[row as usize]];
        sum.map(|sum| (sum / count) as f32)
    };
    rows.iter().map(mean).collect()
}

/// Codes of training and test cells on top of one another: the same where the names are.
pub(super) fn joined(train: &Labels, test: &Labels) -> Vec<u32> {
    let mut codes: HashMap<&str, u32> = HashMap::new();
    let all = [train, test]
        .into_iter()
        .flat_map(|labels| labels.codes.iter().map(|&code| labels.names[code as usize].as_str()));
    all.map(|name| {
        let next = codes.len() as u32;
        *codes.entry(name).or_insert(next)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_numpy() {
        // numpy: mean, std, percentile, max of [0, 3, 1, 0, 2, 5] and of its nonzeros.
        let mut cell = Edges::none(6);
        cell.push([(1, 3.0), (2, 1.0), (4, 2.0), (5, 5.0)].into_iter());
        cell.push(std::iter::empty());
        let wanted =
            [11.0 / 6.0, 1.771_690_968_8, 1.75, 2.5, 3.5, 5.0, 0.004, 2.75, 1.479_019_945_8];
        let cells = of_cells(&cell);
        for (number, wanted) in cells[0].iter().zip(wanted) {
            assert!((number - wanted).abs() < 1e-9, "{:?}", cells[0]);
        }
        assert_eq!(cells[1], [0.0; NUMBERS]);
    }

    #[test]
    fn batches_are_those_of_the_graph_by_name() {
        let (train, test) = (Labels::from_names(["b", "a", "b"]), Labels::from_names(["a", "c"]));
        let batches = joined(&train, &test);
        assert_eq!(batches, [0, 1, 0, 1, 2]);
        let cells: Vec<_> = (0..5).map(|cell| [f64::from(cell); NUMBERS]).collect();
        let means = |rows: &[u32]| {
            batch_means(&cells, &batches, rows).iter().map(|row| row[3]).collect::<Vec<_>>()
        };
        assert_eq!(means(&[0, 1, 2, 3, 4]), [1.0, 2.0, 1.0, 2.0, 4.0]);
        assert_eq!(means(&[2, 1]), [2.0, 1.0]);
    }
}
