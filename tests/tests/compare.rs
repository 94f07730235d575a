//! Rows side by side, as a user asks for them; of the results that are kept.

use std::{fs, path::Path};

use end_to_end::{modality_bench, refusal, root};

/// The folder of a study whose results are kept.
fn kept(study: &str) -> String {
    root().join("results").join(study).canonicalize().unwrap().display().to_string()
}

fn compare(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = modality_bench();
    command.arg("compare").args(arguments);
    command
}

fn said(arguments: &[&str]) -> String {
    let output = compare(arguments).assert().success().get_output().clone();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_rows_of_one_folder() {
    let folder = kept("scikit-learn");
    let [linfa, sklearn] = ["linfa", "sklearn"].map(|name| format!("{folder}:tsvd-krr/{name}"));
    let text = said(&[&linfa, &sklearn]);
    assert!(
        text.starts_with(&format!("A  {folder}\nB  {folder}\n\ntsvd-krr/sklearn (B) beside")),
        "{text}"
    );
    assert!(
        text.contains(
            "\nB takes 4.45 times (4.36 to 4.54) the training time of A, longer in 3 of 3"
        ),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&said(&[&sklearn, &linfa, "--least", "5", "--json"])).unwrap();
    assert_eq!(json["least"]["time"], 0.05);
    assert_eq!(json["comparisons"][0]["head"], "tsvd-krr/linfa");
    let lines = json["comparisons"][0]["lines"].as_array().unwrap();
    let training = lines.iter().find(|line| line["quantity"] == "training").unwrap();
    assert_eq!(training["verdict"], "better", "it is the faster one");
}

#[test]
fn two_folders_and_a_row_of_both() {
    let copy = tempfile::tempdir().unwrap();
    let odd = copy.path().join("a:b");
    let donors = kept("donors");
    copy_records(&Path::new(&donors).join("records"), &odd);
    let odd = odd.display().to_string();
    let text = said(&[&donors, &odd]);
    let (mean, krr) =
        (text.find("\nmean/linfa\n").unwrap(), text.find("\ntsvd-krr/linfa\n").unwrap());
    assert!(mean < krr && !text.contains("\nknn/linfa\n"), "{text}");
    assert!(text.contains("\nOnly A has knn/linfa.\n"), "{text}");
    assert!(text.contains(&format!("\nCommit differs: A {COMMIT}, B {OTHER}.\n")), "{text}");
    let text = said(&[&donors, &format!("{odd}:mean/linfa")]);
    assert!(text.contains("\nmean/linfa\n") && !text.contains("tsvd-krr"), "{text}");
}

/// What the records say, and what their copy does.
const COMMIT: &str = "71207d26a236";
const OTHER: &str = "0123456789ab";

/// A folder of records, without the study's folder around it; of another commit, which has no `knn`.
fn copy_records(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("knn") {
            let text = fs::read_to_string(&path).unwrap().replace(COMMIT, OTHER);
            fs::write(to.join(name), text).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused_in_a_sentence() {
    let [sklearn, default, donors] = ["scikit-learn", "default", "donors"].map(kept);
    let empty = tempfile::tempdir().unwrap();
    let row = |folder: &str, row: &str| format!("{folder}:{row}");
    for (base, head, wanted) in [
        (
            default.clone(),
            donors,
            "the two are of different data: gnn/torch of liu-covid-cite (SHA-256 ",
        ),
        (
            row(&sklearn, "tsvd-krr/linfa"),
            row(&sklearn, "tsvd-krr/sklern"),
            "; did you mean `tsvd-krr/sklearn`?",
        ),
        (
            row(&sklearn, "tsvd-krr/linfa"),
            "tsvd-krr/sklearn".to_owned(),
            "scikit-learn:tsvd-krr/sklearn`?",
        ),
        (sklearn.clone(), row(&sklearn, ""), "names no row; name FOLDER, or FOLDER:ROW"),
        (sklearn.clone(), sklearn.clone(), "is compared with itself; to compare two of its rows"),
        (
            row(&default, "tsvd-krr/cuda"),
            row(&default, "tsvd-krr/linfa"),
            "have no scored runs of the same repeat",
        ),
        (sklearn.clone(), kept("pytorch"), "no row is in both folders: "),
        (sklearn, empty.path().display().to_string(), "no records here"),
    ] {
        let message = refusal(compare(&[&base, &head]));
        assert!(message.contains(wanted), "{base} {head}: {message}");
    }
    let message = refusal(compare(&[&default, &default, "--least", "few"]));
    assert!(message.contains("write a number of percent from 0 to 1000"), "{message}");
}
