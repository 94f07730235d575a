//! The kernels as the build left them: every file's source, and machine code where nvcc was there to make it.

/// A file of kernels.
#[derive(Debug)]
pub(crate) struct Image {
    /// `rbf.cu`
    pub(crate) name: &'static str,
    /// Its text, which includes nothing but [`HEADERS`].
    pub(crate) source: &'static str,
    /// What a driver loads: machine code for compute capabilities 7.5, 8.x, 9.0 and 10.x, and PTX that serves all others
    /// from 7.5 on. None where the build found no nvcc; the source must then be compiled at start.
    pub(crate) fatbin: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// The file of this name.
///
/// # Panics
/// Where there is none, which is a mistake in this crate.
pub(crate) fn of(name: &str) -> &'static Image {
    let found = IMAGES.iter().find(|image| image.name == name);
    found.unwrap_or_else(|| panic!("there is no kernels/{name}"))
}

/// The source with the headers in their places, for a compiler that reads no other file; lines keep their numbers.
pub(crate) fn whole_source(image: &Image) -> String {
    with_headers(image.name, image.source, HEADERS)
}

fn with_headers(name: &str, source: &str, headers: &[(&str, &str)]) -> String {
    let put = |whole: String, (header, text): &(&str, &str)| {
        let Some((before, after)) = whole.split_once(&format!("#include <{header}>")) else {
            return whole;
        };
        let line =
            source.lines().take_while(|line| !line.contains(&format!("<{header}>"))).count() + 1;
        // What guards a file that is included is warned of in any other.
        let text = text.replace("#pragma once", "");
        format!("{before}#line 1 \"{header}\"\n{text}\n#line {line} \"{name}\"\n{after}")
    };
    headers.iter().fold(source.to_owned(), put)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FATBIN_MAGIC: [u8; 4] = 0xba55_ed50_u32.to_le_bytes();

    #[test]
    fn every_file_has_a_name_and_a_text_of_its_own() {
        assert!(IMAGES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for image in IMAGES {
            assert!(image.name.ends_with(".cu") && !image.source.is_empty());
            assert_eq!(of(image.name).source, image.source);
            assert!(!whole_source(image).contains("#include"), "{}", image.name);
        }
    }

    #[test]
    fn headers_take_the_places_of_their_directives() {
        let headers = [("b.cuh", "#pragma once\nint b;"), ("c.cuh", "int c;")];
        let source = "// a\n#include <b.cuh>\n#include <c.cuh>\nint a;\n";
        let wanted = "// a\n#line 1 \"b.cuh\"\n\nint b;\n#line 2 \"a.cu\"\n\n\
                      #line 1 \"c.cuh\"\nint c;\n#line 3 \"a.cu\"\n\nint a;\n";
        assert_eq!(with_headers("a.cu", source, &headers), wanted);
        assert_eq!(with_headers("a.cu", "int a;", &headers), "int a;");
    }

    #[test]
    fn what_a_driver_loads_begins_as_it_should() {
        let fatbins: Vec<_> = IMAGES.iter().filter_map(|image| image.fatbin).collect();
        if fatbins.is_empty() {
            modality_testing::skip(
                "no kernel is compiled for a device: there was no nvcc when this was built",
            );
        }
        assert!(fatbins.iter().all(|fatbin| fatbin[..4] == FATBIN_MAGIC));
    }
}
