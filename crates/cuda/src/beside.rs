//! Residuals of several fits beside one another, group of cells by group of cells, for one product with many columns.

use modality_recipe::{Side, Wide};

use crate::{
    halves::ALIGNMENT,
    parts::{Corner, Move},
};

/// The groups of cells, and which columns of which fits stand beside one another in each.
pub(crate) struct Beside<'a>(pub(crate) &'a [Wide]);

impl Beside<'_> {
    /// Shapes of a matrix for each group, as wide as all fits that have it; of so many rows, or its cells.
    pub(crate) fn shapes(&self, rows: Option<usize>) -> Vec<(usize, usize)> {
        let shape = |group: &Wide| {
            (rows.unwrap_or(group.cells.len()), group.width().next_multiple_of(ALIGNMENT))
        };
        self.0.iter().map(shape).collect()
    }

    /// From the fits' own matrices, whose rows are cells, to those of the groups, or back.
    pub(crate) fn cells(&self, to_groups: bool) -> Vec<Move> {
        let moves = self.sides().map(|(group, side)| {
            let own = Corner { matrix: side.index, row: side.rows.start, column: 0 };
            let wide = Corner { matrix: group, row: 0, column: side.columns.start };
            let (from, to) = if to_groups { (own, wide) } else { (wide, own) };
            Move { from, to, rows: side.rows.len(), columns: side.columns.len() }
        });
        moves.collect()
    }

    /// From matrices of the fits, whose `rows` are landmarks, to those of the groups.
    pub(crate) fn landmarks(&self, rows: usize) -> Vec<Move> {
        let moves = self.sides().map(|(group, side)| Move {
            from: Corner { matrix: side.index, row: 0, column: 0 },
            to: Corner { matrix: group, row: 0, column: side.columns.start },
            rows,
            columns: side.columns.len(),
        });
        moves.collect()
    }

    /// The other way, in turns: no fit has two groups in one of them.
    pub(crate) fn sums(&self, rows: usize) -> Vec<Vec<Move>> {
        let mut turns: Vec<Vec<Move>> = Vec::new();
        for Move { from, to, rows, columns } in self.landmarks(rows) {
            let had = |moves: &Vec<Move>| moves.iter().any(|other| other.to.matrix == from.matrix);
            let turn = turns.iter().take_while(|moves| had(moves)).count();
            if turn == turns.len() {
                turns.push(Vec::new());
            }
            turns[turn].push(Move { from: to, to: from, rows, columns });
        }
        turns
    }

    fn sides(&self) -> impl Iterator<Item = (usize, &Side)> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(index, group)| group.sides.iter().map(move |side| (index, side)))
    }
}
