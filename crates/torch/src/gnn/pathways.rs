//! Edges between genes that belong together.

use std::collections::{HashMap, HashSet};

use modality_data::ValuesView;

use super::{edges::Edges, graph::Between};

/// An edge for each ordered pair of different genes of each set, as often as sets have it, weighted with the cosine of the
/// genes' values over all cells of `input`; none without a pair.
pub(super) fn between(sets: &[Vec<u32>], input: ValuesView<'_>) -> Option<Edges> {
    let mut senders: Vec<Vec<u32>> = vec![Vec::new(); input.columns()];
    for set in sets {
        for &from in set {
            for &to in set.iter().filter(|&&to| to != from) {
                senders[to as usize].push(from);
            }
        }
    }
    if senders.iter().all(Vec::is_empty) {
        return None;
    }
    let cosines = Cosines::new(sets, input);
    let mut edges = Edges::none(input.columns());
    for (to, senders) in (0..).zip(senders) {
        // An edge of weight zero counts among those that end here.
        edges.push_all(senders.into_iter().map(|from| (from, cosines.of(from, to))));
    }
    Some(edges)
}

/// What the record says of them.
pub(super) fn told(sets: &[Vec<u32>], between: Option<&Between>) -> String {
    let Some(between) = between else { return "no pathway edges".to_owned() };
    let sets: Vec<_> = sets.iter().filter(|set| set.len() > 1).collect();
    let genes: HashSet<u32> = sets.iter().copied().flatten().copied().collect();
    let edges = between.edges.entries().0.len();
    format!("pathway edges: {} sets, {} genes in them, {edges} edges", sets.len(), genes.len())
}

/// Cosines of the columns of the genes that are in a set.
struct Cosines {
    /// Of each such gene, its place below.
    places: HashMap<u32, usize>,
    /// Inner products, place by place.
    products: Vec<f64>,
}

impl Cosines {
    fn new(sets: &[Vec<u32>], input: ValuesView<'_>) -> Self {
        let mut genes: Vec<u32> = sets.iter().flatten().copied().collect();
        genes.sort_unstable();
        genes.dedup();
        let places: HashMap<u32, usize> = genes.iter().copied().zip(0..).collect();
        let count = genes.len();
        let mut products = vec![0.0; count * count];
        let mut row: Vec<(usize, f64)> = Vec::new();
        for cell in 0..input.rows() {
            row.clear();
            let mut add = |gene: u32, value: f32| {
                if let Some(&place) = places.get(&gene).filter(|_| value != 0.0) {
                    row.push((place, f64::from(value)));
                }
            };
            match input {
                ValuesView::Sparse(csr) => {
                    let cell = csr.outer_view(cell).expect("the cell is there");
                    cell.iter().for_each(|(gene, &value)| add(gene as u32, value));
                }
                ValuesView::Dense(dense) => {
                    (0..).zip(dense.row(cell)).for_each(|(gene, &value)| add(gene, value));
                }
            }
            for &(one, a) in &row {
                let products = &mut products[one * count..(one + 1) * count];
                row.iter().for_each(|&(other, b)| products[other] += a * b);
            }
        }
        Self { places, products }
    }

    /// Zero where a column is.
    fn of(&self, one: u32, other: u32) -> f32 {
        let [one, other] = [one, other].map(|gene| self.places[&gene]);
        let product = |a: usize, b: usize| self.products[a * self.places.len() + b];
        let norms = (product(one, one) * product(other, other)).sqrt();
        if norms > 0.0 { (product(one, other) / norms) as f32 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn genes_of_a_set_are_joined_to_one_another_as_often_as_sets_say() {
        let input = array![[1.0_f32, 2.0, 0.0, 5.0], [0.0, 2.0, 0.0, 0.0]];
        let sets = [vec![0, 1, 2], vec![1, 0], vec![3]];
        let edges = between(&sets, input.view().into()).unwrap();
        let half = 0.5_f32.sqrt();
        assert_eq!((edges.columns(0), edges.weights(0)), (&[1, 2, 1][..], &[half, 0.0, half][..]));
        assert_eq!(edges.columns(1), [0, 2, 0]);
        assert_eq!((edges.columns(2), edges.weights(2)), (&[0, 1][..], &[0.0, 0.0][..]));
        assert!(edges.columns(3).is_empty());
        assert!(between(&sets[2..], input.view().into()).is_none());
    }
}
