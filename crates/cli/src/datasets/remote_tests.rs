use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::*;
use modality_data::CiteLayout;
use modality_testing::{Reply, Server};
use modality_toolchain::fetch::download::Patience;

/// A server whose one file can be changed, and a folder for it.
struct Scene {
    content: Arc<Mutex<Vec<u8>>>,
    server: Server,
    folder: tempfile::TempDir,
    files: Download,
}

impl Scene {
    fn new() -> Self {
        let content = Arc::new(Mutex::new(b"first".to_vec()));
        let served = Arc::clone(&content);
        let server = Server::start(move |_, request| Reply::file(&served.lock().unwrap(), request));
        let files = Download {
            urls: vec![server.url("f.h5ad")],
            sha256: BTreeMap::new(),
            layout: CiteLayout::default(),
        };
        Self { content, server, folder: tempfile::tempdir().unwrap(), files }
    }

    fn remote(&self) -> Remote<'_> {
        Remote { folder: self.folder.path().to_owned(), files: &self.files }
    }

    fn ensure(&self) -> Result<()> {
        let patience =
            Patience { failures: 2, pause: Duration::ZERO, timeout: Duration::from_secs(10) };
        let (remote, quiet) = (self.remote(), Progress::stderr(true));
        remote
            .missing(&quiet)?
            .into_iter()
            .try_for_each(|url| remote.fetch(url, &Client::local(patience), &quiet))
    }

    fn change(&self, content: &[u8]) {
        *self.content.lock().unwrap() = content.to_vec();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("f.h5ad")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_first_fetch_records_size_and_sum_and_is_the_last() {
    let scene = Scene::new();
    assert_eq!(scene.remote().known_sums().unwrap(), None);
    scene.ensure().unwrap();
    scene.ensure().unwrap();
    assert_eq!(scene.server.seen().len(), 1);
    assert_eq!(scene.names(), ["f.h5ad", SUMS]);
    let recorded: Records = files::read_json(&scene.folder.path().join(SUMS)).unwrap();
    assert_eq!(recorded["f.h5ad"].bytes, 5);
    let sums = scene.remote().known_sums().unwrap().unwrap();
    assert_eq!(sums[0].sha256, sha256_file(&scene.path()).unwrap());
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let scene = Scene::new();
    scene.ensure().unwrap();
    fs::write(scene.path(), "dirty").unwrap();
    scene.ensure().unwrap();
    assert_eq!(fs::read(scene.path()).unwrap(), b"first");
}

#[test]
fn a_file_that_changed_on_the_server_is_reported_and_not_kept() {
    let scene = Scene::new();
    scene.ensure().unwrap();
    fs::remove_file(scene.path()).unwrap();
    scene.change(b"other");
    let message = scene.ensure().unwrap_err().to_string();
    assert!(message.contains("has changed") && message.contains("f.h5ad"), "{message}");
    assert_eq!(scene.names(), [SUMS]);
    scene.change(b"first");
    scene.ensure().unwrap();
}

#[test]
fn a_published_sum_goes_before_the_recorded_one() {
    let mut scene = Scene::new();
    scene.files.sha256.insert("f.h5ad".to_owned(), "0".repeat(64));
    assert!(scene.ensure().unwrap_err().to_string().contains(&"0".repeat(64)));
    assert_eq!(scene.names(), Vec::<String>::new());
}
