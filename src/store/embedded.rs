//! Meters that outlive the process: in memory while it runs, written to one file of the state directory by a thread of its own.
//!
//! Changed meters are written four times a second in one durable transaction, so a process that is killed loses less than a second of counts.
//! No request ever waits for the file. When it cannot be written, counting goes on in memory, and writing is tried again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::quota::{Changes, Counter, Counters, Meter, QuotaStore, Usage};
use super::usage_file::{OpenError, UsageFile};

/// Between two writings.
const INTERVAL: Duration = Duration::from_millis(250);
/// After a writing that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// While nothing can be written, it is said once for so many failures: once a minute.
const REMINDER: u32 = 12;

/// Durable meters.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    counters: Counters,
    changes: Arc<Changes>,
    /// Nothing while it cannot be used.
    file: Mutex<Option<Arc<UsageFile>>>,
    path: PathBuf,
    clock: fn() -> SystemTime,
    stop: Mutex<bool>,
    wake: Condvar,
    failure: Mutex<Option<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Embedded {
    /// Opens the store of a state directory, which is made if it is not there. A file that is damaged is moved aside as
    /// `usage.redb.damaged-TIME`, never deleted, and counting begins anew.
    ///
    /// # Errors
    /// When the directory or the file cannot be used, or another process has it open.
    pub fn open(directory: &Path, clock: fn() -> SystemTime) -> Result<Self, OpenError> {
        std::fs::create_dir_all(directory).map_err(|error| OpenError::new(directory, &error))?;
        let path = directory.join("usage.redb");
        let file = open_or_move_aside(&path, clock())?;
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            changes: Arc::default(),
            file: Mutex::new(Some(Arc::new(file))),
            path,
            clock,
            stop: Mutex::new(false),
            wake: Condvar::new(),
            failure: Mutex::new(None),
        });
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| OpenError::new(directory, &error))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)) })
    }

    /// Why what is counted cannot be written now; nothing while it is.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        locked(&self.shared.failure).as_ref().map(|reason| format!("{}: {reason}", self.shared.path.display()))
    }

    /// Opens the file again after [`Self::close`]; what was counted meanwhile is written.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn reopen(&self) -> Result<(), OpenError> {
        let shared = &self.shared;
        *locked(&shared.file) = Some(Arc::new(UsageFile::open(&shared.path)?));
        *locked(&shared.stop) = false;
        let writer = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run());
        *locked(&self.writer) = Some(thread.map_err(|error| OpenError::new(&shared.path, &error))?);
        Ok(())
    }

    /// Every meter that was asked for.
    pub(super) fn counters(&self) -> Vec<Arc<Counter>> {
        self.shared.counters.all()
    }

    /// One meter.
    pub(super) fn counter(&self, plan: &Arc<str>, key: &Arc<str>) -> Arc<Counter> {
        let shared = &self.shared;
        shared.counters.meter(plan, key, |(plan, key)| {
            let kept = shared.file().and_then(|file| file.read(&plan, &key).ok());
            Counter::new(plan, key, kept, Some(Arc::clone(&shared.changes)))
        })
    }

    /// Writes what is left and closes the file.
    pub fn close(&self) {
        *locked(&self.shared.stop) = true;
        self.shared.wake.notify_all();
        let writer = locked(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

/// Has a meter written the next time, whatever became of it.
fn again(counter: &Arc<Counter>) {
    counter.take();
    counter.mark();
}

/// Opens a file, or a new one in the place of one that is damaged.
fn open_or_move_aside(path: &Path, now: SystemTime) -> Result<UsageFile, OpenError> {
    match UsageFile::open(path) {
        Err(error) if error.is_damaged => {
            let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let aside = path.with_extension(format!("redb.damaged-{seconds}"));
            std::fs::rename(path, &aside).map_err(|error| OpenError::new(path, &error))?;
            tracing::error!("{error}; it is damaged and was moved aside as {}, and counting begins anew", aside.display());
            UsageFile::open(path)
        }
        other => other,
    }
}

impl QuotaStore for Embedded {
    fn meter(&self, plan: &Arc<str>, key: &Arc<str>) -> Arc<dyn Meter> {
        self.counter(plan, key)
    }

    fn usage(&self, plan: &str, key: Option<&str>, days: RangeInclusive<u32>) -> Result<BTreeMap<Box<str>, Usage>, String> {
        let mut told = match self.shared.file() {
            Some(file) => file.usage(plan, key, &days).map_err(|error| error.to_string())?,
            None => BTreeMap::new(),
        };
        for counter in self.shared.counters.of(plan, key) {
            let own = counter.usage();
            let usage = told.entry((&*counter.key).into()).or_default();
            usage.window = own.window.or(usage.window);
            usage.days.extend(own.days.into_iter().filter(|(day, _)| days.contains(day)));
        }
        Ok(told)
    }
}

impl Shared {
    fn file(&self) -> Option<Arc<UsageFile>> {
        locked(&self.file).clone()
    }

    fn run(&self) {
        let mut wait = INTERVAL;
        let mut failures = 0_u32;
        loop {
            let stop = {
                let stop = locked(&self.stop);
                let (stop, _) = self.wake.wait_timeout_while(stop, wait, |stop| !*stop).unwrap_or_else(PoisonError::into_inner);
                *stop
            };
            wait = match self.try_write() {
                Ok(()) => {
                    if locked(&self.failure).take().is_some() {
                        tracing::info!("usage is written again to {}", self.path.display());
                    }
                    failures = 0;
                    INTERVAL
                }
                Err(reason) => {
                    if failures.is_multiple_of(REMINDER) {
                        tracing::error!("usage cannot be written to {}, counting goes on in memory: {reason}", self.path.display());
                    }
                    failures = failures.wrapping_add(1);
                    *locked(&self.failure) = Some(reason);
                    AGAIN
                }
            };
            if stop {
                locked(&self.file).take();
                return;
            }
        }
    }

    /// Writes, whatever the file makes of the library that reads it: this thread must not end before the process does.
    fn try_write(&self) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| self.write())).unwrap_or_else(|_| {
            locked(&self.file).take();
            self.counters.all().iter().for_each(again);
            Err("its content is none that was written here".to_owned())
        })
    }

    /// Writes every meter that changed, all or none.
    fn write(&self) -> Result<(), String> {
        let file = match self.file() {
            Some(file) => file,
            None => self.reopen()?,
        };
        let changed = self.changes.take();
        if changed.is_empty() {
            return Ok(());
        }
        let unread = changed.iter().filter(|counter| counter.is_unread());
        let read = unread.map(|counter| file.read(&counter.plan, &counter.key).map(|kept| counter.add(&kept)));
        let taken = read.collect::<Result<(), _>>().map(|()| changed.iter().map(|counter| (counter, counter.take())).collect::<Vec<_>>());
        let written = taken.and_then(|taken| {
            file.write(taken.iter().map(|(counter, usage)| (&*counter.plan, &*counter.key, usage)))?;
            taken.iter().for_each(|(counter, usage)| counter.kept(usage));
            Ok(())
        });
        written.map_err(|error| {
            // After an error of the disk the file has to be opened anew.
            locked(&self.file).take();
            changed.iter().for_each(again);
            error.to_string()
        })
    }

    /// Opens the file again. Where it is another one than before, all that is known is written to it.
    fn reopen(&self) -> Result<Arc<UsageFile>, String> {
        let file = Arc::new(open_or_move_aside(&self.path, (self.clock)()).map_err(|error| error.to_string())?);
        if file.is_new {
            self.counters.all().iter().for_each(|counter| counter.mark());
        }
        *locked(&self.file) = Some(Arc::clone(&file));
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Period, Quota};

    const QUOTA: Quota = Quota { limit: 10, offset: 0, period: Period::Month };

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("headgate-store-{}-{:x}", std::process::id(), fastrand::u64(..))))
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn open(directory: &Directory) -> Embedded {
        Embedded::open(&directory.0, || SystemTime::UNIX_EPOCH + Duration::from_secs(77)).unwrap()
    }

    fn meter(store: &Embedded, key: &str) -> Arc<dyn Meter> {
        store.meter(&"gold".into(), &key.into())
    }

    #[test]
    fn what_was_counted_is_there_again() {
        let directory = Directory::new();
        let store = open(&directory);
        assert!((0..4).all(|_| meter(&store, "k1").spend(Some(&QUOTA), 86_400 * 40)));
        assert!(meter(&store, "k1").spend(Some(&QUOTA), 86_400 * 41));
        store.close();
        drop(store);
        let store = open(&directory);
        assert_eq!(meter(&store, "k1").remaining(&QUOTA, 86_400 * 41), 5);
        assert!(meter(&store, "k1").spend(Some(&QUOTA), 86_400 * 41));
        let told = store.usage("gold", None, 0..=100).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told["k1"].days.clone().into_iter().collect::<Vec<_>>(), [(40, 4), (41, 2)]);
        assert!(store.usage("gold", Some("k2"), 0..=100).unwrap().is_empty() && store.usage("gol", None, 0..=100).unwrap().is_empty());
        assert_eq!(store.usage("gold", Some("k1"), 41..=41).unwrap()["k1"].days.len(), 1);
    }

    #[test]
    fn what_is_older_than_thirteen_months_goes() {
        let directory = Directory::new();
        let store = open(&directory);
        assert!(meter(&store, "k1").spend(None, 86_400));
        assert!(meter(&store, "k2").spend(None, 86_400));
        store.close();
        drop(store);
        let store = open(&directory);
        assert!(meter(&store, "k1").spend(None, 86_400 * 500));
        store.close();
        drop(store);
        let told = open(&directory).usage("gold", None, 0..=1000).unwrap();
        assert_eq!((told["k1"].days.len(), told["k2"].days.len()), (1, 1));
        assert!(told["k1"].days.contains_key(&500));
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_never_deleted() {
        let directory = Directory::new();
        std::fs::create_dir_all(&directory.0).unwrap();
        std::fs::write(directory.0.join("usage.redb"), b"this is no database at all, whatever its name says").unwrap();
        let store = open(&directory);
        assert!(meter(&store, "k").spend(None, 0));
        assert!(directory.0.join("usage.redb.damaged-77").is_file());
    }

    #[test]
    fn a_file_that_went_bad_is_written_anew_from_memory() {
        let directory = Directory::new();
        let store = open(&directory);
        assert!(meter(&store, "k").spend(Some(&QUOTA), 0));
        store.shared.write().unwrap();
        locked(&store.shared.file).take();
        std::fs::write(directory.0.join("usage.redb"), b"somebody else's bytes, and not even many of them").unwrap();
        assert!(meter(&store, "k").spend(Some(&QUOTA), 0));
        store.shared.write().unwrap();
        store.close();
        drop(store);
        assert_eq!(meter(&open(&directory), "k").remaining(&QUOTA, 0), 8);
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_said() {
        let directory = Directory::new();
        std::fs::write(&directory.0, b"a file").unwrap();
        let error = Embedded::open(&directory.0, || SystemTime::UNIX_EPOCH).unwrap_err().to_string();
        assert!(error.contains("headgate-store-"), "{error}");
        std::fs::remove_file(&directory.0).unwrap();
    }
}
