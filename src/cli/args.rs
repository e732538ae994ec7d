//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Amazon API Gateway that you run yourself.
#[derive(Debug, Parser)]
#[command(
    name = "headgate",
    version,
    about,
    max_term_width = 100,
    after_help = "Begin with `headgate check --config gateway.yaml`, then `headgate run --config gateway.yaml`."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve traffic.
    #[command(after_help = "Example: headgate run --config gateway.yaml --watch")]
    Run(Run),
    /// Load everything that `run` would and show every problem at once.
    #[command(after_help = "Exits with 1 if any problem is an error. Notes name what is read but not served yet.")]
    Check(Check),
    /// Show the compiled routing table.
    Routes(Check),
    /// Run one request through the whole pipeline without a listener and show each step.
    #[command(after_help = "Example: headgate invoke --api petstore --stage prod GET '/pets/7?verbose=1' -H 'Accept: application/json'")]
    Invoke(Invoke),
    /// Work with mapping templates.
    Template(Template),
    /// Show what each API key used of a usage plan, or grant it more.
    #[command(after_help = "Example: headgate usage --plan gold --key k1 --from 2026-01-01 --format csv")]
    Usage(Usage),
    /// Ask the running gateway to read its configuration anew.
    Reload(Reload),
    /// Show the version.
    Version,
    /// Print a shell's completion script.
    Completion(Completion),
}

#[derive(Debug, Args)]
pub(super) struct Config {
    /// The configuration; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) config: Config,
    /// Reload when a file that was read changes.
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) config: Config,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Invoke {
    #[command(flatten)]
    pub(super) config: Config,
    /// The API's id.
    #[arg(long, value_name = "ID")]
    pub(super) api: String,
    /// The stage's name.
    #[arg(long, value_name = "NAME")]
    pub(super) stage: String,
    /// The HTTP method.
    pub(super) method: String,
    /// The path below the stage, with its query string.
    pub(super) path: String,
    /// A header field, `name: value`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    pub(super) headers: Vec<String>,
    /// The content; `@FILE` reads it, `-` is standard input.
    #[arg(short = 'd', long = "data", value_name = "BODY", default_value = "")]
    pub(super) data: String,
}

#[derive(Debug, Args)]
pub(super) struct Template {
    #[command(subcommand)]
    pub(super) command: TemplateCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Render a template as API Gateway would.
    Render(Render),
}

#[derive(Debug, Args)]
pub(super) struct Render {
    /// The template; `-` is standard input.
    #[arg(required_unless_present = "batch")]
    pub(super) file: Option<PathBuf>,
    /// The payload.
    #[arg(long, value_name = "FILE")]
    pub(super) body: Option<PathBuf>,
    /// `$context` as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) context: Option<PathBuf>,
    /// `{"path": {}, "querystring": {}, "header": {}}` as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) params: Option<PathBuf>,
    /// `$stageVariables` as JSON.
    #[arg(long = "stage-variables", value_name = "FILE")]
    pub(super) stage_variables: Option<PathBuf>,
    /// Show each directive with the values that it saw, on standard error.
    #[arg(long)]
    pub(super) trace: bool,
    /// Render JSON lines instead, one result a line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "body", "context", "params", "stage_variables", "trace"])]
    pub(super) batch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    pub(super) config: Config,
}

/// How usage is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum UsageFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct Usage {
    #[command(flatten)]
    pub(super) config: Config,
    /// The usage plan's id.
    #[arg(long, value_name = "ID")]
    pub(super) plan: String,
    /// Only this key.
    #[arg(long, value_name = "ID")]
    pub(super) key: Option<String>,
    /// The first day, such as 2026-01-31; 30 days before the last unless given.
    #[arg(long, value_name = "DAY")]
    pub(super) from: Option<String>,
    /// The last day; today unless given.
    #[arg(long, value_name = "DAY")]
    pub(super) to: Option<String>,
    /// Make this what the key has left of its current period.
    #[arg(long, value_name = "N", requires = "key")]
    pub(super) remaining: Option<u64>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: UsageFormat,
}

#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell.
    pub(super) shell: clap_complete::Shell,
}
