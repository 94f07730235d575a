use std::{fs, time::Duration};

use sha2::{Digest as _, Sha256};

use modality_testing::{Programs, Reply, Server, zip};

use super::*;
use crate::{
    error::NotReachable,
    fetch::{
        Network, Tools,
        download::{Client, Patience},
        pip::Pip,
    },
    kept::Wheel,
    progress::Progress,
};

const CUDA: &[(&str, &[u8])] = &[
    ("nvidia/cu13/lib/libcudart.so.13", b"cudart"),
    ("nvidia/cu13/include/cuda.h", b"not kept"),
    ("cuda-1.dist-info/licenses/License.txt", b"licence"),
];
const TORCH: &[(&str, &[u8])] = &[
    ("torch/include/torch/csrc/api/include/torch/torch.h", b"header"),
    ("torch/include/ATen/ATen.h", b"header"),
    ("torch/lib/libtorch_cpu.so", b"all of it"),
    ("torch/lib/libtorch_cuda.so", b"not kept"),
    ("torch/lib/libtorch.so", b"not kept"),
    ("torch/nn/__init__.py", b"not kept"),
];

/// Two wheels, programs that bring them, and a cache.
struct Scene {
    folder: tempfile::TempDir,
    programs: Programs,
    cache: Cache,
    network: Network,
    progress: Progress,
    archive: String,
}

impl Scene {
    fn new() -> Self {
        let (folder, programs) = (tempfile::tempdir().unwrap(), Programs::none());
        let patience =
            Patience { failures: 1, pause: Duration::ZERO, timeout: Duration::from_secs(10) };
        let tools = Tools { client: Client::local(patience), pip: Pip::within(programs.path()) };
        Self {
            cache: Cache::at(folder.path().join("cache")),
            network: Network::Open(tools),
            progress: Progress::stderr(true),
            archive: String::new(),
            folder,
            programs,
        }
    }

    /// With a pip that brings the wheels and notes each call.
    fn with_pip() -> Self {
        let scene = Self::new();
        zip(&scene.wheel("cuda"), CUDA);
        zip(&scene.wheel("torch"), TORCH);
        let wheels = ["cuda", "torch"].map(|name| (name, scene.wheel(name)));
        let programs = scene.programs.bringing(&wheels);
        let script = fs::read_to_string(programs.path().join("python3")).unwrap();
        let note = format!("echo \"$2\" >> '{}'\n", scene.folder.path().join("calls").display());
        Self { programs: programs.with("python3", &(note + &script)), ..scene }
    }

    fn wheel(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}-1-py3-none-any.whl"))
    }

    /// How often pip was called.
    fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().filter(|argument| *argument == "pip").count()
    }

    fn published(&self) -> Published {
        let wheel = |name, keep| {
            let bytes = fs::read(self.wheel(name)).unwrap_or_default();
            Wheel::new((name, "1", "any"), bytes.len() as u64, &sum(&bytes), keep)
        };
        let wheels = vec![
            wheel("cuda", &["nvidia/cu13/lib/libcudart.so.13", "cuda-1.dist-info/licenses/"]),
            wheel("torch", &["torch/include/", "torch/lib/libtorch_cpu.so"]),
        ];
        Published { wheels, archive: self.archive.clone(), is_for_here: true }
    }

    fn keeper(&self) -> Keeper<'_> {
        Keeper { cache: &self.cache, network: &self.network, progress: &self.progress }
    }

    fn search(&self) -> Search<'_> {
        Search {
            variable: None,
            path: Some(self.programs.path().as_os_str()),
            published: self.published(),
            keeper: self.keeper(),
        }
    }

    fn find(&self) -> Result<Libtorch> {
        self.search().find(Check::Lengths)
    }

    fn named(&self, folder: &Path) -> Result<Libtorch> {
        Search { variable: Some(folder.into()), ..self.search() }.find(Check::Lengths)
    }

    /// A usable libtorch that nobody fetched.
    fn own(&self, name: &str, version: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        for file in ["include/torch/csrc/api/include/torch/torch.h", "lib/libtorch_cpu.so"] {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        fs::write(folder.join("version.py"), format!("__version__ = '{version}'\n")).unwrap();
        folder
    }

    /// The copy's folder.
    fn kept(&self) -> PathBuf {
        self.cache.copy("libtorch", VERSION)
    }

    /// What lies beside the copy's place.
    fn leftovers(&self) -> Vec<String> {
        let entries = fs::read_dir(self.kept().parent().unwrap()).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name != VERSION).collect()
    }
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mistake(result: Result<Libtorch>) -> String {
    let error = result.unwrap_err();
    assert!(error.is::<UserError>(), "{error:#}");
    error.to_string()
}

