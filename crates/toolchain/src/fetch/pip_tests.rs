use super::*;
use modality_testing::{Programs, zip};

fn package() -> Package {
    Package { name: "pkg".to_owned(), version: "1.0".to_owned(), platform: None, bytes: None }
}

/// The name of what came.
fn download_with(programs: &Programs, pip: &Pip, package: &Package) -> Result<Option<String>> {
    let folder = tempfile::tempdir_in(programs.path()).unwrap();
    let wheel = pip.download(package, folder.path(), &Progress::stderr(true))?;
    Ok(wheel.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()))
}

fn download(programs: &Programs) -> Result<Option<String>> {
    download_with(programs, &Pip::within(programs.path()), &package())
}

fn unreachable(result: Result<Option<String>>) -> String {
    let error = result.unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    error.to_string()
}

#[test]
fn the_wheel_comes_as_it_is() {
    let programs = Programs::none();
    let wheel = programs.path().join("pkg-1.0-py3-none-any.whl");
    zip(&wheel, &[("pkg/f", b"f")]);
    let programs = programs.bringing(&[("pkg", wheel)]);
    assert_eq!(download(&programs).unwrap().unwrap(), "pkg-1.0-py3-none-any.whl");
}

#[test]
fn pip_is_asked_to_download_and_to_do_nothing_else() {
    let programs = Programs::none().with("python3", "echo \"$@\" >&2; exit 1");
    let said = unreachable(download(&programs));
    assert!(said.contains("-m pip download --no-deps") && said.contains("pkg===1.0 -d "), "{said}");
    assert!(!said.contains("install ") && !said.contains("--platform"), "{said}");
    let fixed = Package { platform: Some("manylinux_2_28_x86_64"), ..package() };
    let said = unreachable(download_with(&programs, &Pip::within(programs.path()), &fixed));
    assert!(said.contains("--abi cp312 --platform manylinux_2_28_x86_64 pkg"), "{said}");
}

#[test]
fn pip_keeps_its_temporary_files_where_it_brings_the_wheel() {
    let script = "for last; do :; done; [ \"$TMPDIR\" = \"$last\" ] && echo same; exit 1";
    let said = unreachable(download(&Programs::none().with("python3", script)));
    assert!(said.contains("same"), "{said}");
}

#[test]
fn a_python_without_pip_leaves_it_to_the_next() {
    assert_eq!(download(&Programs::none()).unwrap(), None);
    let shim = "echo '/usr/bin/python3: No module named pip' >&2; exit 1";
    let programs = Programs::none().with("python3", shim);
    assert_eq!(download(&programs).unwrap(), None);
    let programs = programs.with("pip3", "echo 'network is down' >&2; exit 1");
    let message = unreachable(download(&programs));
    let wanted = "`pip3` could not download pkg===1.0: it needs a network or a mirror of the index";
    assert!(message.starts_with(wanted), "{message}");
    assert!(message.ends_with("; it said: network is down"), "{message}");
}

#[test]
fn without_pip_uv_brings_one_but_no_python() {
    let uv = "[ \"$1 $2 $3 $4\" = 'tool run pip download' ] && echo \"pip, Python $UV_PYTHON_DOWNLOADS\"; exit 1";
    let message = unreachable(download(&Programs::none().with("uv", uv)));
    assert!(message.contains("`uv tool run pip` could not"), "{message}");
    assert!(message.ends_with("it said: pip, Python never"), "{message}");
}

#[test]
fn a_refusal_is_told_as_what_it_is() {
    for (said, wanted) in [
        ("ERROR: Could not find an activated virtualenv (required).", "PIP_REQUIRE_VIRTUALENV=0"),
        ("error: externally-managed-environment", "python3 -m venv"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("SSLError(SSLCertVerificationError(1, x))", "the server's certificate was not accepted"),
        ("ProxyError('Cannot connect to proxy.', x)", "the proxy refused"),
        ("PermissionError: [Errno 13] Permission denied: /x", "it may not write"),
        ("ERROR: No matching distribution found for pkg===1.0", "has no such package"),
        ("Temporary failure in name resolution", "it needs a network or a mirror"),
    ] {
        let script = format!("echo \"{said}\" >&2; exit 1");
        let message = unreachable(download(&Programs::none().with("python3", &script)));
        assert!(message.contains(wanted) && message.ends_with(said), "{message}");
    }
}

#[test]
fn a_failure_is_quoted_by_its_last_lines() {
    let script =
        "for i in 1 2 3 4 5 6 7 8; do echo line $i; echo >&2; done; echo 'ERROR: no' >&2; exit 1";
    let message = unreachable(download(&Programs::none().with("python3", script)));
    assert!(message.contains("line 8 / ERROR: no") && !message.contains("line 4"), "{message}");
    let message = unreachable(download(&Programs::none().with("python3", "exit 3")));
    assert!(message.contains("exit status: 3"), "{message}");
}

#[test]
fn a_pip_that_stands_still_is_stopped() {
    let programs = Programs::none().with("python3", "exec /bin/sleep 600");
    let pip = Pip { patience: Duration::from_millis(100), ..Pip::within(programs.path()) };
    let message = unreachable(download_with(&programs, &pip, &package()));
    assert!(message.contains("was stopped"), "{message}");
}

#[test]
fn success_without_a_wheel_is_not_taken_for_one() {
    let error = download(&Programs::none().with("python3", "exit 0")).unwrap_err();
    assert!(!error.is::<NotReachable>() && error.to_string().contains("left no wheel"), "{error}");
}

#[test]
fn the_file_under_way_is_measured_wherever_pip_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(largest_file(folder.path()), 0);
    fs::create_dir(folder.path().join("pip-unpack-x")).unwrap();
    fs::write(folder.path().join("pip-unpack-x/a.whl"), [0; 500]).unwrap();
    fs::write(folder.path().join("log"), [0; 7]).unwrap();
    assert_eq!(largest_file(folder.path()), 500);
}
