//! One run of the tests among several: what it has of its own is drawn from its seed.

use std::{fs, process::Command};

use modality_testing::SEED;
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// The seed of proptest's cases.
const PROPTEST: &str = "PROPTEST_RNG_SEED";
/// How many threads our own code takes by default.
const RAYON: &str = "RAYON_NUM_THREADS";
/// A program's tests are run in so many processes at most.
const GROUPS: usize = 3;

/// Seed 0 is the plain run: libtest's own order, and as many tests and threads at a time as there are cores. Any other has
/// an order, a number of tests at a time and of threads, and draws of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(pub(super) u64);

impl Turn {
    /// How many tests are run at a time, of one, two and many; none where libtest decides.
    pub(super) fn tests_at_a_time(self) -> Option<usize> {
        let many = || std::thread::available_parallelism().map_or(8, |cores| 4 * cores.get());
        match self.0 {
            0 => None,
            seed => Some(match seed % 3 {
                1 => 1,
                2 => 2,
                _ => many(),
            }),
        }
    }

    fn threads(self) -> Option<u64> {
        (self.0 > 0).then(|| 1 + self.0 / 3 % 4)
    }

    /// The tests of a program in groups, each for a process: which share one, and which come first, is drawn. Within
    /// a process libtest begins tests by name, and has no stable option for another order.
    pub(super) fn groups(self, mut tests: Vec<String>) -> Vec<Vec<String>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        tests.shuffle(&mut rng);
        let most = tests.len().clamp(1, GROUPS);
        let size = tests.len().div_ceil(rng.gen_range(1..=most)).max(1);
        tests.chunks(size).map(<[String]>::to_vec).collect()
    }

    /// Gives a program its seeds and its number of threads, whatever the user's environment says.
    pub(super) fn equip(self, program: &mut Command) {
        let seed = self.0.to_string();
        program.env(SEED, &seed).env(PROPTEST, seed);
        program.env_remove("MODALITY_BENCH_DATA");
        match self.threads() {
            Some(threads) => program.env(RAYON, threads.to_string()),
            None => program.env_remove(RAYON),
        };
    }
}

/// A sentence where the system does not give each process addresses of its own, or does not tell.
pub(super) fn about_addresses() -> Option<String> {
    let read = |file: &str| fs::read_to_string(file).ok();
    addresses(read("/proc/sys/kernel/randomize_va_space"), read("/proc/self/personality"))
}

fn addresses(setting: Option<String>, personality: Option<String>) -> Option<String> {
    /// Of personality(2).
    const ADDR_NO_RANDOMIZE: u32 = 0x004_0000;
    let of_process = personality.and_then(|text| u32::from_str_radix(text.trim(), 16).ok());
    let why = match setting.as_deref().map(str::trim) {
        Some("0") => "kernel.randomize_va_space is 0",
        _ if of_process.is_some_and(|flags| flags & ADDR_NO_RANDOMIZE != 0) => {
            "this process was started without randomisation"
        }
        Some(_) => return None,
        None => {
            return Some("addresses: it is not known here whether runs differ in them".to_owned());
        }
    };
    Some(format!("addresses: the same in every run, {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(number: usize) -> Vec<String> {
        (0..number).map(|test| format!("test{test}")).collect()
    }

    #[test]
    fn every_test_is_in_one_group_and_the_seed_decides_in_which() {
        for number in [0, 1, 2, 3, 40] {
            for seed in 1..30 {
                let groups = Turn(seed).groups(names(number));
                assert!(groups.len() <= GROUPS && groups.iter().all(|group| !group.is_empty()));
                let mut all = groups.concat();
                all.sort_unstable();
                let mut wanted = names(number);
                wanted.sort_unstable();
                assert_eq!(all, wanted, "seed {seed}");
                assert_eq!(groups, Turn(seed).groups(names(number)), "seed {seed}");
            }
        }
        let orders = (1..30).map(|seed| Turn(seed).groups(names(40)));
        let different: std::collections::BTreeSet<_> = orders.collect();
        assert_eq!(different.len(), 29);
        assert_eq!(
            (1..=GROUPS).filter(|&n| different.iter().any(|order| order.len() == n)).count(),
            GROUPS
        );
    }

    #[test]
    fn tests_run_one_two_and_many_at_a_time_and_the_plain_run_is_left_alone() {
        let at_a_time: Vec<_> = (0..4).map(|seed| Turn(seed).tests_at_a_time()).collect();
        assert_eq!(at_a_time[..3], [None, Some(1), Some(2)]);
        assert!(at_a_time[3] > Some(2));
        let set = |seed| {
            let mut program = Command::new("x");
            Turn(seed).equip(&mut program);
            let envs =
                program.get_envs().map(|(name, value)| (name.to_owned(), value.map(Into::into)));
            envs.collect::<std::collections::BTreeMap<_, Option<std::ffi::OsString>>>()
        };
        assert_eq!(set(0)[std::ffi::OsStr::new(RAYON)], None);
        assert_eq!(set(7)[std::ffi::OsStr::new(RAYON)], Some("3".into()));
        for name in [SEED, PROPTEST] {
            assert_eq!(set(7)[std::ffi::OsStr::new(name)], Some("7".into()));
        }
    }

    #[test]
    fn addresses_that_are_not_randomised_are_told() {
        let say = |setting: Option<&str>, personality: Option<&str>| {
            addresses(setting.map(str::to_owned), personality.map(str::to_owned))
                .unwrap_or_default()
        };
        assert_eq!(say(Some("2\n"), Some("00000000\n")), "");
        assert_eq!(say(Some("2\n"), None), "");
        assert!(say(Some("0\n"), None).contains("randomize_va_space is 0"));
        assert!(say(Some("2\n"), Some("00040000\n")).contains("without randomisation"));
        assert!(say(None, None).contains("not known"));
    }
}