fn unreachable(result: Result<Libtorch>) -> String {
    let error = result.unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    error.to_string()
}

/// A Python whose package torch is in `folder`.
fn python_with(folder: &Path) -> String {
    format!("echo warning: something; echo 'torch: {}'", folder.display())
}

#[test]
fn the_variable_goes_before_python_and_python_before_the_cache() {
    let mut scene = Scene::with_pip();
    let cached = scene.find().unwrap();
    assert!(matches!(cached.origin, Origin::Cache(_)));
    assert_eq!(cached.folder, scene.kept().join("torch"));

    let (own, other) = (scene.own("own", "2.11.0+cu130"), scene.own("other", "2.11.0"));
    fs::write(other.join("lib/libtorch_cuda.so"), "x").unwrap();
    scene.programs = scene.programs.with("python", &python_with(&other));
    let python = scene.find().unwrap();
    assert_eq!((&python.folder, &python.origin), (&other, &Origin::Python("python")));
    assert!(python.to_string().starts_with("libtorch 2.11.0, with CUDA, "), "{python}");

    let named = scene.named(&own).unwrap();
    assert_eq!((&named.folder, &named.origin), (&own, &Origin::Variable));
    assert_eq!(named.to_string(), "libtorch 2.11.0+cu130, CPU only, named by $LIBTORCH");
    assert_eq!(scene.named(Path::new("")).unwrap(), python, "an empty variable is none");
}

#[test]
fn a_program_that_is_there_already_loads_what_is_here_and_nothing_is_fetched() {
    let mut scene = Scene::with_pip();
    assert_eq!(scene.search().at_hand().unwrap(), None);
    assert_eq!(scene.calls(), 0);
    let cached = scene.find().unwrap();
    assert_eq!(scene.search().at_hand().unwrap(), Some(cached));
    let own = scene.own("own", "2.11.0+cu130");
    scene.programs = scene.programs.with("python3", &python_with(&own));
    let found = scene.search().at_hand().unwrap().unwrap();
    assert_eq!(found.origin, Origin::Python("python3"));
    let (variable, path) = found.loaded_by().unwrap();
    assert_eq!(variable, LOADER);
    assert_eq!(std::env::split_paths(&path).next(), Some(own.join("lib")));
}

#[test]
fn a_variable_that_names_something_else_is_a_sentence() {
    let scene = Scene::with_pip();
    let old = scene.own("old", "2.5.1+cpu");
    let silent = scene.own("silent", "2.11.0");
    fs::remove_file(silent.join("version.py")).unwrap();
    let bare = scene.own("bare", "2.11.0");
    fs::remove_file(bare.join("include/torch/csrc/api/include/torch/torch.h")).unwrap();
    for (folder, what) in [
        (scene.folder.path().join("nowhere"), "is not a folder"),
        (scene.folder.path().to_owned(), "lacks lib/"),
        (bare, "lacks include/torch/csrc/api/include/torch/torch.h"),
        (silent, "does not say its version"),
        (old, "holds libtorch 2.5.1+cpu"),
    ] {
        let message = mistake(scene.named(&folder));
        let start = format!("$LIBTORCH is {}, which {what}", folder.display());
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("folder of a libtorch 2.11.0"), "{message}");
    }
    assert_eq!(scene.calls(), 0, "nothing else is tried");
}

#[test]
fn a_python_without_a_usable_torch_is_passed_over() {
    let scene = Scene::new();
    let old = scene.own("old", "2.10.0");
    let programs = Programs::none()
        .with("python3", &python_with(&old))
        .with("python", &python_with(Path::new("/nowhere")));
    assert_eq!(python::find(Some(programs.path().as_os_str())), None);
    let shim = Programs::none().with("python3", "echo 'pyenv: no such version' >&2; exit 127");
    assert_eq!(python::find(Some(shim.path().as_os_str())), None);
}

