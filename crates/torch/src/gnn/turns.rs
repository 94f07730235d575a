//! Several models on their way at once: whoever is free takes the model that is furthest behind, for one epoch.
//!
//! With more models than threads, each is computed by one thread at a time and none of them waits for another within an epoch;
//! with more threads than models, a model has several.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use crate::{Error, Result};

/// What takes its turns.
pub(super) trait Turns: Send {
    /// What a turn tells.
    type News: Send;

    /// Turns that were had.
    fn had(&self) -> usize;

    /// Has one more.
    fn take(&mut self) -> Result<Self::News>;
}

/// The models between two turns.
struct Waiting<M> {
    models: Vec<(usize, M)>,
    finished: Vec<(usize, M)>,
    failed: Option<Error>,
}

/// Lets each of `models` have as many turns as `each` says, `at_once` of them at a time, on the current number of rayon's threads. `hear` is told
/// what the turns tell, with the index of the model, in the order of turns and in a turn in the order of the models.
pub(super) fn all<M: Turns>(
    models: Vec<M>,
    each: usize,
    at_once: NonZero<usize>,
    hear: impl FnMut(usize, M::News),
) -> Result<Vec<M>> {
    let count = models.len();
    let workers = at_once.get().min(count).max(1);
    let threads = (rayon::current_num_threads() / workers).max(1);
    let (models, finished) = (models.into_iter().enumerate().collect(), Vec::new());
    let waiting = Mutex::new(Waiting { models, finished, failed: None });
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| -> Result<()> {
        for _ in 0..workers {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|error| Error::Invalid(error.to_string()))?;
            let (waiting, tell) = (&waiting, tell.clone());
            scope.spawn(move || pool.install(|| work(waiting, each, &tell)));
        }
        drop(tell);
        in_order(told, count, hear);
        Ok(())
    })?;
    let waiting = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    match waiting.failed {
        Some(error) => Err(error),
        None => {
            let mut finished = waiting.finished;
            assert_eq!(finished.len(), count, "each has had its turns");
            finished.sort_unstable_by_key(|(index, _)| *index);
            Ok(finished.into_iter().map(|(_, model)| model).collect())
        }
    }
}

/// Gives turns until none is left to be had, or one failed.
fn work<M: Turns>(
    waiting: &Mutex<Waiting<M>>,
    each: usize,
    tell: &mpsc::Sender<(usize, usize, M::News)>,
) {
    let _no_grad = tch::no_grad_guard();
    let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let next = {
            let mut waiting = lock();
            if waiting.failed.is_some() {
                return;
            }
            let behind = waiting.models.iter().enumerate();
            let behind = behind.min_by_key(|(_, (index, model))| (model.had(), *index));
            let place = behind.map(|(place, _)| place);
            // Those that are not here have someone already.
            let Some(place) = place else { return };
            waiting.models.swap_remove(place)
        };
        let (index, mut model) = next;
        if model.had() == each {
            lock().finished.push((index, model));
            continue;
        }
        match model.take() {
            Ok(news) => {
                // Whoever listens has gone only where all is lost.
                let _ = tell.send((model.had(), index, news));
                lock().models.push((index, model));
            }
            Err(error) => {
                lock().failed.get_or_insert(error);
                return;
            }
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
        had: usize,
        fails_at: usize,
    }

    impl Turns for Counter {
        type News = usize;

        fn had(&self) -> usize {
            self.had
        }

        fn take(&mut self) -> Result<usize> {
            self.had += 1;
            if self.had == self.fails_at {
                return Err(Error::Invalid("it fails".to_owned()));
            }
            Ok(self.had * 10)
        }
    }

    fn run(fails_at: usize, at_once: usize) -> (Result<Vec<Counter>>, Vec<(usize, usize)>) {
        let models =
            (0..3).map(|i| Counter { had: 0, fails_at: if i == 1 { fails_at } else { 0 } });
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
            assert!(all.unwrap().iter().all(|counter| counter.had == 4));
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
