use std::{fs, time::Duration};

mod own;

use super::*;
use crate::cli::OwnData;
use modality_testing::{Reply, Server};
use modality_toolchain::{
    NotReachable, UserError,
    fetch::{
        Tools,
        download::{Client, Patience},
        pip::Pip,
    },
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A data set by its name, with nothing more to say.
fn named(name: &str) -> Request<'_> {
    Request { name, size: None, own: None, task: None, usual: Task::default() }
}

/// The shipped catalogue over a cache of its own.
struct Scene {
    catalogue: Catalogue,
    folder: tempfile::TempDir,
    cache: Cache,
    network: Network,
    progress: Progress,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let patience =
            Patience { failures: 1, pause: Duration::ZERO, timeout: Duration::from_secs(10) };
        Self {
            catalogue: Catalogue::load(Path::new(ROOT)).unwrap(),
            folder,
            cache,
            network: Network::Open(Tools {
                client: Client::local(patience),
                pip: Pip::within("/nonexistent"),
            }),
            progress: Progress::stderr(true),
        }
    }

    fn own(entries: &str) -> Self {
        Self { catalogue: Catalogue::parse(entries).unwrap(), ..Self::new() }
    }

    fn workshop(&self) -> Workshop<'_> {
        Workshop {
            root: Path::new(ROOT),
            catalogue: &self.catalogue,
            cache: &self.cache,
            data_folder: None,
            network: &self.network,
            progress: &self.progress,
        }
    }

    fn ready(&self, name: &str, size: Option<&str>, data: Option<&Path>) -> Result<Ready> {
        let own = OwnData { data: data.map(Path::to_owned), ..OwnData::default() };
        self.workshop().ready(&Request { size, own: own.given(), ..named(name) })
    }

    fn refused(&self, name: &str, size: Option<&str>, data: Option<&Path>) -> String {
        let error = self.ready(name, size, data).unwrap_err();
        assert!(error.is::<UserError>(), "{error:#}");
        error.to_string()
    }

    /// Copies of the starter sample's files, if it is there.
    fn starter(&self) -> Option<PathBuf> {
        let here = modality_testing::starter()?;
        let copy = self.folder.path().join("my data");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(here).unwrap() {
            let path = entry.unwrap().path();
            fs::write(copy.join(path.file_name().unwrap()), fs::read(&path).unwrap()).unwrap();
        }
        Some(copy)
    }
}

#[test]
fn generated_data_is_made_once_and_made_again_when_damaged() {
    let scene = Scene::new();
    let first = scene.ready("bmmc-synthetic", Some("tiny"), None).unwrap();
    let written = |ready: &Ready| {
        fs::metadata(ready.folder.join("inputs/dataset.json")).unwrap().modified().unwrap()
    };
    let (time, second) =
        (written(&first), scene.ready("bmmc-synthetic", Some("tiny"), None).unwrap());
    assert_eq!(
        (&second.folder, &second.manifest, written(&second)),
        (&first.folder, &first.manifest, time)
    );
    assert!(first.manifest.provenance.synthetic);
    assert_eq!(first.manifest.name, "bmmc-synthetic");

    let damages: [&dyn Fn(&Path); 2] =
        [&|path| fs::remove_file(path).unwrap(), &|path| fs::write(path, "other numbers").unwrap()];
    for (file, damage) in ["inputs/train_target.npy", "answers/test_target.npy"].iter().zip(damages)
    {
        let before = fs::read(first.folder.join(file)).unwrap();
        damage(&first.folder.join(file));
        let mended = scene.ready("bmmc-synthetic", Some("tiny"), None).unwrap();
        assert_eq!(mended.manifest, first.manifest);
        assert!(fs::read(mended.folder.join(file)).unwrap() == before, "{file}");
    }
}

#[test]
fn each_size_and_seed_has_a_folder_of_its_own() {
    let entry = |seed: u64| {
        format!(
            "[g]\nabout = \"\"\n[g.source]\nkind = \"generator\"\nsize = \"tiny\"\nseed = {seed}"
        )
    };
    let (one, two) = (Scene::own(&entry(1)), Scene::own(&entry(2)));
    let (one, two) =
        (one.ready("g", None, None).unwrap(), two.ready("g", Some("tiny"), None).unwrap());
    assert_ne!(one.folder.file_name(), two.folder.file_name());
    assert_ne!(one.manifest.sha256, two.manifest.sha256);
}

