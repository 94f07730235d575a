//! Studies that give each row several numbers of training cells.

use std::{collections::BTreeSet, fs, path::Path};

use end_to_end::{bench, linfa_runner, plan, root};
use modality_data::{
    Cells, Dataset, Labels, Split,
    prepared::{self, Inputs},
    synthetic::{self, Size},
};
use modality_harness::{
    host::Runner,
    plan::{Limits, Plan},
    record::{RunRecord, Status},
};
use modality_protocol::RunSpec;
use modality_protocol::Task;

const LIMITS: Limits = Limits { threads: 2, memory: 1 << 40 };
const NUMBERS: [usize; 3] = [150, 300, 600];

fn study(cells: &str) -> String {
    format!(
        "title = 'Numbers of cells'\nrepeats = 2\nseed = 3\nrows = ['tsvd-krr/linfa']\n{cells}\
         dataset = {{ name = 'bmmc-synthetic' }}\n"
    )
}

/// The study on generated cells.
fn planned(dataset: &Path) -> Plan {
    plan(&study(&format!("cells = {NUMBERS:?}\n")), dataset, LIMITS).unwrap()
}

fn generated(folder: &Path) -> Dataset {
    let dataset = synthetic::generate(Size::Tiny, 1, Task::default());
    prepared::write(&dataset, folder).unwrap();
    dataset
}

/// What a runner is handed for a row of the first repeat.
fn spec(plan: &Plan, row: usize, dataset: &Path, out: &Path) -> RunSpec {
    let kept = out.join("spec.json");
    let script = "head -n 1 > \"$0\"; echo '{\"event\":\"failed\",\"reason\":\"no run\"}'";
    let command = ["sh", "-c", script, kept.to_str().unwrap()].map(str::to_owned).to_vec();
    let bench = bench(plan.clone(), dataset, out);
    let runner = Runner { command, folder: root().to_owned() };
    bench.run(&bench.plan().rows[row], 0, &runner, |_| ()).unwrap();
    serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap()
}

#[test]
fn fewer_cells_are_among_more_and_fits_and_folds_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    generated(&dataset);
    let plan = planned(&dataset);
    let by_folds = study(&format!("cells = {NUMBERS:?}\n")).replace("tsvd-krr/linfa", "mlp/torch");
    let by_folds = self::plan(&by_folds, &dataset, LIMITS).unwrap();
    let variants: Vec<&str> = plan.rows.iter().map(|row| row.variant.as_str()).collect();
    assert_eq!(variants, ["cells=150", "cells=300", "cells=600"]);
    assert_ne!(plan.repeats[0].order, plan.repeats[1].order);

    let mut fewer = BTreeSet::new();
    for (row, number) in NUMBERS.into_iter().enumerate() {
        let out = |method: &str| folder.path().join(format!("{method}-{number}"));
        let folded = spec(&by_folds, row, &dataset, &out("mlp"));
        let spec = spec(&plan, row, &dataset, &out("tsvd-krr"));
        let cells = spec.cells.unwrap();
        assert_eq!(folded.cells.as_ref(), Some(&cells));
        assert_eq!(cells.len(), number);
        assert!(cells.windows(2).all(|pair| pair[0] < pair[1]), "not ascending");
        let set: BTreeSet<u32> = cells.iter().copied().collect();
        assert!(fewer.is_subset(&set), "the {number} cells lack some of the fewer ones");

        let whole = |positions: &[u32]| -> Vec<u32> {
            positions.iter().map(|&position| cells[position as usize]).collect()
        };
        let of_all = |all: &[u32]| -> Vec<u32> {
            all.iter().copied().filter(|cell| set.contains(cell)).collect()
        };
        assert_eq!(spec.fits.len(), 10);
        for (positions, fit) in spec.fits.iter().zip(&plan.repeats[0].fits) {
            assert_eq!(whole(positions), of_all(&fit.cells));
        }
        // Each is given what its method needs.
        assert_eq!((spec.folds.len(), folded.fits.len()), (0, 0));
        assert_eq!(folded.folds.len(), 3);
        for (fold, of_plan) in folded.folds.iter().zip(&plan.folds) {
            assert_eq!(fold.name, of_plan.name);
            assert_eq!(whole(&fold.cells), of_all(&of_plan.cells));
        }
        fewer = set;
    }
    assert_eq!(fewer.len(), 600, "all that there are");
    let more = self::plan(&study("cells = [601]\n"), &dataset, LIMITS).unwrap_err().to_string();
    assert!(more.contains("`cells` names 601 training cells; the data set has 600"), "{more}");
}

