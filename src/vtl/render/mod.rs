//! Renders a tree into text.

mod budget;
mod directive;
mod evaluated;
mod expression;
mod flow;
mod meter;
mod reference;
#[cfg(test)]
mod tests;
mod variables;

pub use evaluated::Evaluated;
pub use meter::Meter;

use super::ast::{Block, Expression, Macro, Node, NodeKind, Part, Reference, Template};
use super::error::{Error, ErrorKind};
use super::limits::{Clock, Limits};
use super::parse::Names;
use super::scope::Scope;
use super::trace::Trace;
use super::value::{Defined, Value};
use budget::Budget;
use evaluated::Link;
use flow::{End, Fault, Outcome, until_break};
use variables::View;

/// Room for output that is made before there is any, at most.
const EXPECTED: usize = 64 << 10;

impl Template {
    /// Renders the template. `scope` gives what references stand for that the template does not set itself, `evaluated` is where
    /// `#evaluate` keeps what it parses, and `clock` is asked now and then whether the limit of time is reached.
    ///
    /// # Errors
    /// When a call throws or a limit is reached.
    pub fn render<'r>(
        &'r self,
        scope: &dyn Scope<'r>,
        evaluated: &'r Evaluated,
        limits: &Limits,
        clock: Clock<'_>,
    ) -> Result<String, Error> {
        self.render_traced(scope, evaluated, limits, clock, None)
    }

    /// The same, telling each step.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_traced<'r>(
        &'r self,
        scope: &dyn Scope<'r>,
        evaluated: &'r Evaluated,
        limits: &Limits,
        clock: Clock<'_>,
        trace: Option<&mut (dyn Trace + '_)>,
    ) -> Result<String, Error> {
        let mut rendering = Rendering {
            template: self,
            scope,
            trace,
            variables: vec![None; self.names.len()],
            names: None,
            macros: Vec::new(),
            views: Vec::new(),
            loops: Vec::new(),
            blocks: Vec::new(),
            evaluated: &evaluated.0,
            budget: Budget::new(limits, clock),
            at: 0,
            out: String::with_capacity(self.text.len() + self.text.len() / 2 + scope.expected_output().min(EXPECTED)),
        };
        match rendering.block(&self.body).map_err(|end| *end) {
            Err(End::Failed(error)) => Err(error),
            Ok(()) | Err(End::Break(_) | End::Stop) => Ok(rendering.out),
        }
    }
}

/// Appends a text or a whole number, and says how much that was in bytes.
fn print_leaf(value: &Value<'_>, out: &mut String) -> Option<usize> {
    if !matches!(value, Value::String(_) | Value::Integer(_)) {
        return None;
    }
    let before = out.len();
    value.print(out);
    Some(out.len() - before)
}

/// One round of a loop.
#[derive(Clone, Copy)]
struct Loop {
    index: usize,
    has_next: bool,
}

struct Rendering<'r, 's, 't> {
    template: &'r Template,
    scope: &'s dyn Scope<'r>,
    trace: Option<&'s mut (dyn Trace + 't)>,
    /// Nothing: not asked for yet.
    variables: Vec<Option<Value<'r>>>,
    /// Names beyond the template's own, which `#evaluate` brings.
    names: Option<Names>,
    macros: Vec<(&'r str, &'r Macro)>,
    views: Vec<View<'r>>,
    loops: Vec<Loop>,
    /// `#define`d blocks that are being rendered.
    blocks: Vec<&'r Block>,
    /// The end of what `#evaluate` has parsed.
    evaluated: &'r Link,
    budget: Budget<'s>,
    /// Where the node stands that is being rendered.
    at: usize,
    out: String,
}

impl<'r> Rendering<'r, '_, '_> {
    #[cold]
    fn fault(&self, kind: ErrorKind, message: impl Into<String>) -> Fault {
        Error::at(kind, &self.template.text, self.at, message).into()
    }

    #[cold]
    fn exceeded(&self, message: String) -> Fault {
        self.fault(ErrorKind::Limit, message)
    }

    #[inline]
    fn step(&mut self, count: usize) -> Result<(), Fault> {
        if self.budget.meter().step(count as u64) { Ok(()) } else { Err(self.spent(0, 0)) }
    }

