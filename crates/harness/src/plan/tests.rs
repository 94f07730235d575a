use super::*;

#[test]
fn halves_split_the_batches_and_cover_every_cell() {
    let batch = Labels::from_names(["a", "b", "c", "a", "b", "c", "c"]);
    let fits = draw_fits(&batch, 7);
    assert_eq!(fits.len(), 10);
    for pair in fits.chunks(2) {
        assert_eq!((pair[0].batches.len(), pair[1].batches.len()), (1, 2));
        let mut cells: Vec<u32> = pair.iter().flat_map(|fit| fit.cells.clone()).collect();
        cells.sort_unstable();
        assert_eq!(cells, [0, 1, 2, 3, 4, 5, 6]);
    }
    assert!(fits.iter().step_by(2).any(|fit| fit.batches != fits[0].batches), "never shuffled");
    assert_eq!(fits, draw_fits(&batch, 7));
    assert_ne!(fits, draw_fits(&batch, 8));
}

/// A plan of `mlp` on a few hundred generated cells, by a study with these lines more.
fn planned(more: &str) -> Plan {
    planned_with("", more).unwrap()
}

fn planned_with(first: &str, more: &str) -> Result<Plan> {
    use modality_data::synthetic::{self, Size};
    let folder = tempfile::tempdir().unwrap();
    let (dataset, studies) = (folder.path().join("data"), folder.path().join("studies"));
    prepared::write(&synthetic::generate(Size::Tiny, 1, Default::default()), &dataset).unwrap();
    std::fs::create_dir(&studies).unwrap();
    let text =
        "title = 't'\nrepeats = 1\nseed = 0\nrows = ['mlp/torch']\ndataset = { name = 'd' }\n";
    std::fs::write(studies.join("s.toml"), format!("{first}\n{text}{more}")).unwrap();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-configs");
    let backends = crate::study::load_backends(&configs).unwrap();
    let study = Study::load(folder.path(), "s", None, &backends).unwrap();
    Plan::draw(&study, &study.rows, &dataset, Limits { threads: 1, memory: 1 << 30 })
}

#[test]
fn few_cells_have_a_small_batch_unless_the_study_says_otherwise() {
    let batch = |plan: &Plan| plan.rows[0].params["batch_size"].as_u64().unwrap() as usize;
    let plan = planned("");
    let cells = plan.folds.iter().map(|fold| plan.outside(None, fold)).min().unwrap();
    let largest = plan.folds.iter().map(|fold| fold.cells.len()).max().unwrap();
    assert_eq!(cells, plan.dataset.train_cells - largest);
    assert!((4..512).contains(&cells), "{cells}");
    assert!(batch(&plan) * 4 <= cells && batch(&plan) * 8 > cells, "{}", batch(&plan));
    let note = &plan.rows[0].note;
    assert!(note.contains("in place of 512") && note.contains(&cells.to_string()), "{note}");
    // A row that is given a part of the cells: those outside the folds are among them.
    let part = cells / 2;
    let few = planned_with(&format!("cells = [{part}]"), "").unwrap();
    let outside = few.folds.iter().map(|fold| few.outside(Some(part), fold)).min().unwrap();
    assert!(outside < part && batch(&few) * 4 <= outside, "{outside} of {part}");
    let plan = planned("[params.mlp]\nbatch_size = 500\n");
    assert_eq!((batch(&plan), plan.rows[0].note.as_str()), (500, ""));
}

#[test]
fn folds_of_a_method_take_the_place_of_the_usual_ones() {
    let usual = planned("");
    let chosen =
        "[[folds.mlp]]\nname = 'half'\nbatches = ['s1d2']\nleave_out = ['s1d1']\nmodels = 2\n";
    let plan = planned(chosen);
    let names: Vec<_> = plan.folds_of("mlp").iter().map(|fold| fold.name.as_str()).collect();
    assert_eq!(names, ["half, model 1/2", "half, model 2/2"]);
    assert_eq!((plan.folds_of("gnn"), &plan.folds), (&usual.folds[..], &usual.folds));
    let fold = &plan.folds_of("mlp")[0];
    let outside = plan.dataset.train_cells - fold.cells.len() - fold.left_out.len();
    assert!(!fold.left_out.is_empty() && plan.outside(None, fold) == outside);
    let all = plan.dataset.train_cells;
    let drawn = planned_with(&format!("cells = [{all}]"), chosen).unwrap();
    assert_eq!(drawn.outside(Some(all), fold), outside);
    assert_eq!(plan.contradicts(&usual), Some("set of folds"));
    let others = Plan { rows: Vec::new(), folds_by_method: BTreeMap::new(), ..plan.clone() };
    assert_eq!((plan.contradicts(&others), others.contradicts(&plan)), (None, None));
    let json = |plan: &Plan| serde_json::to_string(plan).unwrap();
    assert!(json(&plan).contains("left_out") && !json(&usual).contains("folds_by_method"));
    assert_eq!(serde_json::from_str::<Plan>(&json(&plan)).unwrap(), plan);
    let message = planned_with("", &chosen.replace("s1d2", "s1d22")).unwrap_err().to_string();
    let wanted = "study `s`: `folds.mlp`: fold `half`: the training cells have no batch `s1d22`; there are: ";
    assert!(message.contains(wanted) && message.contains("did you mean `s1d2`?"), "{message}");
}

#[test]
fn one_batch_serves_both_halves() {
    for fit in draw_fits(&Labels::constant("s1d1", 3), 0) {
        assert_eq!(fit.cells, [0, 1, 2]);
    }
}
