//! Deployments and what stages serve: written atomically, never overwritten, never deleted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::apigateway::stage::{CanarySettings, Stage};
use crate::config::state::{
    ApiFiles, CanaryState, Change, StageState, Stages, StoredCanary, StoredDeployment, deployment, deployment_path, stage_key, stages,
};

/// Keeps the API as its files have it now; its id. The same content is the same deployment.
///
/// # Errors
/// When the state directory cannot be written.
pub fn create(directory: &Path, api: &ApiFiles, description: &str, now_seconds: u64) -> io::Result<String> {
    keep(directory, &StoredDeployment::of(api, description, now_seconds))
}

/// Keeps a deployment. One that is there already stays as it is; only what cannot be read any more is moved aside.
///
/// # Errors
/// When the state directory cannot be written, or other content has this id.
pub fn keep(directory: &Path, stored: &StoredDeployment) -> io::Result<String> {
    let path = deployment_path(directory, &stored.id);
    if path.is_file() {
        match deployment(directory, &stored.id) {
            Ok(known) if (&known.files, &known.rest_api_id) == (&stored.files, &stored.rest_api_id) => return Ok(known.id),
            Ok(_) => return Err(io::Error::other(format!("another deployment has the id {}", stored.id))),
            Err(error) => {
                tracing::warn!("{error}; it was moved aside, and is written anew");
                std::fs::rename(&path, path.with_extension(format!("json.damaged-{}", stored.created_date)))?;
            }
        }
    }
    write(&path, &serde_json::to_vec(stored)?)?;
    Ok(stored.id.clone())
}

/// Writes a file whole or not at all: under another name first, then in the place of the old one, with everything on the disk.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{:016x}.unfinished", fastrand::u64(..)));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&unfinished, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    placed?;
    File::open(directory)?.sync_all()
}

/// The deployments of an API, oldest first. One that is damaged is passed over with a message.
#[must_use]
pub fn list(directory: &Path, api: &str) -> Vec<StoredDeployment> {
    let entries = std::fs::read_dir(directory.join("deployments")).into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
    let mut found: Vec<StoredDeployment> = ids
        .filter_map(|id| deployment(directory, &id).map_err(|error| tracing::warn!("{error}")).ok())
        .filter(|stored| stored.rest_api_id == api)
        .collect();
    found.sort_by(|a, b| (a.created_date, &a.id).cmp(&(b.created_date, &b.id)));
    found
}

/// One change of what stages serve at a time, in whichever process: the guard of the file that says so.
fn alone(directory: &Path) -> io::Result<File> {
    std::fs::create_dir_all(directory)?;
    let file = File::options().create(true).append(true).open(directory.join("stages.lock"))?;
    file.lock()?;
    Ok(file)
}

/// A change of what a stage serves.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// The state directory.
    pub directory: &'p Path,
    /// The API.
    pub api: &'p str,
    /// Its stage.
    pub stage: &'p str,
    /// When, in seconds since 1970.
    pub now_seconds: u64,
}

