//! Meters that outlive the process: in memory while it runs, written to one file of the state directory by a thread of its own.
//!
//! Changed meters are written four times a second in one durable transaction, so a process that is killed loses less than a second of counts.
//! No request ever waits for the file. When it cannot be written, counting goes on in memory, and writing is tried again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::quota::{Memory, Meter, Name, QuotaStore, Usage, Window};

/// Between two writings.
const INTERVAL: Duration = Duration::from_millis(250);
/// After a writing that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Plan and key to the current window: the day of its start, what was used, what was granted, the day of the first window.
const WINDOWS: TableDefinition<'_, (&str, &str), (u32, u64, i64, u32)> = TableDefinition::new("quota_windows");
/// Plan, key and day to the requests of that day.
const DAYS: TableDefinition<'_, (&str, &str, u32), u64> = TableDefinition::new("usage_days");
/// What the tables mean.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION: u64 = 1;

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct OpenError {
    path: String,
    reason: String,
    /// Whether the file is there and cannot be understood.
    damaged: bool,
}

/// Durable meters.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    meters: Memory,
    database: Mutex<Option<Database>>,
    path: PathBuf,
    stop: Mutex<bool>,
    wake: Condvar,
    failing: AtomicBool,
}

impl Embedded {
    /// Opens the store of a state directory, which is made if it is not there. A file that is damaged is moved aside as
    /// `usage.redb.damaged-{now_seconds}`, never deleted, and counting begins anew.
    ///
    /// # Errors
    /// When the directory or the file cannot be used, or another process has it open.
    pub fn open(directory: &Path, now_seconds: u64) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError { path: directory.display().to_string(), reason, damaged: false };
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let path = directory.join("usage.redb");
        let shared = match Shared::open(&path) {
            Err(error) if error.damaged => {
                let aside = directory.join(format!("usage.redb.damaged-{now_seconds}"));
                tracing::error!("{error}; it is kept as {}, and counting begins anew", aside.display());
                std::fs::rename(&path, &aside).map_err(|error| failed(error.to_string()))?;
                Shared::open(&path)?
            }
            other => other?,
        };
        let shared = Arc::new(shared);
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| failed(error.to_string()))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)) })
    }

    /// Whether what is counted cannot be written now.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// Writes what is left and closes the file.
    pub fn close(&self) {
        *self.shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
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

impl QuotaStore for Embedded {
    fn meter(&self, plan: &str, key: &str) -> Arc<Meter> {
        self.shared.meters.meter(plan, key)
    }

    fn meters(&self, plan: &str) -> Vec<(Box<str>, Arc<Meter>)> {
        self.shared.meters.meters(plan)
    }
}

impl Shared {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let error = |reason: String, damaged: bool| OpenError { path: path.display().to_string(), reason, damaged };
        let database = Database::create(path).map_err(|cause| {
            let damaged = match &cause {
                redb::DatabaseError::Storage(redb::StorageError::Io(io)) => {
                    matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
                }
                redb::DatabaseError::Storage(redb::StorageError::Corrupted(_)) => true,
                _ => false,
            };
            error(cause.to_string(), damaged)
        })?;
        let meters = Memory::default();
        let loaded = load(&database, &meters).map_err(|cause| error(cause.to_string(), matches!(&*cause, redb::Error::Corrupted(_))))?;
        if loaded > VERSION {
            return Err(error(format!("written by a newer version (format {loaded}, known is {VERSION})"), false));
        }
        Ok(Self {
            meters,
            database: Mutex::new(Some(database)),
            path: path.to_owned(),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            failing: AtomicBool::new(false),
        })
    }

    fn run(&self) {
        let mut wait = INTERVAL;
        loop {
            let stop = {
                let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
                let (stop, _) = self.wake.wait_timeout_while(stop, wait, |stop| !*stop).unwrap_or_else(PoisonError::into_inner);
                *stop
            };
            wait = match self.write() {
                Ok(()) => {
                    if self.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("usage is written again to {}", self.path.display());
                    }
                    INTERVAL
                }
                Err(reason) => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!("usage cannot be written to {}, counting goes on in memory: {reason}", self.path.display());
                    }
                    AGAIN
                }
            };
            if stop {
                self.database.lock().unwrap_or_else(PoisonError::into_inner).take();
                return;
            }
        }
    }

    /// Writes every meter that changed, all or none.
    fn write(&self) -> Result<(), String> {
        let changed: Vec<_> =
            self.meters.all().into_iter().filter_map(|(name, meter)| Some((name, meter.take_changes()?, meter))).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &*database {
            Some(database) => store(database, &changed).map_err(|error| error.to_string()),
            None => Err("the file is closed".to_owned()),
        };
        if written.is_ok() {
            changed.iter().for_each(|(_, usage, meter)| meter.kept(usage));
        } else {
            changed.iter().for_each(|(.., meter)| meter.untaken());
            // After an error of the disk the file has to be opened anew.
            *database = None;
            *database = Database::create(&self.path).ok();
        }
        written
    }
}

