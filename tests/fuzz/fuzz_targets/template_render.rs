//! Any template that parses ends: with an output within the limits, or with an error; and nothing tells it whether its payload was made into
//! values or is read where it lies. The text before the first NUL is the template, what follows is the payload.
#![no_main]

use headgate::mapping::template::{Kind, Source, Template, Work};
use headgate::vtl::{Error, ErrorKind, Evaluated, Limits, Text, Texts, Value, no_clock};
use libfuzzer_sys::fuzz_target;

struct Sample;

impl<'s> Source<'s> for Sample {
    fn parameters(&self, _kind: Kind, each: &mut dyn FnMut(&'s str, Text<'s>)) {
        each("id", "42".into());
        each("q", "é\"/".into());
    }

    fn context(&self, name: &str) -> Option<Value<'s>> {
        (name == "stage").then(|| Value::text("prod"))
    }

    fn context_names(&self) -> Vec<&'s str> {
        vec!["stage"]
    }
}

fn render(template: &str, body: &str) -> Option<Result<String, Error>> {
    let template = Template::parse(template).ok()?;
    // Small limits, so that a run ends soon; they are the same code at any size.
    let limits = Limits { steps: 20_000, output: 1 << 16, string: 1 << 16, elements: 1000, memory: 1 << 20, ..Limits::default() };
    let (variables, overrides, evaluated) = Default::default();
    let texts = Texts::default();
    let work = Work { body, source: &Sample, stage_variables: &variables, overrides: &overrides, evaluated: &evaluated, texts: &texts };
    let _: &Evaluated = &evaluated;
    let rendered = work.render(&template, &limits, &no_clock, None).map(|(output, _)| output);
    if let Ok(output) = &rendered {
        assert!(output.len() <= 2 * limits.output, "{} bytes", output.len());
    }
    Some(rendered)
}

fuzz_target!(|text: &str| {
    let (template, body) = text.split_once('\0').unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":2.5}"#));
    let Some(rendered) = render(&format!("x{template}"), body) else { return };
    // A change that is never made: where one could be, the payload is made into values.
    let Some(other) = render(&format!("#if(false)$changed.put(1, 1)#{{end}}x{template}"), body) else { return };
    let spent = |rendered: &Result<String, Error>| matches!(rendered, Err(error) if error.kind == ErrorKind::Limit);
    if !spent(&rendered) && !spent(&other) {
        assert_eq!(rendered.ok(), other.ok());
    }
});
