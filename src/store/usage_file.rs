//! The file behind quotas: what is written in it, and how it is read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

use super::quota::{KEPT_DAYS, Usage, Window};

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
    pub(super) is_damaged: bool,
}

impl OpenError {
    pub(super) fn new(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self { path: path.display().to_string(), reason: reason.to_string(), is_damaged: false }
    }
}

/// An error of the file; boxed, since it is large.
type Error = Box<redb::Error>;

fn boxed<E: Into<redb::Error>>(error: E) -> Error {
    Box::new(error.into())
}

/// The open file.
#[derive(Debug)]
pub(super) struct UsageFile {
    database: Database,
    /// Whether nothing was in it.
    pub(super) is_new: bool,
}

impl UsageFile {
    /// Opens a file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |reason: &dyn std::fmt::Display, is_damaged: bool| OpenError { is_damaged, ..OpenError::new(path, reason) };
        // The library returns errors where it can; a file that nobody wrote may still break one of its assertions.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Database::create(path).map_err(|error| failed(&error, is_damaged(&error)))?;
            let prepared = prepare(&database).map_err(|error| failed(&error, matches!(&*error, redb::Error::Corrupted(_))))?;
            Ok((database, prepared))
        }));
        let (database, (version, is_new)) = opened.unwrap_or_else(|_| Err(failed(&"its content is none that was written here", true)))?;
        if version > VERSION {
            return Err(failed(&format!("written by a newer version (format {version}, known is {VERSION})"), false));
        }
        Ok(Self { database, is_new })
    }

    fn read_tables(&self) -> Result<Tables, Error> {
        let transaction = self.database.begin_read().map_err(boxed)?;
        Ok(Tables { windows: transaction.open_table(WINDOWS).map_err(boxed)?, days: transaction.open_table(DAYS).map_err(boxed)? })
    }

    /// The window of a key, and its newest day.
    pub(super) fn read(&self, plan: &str, key: &str) -> Result<Usage, Error> {
        let tables = self.read_tables()?;
        let mut newest = tables.days.range((plan, key, 0)..=(plan, key, u32::MAX)).map_err(boxed)?;
        let mut usage = Usage { window: tables.window(plan, key)?, ..Usage::default() };
        if let Some(row) = newest.next_back() {
            let (name, count) = row.map_err(boxed)?;
            usage.days.insert(name.value().2, count.value());
        }
        Ok(usage)
    }

    /// What the keys of a plan used on some days.
    pub(super) fn usage(&self, plan: &str, key: Option<&str>, days: &RangeInclusive<u32>) -> Result<BTreeMap<Box<str>, Usage>, Error> {
        let tables = self.read_tables()?;
        let mut told = BTreeMap::<Box<str>, Usage>::new();
        let first = key.map_or((plan, "", 0), |key| (plan, key, *days.start()));
        for row in tables.days.range(first..).map_err(boxed)? {
            let (name, count) = row.map_err(boxed)?;
            let (of_plan, of_key, day) = name.value();
            if of_plan != plan || key.is_some_and(|key| of_key != key) {
                break;
            }
            let usage = match told.get_mut(of_key) {
                Some(usage) => usage,
                None => told.entry(of_key.into()).or_insert(Usage { window: tables.window(plan, of_key)?, ..Usage::default() }),
            };
            if days.contains(&day) {
                usage.days.insert(day, count.value());
            }
        }
        Ok(told)
    }

    /// Writes what keys used, all or nothing: it is on the disk when this returns.
    pub(super) fn write<'u>(&self, changed: impl Iterator<Item = (&'u str, &'u str, &'u Usage)>) -> Result<(), Error> {
        let transaction = self.database.begin_write().map_err(boxed)?;
        for_each_row(&transaction, changed)?;
        transaction.commit().map_err(boxed)
    }
}

struct Tables {
    windows: ReadOnlyTable<(&'static str, &'static str), (u32, u64, i64, u32)>,
    days: ReadOnlyTable<(&'static str, &'static str, u32), u64>,
}

impl Tables {
    fn window(&self, plan: &str, key: &str) -> Result<Option<Window>, Error> {
        let row = self.windows.get((plan, key)).map_err(boxed)?.map(|row| row.value());
        Ok(row.map(|(start, used, granted, first)| Window { start, used, granted, first }))
    }
}

fn for_each_row<'u>(transaction: &WriteTransaction, changed: impl Iterator<Item = (&'u str, &'u str, &'u Usage)>) -> Result<(), Error> {
    let mut windows = transaction.open_table(WINDOWS).map_err(boxed)?;
    let mut days = transaction.open_table(DAYS).map_err(boxed)?;
    for (plan, key, usage) in changed {
        if let Some(Window { start, used, granted, first }) = usage.window {
            windows.insert((plan, key), (start, used, granted, first)).map_err(boxed)?;
        }
        for (day, count) in &usage.days {
            let is_new = days.insert((plan, key, *day), count).map_err(boxed)?.is_none();
            if is_new {
                // Once a day, what is older than anybody may ask for goes.
                let oldest = day.saturating_sub(KEPT_DAYS);
                days.retain_in((plan, key, 0)..(plan, key, oldest), |_, _| false).map_err(boxed)?;
            }
        }
    }
    Ok(())
}

/// Makes the tables where they are not, and reads all windows once, so that damage shows now. The version, and whether it is a new file.
fn prepare(database: &Database) -> Result<(u64, bool), Error> {
    let transaction = database.begin_write().map_err(boxed)?;
    let known = {
        let mut meta = transaction.open_table(META).map_err(boxed)?;
        let known = meta.get("version").map_err(boxed)?.map(|value| value.value());
        match known {
            None => drop(meta.insert("version", VERSION).map_err(boxed)?),
            Some(newer) if newer > VERSION => return Ok((newer, false)),
            Some(_) => {}
        }
        transaction.open_table(DAYS).map_err(boxed)?;
        let windows = transaction.open_table(WINDOWS).map_err(boxed)?;
        for row in windows.iter().map_err(boxed)? {
            row.map_err(boxed)?;
        }
        known
    };
    transaction.commit().map_err(boxed)?;
    Ok((known.unwrap_or(VERSION), known.is_none()))
}

fn is_damaged(error: &redb::DatabaseError) -> bool {
    match error {
        redb::DatabaseError::Storage(redb::StorageError::Io(io)) => {
            matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
        }
        redb::DatabaseError::Storage(redb::StorageError::Corrupted(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_newer_version_is_refused_and_stays_as_it_is() {
        let path = std::env::temp_dir().join(format!("headgate-usage-{}-{:x}.redb", std::process::id(), fastrand::u64(..)));
        {
            let file = UsageFile::open(&path).unwrap();
            assert!(file.is_new);
            let transaction = file.database.begin_write().unwrap();
            transaction.open_table(META).unwrap().insert("version", VERSION + 1).unwrap();
            transaction.commit().unwrap();
        }
        let error = UsageFile::open(&path).unwrap_err();
        assert!(error.to_string().contains("newer version") && !error.is_damaged, "{error}");
        std::fs::remove_file(&path).unwrap();
    }
}
