//! Files of the user's own.

use super::*;

/// Genes and proteins of four cells in a file each, and their donors.
fn write_own(folder: &Path) -> OwnData {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    OwnData {
        input: Some(file("rna.csv", "cell,A,B\na,1,3\nb,0,2\nc,4,0\nd,1,5\n")),
        target: Some(file("adt.csv", "cell,P\nd,4\nc,3\nb,2\na,1\n")),
        cell_table: Some(file("who.csv", "cell,donor,half\na,d1,x\nb,d1,y\nc,d2,x\nd,d2,y\n")),
        ..OwnData::default()
    }
}

#[test]
fn files_of_ones_own_need_no_entry() {
    let scene = Scene::new();
    let own = write_own(scene.folder.path());
    let request = |own| Request { own: Some(own), ..named("liu-covid-cite") };
    let split = OwnData { split_by: Some("donor=d2".parse().unwrap()), ..own.clone() };
    let fetched = scene.workshop().fetch(&request(&split)).unwrap();
    let manifest = &fetched.ready.manifest;
    assert_eq!(
        (manifest.name.as_str(), manifest.train_cells, manifest.test_cells),
        ("rna-adt", 2, 2)
    );
    let shown = fetched.to_string();
    for words in ["Test cells are those", "`d2` in column `donor`", "rna.csv, 0.0 MB", "adt.csv"] {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    assert_eq!(scene.workshop().ready(&request(&split)).unwrap().folder, fetched.ready.folder);
}

#[test]
fn every_option_makes_another_folder() {
    let scene = Scene::new();
    let own = write_own(scene.folder.path());
    let with = |change: &dyn Fn(&mut OwnData)| {
        let mut changed = own.clone();
        change(&mut changed);
        let request = Request { own: Some(&changed), ..named("liu-covid-cite") };
        scene.workshop().ready(&request).unwrap().folder
    };
    let folders = [
        with(&|_| ()),
        with(&|own| own.split_by = Some("donor=d2".parse().unwrap())),
        with(&|own| own.split_by = Some("half=x".parse().unwrap())),
        with(&|own| own.batch = Some("half".to_owned())),
        with(&|own| own.counts = true),
        with(&|own| own.normalised = true),
        with(&|own| own.cell_table = None),
    ];
    for (index, folder) in folders.iter().enumerate() {
        assert!(!folders[..index].contains(folder), "option {index}: {}", folder.display());
    }
    assert_eq!(with(&|_| ()), folders[0]);
    fs::write(own.cell_table.as_ref().unwrap(), "cell,donor\na,d1\nb,d1\nc,d1\nd,d2\n").unwrap();
    assert_ne!(with(&|_| ()), folders[0], "the table of cells is part of it");
}

#[test]
fn an_entry_may_name_a_file_for_each_modality() {
    let mut scene = Scene::new();
    let own = write_own(scene.folder.path());
    let [gex, adt] = [&own.input, &own.target].map(|path| path.as_ref().unwrap().display());
    let entry = format!(
        "[mine]\nabout = \"\"\n[mine.source]\nkind = \"cite-file\"\npaths = {{ gex = '{gex}', adt = '{adt}' }}\n\
         [mine.source.layout]\ncells = \"who.csv\"\ntest = {{ column = \"half\", values = [\"y\"] }}"
    );
    scene.catalogue = Catalogue::parse(&entry).unwrap();
    for (task, inputs) in [(Task::GEX_TO_ADT, 2), (Task::ADT_TO_GEX, 1)] {
        let ready = scene.workshop().ready(&Request { task: Some(task), ..named("mine") }).unwrap();
        assert_eq!(ready.manifest.input.features.names.len(), inputs);
    }
}

#[test]
fn options_of_files_need_files() {
    use clap::Parser as _;
    let parsed = |options: &str| {
        let words = ["modality-bench", "reproduce"].into_iter().chain(options.split_whitespace());
        cli::Cli::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
    };
    parsed("--input a:b.h5ad --target b.csv --target-at obsm/x --split-by donor=d3,d4").unwrap();
    for (options, words) in [
        ("--layer counts", "--data <PATH>|--input <FILE>"),
        ("--input a", "--target <FILE>"),
        ("--data a --input b --target c", "cannot be used with"),
        ("--data a --counts --normalised", "cannot be used with"),
        ("--data a --split-by donor", "donor=d3,d4"),
        ("--data a --target-at counts", "layers/NAME"),
    ] {
        let error = parsed(options).unwrap_err();
        assert!(error.contains(words), "{options}: {error}");
    }
}
