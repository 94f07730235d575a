//! What `ptxas -v` says that functions take.

use std::collections::BTreeMap;

/// What a function takes on one kind of device; sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The function; a kernel, or what one calls.
    pub function: String,
    /// Registers of a thread; those of a called function count with its kernel.
    pub registers: Option<u32>,
    /// Shared memory of a block, as far as it is known when compiling.
    pub shared: u64,
    /// Local memory of a thread: spilled registers, and arrays that are indexed at run time.
    pub stack: u64,
    /// Written to local memory for want of registers.
    pub spill_stores: u64,
    /// Read back from there.
    pub spill_loads: u64,
}

impl Usage {
    /// Whether the function works in registers and shared memory alone.
    #[must_use]
    pub fn keeps_off_local_memory(&self) -> bool {
        self.stack == 0 && self.spill_stores == 0 && self.spill_loads == 0
    }
}

/// The functions that `said` tells of, by name. Lines that are not known are passed over.
pub(crate) fn parse(said: &str) -> Vec<Usage> {
    let mut functions = BTreeMap::<String, Usage>::new();
    let (mut kernel, mut function) = (String::new(), String::new());
    for line in said.lines() {
        let line = line.strip_prefix("ptxas info").unwrap_or(line).trim_start_matches([' ', ':']);
        if let Some(rest) = line.strip_prefix("Compiling entry function '") {
            kernel = rest.split('\'').next().unwrap_or_default().to_owned();
            functions.entry(kernel.clone()).or_default();
        } else if let Some(name) = line.strip_prefix("Function properties for ") {
            name.trim().clone_into(&mut function);
        } else if line.contains("bytes stack frame") {
            let usage = functions.entry(function.clone()).or_default();
            usage.stack = before(line, "bytes stack frame").unwrap_or(0);
            usage.spill_stores = before(line, "bytes spill stores").unwrap_or(0);
            usage.spill_loads = before(line, "bytes spill loads").unwrap_or(0);
        } else if let Some(usage) = functions.get_mut(&kernel)
            && line.starts_with("Used ")
        {
            usage.registers = before(line, "registers").and_then(|count| count.try_into().ok());
            usage.shared = before(line, "bytes smem").unwrap_or(0);
        }
    }
    functions.into_iter().map(|(function, usage)| Usage { function, ..usage }).collect()
}

/// The number before these words.
fn before(line: &str, words: &str) -> Option<u64> {
    let (before, _) = line.split_once(words)?;
    before.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nvcc 13.0.88 says it.
    const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'tile' for 'sm_75'
ptxas info    : Function properties for tile
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 18 registers, used 0 barriers, 376 bytes cmem[0]
ptxas info    : Compile time = 2.315 ms
ptxas info    : Compiling entry function 'spills' for 'sm_90'
ptxas info    : Function properties for spills
    144 bytes stack frame, 252 bytes spill stores, 248 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 144 bytes cumulative stack size, 1024 bytes smem
ptxas info    : Compile time = 29.675 ms
";

    #[test]
    fn what_each_kernel_takes_is_read() {
        let [spills, tile] = &parse(SAID)[..] else { panic!("{:?}", parse(SAID)) };
        let wanted = Usage { function: "tile".to_owned(), registers: Some(18), ..Usage::default() };
        assert_eq!(tile, &wanted);
        assert!(tile.keeps_off_local_memory() && !spills.keeps_off_local_memory());
        let wanted = Usage {
            function: "spills".to_owned(),
            registers: Some(32),
            shared: 1024,
            stack: 144,
            spill_stores: 252,
            spill_loads: 248,
        };
        assert_eq!(spills, &wanted);
    }

    #[test]
    fn a_called_function_has_a_stack_and_no_registers_of_its_own() {
        let called = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'calls' for 'sm_80'
ptxas info    : Function properties for calls
    256 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 31 registers, used 0 barriers, 256 bytes cumulative stack size, 364 bytes cmem[0]
ptxas info    : Compile time = 15.798 ms
ptxas info    : Function properties for _Z6calledPfi
    0 bytes stack frame, 16 bytes spill stores, 8 bytes spill loads
";
        let [called, calls] = &parse(called)[..] else { panic!("{:?}", parse(called)) };
        assert_eq!((calls.registers, calls.stack), (Some(31), 256));
        assert_eq!((called.function.as_str(), called.registers), ("_Z6calledPfi", None));
        assert!(!called.keeps_off_local_memory());
    }

    #[test]
    fn a_warning_is_no_kernel() {
        assert_eq!(
            parse("x.cu(1): warning #177-D: variable \"u\" was declared\n\nptxas info : x"),
            []
        );
    }
}
