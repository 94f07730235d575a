use std::{fs, path::Path, time::Duration};

use modality_data::sha256_file;
use modality_testing::{Programs, zip};

use super::*;
use crate::{
    error::NotReachable,
    fetch::{
        Network, Tools,
        download::{Client, Patience},
        pip::Pip,
    },
    kept::{Product as _, Wheel},
    progress::Progress,
};

const SAYS_13: &str = "echo 'Cuda compilation tools, release 13.0, V13.0.88'";
const SAYS_12: &str = "echo 'Cuda compilation tools, release 12.9, V12.9.86'";
const IN_COPY: &str = "nvidia/cu13/bin/nvcc";

/// A wheel with an nvcc, a pip that brings it, and a cache.
struct Scene {
    folder: tempfile::TempDir,
    _programs: Programs,
    cache: Cache,
    network: Network,
    progress: Progress,
}

impl Scene {
    fn new() -> Self {
        Self::with_network(|programs| {
            let client = Client::local(Patience {
                failures: 1,
                pause: Duration::ZERO,
                timeout: Duration::from_secs(10),
            });
            Network::Open(Tools { client, pip: Pip::within(programs.path()) })
        })
    }

    fn offline() -> Self {
        Self::with_network(|_| Network::Closed)
    }

    fn with_network(network: impl Fn(&Programs) -> Network) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel_in(folder.path());
        let nvcc = format!("#!/bin/sh\n{SAYS_13}\n");
        zip(&wheel, &[(IN_COPY, nvcc.as_bytes()), ("nvidia/cu13/bin/nvlink", b"not kept")]);
        let programs = Programs::none().bringing(&[("nvcc", wheel)]);
        Self {
            cache: Cache::at(folder.path().join("cache")),
            network: network(&programs),
            progress: Progress::stderr(true),
            _programs: programs,
            folder,
        }
    }

    fn search(&self) -> Search<'_> {
        let wheel = wheel_in(self.folder.path());
        let sum = sha256_file(&wheel).unwrap();
        let wheels = vec![Wheel::new(("nvcc", "1", "any"), 1, &sum, &[IN_COPY])];
        Search {
            variable: None,
            candidates: Vec::new(),
            published: Published { wheels, is_for_here: true },
            keeper: Keeper { cache: &self.cache, network: &self.network, progress: &self.progress },
        }
    }

    fn find(&self) -> Result<Found> {
        self.search().find(Check::Lengths)
    }

    fn named(&self, program: &Path) -> Search<'_> {
        Search { variable: Some(("NVCC", program.into())), ..self.search() }
    }
}

fn wheel_in(folder: &Path) -> PathBuf {
    folder.join("nvcc-1-py3-none-any.whl")
}

#[test]
fn the_variable_goes_before_what_is_installed_and_that_before_the_cache() {
    let scene = Scene::new();
    let own = Programs::none().with("nvcc", SAYS_13).with("old", SAYS_12);
    let [nvcc, old] = ["nvcc", "old"].map(|name| own.path().join(name));

    let cached = scene.find().unwrap();
    assert_eq!(cached.nvcc.program(), scene.cache.copy("nvcc", Published::VERSION).join(IN_COPY));
    assert_eq!(
        cached.to_string(),
        "nvcc 13.0.88, kept in the cache, from the Python packages nvcc 1"
    );
    let passed_over = Search { candidates: vec![old.clone()], ..scene.search() };
    assert_eq!(passed_over.find(Check::Lengths).unwrap(), cached);

    let installed = Search { candidates: vec![old, nvcc.clone()], ..scene.search() };
    let installed = installed.find(Check::Lengths).unwrap();
    assert_eq!((installed.nvcc.program(), &installed.origin), (&*nvcc, &Origin::Installed));
    let named = scene.named(&nvcc).find(Check::Lengths).unwrap();
    assert_eq!(named.to_string(), "nvcc 13.0.88, named by $NVCC");
}

#[test]
fn a_variable_that_names_something_else_is_a_sentence() {
    let scene = Scene::new();
    let own = Programs::none().with("old", SAYS_12);
    for (program, what) in [("old", "is not nvcc 13"), ("none", "cannot be run")] {
        let error = scene.named(&own.path().join(program)).find(Check::Lengths).unwrap_err();
        assert!(error.is::<UserError>(), "{error:#}");
        let message = error.to_string();
        let start = format!("$NVCC: {} {what}", own.path().join(program).display());
        assert!(message.starts_with(&start) && message.contains("or not be set"), "{message}");
        assert!(scene.named(&own.path().join(program)).at_hand().is_err());
    }
}

#[test]
fn what_is_at_hand_is_not_fetched() {
    let scene = Scene::new();
    assert_eq!(scene.search().at_hand().unwrap(), None);
    let made = scene.find().unwrap();
    assert_eq!(scene.search().at_hand().unwrap(), Some(made.nvcc));
}

#[test]
fn a_copy_that_can_no_longer_be_run_is_made_anew() {
    let scene = Scene::new();
    let made = scene.find().unwrap();
    let program = made.nvcc.program();
    let status = Command::new("chmod").arg("644").arg(program).status().unwrap();
    assert!(status.success());
    if scene.search().at_hand().unwrap().is_some() {
        return modality_testing::skip("files need no permission to be run here");
    }
    assert_eq!(scene.find().unwrap(), made);
    assert!(!scene.cache.copy("nvcc", Published::VERSION).join("nvidia/cu13/bin/nvlink").exists());
    fs::write(program, "").unwrap();
    assert_eq!(scene.find().unwrap(), made);
}

#[test]
fn where_nothing_can_be_fetched_the_sentence_says_what_to_do() {
    let scene = Scene::offline();
    let error = scene.find().unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    assert_eq!(
        error.to_string(),
        "nvcc 13.0.88 is not here, and --offline was given; run `cargo xtask setup nvcc` with a network, or set \
         $NVCC to the program"
    );
    let without_pip = Scene::with_network(|_| {
        let Network::Open(tools) = Network::new(false) else { panic!("it is open") };
        Network::Open(Tools { pip: Pip::within("/nonexistent"), ..tools })
    });
    let error = without_pip.find().unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    let message = error.to_string();
    assert!(message.contains("no pip was found to download nvcc 13.0.88"), "{message}");
    assert!(
        message.ends_with("install Python 3 with pip or uv, or set $NVCC to the program"),
        "{message}"
    );
}

#[test]
fn an_nvcc_that_cannot_compile_is_told_of() {
    let scene = Scene::new();
    let script =
        format!("[ \"$1\" = --version ] && {SAYS_13} && exit\necho 'nvcc fatal : no gcc'; exit 1");
    let own = Programs::none().with("nvcc", &script);
    let error = scene.named(&own.path().join("nvcc")).find(Check::Lengths).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("cannot compile an empty file: nvcc fatal : no gcc"), "{message}");
    assert!(scene.named(&own.path().join("nvcc")).at_hand().is_err());
}

#[test]
fn cargo_is_told_of_this_nvcc_or_of_none() {
    let told = |nvcc: Option<&Nvcc>| {
        let mut cargo = Command::new("cargo");
        offer(nvcc, &mut cargo);
        let mut told = cargo.get_envs().map(|(key, value)| (key.to_owned(), value.map(Into::into)));
        told.next()
    };
    let nvcc = Scene::new().find().unwrap().nvcc;
    let program = nvcc.program().as_os_str().to_owned();
    assert_eq!(told(Some(&nvcc)), Some(("MODALITY_NVCC".into(), Some(program))));
    assert_eq!(told(None), Some(("MODALITY_NVCC".into(), None::<OsString>)));
}