#[test]
fn a_real_python_is_asked_without_importing_torch() {
    let scene = Scene::new();
    let package = scene.own("site/torch", "2.11.0");
    fs::write(package.join("__init__.py"), "raise SystemExit('imported')").unwrap();
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    // A pyenv shim, for one, is there although its Python is not.
    let Some(asked) = asked.ok().filter(|output| output.status.success()) else {
        return modality_testing::skip("there is no python3 that works");
    };
    let asked = String::from_utf8(asked.stdout).unwrap();
    let site = package.parent().unwrap().display();
    let script = format!("PYTHONPATH='{site}' exec '{}' \"$@\"", asked.trim());
    let programs = Programs::none().with("python3", &script);
    let found = python::find(Some(programs.path().as_os_str())).unwrap();
    assert_eq!((found.folder, found.origin), (package.clone(), Origin::Python("python3")));
    assert!(!package.join("__pycache__").exists());
}

#[test]
fn the_wheels_become_one_copy_with_what_is_needed_and_no_more() {
    let scene = Scene::with_pip();
    let libtorch = scene.find().unwrap();
    let read = |file: &str| fs::read_to_string(scene.kept().join(file)).ok();
    assert_eq!(read("torch/lib/libtorch_cpu.so").unwrap(), "all of it");
    assert_eq!(read("torch/include/ATen/ATen.h").unwrap(), "header");
    assert_eq!(read("torch/lib/libtorch.so").unwrap(), "INPUT(-ltorch_cpu)\n");
    assert_eq!(read("torch/build-version").unwrap(), "2.11.0");
    assert_eq!(read("nvidia/cu13/lib/libcudart.so.13").unwrap(), "cudart");
    assert_eq!(read("cuda-1.dist-info/licenses/License.txt").unwrap(), "licence");
    for file in ["nvidia/cu13/include", "torch/lib/libtorch_cuda.so", "torch/nn"] {
        assert!(!scene.kept().join(file).exists(), "{file}");
    }
    let shown = libtorch.to_string();
    assert!(
        shown.contains("CPU only") && shown.contains("the Python packages cuda 1, torch 1"),
        "{shown}"
    );
    assert_eq!(scene.find().unwrap(), libtorch);
    assert_eq!((scene.calls(), scene.leftovers()), (2, Vec::new()));
}

#[test]
fn a_damaged_copy_is_found_and_made_anew() {
    let scene = Scene::with_pip();
    let first = scene.find().unwrap();
    let library = scene.kept().join("torch/lib/libtorch_cpu.so");
    let damages: [&dyn Fn(); 4] = [
        &|| fs::write(&library, "all of").unwrap(),
        &|| fs::remove_file(scene.kept().join("torch/include/ATen/ATen.h")).unwrap(),
        &|| fs::write(scene.kept().join("manifest.json"), "{").unwrap(),
        &|| fs::remove_dir_all(scene.kept().join("torch")).unwrap(),
    ];
    for damage in damages {
        damage();
        assert_eq!(scene.find().unwrap(), first);
        assert_eq!(fs::read_to_string(&library).unwrap(), "all of it");
    }
    assert_eq!(scene.calls(), 10);

    fs::write(&library, "ALL OF IT").unwrap();
    scene.find().unwrap();
    assert_eq!(scene.calls(), 10, "lengths alone do not show it");
    scene.search().find(Check::Sums).unwrap();
    assert_eq!(fs::read_to_string(&library).unwrap(), "all of it");
    assert_eq!((scene.calls(), scene.leftovers()), (12, Vec::new()));
}

#[test]
fn a_wheel_with_another_sum_is_not_unpacked() {
    let scene = Scene::with_pip();
    let mut published = scene.published();
    published.wheels[1].sha256 = "0".repeat(64);
    let error = Search { published, ..scene.search() }.find(Check::Lengths).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("the wheel of torch 1 has the sum"), "{message}");
    assert!(message.contains(&"0".repeat(64)) && message.contains("nothing was kept"), "{message}");
    assert!(!scene.kept().exists() && scene.leftovers().is_empty());
}

#[test]
fn an_unpacking_that_breaks_off_leaves_nothing() {
    let scene = Scene::with_pip();
    let wheel = scene.wheel("torch");
    let mut bytes = fs::read(&wheel).unwrap();
    let name = b"torch/lib/libtorch_cpu.so";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    bytes[at + 2] ^= 0xff;
    fs::write(&wheel, bytes).unwrap();
    let message = format!("{:#}", scene.find().unwrap_err());
    assert!(message.contains("the wheel of torch 1: torch/lib/libtorch_cpu.so"), "{message}");
    assert!(!scene.kept().exists() && scene.leftovers().is_empty());
}

#[test]
fn what_a_killed_process_left_is_swept_away() {
    let scene = Scene::with_pip();
    let left = scene.kept().with_file_name(".staging-killed");
    fs::create_dir_all(left.join("made")).unwrap();
    scene.find().unwrap();
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}

