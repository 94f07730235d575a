//! Kernels with a mistake each, which tests must notice.

/// A replacement in one file of kernels.
pub(crate) struct Mutant {
    /// Also the name of the variant that has it.
    pub(crate) name: &'static str,
    /// The file's name, in `kernels` or in this crate's `tests/kernels`.
    pub(crate) file: &'static str,
    /// Must be in the file exactly once.
    pub(crate) text: &'static str,
    pub(crate) replacement: &'static str,
}

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "out-of-bounds",
        file: "rbf.cu",
        text: "if (has_rows && row < rows.count && column < product.width) {",
        replacement: "if (has_rows && row <= rows.count && column < product.width) {",
    },
    Mutant {
        name: "missing-barrier",
        file: "rbf.cu",
        text: "halves[j] = tiles.halves(j);\n        }\n        __syncthreads();",
        replacement: "halves[j] = tiles.halves(j);\n        }",
    },
    Mutant {
        name: "wrong-index",
        file: "pack.cu",
        text: "split(entry(g, c + 8), entry(g, c + 9), upper.z, lower.z);",
        replacement: "split(entry(g, c + 8), entry(g, c + 8), upper.z, lower.z);",
    },
    Mutant {
        name: "test-missing-barrier",
        file: "exchange.cu",
        text: "    __syncthreads();\n    out[thread] = values[BLOCK - 1 - threadIdx.x];",
        replacement: "    out[thread] = values[BLOCK - 1 - threadIdx.x];",
    },
    Mutant {
        name: "test-out-of-bounds",
        file: "saxpy.cu",
        text: "if (i < count)",
        replacement: "if (i <= count)",
    },
];
