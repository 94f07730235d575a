//! The competition's starter files. The expected values are anndata's; `tests/make_fixtures.py FOLDER` prints them.

use crate::{read_four_files, read_place, read_table};
use modality_data::{Column, Split};
use modality_testing::starter;

struct Expected {
    file: &'static str,
    shape: (usize, usize),
    stored: usize,
    sum: f64,
    first_row: f64,
    last_row: f64,
    first_column: f64,
    last_column: f64,
    counts: f64,
    batch: &'static str,
    ends: [&'static str; 4],
}

const FILES: [Expected; 4] = [
    Expected {
        file: "train_mod1",
        shape: (311, 1000),
        stored: 97_432,
        sum: 149_182.341_122_671_96,
        first_row: 252.789_337_158_203_12,
        last_row: 509.736_877_441_406_25,
        first_column: 9.679_875_373_840_332,
        last_column: 1_178.737_915_039_062_5,
        counts: 1_452_837.0,
        batch: "s1d1",
        ends: ["GACCAATCAATTTCGG-1-s1d1", "ACGATCATCTATTCGT-1-s1d1", "LINC01409", "MT-CYB"],
    },
    Expected {
        file: "train_mod2",
        shape: (311, 134),
        stored: 37_515,
        sum: 37_320.871_024_549_01,
        first_row: 121.044_670_104_980_47,
        last_row: 109.726_860_046_386_72,
        first_column: 95.005_950_927_734_38,
        last_column: 304.803_710_937_5,
        counts: 2_267_383.0,
        batch: "s1d1",
        ends: ["GACCAATCAATTTCGG-1-s1d1", "ACGATCATCTATTCGT-1-s1d1", "CD86", "CD224"],
    },
    Expected {
        file: "test_mod1",
        shape: (289, 1000),
        stored: 103_377,
        sum: 151_670.015_310_227_87,
        first_row: 451.125_061_035_156_25,
        last_row: 538.821_777_343_75,
        first_column: 8.999_917_984_008_789,
        last_column: 1_073.718_994_140_625,
        counts: 982_110.0,
        batch: "s1d2",
        ends: ["TTTGACTCAGAAATTG-1-s1d2", "GTATTGGTCTCGTCAC-1-s1d2", "LINC01409", "MT-CYB"],
    },
    Expected {
        file: "test_mod2",
        shape: (289, 134),
        stored: 34_663,
        sum: 35_304.981_123_844_03,
        first_row: 118.820_404_052_734_38,
        last_row: 130.594_116_210_937_5,
        first_column: 80.977_020_263_671_88,
        last_column: 261.786_224_365_234_4,
        counts: 1_892_347.0,
        batch: "s1d2",
        ends: ["TTTGACTCAGAAATTG-1-s1d2", "GTATTGGTCTCGTCAC-1-s1d2", "CD86", "CD224"],
    },
];

#[test]
fn tables_hold_what_anndata_reads() {
    let Some(folder) = starter() else { return };
    for expected in FILES {
        let path = folder.join(format!("openproblems_bmmc_cite_starter.{}.h5ad", expected.file));
        let table = read_table(&path).unwrap();
        let (cells, features) = expected.shape;
        assert_eq!(
            (table.values.shape(), table.values.nnz()),
            (expected.shape, expected.stored),
            "{}",
            expected.file
        );
        let sum = |row: Option<usize>, column: Option<usize>| {
            let inside =
                |wanted: Option<usize>, at: u32| wanted.is_none_or(|wanted| wanted == at as usize);
            let chosen = table
                .values
                .iter()
                .filter(|&(_, (at, feature))| inside(row, at) && inside(column, feature));
            chosen.map(|(&value, _)| f64::from(value)).sum::<f64>()
        };
        let sums = [
            (sum(None, None), expected.sum),
            (sum(Some(0), None), expected.first_row),
            (sum(Some(cells - 1), None), expected.last_row),
            (sum(None, Some(0)), expected.first_column),
            (sum(None, Some(features - 1)), expected.last_column),
        ];
        for (found, wanted) in sums {
            assert!(
                (found / wanted - 1.0).abs() < 1e-6,
                "{}: {found} where anndata has {wanted}",
                expected.file
            );
        }
        let ends = [
            &table.cells[0],
            &table.cells[cells - 1],
            &table.features[0].name,
            &table.features[features - 1].name,
        ];
        assert_eq!(ends, expected.ends);
        let Column::Text { codes, names } = &table.obs["batch"] else {
            panic!("batch is categorical")
        };
        assert_eq!(names, &["s1d1", "s1d2"]);
        assert!(
            codes
                .iter()
                .all(|code| code.map(|code| names[code as usize].as_str()) == Some(expected.batch))
        );
        let counts = read_place(&path, "layers/counts").unwrap();
        assert_eq!(
            counts.values.data().iter().map(|&count| f64::from(count)).sum::<f64>(),
            expected.counts
        );
    }
}

#[test]
fn the_folder_becomes_a_data_set() {
    let Some(folder) = starter() else { return };
    let dataset = read_four_files(&folder, "bmmc-cite-starter").unwrap();
    let sizes = |split: &Split| {
        ((split.input.rows(), split.input.columns()), (split.target.rows(), split.target.columns()))
    };
    assert_eq!(sizes(&dataset.train), ((311, 1000), (311, 134)));
    assert_eq!(sizes(&dataset.test), ((289, 1000), (289, 134)));
    let cells = &dataset.test.cells;
    assert_eq!(
        (&cells.batch.names[0], &cells.donor.names[0], &cells.site.names[0]),
        (&"s1d2".into(), &"s1d2".into(), &"s1".into())
    );
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    for file in &dataset.provenance.files {
        assert!(sums.contains(&file.sha256), "{} has another sum than SHA256SUMS says", file.name);
    }
}