    #[cold]
    fn spent(&self, bytes: usize, elements: usize) -> Fault {
        self.exceeded(self.budget.reason(bytes, elements))
    }

    /// What a call that failed with a message ends the rendering with.
    #[cold]
    fn failed(&self, message: String) -> Fault {
        if self.budget.meter().look() { self.fault(ErrorKind::Runtime, message) } else { self.spent(0, 0) }
    }

    /// Counts what a value takes that has just been made.
    fn made(&mut self, value: &Value<'r>) -> Result<(), Fault> {
        let (bytes, elements) = match value {
            Value::String(text) => (text.len(), 0),
            Value::List(_) | Value::Map(_) | Value::Branch(_) => (0, value.count()),
            _ => return Ok(()),
        };
        self.made_so_much(bytes, elements)
    }

    fn made_so_much(&mut self, bytes: usize, elements: usize) -> Result<(), Fault> {
        if self.budget.made(bytes, elements) { Ok(()) } else { Err(self.spent(bytes, elements)) }
    }

    fn block(&mut self, block: &'r Block) -> Outcome {
        self.step(block.0.len())?;
        for node in &block.0 {
            if let NodeKind::Text(text) = &node.kind {
                self.out.push_str(text);
                continue;
            }
            self.at = node.at;
            self.node(node)?;
            self.fits()?;
        }
        self.fits().map_err(|_| {
            self.at = block.0.last().map_or(self.at, |node| node.at);
            self.overflowed()
        })
    }

    /// Holds the output to its limit: asked behind all that may print more than what is written in its place, and behind each block for its text.
    #[inline]
    fn fits(&self) -> Outcome {
        if self.out.len() <= self.budget.limits.output { Ok(()) } else { Err(self.overflowed()) }
    }

    #[cold]
    fn overflowed(&self) -> Fault {
        self.exceeded(format!("an output of more than {} bytes", self.budget.limits.output))
    }

    /// What is rare beside text, references and conditions stays a function of its own (`inline(never)`, here and in `directive`): inlined into the loop over a
    /// block's nodes, it makes each block begin with getting ready for it.
    fn node(&mut self, node: &'r Node) -> Outcome {
        match &node.kind {
            NodeKind::Text(text) => self.out.push_str(text),
            NodeKind::Reference(reference) => return self.print(reference),
            NodeKind::Discard(reference) => return self.reference(reference).map(drop),
            NodeKind::Name(slot, text) => {
                let literal = self.views.iter().rev().find_map(|view| view.literal(*slot));
                self.out.push_str(literal.unwrap_or(text));
            }
            NodeKind::Set(target, value) => self.set(target, value)?,
            NodeKind::If(branches, otherwise) => return self.choose(branches, otherwise.as_ref()),
            NodeKind::Foreach(slot, list, body) => return self.foreach(*slot, list, body),
            NodeKind::Break(of) => return self.break_(of.as_ref()),
            NodeKind::Stop => return Err(Box::new(End::Stop)),
            NodeKind::Call(call) => return self.call(call),
            NodeKind::Define(slot, block) => self.assign(*slot, Value::Block(Defined(block))),
            NodeKind::Evaluate(text) => return self.evaluate(text),
            NodeKind::Fails(kind, message) => return Err(self.fault(*kind, *message)),
        }
        Ok(())
    }

    fn print(&mut self, reference: &'r Reference) -> Outcome {
        if self.trace.is_none()
            && let Some((Part::Method(name, arguments), before)) = reference.parts.split_last()
        {
            return self.print_call(reference, before, name, arguments);
        }
        if self.trace.is_none() && self.print_in_place(reference)? {
            return Ok(());
        }
        let value = self.reference(reference)?;
        if self.trace.is_some() {
            let shown = value.as_ref().map(Value::to_text).unwrap_or_default();
            let what = self.source(reference.at);
            self.tell(reference.at, &what, &shown);
        }
        self.print_value(reference, value.as_ref())
    }

