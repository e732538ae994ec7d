//! `headgate routes`.

use serde_json::{Value, json};

use super::args::{Check, Format};
use super::check::load;
use super::{DONE, REFUSED, output};
use crate::snapshot::{Access, AuthorizerEvent, Operation, Release, Stage};

/// Prints every method of every stage.
pub(super) fn routes(arguments: &Check) -> u8 {
    let (compiled, problems, _) = load(&arguments.config.config);
    let Some((_, snapshot)) = compiled.filter(|_| !problems.has_errors()) else {
        output::err(&problems.to_text());
        return REFUSED;
    };
    let rows: Vec<Row> = snapshot.stages.iter().flat_map(|stage| rows(stage)).collect();
    match arguments.format {
        Format::Json => output::out(&format!("{:#}\n", json!(rows.iter().map(to_json).collect::<Vec<_>>()))),
        Format::Text => {
            output::out(&output::table(HEADINGS, rows));
            let set = snapshot.stages.iter().flat_map(|stage| stage.set_at_run_time.iter().map(move |told| (stage, told)));
            set.for_each(|(stage, told)| output::out(&format!("{}: set at run time: {told}\n", stage.release.facts.api_id)));
        }
    }
    DONE
}

/// One line of the table.
type Row = [String; 11];

const HEADINGS: [&str; 11] =
    ["API", "STAGE", "DEPLOYMENT", "METHOD", "PATH", "INTEGRATION", "AUTHORIZATION", "KEY", "THROTTLE", "CACHE", "NOTE"];

fn to_json(row: &Row) -> Value {
    HEADINGS.iter().zip(row).map(|(heading, cell)| (heading.to_ascii_lowercase(), Value::from(cell.as_str()))).collect()
}

/// The methods of a stage, and those of its canary.
fn rows(stage: &Stage) -> Vec<Row> {
    let by_operator = if stage.set_at_run_time.is_empty() { None } else { Some("set at run time".to_owned()) };
    let of_canary = stage.canary.as_ref().map(|canary| (&canary.release, Some(format!("canary, {} percent", canary.percent_traffic))));
    let sides = std::iter::once((&stage.release, None)).chain(of_canary);
    let rows = sides.flat_map(|(release, side)| {
        let by_operator = by_operator.clone();
        release.operations.iter().map(move |operation| {
            let streams = operation.streams.then(|| "streams".to_owned());
            let note: Vec<String> = [side.clone(), streams, by_operator.clone()].into_iter().flatten().collect();
            row(release, operation, note.join("; "))
        })
    });
    rows.collect()
}

fn row(release: &Release, operation: &Operation, note: String) -> Row {
    let uri = operation.integration.uri.as_ref().map(|uri| format!(" {}", uri.value)).unwrap_or_default();
    let authorization = match &operation.access {
        Access::Open => "NONE",
        Access::Iam => "AWS_IAM",
        Access::Authorizer(authorizer, _) => match authorizer.event {
            AuthorizerEvent::Token | AuthorizerEvent::Request(_) => "CUSTOM",
            AuthorizerEvent::CognitoToken => "COGNITO_USER_POOLS",
            AuthorizerEvent::Jwt => "JWT",
        },
        Access::Nobody => "nobody",
    };
    [
        release.facts.api_id.to_string(),
        release.facts.stage.to_string(),
        release.facts.deployment_id.to_string(),
        operation.method_name.to_string(),
        operation.resource.path.to_string(),
        format!("{}{uri}", operation.integration.integration_type.name()),
        authorization.to_owned(),
        if operation.api_key_required { "required" } else { "" }.to_owned(),
        operation.throttle.as_ref().map_or_else(String::new, |bucket| bucket.to_string()),
        operation.cache.as_ref().map_or_else(String::new, |cache| format!("{} s", cache.ttl_seconds)),
        note,
    ]
}