type Changed = (Name, Usage, Arc<Meter>);

fn store(database: &Database, changed: &[Changed]) -> Result<(), Box<redb::Error>> {
    let boxed = |error: redb::Error| Box::new(error);
    let transaction = database.begin_write().map_err(|error| boxed(error.into()))?;
    {
        let mut windows = transaction.open_table(WINDOWS).map_err(|error| boxed(error.into()))?;
        let mut days = transaction.open_table(DAYS).map_err(|error| boxed(error.into()))?;
        for ((plan, key), usage, _) in changed {
            if let Some(Window { start, used, granted, first }) = usage.window {
                windows.insert((&**plan, &**key), (start, used, granted, first)).map_err(|error| boxed(error.into()))?;
            }
            for (day, count) in &usage.days {
                days.insert((&**plan, &**key, *day), count).map_err(|error| boxed(error.into()))?;
            }
        }
    }
    transaction.commit().map_err(|error| boxed(error.into()))
}

/// Reads everything into the meters; the version of what was read.
fn load(database: &Database, meters: &Memory) -> Result<u64, Box<redb::Error>> {
    let boxed = |error: redb::Error| Box::new(error);
    let transaction = database.begin_write().map_err(|error| boxed(error.into()))?;
    let version = {
        let mut meta = transaction.open_table(META).map_err(|error| boxed(error.into()))?;
        let known = meta.get("version").map_err(|error| boxed(error.into()))?.map(|value| value.value());
        if known.is_none() {
            meta.insert("version", VERSION).map_err(|error| boxed(error.into()))?;
        }
        transaction.open_table(WINDOWS).map_err(|error| boxed(error.into()))?;
        transaction.open_table(DAYS).map_err(|error| boxed(error.into()))?;
        known.unwrap_or(VERSION)
    };
    transaction.commit().map_err(|error| boxed(error.into()))?;
    if version > VERSION {
        return Ok(version);
    }
    let transaction = database.begin_read().map_err(|error| boxed(error.into()))?;
    let mut usages = std::collections::HashMap::<(Box<str>, Box<str>), Usage>::new();
    let windows = transaction.open_table(WINDOWS).map_err(|error| boxed(error.into()))?;
    for row in windows.iter().map_err(|error| boxed(error.into()))? {
        let (name, value) = row.map_err(|error| boxed(error.into()))?;
        let ((plan, key), (start, used, granted, first)) = (name.value(), value.value());
        usages.entry((plan.into(), key.into())).or_default().window = Some(Window { start, used, granted, first });
    }
    let days = transaction.open_table(DAYS).map_err(|error| boxed(error.into()))?;
    for row in days.iter().map_err(|error| boxed(error.into()))? {
        let (name, value) = row.map_err(|error| boxed(error.into()))?;
        let (plan, key, day) = name.value();
        usages.entry((plan.into(), key.into())).or_default().days.insert(day, value.value());
    }
    for ((plan, key), usage) in usages {
        meters.meter(&plan, &key).restore(usage);
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::quota::{Period, Quota};

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

    #[test]
    fn what_was_counted_is_there_again() {
        let directory = Directory::new();
        let store = Embedded::open(&directory.0, 0).unwrap();
        for _ in 0..4 {
            assert!(store.meter("gold", "k1").spend(Some(&QUOTA), 86_400 * 40));
        }
        store.close();
        drop(store);
        let store = Embedded::open(&directory.0, 0).unwrap();
        assert_eq!(store.meter("gold", "k1").remaining(&QUOTA, 86_400 * 40), 6);
        assert_eq!(store.meters("gold").len(), 1);
        assert_eq!(store.meter("gold", "k1").usage().days.get(&40), Some(&4));
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_never_deleted() {
        let directory = Directory::new();
        std::fs::create_dir_all(&directory.0).unwrap();
        std::fs::write(directory.0.join("usage.redb"), b"this is no database at all, whatever its name says").unwrap();
        let store = Embedded::open(&directory.0, 77).unwrap();
        assert!(store.meter("p", "k").spend(None, 0));
        assert!(directory.0.join("usage.redb.damaged-77").is_file());
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_said() {
        let directory = Directory::new();
        std::fs::write(&directory.0, b"a file").unwrap();
        let error = Embedded::open(&directory.0, 0).unwrap_err().to_string();
        assert!(error.contains("headgate-store-"), "{error}");
        std::fs::remove_file(&directory.0).unwrap();
    }
}