    /// Prints a text or number where it is, in a variable or in a map that one holds; false where it is something else.
    fn print_in_place(&mut self, reference: &'r Reference) -> Result<bool, Fault> {
        if !self.views.is_empty() {
            return Ok(false);
        }
        let Some(Some(value)) = self.variables.get(reference.root) else { return Ok(false) };
        let printed = match (value, reference.parts.as_slice()) {
            (Value::Map(map), [Part::Property(property)]) => {
                map.entries.borrow().named(&property.name()).and_then(|value| print_leaf(value, &mut self.out))
            }
            (Value::Branch(branch), [Part::Property(property)]) => branch.print_leaf(property.name(), &mut self.out),
            (value, []) => print_leaf(value, &mut self.out),
            _ => None,
        };
        let Some(printed) = printed else { return Ok(false) };
        self.step(reference.parts.len() + printed / 64)?;
        Ok(true)
    }

    /// A call at the end of a printed reference: its result need not become a value where the scope can print it.
    #[inline(never)]
    fn print_call(&mut self, reference: &'r Reference, before: &'r [Part], name: &'r str, arguments: &'r [Expression]) -> Outcome {
        let object = match self.variables.get(reference.root) {
            Some(Some(Value::Given(object))) if before.is_empty() && self.views.is_empty() => *object,
            _ => {
                let holder = self.walk(reference, before)?;
                let Some(holder) = &holder else { return Ok(()) };
                let Value::Given(object) = holder else {
                    self.step(1)?;
                    let value = self.invoke(holder, name, arguments)?;
                    return self.print_value(reference, value.as_ref());
                };
                *object
            }
        };
        self.step(1)?;
        let length = self.out.len();
        let value = self.with_arguments(arguments, |rendering, arguments| {
            let meter = rendering.budget.meter();
            let printed = rendering.scope.print(object, name, arguments, &mut rendering.out, meter);
            match printed {
                Ok(true) => Ok(None),
                Ok(false) => rendering.scope.call(object, name, arguments, meter),
                Err(message) => Err(message),
            }
        })?;
        match &value {
            Some(made) => {
                self.made(made)?;
                self.print_value(reference, value.as_ref())
            }
            None => {
                let made = self.out.len() - length;
                self.made_so_much(made, 0)?;
                self.step(made / 64)
            }
        }
    }

    fn print_value(&mut self, reference: &'r Reference, value: Option<&Value<'r>>) -> Outcome {
        match value {
            Some(&Value::Block(Defined(block))) => self.print_block(reference, block),
            Some(value) => {
                let before = self.out.len();
                value.print(&mut self.out);
                self.step((self.out.len() - before) / 64)
            }
            None => Ok(()),
        }
    }

    /// A block may be rendered within itself once; deeper, the reference is printed as it is written.
    #[inline(never)]
    fn print_block(&mut self, reference: &'r Reference, block: &'r Block) -> Outcome {
        if self.blocks.iter().filter(|open| std::ptr::eq(**open, block)).count() > 1 {
            let written = self.template.text.get(reference.at..).unwrap_or_default();
            let name = self.names.as_ref().unwrap_or(&self.template.names).name(reference.root).unwrap_or_default();
            match written.get(..2) {
                Some("$!") => {}
                Some("${") => self.out.push_str(&format!("${{{name}}}")),
                _ => self.out.push_str(&format!("${name}")),
            }
            return Ok(());
        }
        self.enter()?;
        self.blocks.push(block);
        let outcome = self.block(block);
        self.blocks.pop();
        self.budget.calls -= 1;
        until_break(outcome)
    }

    fn enter(&mut self) -> Result<(), Fault> {
        self.budget.calls += 1;
        if self.budget.calls > self.budget.limits.calls {
            return Err(self.exceeded(format!("macros more than {} levels deep", self.budget.limits.calls)));
        }
        Ok(())
    }

    fn tell(&mut self, at: usize, what: &str, value: &str) {
        if let Some(trace) = &mut self.trace {
            let line = self.template.text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            trace.step(line, what, value);
        }
    }

    /// The reference's own text, for the trace.
    fn source(&self, at: usize) -> String {
        let rest = self.template.text.get(at..).unwrap_or_default();
        rest.split(['\n', ' ', '"', ',']).next().unwrap_or_default().chars().take(60).collect()
    }
}