#[test]
fn wheels_without_libtorch_are_not_kept() {
    let scene = Scene::with_pip();
    zip(&scene.wheel("torch"), &TORCH[1..]);
    let message = scene.find().unwrap_err().to_string();
    assert!(message.contains("which lacks include/torch"), "{message}");
    assert!(!scene.kept().exists() && scene.leftovers().is_empty());
}

#[test]
fn two_at_a_time_make_one_copy() {
    let scene = Scene::with_pip();
    let find = || {
        let progress = Progress::stderr(true);
        let keeper = Keeper { progress: &progress, ..scene.keeper() };
        let search = Search { keeper, ..scene.search() };
        search.find(Check::Lengths).unwrap()
    };
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(find), scope.spawn(find));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one, two);
    assert_eq!(scene.calls(), 2);
}

#[test]
fn without_pip_the_archive_takes_the_place_of_the_wheels() {
    let mut scene = Scene::new();
    let archive = scene.folder.path().join("libtorch.zip");
    let members = TORCH[..3].iter().map(|(name, content)| (format!("lib{name}"), *content));
    let members: Vec<(String, &[u8])> = members
        .chain([
            ("libtorch/build-version".to_owned(), &b"2.11.0+cpu\n"[..]),
            ("libtorch/share/cmake/x.cmake".to_owned(), b"not kept"),
            ("libtorch/include/../../../evil".to_owned(), b"not kept"),
        ])
        .collect();
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    zip(&archive, &members);
    let content = fs::read(&archive).unwrap();
    let server = Server::start(move |number, request| {
        let reply = Reply::file(&content, request);
        if number == 0 { reply.cut(100) } else { reply }
    });
    scene.archive = server.url("libtorch.zip");
    unreachable(scene.find());
    assert_eq!(scene.leftovers().len(), 2, "what came is resumed");
    let libtorch = scene.find().unwrap();
    assert_eq!(server.seen()[1].range, Some(100));
    assert_eq!(libtorch.facts.version, "2.11.0+cpu");
    let recorded = format!("from {} (sum {})", scene.archive, sum(&fs::read(&archive).unwrap()));
    assert!(libtorch.to_string().contains(&recorded), "{libtorch}");
    assert!(!scene.kept().join("torch/share").exists() && scene.leftovers().is_empty());
    assert!(!scene.folder.path().join("cache/evil").exists());
    scene.find().unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn offline_the_copy_is_used_and_nothing_is_fetched() {
    let scene = Scene::with_pip();
    let offline = || Search {
        keeper: Keeper { network: &Network::Closed, ..scene.keeper() },
        ..scene.search()
    };
    let message = unreachable(offline().find(Check::Lengths));
    assert_eq!(
        message,
        "libtorch 2.11.0 is not here, and --offline was given; run `cargo xtask setup libtorch` with a network, \
         or set $LIBTORCH to the folder of one"
    );
    assert_eq!(scene.calls(), 0);
    let made = scene.find().unwrap();
    assert_eq!(offline().find(Check::Sums).unwrap(), made);
    fs::write(scene.kept().join("torch/lib/libtorch_cpu.so"), "all of").unwrap();
    let message = unreachable(offline().find(Check::Lengths));
    assert!(message.contains("libtorch_cpu.so has changed, and --offline was given"), "{message}");
}

#[test]
fn elsewhere_the_sentence_says_to_set_the_variable() {
    let scene = Scene::with_pip();
    let published = Published { is_for_here: false, ..scene.published() };
    let message = unreachable(Search { published, ..scene.search() }.find(Check::Lengths));
    assert!(message.contains("Linux on x86-64 alone; set $LIBTORCH"), "{message}");
    assert_eq!(scene.calls(), 0);
}

#[test]
fn cargo_is_told_of_this_libtorch_and_no_other() {
    let scene = Scene::new();
    let own = scene.own("own", "2.11.0");
    let kit = Kit { libtorch: scene.named(&own).unwrap(), compiler: Some("g++") };
    let mut cargo = Command::new("cargo");
    kit.offer_to(&mut cargo);
    let told = |name: &str| {
        cargo.get_envs().find(|(key, _)| *key == name).map(|(_, value)| value.map(OsStr::to_owned))
    };
    assert_eq!(told("LIBTORCH"), Some(Some(own.into_os_string())));
    assert_eq!(told("CXX"), Some(Some("g++".into())));
    for variable in OTHER_VARIABLES {
        assert_eq!(told(variable), Some(None), "{variable}");
    }
}
