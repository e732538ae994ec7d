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
    #[command(
        long_about = "Serve traffic until SIGTERM.\n\nEverything is loaded and compiled first: with any error nothing is served, and all problems are printed. SIGHUP or `headgate reload` reads the files anew, SIGTERM lets what is under way end, SIGINT does the same and ends at once when it comes again. HEADGATE_LOG says how much is told on standard error: error, warn, info, debug."
    )]
    #[command(after_help = "Example: headgate run --config gateway.yaml --watch")]
    Run(Run),
    /// Load everything that `run` would and show every problem at once.
    #[command(
        after_help = "Exits with 1 if any problem is an error. Notes name what is read but not served yet.\nExample: headgate check --format json | jq '.problems[] | select(.severity == \"error\")'"
    )]
    Check(Check),
    /// Show the compiled routing table.
    #[command(
        long_about = "Show the compiled routing table: every method of every stage with the deployment that serves it, its integration, who may call it, its throttle and its cache. `streams` stands beside methods whose contents pass without being held in memory."
    )]
    #[command(after_help = "Example: headgate routes --format json | jq -r '.[] | select(.authorization == \"NONE\") | .path'")]
    Routes(Check),
    /// Run one request through the whole pipeline without a listener and show each step.
    #[command(
        long_about = "Run one request through the whole pipeline without a listener and show each step.\n\nThe log, in the form of API Gateway's TestInvokeMethod, goes to standard error, the response to standard output; with `--format json` everything is one object there: status, headers, multiValueHeaders, body, latency, log. Endpoints, functions and authorizers are really called. Exits with 1 if the status is 500 or more."
    )]
    #[command(after_help = "Example: headgate invoke --api petstore --stage prod GET '/pets/7?verbose=1' -H 'Accept: application/json'")]
    Invoke(Invoke),
    /// Work with mapping templates.
    Template(Template),
    /// Keep, compare and go back to versions of an API.
    #[command(after_help = "Example: headgate deployment create --api petstore --stage prod --description 'new prices'")]
    Deployment(Deployment),
    /// Let a share of a stage's requests see another deployment or other variables.
    #[command(after_help = "Example: headgate canary --api petstore --stage prod start --percent 5 --deployment 0a1b2c3d4e")]
    Canary(Canary),
    /// Empty a stage's response cache.
    Cache(Cache),
    /// Show what each API key used of a usage plan, or grant it more.
    #[command(after_help = "Example: headgate usage --plan gold --key k1 --from 2026-01-01 --format csv")]
    Usage(Usage),
    /// Ask the running gateway to read its configuration anew.
    #[command(
        long_about = "Ask the running gateway to read its configuration anew, wait, and print what changed or every problem.\n\nThe gateway is found by `admin` of the configuration. A configuration with an error is refused whole: the running one stays, and the exit code is 1."
    )]
    Reload(Reload),
    /// Show the version.
    Version,
    /// Print a shell's completion script.
    #[command(after_help = "Example: headgate completion bash > /etc/bash_completion.d/headgate")]
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
    /// Take the listeners over from the gateway that runs, once that is sent SIGQUIT.
    #[arg(long)]
    pub(super) upgrade: bool,
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
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Template {
    #[command(subcommand)]
    pub(super) command: TemplateCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Render a template as API Gateway would.
    #[command(after_help = "Example: headgate template render request.vtl --body order.json --params params.json --trace")]
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

#[derive(Debug, Args)]
pub(super) struct Deployment {
    #[command(flatten)]
    pub(super) config: Config,
    #[command(subcommand)]
    pub(super) command: DeploymentCommand,
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// The API's id.
    #[arg(long, value_name = "ID")]
    pub(super) api: String,
    /// A stage: `create` lets it serve the deployment, `list` tells its history, `show` and `diff` take what it serves.
    #[arg(long, value_name = "NAME")]
    pub(super) stage: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeploymentCommand {
    /// Keep the API as its files have it now; with a stage, serve it there.
    Create {
        #[command(flatten)]
        place: Place,
        /// Why it was made.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Show all deployments of an API, or every change of what a stage served.
    List {
        #[command(flatten)]
        place: Place,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Show a deployment with its whole definition.
    Show {
        #[command(flatten)]
        place: Place,
        /// The deployment; what the stage serves unless given.
        id: Option<String>,
    },
    /// Show what is different, in API Gateway's terms.
    Diff {
        #[command(flatten)]
        place: Place,
        /// The older deployment; what the stage serves unless given.
        #[arg(long, value_name = "ID")]
        from: Option<String>,
        /// The newer one; the files as they are unless given.
        #[arg(long, value_name = "ID")]
        to: Option<String>,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Serve again what the stage served before.
    Rollback {
        /// The API's id.
        #[arg(long, value_name = "ID")]
        api: String,
        /// The stage.
        #[arg(long, value_name = "NAME")]
        stage: String,
        /// This deployment rather than the one before; `files`: the files as they are, from now on.
        #[arg(long, value_name = "ID")]
        to: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Canary {
    #[command(flatten)]
    pub(super) config: Config,
    /// The API's id.
    #[arg(long, value_name = "ID")]
    pub(super) api: String,
    /// The stage.
    #[arg(long, value_name = "NAME")]
    pub(super) stage: String,
    #[command(subcommand)]
    pub(super) command: CanaryCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CanaryCommand {
    /// Begin, in the place of any that is there.
    Start(CanaryOptions),
    /// Change the one that is there.
    Set(CanaryOptions),
    /// Show both sides side by side.
    Status {
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Make its deployment and variables the stage's own.
    Promote,
    /// End it.
    Delete,
}

#[derive(Debug, Args)]
pub(super) struct CanaryOptions {
    /// How many of a hundred requests.
    #[arg(long, value_name = "PERCENT")]
    pub(super) percent: Option<f64>,
    /// The deployment that they see.
    #[arg(long, value_name = "ID")]
    pub(super) deployment: Option<String>,
    /// A stage variable of their own, `name=value`; may be repeated.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub(super) variables: Vec<String>,
    /// Take a variable of their own away; may be repeated.
    #[arg(long = "remove-variable", value_name = "NAME")]
    pub(super) remove_variables: Vec<String>,
    /// Let them read and fill the stage's cache, or no longer.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, default_missing_value = "true")]
    pub(super) use_stage_cache: Option<bool>,
    /// What keeps a caller on one side: `header.NAME`, `apiKey` or `sourceIp`; `none`: every request is thrown for.
    #[arg(long, value_name = "BY")]
    pub(super) sticky_by: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Cache {
    #[command(flatten)]
    pub(super) config: Config,
    #[command(subcommand)]
    pub(super) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Forget every answer that is kept.
    Flush {
        /// The API's id.
        #[arg(long, value_name = "ID")]
        api: String,
        /// The stage.
        #[arg(long, value_name = "NAME")]
        stage: String,
    },
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