#[test]
fn some_cells_are_read_as_rows_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    generated(&dataset);
    let inputs = prepared::inputs(&dataset);
    let all = prepared::read_inputs(&inputs, None).unwrap();
    for repeat in planned(&dataset).repeats {
        for number in [1, 150, 599, 600] {
            let cells = repeat.cells(number);
            let rows: Vec<usize> = cells.iter().map(|&cell| cell as usize).collect();
            let Inputs { train_input, train_target, test_input, .. } =
                prepared::read_inputs(&inputs, Some(&cells)).unwrap();
            assert_eq!(train_input, all.train_input.select_rows(&rows));
            assert_eq!(train_target, all.train_target.select_rows(&rows));
            assert_eq!(test_input, all.test_input);
        }
    }
    for wrong in [vec![600], vec![3, 3], vec![4, 2]] {
        let message = prepared::read_inputs(&inputs, Some(&wrong)).unwrap_err().to_string();
        assert!(message.contains("ascending rows below 600"), "{message}");
    }
}

#[test]
fn some_cells_give_the_predictions_of_a_data_set_that_has_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let whole = generated(&place("whole"));
    let some = planned(&place("whole"));
    let cells = some.repeats[0].cells(300);
    let rows: Vec<usize> = cells.iter().map(|&cell| cell as usize).collect();
    let part = Dataset { train: part(&whole.train, &rows), ..whole };
    prepared::write(&part, &place("part")).unwrap();
    let all = |dataset: &str| plan(&study(""), &place(dataset), LIMITS).unwrap();

    let of_300 = run(some.clone(), 1, &place("whole"), &place("300"));
    assert_eq!((of_300.cells, of_300.run.variant.as_str()), (Some(300), "cells=300"));
    let of_part = run(all("part"), 0, &place("part"), &place("part-out"));
    assert_eq!(of_300.predictions_sha256, of_part.predictions_sha256);
    let of_600 = run(some, 2, &place("whole"), &place("600"));
    let of_whole = run(all("whole"), 0, &place("whole"), &place("whole-out"));
    assert_eq!(of_600.predictions_sha256, of_whole.predictions_sha256);
    assert_ne!(of_600.predictions_sha256, of_300.predictions_sha256);
    assert_eq!((of_part.cells, of_whole.cells), (None, None));
}

fn run(plan: Plan, row: usize, dataset: &Path, out: &Path) -> RunRecord {
    let bench = bench(plan, dataset, out);
    let record = bench.run(&bench.plan().rows[row], 0, &linfa_runner(), |_| ()).unwrap();
    assert_eq!(record.status, Status::Ok, "{}", record.note);
    record
}

/// Those rows alone.
fn part(split: &Split, rows: &[usize]) -> Split {
    let labels = |labels: &Labels| Labels {
        codes: rows.iter().map(|&row| labels.codes[row]).collect(),
        names: labels.names.clone(),
    };
    Split {
        input: split.input.select_rows(rows),
        target: split.target.select_rows(rows),
        cells: Cells {
            names: rows.iter().map(|&row| split.cells.names[row].clone()).collect(),
            batch: labels(&split.cells.batch),
            donor: labels(&split.cells.donor),
            site: labels(&split.cells.site),
        },
    }
}
