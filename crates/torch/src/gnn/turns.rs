//! Several models on their way at once: whoever is free takes the model that is furthest behind, for one epoch.
//!
//! With more models than threads, each is computed by one thread at a time and none of them waits for another within an epoch;
//! with more threads than models, a model has several.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use crate::{Error, Result};

/// What is done turn by turn.
pub(super) trait Turns: Send {
    /// What a turn tells.
    type News: Send;

    /// Turns that are done.
    fn done(&self) -> usize;

    /// Does one more.
    fn turn(&mut self) -> Result<Self::News>;
}

/// The models between two turns.
struct Waiting<M> {
    models: Vec<(usize, M)>,
    finished: Vec<(usize, M)>,
    /// The first failure, by turn and model.
    failed: Option<(usize, usize, Error)>,
    /// Whether no turn is to be begun any more.
    stopped: bool,
}

/// Does `each` turns of each of `models`, `at_once` of them side by side, on the current number of rayon's threads. `hear` is told
/// what the turns tell, with the index of the model: turn by turn, and in a turn in the order of the models.
pub(super) fn all<M: Turns>(
    models: Vec<M>,
    each: usize,
    at_once: NonZero<usize>,
    hear: impl FnMut(usize, M::News),
) -> Result<Vec<M>> {
    let count = models.len();
    let workers = at_once.get().min(count).max(1);
    let threads = (rayon::current_num_threads() / workers).max(1);
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pools = (0..workers).map(|_| pool()).collect::<std::result::Result<Vec<_>, _>>();
    let pools = pools.map_err(|error| {
        Error::Unavailable(format!("{threads} threads for a model cannot be started: {error}"))
    })?;
    let waiting = Mutex::new(Waiting {
        models: models.into_iter().enumerate().collect(),
        finished: Vec::new(),
        failed: None,
        stopped: false,
    });
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for pool in &pools {
            let (waiting, tell) = (&waiting, tell.clone());
            scope.spawn(move || {
                pool.install(|| {
                    // libtorch has a number of its own for each thread that calls it.
                    tch::set_num_threads(threads as i32);
                    work(waiting, each, &tell);
                });
            });
        }
        drop(tell);
        in_order(told, count, hear);
    });
    let waiting = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., error)) = waiting.failed {
        return Err(error);
    }
    let mut finished = waiting.finished;
    assert_eq!(finished.len(), count, "all turns of each are done");
    finished.sort_unstable_by_key(|(index, _)| *index);
    Ok(finished.into_iter().map(|(_, model)| model).collect())
}

/// Does turns until none is left, or one failed.
fn work<M: Turns>(
    waiting: &Mutex<Waiting<M>>,
    each: usize,
    tell: &mpsc::Sender<(usize, usize, M::News)>,
) {
    let _no_grad = tch::no_grad_guard();
    let _stop = StopOnPanic(waiting);
    while let Some((index, mut model)) = next(waiting) {
        if model.done() == each {
            lock(waiting).finished.push((index, model));
            continue;
        }
        let turn = model.done() + 1;
        match model.turn() {
            Ok(news) => {
                // Nobody listens any more only after a panic.
                let _ = tell.send((turn, index, news));
                lock(waiting).models.push((index, model));
            }
            Err(error) => {
                let mut waiting = lock(waiting);
                waiting.stopped = true;
                let earlier = waiting.failed.take_if(|(t, i, _)| (turn, index) < (*t, *i));
                if earlier.is_some() || waiting.failed.is_none() {
                    waiting.failed = Some((turn, index, error));
                }
                return;
            }
        }
    }
}

/// The model that is furthest behind; those that are not here have someone already.
fn next<M: Turns>(waiting: &Mutex<Waiting<M>>) -> Option<(usize, M)> {
    let mut waiting = lock(waiting);
    if waiting.stopped {
        return None;
    }
    let models = waiting.models.iter().enumerate();
    let behind = models.min_by_key(|(_, (index, model))| (model.done(), *index));
    let place = behind.map(|(place, _)| place)?;
    Some(waiting.models.swap_remove(place))
}

fn lock<M>(waiting: &Mutex<Waiting<M>>) -> MutexGuard<'_, Waiting<M>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the others from working on where one of them panics.
struct StopOnPanic<'a, M>(&'a Mutex<Waiting<M>>);

impl<M> Drop for StopOnPanic<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(self.0).stopped = true;
        }
    }
}

/// Passes news on when all that comes before has been.
fn in_order<N>(
    told: mpsc::Receiver<(usize, usize, N)>,
    count: usize,
    mut hear: impl FnMut(usize, N),
) {
    let mut early = std::collections::BTreeMap::new();
    let mut next = (1, 0);
    for (turn, index, news) in told {
        early.insert((turn, index), news);
        while let Some(news) = early.remove(&next) {
            hear(next.1, news);
            next = if next.1 + 1 == count { (next.0 + 1, 0) } else { (next.0, next.1 + 1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter {
        done: usize,
        fails_at: usize,
    }

    impl Turns for Counter {
        type News = usize;

        fn done(&self) -> usize {
            self.done
        }

        fn turn(&mut self) -> Result<usize> {
            self.done += 1;
            if self.done == self.fails_at {
                return Err(Error::Invalid("it fails".to_owned()));
            }
            Ok(self.done * 10)
        }
    }

    fn run(fails_at: usize, at_once: usize) -> (Result<Vec<Counter>>, Vec<(usize, usize)>) {
        let models =
            (0..3).map(|i| Counter { done: 0, fails_at: if i == 1 { fails_at } else { 0 } });
        let mut heard = Vec::new();
        let at_once = NonZero::new(at_once).unwrap();
        let all = all(models.collect(), 4, at_once, |index, news| heard.push((index, news)));
        (all, heard)
    }

    #[test]
    fn each_has_its_turns_and_news_come_in_order() {
        let wanted: Vec<(usize, usize)> =
            (1..=4).flat_map(|turn| (0..3).map(move |index| (index, 10 * turn))).collect();
        for at_once in [1, 2, 3, 9] {
            let (all, heard) = run(0, at_once);
            assert!(all.unwrap().iter().all(|counter| counter.done == 4));
            assert_eq!(heard, wanted);
        }
    }

    #[test]
    fn a_failure_ends_all() {
        for at_once in [1, 3] {
            let error = run(2, at_once).0.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("it fails"));
        }
    }
}
