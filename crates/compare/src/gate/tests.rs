use modality_protocol::Stage;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal};

use super::*;
use crate::Measured;

const SOLVE: Quantity = Quantity::Stage(Stage::Solve);
const KERNEL: Quantity = Quantity::Stage(Stage::Kernel);

/// Measurements of a machine on which others work now and then, in which the second side's `solve` takes so many times as long.
struct Machine {
    rng: ChaCha8Rng,
    slower: f64,
    rmse: f64,
}

impl Machine {
    fn new(seed: u64, slower: f64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), slower, rmse: 0.35 }
    }

    fn time(&mut self, seconds: f64) -> f64 {
        let burst = if self.rng.gen_bool(0.1) { self.rng.gen_range(1.0..3.0) } else { 1.0 };
        let noise: f64 = Normal::new(0.0, 0.05).unwrap().sample(&mut self.rng);
        seconds * burst * noise.exp()
    }

    fn run(&mut self, slower: f64, rmse: f64) -> Measured {
        let (solve, kernel) = (self.time(0.6 * slower), self.time(0.4));
        let load = 0.001;
        [
            (Quantity::Stage(Stage::Load), load),
            (SOLVE, solve),
            (KERNEL, kernel),
            (Quantity::Total, solve + kernel + load),
            (Quantity::Rmse, rmse),
            (Quantity::Operations(Stage::Solve), 1e9),
            (Quantity::Memory, 200.0),
        ]
        .into()
    }

    fn pairs(&mut self, number: usize) -> Vec<Pair> {
        let (slower, rmse) = (self.slower, self.rmse);
        let pair = |_| Pair { base: self.run(1.0, 0.35), head: self.run(slower, rmse) };
        (0..number).map(pair).collect()
    }
}

const ROW: &str = "tsvd-krr/linfa";

fn decide(machine: &mut Machine) -> Vec<Finding> {
    let measure = |_: &str, _| Ok::<_, ()>(machine.pairs(1).pop());
    Gate::decide(Rules::default(), [ROW.to_owned()], false, measure, |_, _| ()).unwrap().findings
}

/// What is found of pairs that are there, and no more.
fn found(pairs: Vec<Pair>) -> Vec<Finding> {
    let mut pairs = pairs.into_iter();
    let measure = |_: &str, _| Ok::<_, ()>(pairs.next());
    Gate::decide(Rules::default(), [ROW.to_owned()], false, measure, |_, _| ()).unwrap().findings
}

fn verdict(findings: &[Finding], quantity: Quantity) -> Verdict {
    findings.iter().find(|finding| finding.quantity == quantity).unwrap().verdict.unwrap()
}

#[test]
fn a_change_that_changes_nothing_is_hardly_ever_called_slower() {
    let outcomes: Vec<Outcome> =
        (0..300).map(|seed| Outcome::of(&decide(&mut Machine::new(seed, 1.0)))).collect();
    let count = |outcome| outcomes.iter().filter(|&&other| other == outcome).count();
    assert!(count(Outcome::Worse) <= 3, "{} of 300", count(Outcome::Worse));
    assert!(count(Outcome::Same) >= 280, "{} of 300", count(Outcome::Same));
}

#[test]
fn a_stage_that_takes_a_tenth_longer_is_named() {
    let caught = |seed| {
        let findings = decide(&mut Machine::new(seed, 1.1));
        assert_ne!(verdict(&findings, KERNEL), Verdict::Worse, "of seed {seed}");
        verdict(&findings, SOLVE) == Verdict::Worse
    };
    let number = (1000..1100).filter(|&seed| caught(seed)).count();
    assert!(number >= 95, "{number} of 100");
}

#[test]
fn an_error_is_judged_whatever_the_times_are() {
    let mut machine = Machine { rmse: 0.351, ..Machine::new(1, 0.5) };
    let findings = decide(&mut machine);
    assert_eq!(verdict(&findings, Quantity::Rmse), Verdict::Worse);
    assert_eq!(verdict(&findings, SOLVE), Verdict::Better);
    assert_eq!(Outcome::of(&findings), Outcome::Worse);
}

#[test]
fn what_is_counted_is_decided_at_once() {
    let mut pairs = Machine::new(3, 1.0).pairs(14);
    let operations = Quantity::Operations(Stage::Solve);
    pairs[5].head.insert(operations, 1.01e9);
    let findings = found(pairs);
    assert_eq!(verdict(&findings, operations), Verdict::Worse);
    assert_eq!(verdict(&findings, Quantity::Memory), Verdict::Same);
}

#[test]
fn a_stage_of_no_weight_is_looked_at_in_the_whole_alone() {
    let findings = found(Machine::new(3, 1.0).pairs(14));
    let watched: Vec<Quantity> = findings.iter().map(|finding| finding.quantity).collect();
    let rest = [Quantity::Total, Quantity::Memory, Quantity::Rmse];
    let all = [KERNEL, SOLVE].into_iter().chain(rest);
    assert_eq!(watched, all.chain([Quantity::Operations(Stage::Solve)]).collect::<Vec<_>>());
}

#[test]
fn what_is_open_at_the_end_is_ambiguous() {
    let mut pairs = Machine::new(4, 1.0).pairs(14);
    for (i, pair) in pairs.iter_mut().enumerate() {
        let wild = if i % 2 == 0 { 1.5 } else { 0.7 };
        pair.head.insert(SOLVE, pair.base[&SOLVE] * wild);
    }
    let findings = found(pairs);
    assert_eq!(verdict(&findings, SOLVE), Verdict::Ambiguous);
    assert_eq!(Outcome::of(&findings), Outcome::Ambiguous);
    assert_eq!(Outcome::of(&found(Vec::new())), Outcome::Ambiguous, "nothing was measured");
}

#[test]
fn only_what_is_open_is_measured_further() {
    let names = ["calm", "wild"].map(str::to_owned);
    let mut machine = Machine::new(5, 1.0);
    let mut measured = [0, 0];
    let mut looks = Vec::new();
    let decided = Gate::decide(
        Rules::default(),
        names,
        false,
        |row, pair| {
            let mut pair_of = machine.pairs(1).remove(0);
            let is_wild = row == "wild";
            measured[usize::from(is_wild)] += 1;
            if is_wild {
                let sign = if pair.is_multiple_of(2) { 1.0 } else { -1.0 };
                let wild = (sign * 0.08 * (1 + pair % 10) as f64).exp();
                pair_of.head.insert(KERNEL, wild * pair_of.base[&KERNEL]);
            }
            Ok::<_, ()>(Some(pair_of))
        },
        |gate, pairs| looks.push((pairs, gate.is_open("calm"), gate.is_open("wild"))),
    );
    assert_eq!(measured[1], 112);
    assert!(measured[0] < 112, "{measured:?}");
    assert_eq!(looks.last(), Some(&(56, false, true)));
    let pairs: Vec<usize> = decided.unwrap().rows.iter().map(|row| row.pairs.len()).collect();
    assert_eq!(pairs, measured);
}

#[test]
fn holm_lets_fall_one_after_the_other() {
    assert_eq!(holm(&[0.02, 0.001, 0.3], 0.05), [true, true, false]);
    assert_eq!(holm(&[0.03, 0.03, 0.001], 0.05), [false, false, true]);
    assert_eq!(holm(&[0.03], 0.05), [true]);
    assert_eq!(holm(&[], 0.05), [false; 0]);
}
