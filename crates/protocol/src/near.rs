//! Names that are nearly right.

/// How alike two names are at least, from 0 to 1, that may have been meant for one another.
const ALIKE: f64 = 0.8;

/// `; did you mean ...?`, to go after a sentence on an unknown name, with the known one that is most like it; nothing where
/// none is.
pub fn did_you_mean<S: AsRef<str>>(given: &str, known: impl IntoIterator<Item = S>) -> String {
    let given = given.to_lowercase();
    let likeness = |name: &S| strsim::jaro_winkler(&given, &name.as_ref().to_lowercase());
    let alike = known.into_iter().map(|name| (likeness(&name), name));
    let alike = alike.filter(|(likeness, _)| *likeness >= ALIKE);
    // Of equals, the first.
    let nearest = alike.reduce(|best, next| if next.0 > best.0 { next } else { best });
    nearest.map_or(String::new(), |(_, name)| format!("; did you mean `{}`?", name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn what_is_nearly_right_is_asked_about() {
        let known = ["default", "smoke", "scikit-learn", "liu-covid-cite", "tsvd-krr/linfa"];
        for (given, meant) in [
            ("defualt", "default"),
            ("Smoke", "smoke"),
            ("sklearn", "scikit-learn"),
            ("liu", "liu-covid-cite"),
            ("tsvd_krr/linfa", "tsvd-krr/linfa"),
        ] {
            assert_eq!(did_you_mean(given, known), format!("; did you mean `{meant}`?"));
        }
        for given in ["cuda", "", "../x"] {
            assert_eq!(did_you_mean(given, known), "", "{given}");
        }
        assert_eq!(did_you_mean("x", [""; 0]), "");
    }
}
