//! Any template that parses ends: with an output within the limits, or with an error. The text before the first NUL is the template,
//! what follows is the payload.
#![no_main]

use headgate::mapping::template::{Kind, Source, Template, Work};
use headgate::vtl::{Evaluated, Limits, Text, Value, no_clock};
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

fuzz_target!(|text: &str| {
    let (template, body) = text.split_once('\0').unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":2.5}"#));
    let Ok(template) = Template::parse(template) else { return };
    // Small limits, so that a run ends soon; they are the same code at any size.
    let limits = Limits { steps: 20_000, output: 1 << 16, string: 1 << 16, elements: 1000, memory: 1 << 20, ..Limits::default() };
    let (variables, overrides, evaluated) = Default::default();
    let work = Work { body, source: &Sample, stage_variables: &variables, overrides: &overrides, evaluated: &evaluated };
    let _: &Evaluated = &evaluated;
    if let Ok((output, _)) = work.render(&template, &limits, &no_clock, None) {
        assert!(output.len() <= 2 * limits.output, "{} bytes", output.len());
    }
});
