//! `headgate routes`.

use serde_json::{Value, json};

use super::args::{Check, Format};
use super::check::load;
use super::{DONE, REFUSED, output};
use crate::snapshot::{Access, AuthorizerEvent, Snapshot};

/// Prints every method of every stage.
pub(super) fn routes(arguments: &Check) -> u8 {
    let (compiled, problems, _) = load(&arguments.config.config);
    let Some((_, snapshot)) = compiled.filter(|_| !problems.has_errors()) else {
        output::err(&problems.to_text());
        return REFUSED;
    };
    let rows = rows(&snapshot);
    match arguments.format {
        Format::Json => output::out(&format!("{:#}\n", json!(rows.iter().map(Row::to_json).collect::<Vec<_>>()))),
        Format::Text => output::out(&table(&rows)),
    }
    DONE
}

/// One line of the table.
struct Row([String; 11]);

const HEADINGS: [&str; 11] =
    ["API", "STAGE", "DEPLOYMENT", "METHOD", "PATH", "INTEGRATION", "AUTHORIZATION", "KEY", "THROTTLE", "CACHE", "NOTE"];

impl Row {
    fn to_json(&self) -> Value {
        let [api, stage, deployment, method, path, integration, authorization, key, throttle, cache, note] = &self.0;
        json!({
            "api": api, "stage": stage, "deployment": deployment, "method": method, "path": path, "integration": integration,
            "authorization": authorization, "key": key, "throttle": throttle, "cache": cache, "note": note,
        })
    }
}

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for stage in &snapshot.stages {
        let release = &stage.release;
        for operation in &release.operations {
            let uri = operation.integration.uri.as_ref().map(|uri| format!(" {}", uri.value)).unwrap_or_default();
            let authorization = match &operation.access {
                Access::Open => "NONE",
                Access::Iam => "AWS_IAM",
                Access::Authorizer(authorizer, _) => match authorizer.event {
                    AuthorizerEvent::Token | AuthorizerEvent::Request => "CUSTOM",
                    AuthorizerEvent::CognitoToken => "COGNITO_USER_POOLS",
                    AuthorizerEvent::Jwt => "JWT",
                },
                Access::Nobody => "nobody",
            };
            let note = if operation.streams { "streams" } else { "" }.to_owned();
            rows.push(Row([
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
            ]));
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let headings = Row(HEADINGS.map(str::to_owned));
    let all = || std::iter::once(&headings).chain(rows);
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| all().filter_map(|row| row.0.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in all() {
        let cells: Vec<String> = row.0.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