#[test]
fn two_at_a_time_make_one_folder() {
    let scene = Scene::new();
    let make = || {
        let (cache, quiet) = (scene.cache.clone(), Progress::stderr(true));
        let workshop = Workshop { progress: &quiet, cache: &cache, ..scene.workshop() };
        workshop.ready(&Request { size: Some("tiny"), ..named("bmmc-synthetic") }).unwrap()
    };
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(make), scope.spawn(make));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one.manifest, two.manifest);
    assert_eq!(fs::read_dir(one.folder.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_starter_sample_is_held_to_its_sums() {
    let scene = Scene::new();
    let Some(data) = scene.starter() else { return };
    let ready = scene.ready("bmmc-cite-starter", None, Some(&data)).unwrap();
    assert_eq!((ready.manifest.train_cells, ready.manifest.test_cells), (311, 289));
    assert_eq!(ready.manifest.provenance.files.len(), 4);

    let file = data.join("openproblems_bmmc_cite_starter.test_mod2.h5ad");
    fs::write(&file, "other").unwrap();
    let message = scene.refused("bmmc-cite-starter", None, Some(&data));
    assert!(message.contains("test_mod2.h5ad has the sum"), "{message}");
    fs::remove_file(&file).unwrap();
    let message = scene.refused("bmmc-cite-starter", None, Some(&data));
    assert!(message.contains("test_mod2.h5ad"), "{message}");
}

#[test]
fn the_variable_names_the_folder_or_the_one_above_it() {
    let scene = Scene::new();
    let Some(data) = scene.starter() else { return };
    let request = named("bmmc-cite-starter");
    let with = |folder: &Path| {
        Workshop { data_folder: Some(folder.to_owned()), ..scene.workshop() }.fetch(&request)
    };
    let origin = |folder: &Path| with(folder).unwrap().origins.remove(0);
    assert_eq!(origin(&data), data.canonicalize().unwrap());
    let named = scene.folder.path().join("bmmc-cite-starter");
    fs::rename(&data, &named).unwrap();
    assert_eq!(origin(scene.folder.path()), named.canonicalize().unwrap());
    let nowhere = with(&scene.folder.path().join("nowhere")).map(|_| ()).unwrap_err();
    assert!(nowhere.is::<UserError>(), "{nowhere:#}");
}

#[test]
fn any_folder_takes_the_place_of_a_named_data_set() {
    let scene = Scene::new();
    let Some(data) = scene.starter() else { return };
    let ready = scene.ready("liu-covid-cite", None, Some(&data)).unwrap();
    assert_eq!(ready.manifest.name, "my-data");
    assert_eq!(
        scene.ready("bmmc-synthetic", Some("tiny"), Some(&data)).unwrap().folder,
        ready.folder
    );
    assert_eq!(scene.ready("bmmc-cite", None, Some(&data)).unwrap().manifest.name, "bmmc-cite");

    fs::write(data.join("._openproblems_bmmc_cite_starter.test_mod1.h5ad"), "macOS").unwrap();
    let beside = scene.ready("liu-covid-cite", None, Some(&data)).unwrap();
    assert_eq!(beside.folder, ready.folder, "what macOS leaves is no file of the data set");

    let rna = data.join("openproblems_bmmc_cite_starter.test_mod1.h5ad");
    fs::rename(&rna, data.join("openproblems.test_mod1.h5ad")).unwrap();
    let changed = scene.ready("liu-covid-cite", None, Some(&data)).unwrap();
    assert_ne!(changed.folder, ready.folder, "other files, another folder");
    fs::remove_file(data.join("openproblems.test_mod1.h5ad")).unwrap();
    assert!(scene.refused("liu-covid-cite", None, Some(&data)).contains("*test_mod1*.h5ad"));
}

#[test]
fn downloaded_files_are_prepared_and_then_need_no_server() {
    let mut scene = Scene::new();
    let Some(data) = scene.starter() else { return };
    let served = data.clone();
    let server = Server::start(move |_, request| {
        Reply::file(&fs::read(served.join(request.path.trim_start_matches('/'))).unwrap(), request)
    });
    let names = ["train_mod1", "train_mod2", "test_mod1", "test_mod2"];
    let urls = names.map(|part| server.url(&format!("openproblems_bmmc_cite_starter.{part}.h5ad")));
    scene.catalogue = Catalogue::with_download("mine", urls.to_vec());

    let request = named("mine");
    let fetched = scene.workshop().fetch(&request).unwrap();
    let text = fetched.to_string();
    assert!(
        text.contains(
            "311 training cells, 289 test cells, 1000 genes to predict 134 proteins from"
        ),
        "{text}"
    );
    assert!(text.contains("059c7c99") && text.contains("train_mod1.h5ad, 0.7 MB"), "{text}");
    assert_eq!(server.seen().len(), 4);
    drop(server);
    assert_eq!(scene.workshop().ready(&request).unwrap().folder, fetched.ready.folder);
    assert_eq!(scene.workshop().fetch(&request).unwrap().ready.folder, fetched.ready.folder);
}

#[test]
fn data_out_of_reach_is_told_apart_from_mistakes() {
    let scene = Scene::new();
    let error = scene.ready("liu-covid-cite", None, None).unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    assert!(scene.refused("liu-covid-cite", Some("tiny"), None).contains("has no size"));
    assert!(scene.refused("bmmc-synthetic", Some("huge"), None).contains("tiny, small, paper"));
    assert!(scene.refused("bmmc", None, None).contains("bmmc-cite-starter"));
    assert!(
        scene
            .refused("bmmc-cite", None, Some(Path::new("/nowhere")))
            .contains("/nowhere: No such file")
    );
}

#[test]
fn offline_nothing_is_fetched_and_the_sentence_says_why() {
    let scene = Scene { network: Network::Closed, ..Scene::new() };
    let error = scene.ready("liu-covid-cite", None, None).unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    let message = error.to_string();
    assert!(
        message.contains("--offline was given")
            && message.contains("cargo xtask fetch liu-covid-cite"),
        "{message}"
    );
    let mut scene = Scene { network: Network::Closed, ..Scene::new() };
    scene.catalogue = Catalogue::with_download("mine", vec!["http://127.0.0.1:1/f".to_owned()]);
    let error = scene.ready("mine", None, None).unwrap_err();
    assert!(error.is::<NotReachable>() && error.to_string().contains("--offline"), "{error:#}");
}

#[test]
fn an_entry_whose_file_is_absent_is_a_mistake() {
    let entry = "[m]\nabout = \"\"\n[m.source]\nkind = \"cite-file\"\npath = \"no/such.h5ad\"\n[m.source.layout]\n\
                 batch_column = \"b\"\ntrain = { column = \"b\", values = [\"1\"] }";
    assert!(Scene::own(entry).refused("m", None, None).contains("such.h5ad"));
    let entry = "[m]\nabout = \"\"\n[m.source]\nkind = \"folder\"";
    assert!(Scene::own(entry).refused("m", None, None).contains("$MODALITY_BENCH_DATA"));
}

#[test]
fn an_entry_for_a_file_of_ones_own_needs_path_and_layout() {
    let mut scene = Scene::new();
    let folder = scene.folder.path().join("tenx");
    fs::create_dir(&folder).unwrap();
    let features = "g1\tG1\tGene Expression\ng2\tG2\tGene Expression\np1\tP1\tAntibody Capture\n";
    let counts = "%%MatrixMarket matrix coordinate integer general\n3 4 8\n\
                  1 1 5\n3 1 2\n2 2 1\n3 2 1\n1 3 4\n3 3 9\n2 4 7\n3 4 3\n";
    let table = |last: &str| format!("cell,batch\na,1\nb,1\nc,2\nd,{last}\n");
    for (name, text) in
        [("features.tsv", features), ("matrix.mtx", counts), ("barcodes.tsv", "a\nb\nc\nd\n")]
    {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(scene.folder.path().join("cells.csv"), table("2")).unwrap();
    let entry = format!(
        "[mine]\nabout = \"\"\n[mine.source]\nkind = \"cite-file\"\npath = '{}'\n[mine.source.layout]\n\
         cells = \"cells.csv\"\nbatch_column = \"batch\"\ntrain = {{ column = \"batch\", values = [\"1\"] }}",
        folder.display()
    );
    scene.catalogue = Catalogue::parse(&entry).unwrap();
    let first = scene.ready("mine", None, None).unwrap();
    assert_eq!((first.manifest.train_cells, first.manifest.test_cells), (2, 2));
    assert_eq!(
        (first.manifest.input.features.names.len(), first.manifest.target.features.names.len()),
        (2, 1)
    );

    fs::write(scene.folder.path().join("cells.csv"), table("1")).unwrap();
    let second = scene.ready("mine", None, None).unwrap();
    assert_eq!((second.manifest.train_cells, second.manifest.test_cells), (3, 1));
    assert_ne!(second.folder, first.folder);
}
