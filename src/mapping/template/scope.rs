//! The four references that API Gateway gives to a template.

use indexmap::IndexMap;

use super::{Paths, Work};
use crate::exchange::Overrides;
use crate::mapping::input::Input;
use crate::mapping::util;
use crate::mapping::variables::{ContextObject, stage_variables};
use crate::vtl::{Given, Meter, Value};

const INPUT: Given = Given(0);
const UTIL: Given = Given(1);
const CONTEXT: Given = Given(2);

/// What a template's references stand for.
pub(super) struct Scope<'r, 's> {
    input: Input<'r, 's>,
    context: ContextObject<'r, 's>,
    stage_variables: &'r IndexMap<String, String>,
}

impl<'r, 's> Scope<'r, 's> {
    /// A scope in which nothing was asked for yet.
    pub(super) const fn new(work: &Work<'r>, paths: &'s Paths) -> Self {
        Self {
            input: Input::new(work.body, work.source, paths, work.texts),
            context: ContextObject::new(work.source, work.overrides),
            stage_variables: work.stage_variables,
        }
    }

    /// What is in the override maps after the rendering, if it touched them.
    pub(super) fn left(&self) -> Option<Overrides> {
        self.context.overrides()
    }
}

impl<'r> crate::vtl::Scope<'r> for Scope<'r, '_> {
    fn find(&self, name: &str) -> Option<Value<'r>> {
        match name {
            "input" => Some(Value::Given(INPUT)),
            "util" => Some(Value::Given(UTIL)),
            "context" => Some(Value::Given(CONTEXT)),
            "stageVariables" => Some(stage_variables(self.stage_variables)),
            _ => None,
        }
    }

    fn expected_output(&self) -> usize {
        self.input.size()
    }

    fn property(&self, object: Given, name: &str) -> Option<Value<'r>> {
        match object {
            INPUT => self.input.property(name),
            CONTEXT => self.context.member(name),
            _ => None,
        }
    }

    fn set(&self, object: Given, name: &str, value: &Value<'r>) {
        if object == CONTEXT {
            self.context.put(name, value);
        }
    }

    fn call(&self, object: Given, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
        match object {
            INPUT => self.input.call(name, arguments, meter),
            UTIL => util::call(name, arguments, meter),
            _ => self.context.call(name, arguments, meter),
        }
    }

    fn print(&self, object: Given, name: &str, arguments: &[Value<'r>], out: &mut String, meter: &Meter<'_>) -> Result<bool, String> {
        match object {
            INPUT => self.input.print(name, arguments, out, meter),
            UTIL => util::print(name, arguments, out),
            _ => Ok(false),
        }
    }
}