/// Changes what a stage serves, records that, and lets it be served. What cannot be served is taken back.
///
/// # Errors
/// When the state directory cannot be read or written, or `how` or `serve` refuses.
pub fn change<T>(
    place: Place<'_>,
    action: &str,
    how: impl FnOnce(&mut StageState) -> Result<(), String>,
    serve: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let Place { directory, api, stage, now_seconds } = place;
    let _alone = alone(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let before = stages(directory)?;
    let mut after = before.clone();
    let state = after.0.entry(stage_key(api, stage)).or_default();
    let was_files = state.deployment_id.is_none();
    how(state)?;
    let serving = match &state.deployment_id {
        // It goes on to serve the files, under the id that the last reload gave them.
        None if was_files => state.history.last().and_then(|last| last.deployment_id.clone()),
        other => other.clone(),
    };
    record(state, action, serving, now_seconds);
    write_stages(directory, &after)?;
    serve().inspect_err(|_| {
        if let Err(error) = write_stages(directory, &before) {
            tracing::error!("the change could not be taken back: {error}");
        }
    })
}

fn record(state: &mut StageState, action: &str, deployment_id: Option<String>, date: u64) {
    let variables = state.variables.clone();
    state.history.push(Change { date, action: action.to_owned(), deployment_id, variables });
}

fn write_stages(directory: &Path, stages: &Stages) -> Result<(), String> {
    let path = directory.join("stages.json");
    let bytes = serde_json::to_vec_pretty(stages).map_err(|error| error.to_string())?;
    write(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// Records that stages which serve their files serve other content from now on, so that there is a way back to what they served before.
///
/// # Errors
/// When the state directory cannot be read or written.
pub fn reloaded(directory: &Path, before: &StoredDeployment, after: &StoredDeployment, stages_of_files: &[String]) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    keep(directory, before).map_err(failed)?;
    keep(directory, after).map_err(failed)?;
    let _alone = alone(directory).map_err(failed)?;
    let mut all = stages(directory)?;
    for name in stages_of_files {
        let state = all.0.entry(stage_key(&after.rest_api_id, name)).or_default();
        if state.deployment_id.is_some() {
            continue;
        }
        if state.history.last().is_none_or(|last| last.deployment_id.as_ref() != Some(&before.id)) {
            record(state, "start", Some(before.id.clone()), before.created_date);
        }
        record(state, "reload", Some(after.id.clone()), after.created_date);
    }
    write_stages(directory, &all)
}

/// Lets a stage serve a deployment, with the variables that it had when it served it last.
pub fn serve(state: &mut StageState, id: &str) {
    let served = state.history.iter().rev().find(|change| change.deployment_id.as_deref() == Some(id));
    if let Some(served) = served {
        state.variables.clone_from(&served.variables);
    }
    state.deployment_id = Some(id.to_owned());
}

/// Lets a stage serve its files as they are.
pub fn serve_files(state: &mut StageState) {
    state.deployment_id = None;
    state.variables = BTreeMap::new();
}

/// Goes back to what a stage served before what it serves now.
///
/// # Errors
/// When it never served anything else.
pub fn roll_back(state: &mut StageState) -> Result<(), String> {
    let now = state.history.last().and_then(|last| last.deployment_id.clone());
    let before = state.history.iter().rev().map(|change| change.deployment_id.clone()).find(|id| *id != now);
    match before {
        Some(Some(id)) => serve(state, &id),
        Some(None) => serve_files(state),
        // Before the first deployment the files were served.
        None if state.deployment_id.is_some() => serve_files(state),
        None => return Err("this stage never served another deployment".to_owned()),
    }
    Ok(())
}

/// A canary as the state directory keeps it.
#[must_use]
pub fn stored(settings: &CanarySettings) -> StoredCanary {
    StoredCanary {
        percent_traffic: settings.percent_traffic,
        deployment_id: settings.deployment.as_ref().map(|deployment| deployment.id.clone()),
        stage_variable_overrides: settings.stage_variable_overrides.clone().into_iter().collect(),
        use_stage_cache: settings.use_stage_cache,
        sticky_by: settings.sticky_by.as_ref().map(ToString::to_string),
    }
}

/// Whether a new deployment of a stage is its canary's: while there is one that has traffic, as at API Gateway.
#[must_use]
pub fn goes_to_canary(stage: &Stage) -> bool {
    stage.canary.as_ref().is_some_and(|canary| canary.percent_traffic > 0.0)
}

/// A stage gets a new deployment, or its canary does.
pub fn deploy(state: &mut StageState, stage: &Stage, id: &str) {
    match stage.canary.as_ref().filter(|_| goes_to_canary(stage)) {
        Some(canary) => state.canary = CanaryState::ByOperator(StoredCanary { deployment_id: Some(id.to_owned()), ..stored(canary) }),
        None => state.deployment_id = Some(id.to_owned()),
    }
}

/// Starts a canary, or replaces the one that is there.
///
/// # Errors
/// When the share is none.
pub fn set_canary(state: &mut StageState, canary: StoredCanary) -> Result<(), String> {
    if !(0.0..=100.0).contains(&canary.percent_traffic) {
        return Err("percentTraffic is from 0 to 100".to_owned());
    }
    state.canary = CanaryState::ByOperator(canary);
    Ok(())
}

/// Makes the canary's deployment and variables the stage's own. The canary stays with no traffic, as at API Gateway.
///
/// # Errors
/// When there is none.
pub fn promote(state: &mut StageState, canary: StoredCanary) -> Result<(), String> {
    if let Some(id) = &canary.deployment_id {
        state.deployment_id = Some(id.clone());
    }
    state.variables.extend(canary.stage_variable_overrides.clone());
    set_canary(state, StoredCanary { percent_traffic: 0.0, ..canary })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(std::path::PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn directory() -> Directory {
        Directory(std::env::temp_dir().join(format!("headgate-deployments-{}-{:x}", std::process::id(), fastrand::u64(..))))
    }

    fn place(directory: &Directory) -> Place<'_> {
        Place { directory: &directory.0, api: "shop", stage: "prod", now_seconds: 0 }
    }

    fn serving(directory: &Directory) -> Option<String> {
        stages(&directory.0).unwrap().0.remove("shop/prod").and_then(|state| state.deployment_id)
    }

    fn deployed(text: &str) -> StoredDeployment {
        let source = crate::document::Source::new("x/api.yaml", text.to_owned());
        let id = crate::config::state::files_id("shop", "", &[source]);
        let files = [("api.yaml".to_owned(), text.to_owned())].into();
        StoredDeployment {
            id,
            rest_api_id: "shop".into(),
            created_date: 7,
            description: String::new(),
            definition: "api.yaml".into(),
            basepath: String::new(),
            files,
        }
    }

    fn set(directory: &Directory, id: &str) {
        let how = |state: &mut StageState| {
            state.deployment_id = Some(id.to_owned());
            Ok(())
        };
        change(place(directory), "create", how, || Ok(())).unwrap();
    }

    fn back(directory: &Directory) -> Result<(), String> {
        change(place(directory), "rollback", roll_back, || Ok(()))
    }

    #[test]
    fn a_stage_goes_back_to_what_it_served_before() {
        let directory = directory();
        assert!(back(&directory).is_err());
        for id in ["a", "b", "b"] {
            set(&directory, id);
        }
        back(&directory).unwrap();
        assert_eq!(serving(&directory).as_deref(), Some("a"));
        back(&directory).unwrap();
        assert_eq!(serving(&directory).as_deref(), Some("b"), "what it served before is b again");
    }

    #[test]
    fn before_the_first_deployment_were_the_files() {
        let directory = directory();
        set(&directory, "a");
        back(&directory).unwrap();
        assert_eq!(serving(&directory), None);
    }

    #[test]
    fn a_reload_is_recorded_and_can_be_gone_back_from() {
        let directory = directory();
        let (first, second) = (deployed("1"), deployed("2"));
        reloaded(&directory.0, &first, &second, &["prod".into(), "dev".into()]).unwrap();
        assert_eq!(list(&directory.0, "shop").len(), 2);
        change(place(&directory), "canary set", |state| set_canary(state, StoredCanary::default()), || Ok(())).unwrap();
        back(&directory).unwrap();
        assert_eq!(serving(&directory), Some(first.id.clone()));
        assert_eq!(stages(&directory.0).unwrap().0["shop/dev"].history.len(), 2);
        reloaded(&directory.0, &second, &first, &["prod".into()]).unwrap();
        assert_eq!(stages(&directory.0).unwrap().0["shop/prod"].history.len(), 4, "it does not serve the files");
    }

    #[test]
    fn what_cannot_be_served_is_taken_back() {
        let directory = directory();
        set(&directory, "a");
        let how = |state: &mut StageState| {
            state.deployment_id = Some("bad".into());
            Ok(())
        };
        assert_eq!(change(place(&directory), "create", how, || Err::<(), _>("no".to_owned())), Err("no".to_owned()));
        assert_eq!(serving(&directory).as_deref(), Some("a"));
        assert_eq!(stages(&directory.0).unwrap().0["shop/prod"].history.len(), 1);
    }

    #[test]
    fn changes_of_many_processes_are_all_kept() {
        let directory = directory();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let directory = &directory;
                scope.spawn(move || (0..10).for_each(|_| set(directory, &number.to_string())));
            }
        });
        assert_eq!(stages(&directory.0).unwrap().0["shop/prod"].history.len(), 80);
    }

    #[test]
    fn a_damaged_deployment_is_moved_aside_and_written_anew() {
        let directory = directory();
        let stored = deployed("1");
        keep(&directory.0, &stored).unwrap();
        let path = deployment_path(&directory.0, &stored.id);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(deployment(&directory.0, &stored.id).is_err());
        keep(&directory.0, &stored).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert!(path.with_extension("json.damaged-7").is_file());
    }

    #[test]
    fn promoting_moves_the_canary_to_the_stage_and_going_back_takes_its_variables_away() {
        let mut state = StageState { deployment_id: Some("old".into()), ..StageState::default() };
        record(&mut state, "create", Some("old".into()), 0);
        let canary = StoredCanary {
            percent_traffic: 10.0,
            deployment_id: Some("new".into()),
            stage_variable_overrides: [("a".to_owned(), "1".to_owned())].into(),
            ..StoredCanary::default()
        };
        promote(&mut state, canary).unwrap();
        record(&mut state, "canary promote", Some("new".into()), 0);
        assert_eq!((state.deployment_id.as_deref(), state.variables.get("a").map(String::as_str)), (Some("new"), Some("1")));
        assert!(matches!(&state.canary, CanaryState::ByOperator(canary) if canary.percent_traffic == 0.0));
        assert!(set_canary(&mut state, StoredCanary { percent_traffic: 101.0, ..StoredCanary::default() }).is_err());
        roll_back(&mut state).unwrap();
        assert_eq!((state.deployment_id.as_deref(), state.variables.len()), (Some("old"), 0));
        serve(&mut state, "new");
        assert_eq!(state.variables.len(), 1);
    }
}
