use super::*;

const VERSION: &str = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 13.0, V13.0.88\n\
                       Build cuda_13.0.r13.0/compiler.36424714_0";

struct Programs(tempfile::TempDir);

impl Programs {
    fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Written by a child: what this process holds open for writing cannot be run by another thread.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#;
        let mut shell = Command::new("/bin/sh");
        assert!(shell.args(["-c", write, "sh", script]).arg(&path).status().unwrap().success());
        path
    }

    /// An nvcc that does this when it is to compile.
    fn nvcc(&self, script: &str) -> Nvcc {
        let script = format!("[ \"$1\" = --version ] && {{ echo '{VERSION}'; exit; }}\n{script}");
        Nvcc::at(self.program("nvcc", &script)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, "").unwrap();
        path
    }
}

#[test]
fn only_this_release_is_taken() {
    let programs = Programs::none();
    let nvcc = programs.nvcc("");
    assert_eq!((nvcc.version(), nvcc.program()), ("13.0.88", &*programs.path().join("nvcc")));

    let old = "Cuda compilation tools, release 12.4, V12.4.131";
    let old = programs.program("old", &format!("echo '{old}'"));
    let message = Nvcc::at(&old).unwrap_err().to_string();
    assert!(message.contains("is not nvcc 13") && message.contains("V12.4.131"), "{message}");
    let message = Nvcc::at(programs.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("none cannot be run: No such file"), "{message}");

    let candidates = [programs.path().join("none"), old, nvcc.program().to_owned()];
    assert_eq!(Nvcc::first(candidates), Some(nvcc));
    assert_eq!(Nvcc::first([]), None);
}

#[test]
fn the_toolkits_variables_go_before_the_usual_folder_and_that_before_the_path() {
    let variable = |name: &str| match name {
        "CUDA_HOME" => Some("/home".into()),
        "CUDA_PATH" => Some("".into()),
        "PATH" => Some("/a:/b".into()),
        _ => None,
    };
    let wanted = ["/home/bin/nvcc", "/usr/local/cuda/bin/nvcc", "/a/nvcc", "/b/nvcc"];
    assert_eq!(places(variable), wanted.map(PathBuf::from));
    assert_eq!(places(|_| None)[0], Path::new("/usr/local/cuda/bin/nvcc"));
}

#[test]
fn a_bare_name_is_looked_up_and_a_path_is_made_full() {
    let programs = Programs::none();
    let nvcc = programs.file("nvcc");
    let path = std::env::join_paths([Path::new("/nowhere"), programs.path()]).unwrap();
    assert_eq!(resolved("nvcc".into(), Some(&path)), nvcc);
    assert!(resolved("bin/nvcc".into(), Some(&path)).is_absolute());
}

#[test]
fn what_nvcc_says_of_a_mistake_is_told_with_the_file() {
    let programs = Programs::none();
    let nvcc = programs.nvcc("echo 'a.cu(3): error: identifier \"x\" is undefined' >&2; exit 2");
    let message = nvcc.fatbin(&programs.file("a.cu"), &programs.path().join("a")).unwrap_err();
    let message = message.to_string();
    assert!(message.contains("a.cu does not compile: a.cu(3): error: identifier"), "{message}");
}

#[test]
fn an_nvcc_without_a_host_compiler_is_told_from_a_wrong_kernel() {
    let programs = Programs::none();
    programs.nvcc("exit 0").check(programs.path()).unwrap();
    let nvcc =
        programs.nvcc("echo 'nvcc fatal   : Failed to preprocess host compiler' >&2; exit 1");
    let error = nvcc.check(programs.path()).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }));
    assert!(error.to_string().contains("cannot compile an empty file: nvcc fatal"), "{error}");
}

#[test]
fn machine_code_is_made_for_every_architecture_and_ptx_for_those_to_come() {
    let programs = Programs::none();
    let nvcc = programs.nvcc("for last; do :; done; echo \"$@\" > \"$last.said\"");
    let file = programs.file("a.cu");
    nvcc.fatbin(&file, &programs.path().join("a.fatbin")).unwrap();
    let said = std::fs::read_to_string(programs.path().join("a.cu.said")).unwrap();
    for code in ARCHITECTURES {
        assert!(said.contains(&format!("-gencode=arch=compute_{code},code=sm_{code}")), "{said}");
    }
    assert!(said.contains("-gencode=arch=compute_100,code=compute_100"), "{said}");
    assert!(said.contains(&format!("-I {} -o ", programs.path().display())), "{said}");
    assert!(!said.contains("-Werror"), "another release may warn of more: {said}");
}

#[test]
fn warnings_are_errors_where_kernels_are_checked() {
    let programs = Programs::none();
    let said = "echo \"ptxas info    : Compiling entry function '$*' for 'sm_90'\" >&2";
    let used = "echo 'ptxas info    : Used 8 registers' >&2";
    let nvcc = programs.nvcc(&format!("{said}; {used}"));
    let usage = nvcc.usage(&programs.file("a.cu"), 90, programs.path()).unwrap();
    assert_eq!(usage[0].registers, Some(8));
    assert!(usage[0].function.contains("-arch=sm_90 -Xptxas -v -Werror all-warnings"));
}

#[test]
fn kernels_are_the_cuda_files_by_name() {
    let programs = Programs::none();
    let files = ["b.cu", "a.cu", "device.cuh"].map(|name| programs.file(name));
    assert_eq!(kernels(programs.path()).unwrap(), [files[1].clone(), files[0].clone()]);
    assert!(kernels(&programs.path().join("none")).unwrap_err().to_string().contains("none"));
    let empty = tempfile::tempdir().unwrap();
    let message = kernels(empty.path()).unwrap_err().to_string();
    assert!(message.ends_with("there are no files *.cu in it"), "{message}");
    assert!(kernels(&files[0]).unwrap_err().to_string().contains("b.cu"));
}
