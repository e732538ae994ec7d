//! Renders a tree into text.

use std::rc::Rc;
use std::sync::Arc;

use super::arithmetic::{calculate, compare, equal};
use super::ast::{Block, Call, Expression, Macro, Node, NodeKind, Operator, Part, Reference, Slot, Template};
use super::error::{Error, ErrorKind};
use super::limits::Limits;
use super::methods;
use super::object::Object;
use super::parser::{Names, Parser};
use super::trace::Trace;
use super::value::{BlockValue, Key, Value};

/// Why a block ended early.
enum Flow {
    Next,
    Break,
    Stop,
}

type Outcome = Result<Flow, Error>;

impl Template {
    /// Renders the template. `scope` gives what references stand for that the template does not set itself.
    ///
    /// # Errors
    /// When a call throws or a limit is reached.
    pub fn render(&self, scope: &dyn Object, limits: &Limits) -> Result<String, Error> {
        self.render_traced(scope, limits, None)
    }

    /// The same, telling each step.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_traced(&self, scope: &dyn Object, limits: &Limits, trace: Option<&mut (dyn Trace + '_)>) -> Result<String, Error> {
        let mut rendering = Rendering {
            text: Arc::clone(&self.text),
            template: self,
            scope,
            limits,
            trace,
            variables: vec![Variable::Unknown; self.names.len()],
            names: None,
            macros: Vec::new(),
            frames: Vec::new(),
            loops: Vec::new(),
            steps: 0,
            memory: 0,
            calls: 0,
            out: String::with_capacity(self.text.len()),
        };
        let body = Arc::clone(&self.body);
        rendering.block(&body)?;
        Ok(rendering.out)
    }
}

#[derive(Clone)]
enum Variable {
    /// Not asked for yet.
    Unknown,
    Set(Value),
}

/// One round of a loop.
struct Loop {
    index: usize,
    has_next: bool,
    parent: Option<usize>,
}

/// A macro being rendered: its parameters, evaluated where they are used, in their caller's frame.
struct Frame {
    parameters: Vec<(Slot, Option<Expression>)>,
    locals: Vec<(Slot, Value)>,
    caller: usize,
}

struct Rendering<'r, 't> {
    text: Arc<str>,
    template: &'r Template,
    scope: &'r dyn Object,
    limits: &'r Limits,
    trace: Option<&'r mut (dyn Trace + 't)>,
    variables: Vec<Variable>,
    /// Names beyond the template's own, which `#evaluate` brings.
    names: Option<Names>,
    macros: Vec<(Arc<str>, Arc<Macro>)>,
    frames: Vec<Frame>,
    loops: Vec<Loop>,
    steps: u64,
    memory: usize,
    calls: usize,
    out: String,
}

impl Rendering<'_, '_> {
    fn fail<T>(&self, kind: ErrorKind, at: usize, message: impl Into<String>) -> Result<T, Error> {
        Err(Error::at(kind, &self.text, at, message))
    }

    fn step(&mut self, at: usize, count: u64) -> Result<(), Error> {
        self.steps += count;
        if self.steps > self.limits.steps {
            return self.fail(ErrorKind::Limit, at, format!("more than {} steps", self.limits.steps));
        }
        Ok(())
    }

    /// Counts what a value takes that has just been made.
    fn made(&mut self, value: &Value, at: usize) -> Result<(), Error> {
        let (bytes, elements) = match value {
            Value::String(text) => (text.len(), 0),
            Value::List(list) => (0, list.items.borrow().len()),
            Value::Map(map) => (0, map.entries.borrow().len()),
            _ => return Ok(()),
        };
        if bytes > self.limits.string {
            return self.fail(ErrorKind::Limit, at, format!("a string of more than {} bytes", self.limits.string));
        }
        if elements > self.limits.elements {
            return self.fail(ErrorKind::Limit, at, format!("a list of more than {} elements", self.limits.elements));
        }
        self.memory = self.memory.saturating_add(bytes + elements * 16);
        if self.memory > self.limits.memory {
            return self.fail(ErrorKind::Limit, at, format!("more than {} bytes of values", self.limits.memory));
        }
        self.step(at, (bytes / 64 + elements / 16) as u64)
    }

    fn tell(&mut self, at: usize, what: &str, value: &str) {
        if let Some(trace) = &mut self.trace {
            let line = self.text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            trace.step(line, what, value);
        }
    }

    fn block(&mut self, block: &Block) -> Outcome {
        for node in &block.0 {
            self.step(node.at, 1)?;
            match self.node(node)? {
                Flow::Next => {}
                other => return Ok(other),
            }
            if self.out.len() > self.limits.output {
                return self.fail(ErrorKind::Limit, node.at, format!("an output of more than {} bytes", self.limits.output));
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node) -> Outcome {
        match &node.kind {
            NodeKind::Text(text) => self.out.push_str(text),
            NodeKind::Reference(reference) => return self.print(reference),
            NodeKind::Set(target, value) => self.set(target, value)?,
            NodeKind::If(branches, otherwise) => return self.choose(node.at, branches, otherwise.as_ref()),
            NodeKind::Foreach(slot, list, body) => return self.foreach(node.at, *slot, list, body),
            NodeKind::Break => return if self.loops.is_empty() { Ok(Flow::Stop) } else { Ok(Flow::Break) },
            NodeKind::Stop => return Ok(Flow::Stop),
            NodeKind::Call(call) => return self.call(node.at, call),
            NodeKind::Define(slot, block) => self.assign(*slot, Value::Block(BlockValue(Arc::clone(block)))),
            NodeKind::Evaluate(text) => return self.evaluate(node.at, text),
            NodeKind::Resource => return self.fail(ErrorKind::Resource, node.at, "there are no other files that a template could include"),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, reference: &Reference) -> Outcome {
        let value = self.reference(reference)?;
        if self.trace.is_some() {
            let shown = value.as_ref().map(Value::to_text).unwrap_or_default();
            let what = self.source(reference.at);
            self.tell(reference.at, &what, &shown);
        }
        match value {
            Some(Value::Block(block)) => return self.nested_block(reference.at, &block.0),
            Some(value) => {
                let before = self.out.len();
                value.print(&mut self.out);
                self.step(reference.at, ((self.out.len() - before) / 64) as u64)?;
            }
            None => {}
        }
        Ok(Flow::Next)
    }

    /// The reference's own text, for the trace.
    fn source(&self, at: usize) -> String {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.split(['\n', ' ', '"', ',']).next().unwrap_or_default().chars().take(60).collect()
    }

    fn nested_block(&mut self, at: usize, block: &Arc<Block>) -> Outcome {
        self.enter(at)?;
        let flow = self.block(block);
        self.calls -= 1;
        flow
    }

    fn enter(&mut self, at: usize) -> Result<(), Error> {
        self.calls += 1;
        if self.calls > self.limits.calls {
            return self.fail(ErrorKind::Limit, at, format!("macros more than {} levels deep", self.limits.calls));
        }
        Ok(())
    }

    fn choose(&mut self, at: usize, branches: &[(Expression, Block)], otherwise: Option<&Block>) -> Outcome {
        for (condition, block) in branches {
            let holds = self.condition(condition)?;
            self.tell(at, "#if", if holds { "true" } else { "false" });
            if holds {
                return self.block(block);
            }
        }
        otherwise.map_or(Ok(Flow::Next), |block| self.block(block))
    }

    /// Only a boolean or a reference can be true; a reference is, unless it is `false`.
    fn condition(&mut self, expression: &Expression) -> Result<bool, Error> {
        Ok(match expression {
            Expression::Boolean(value) => *value,
            Expression::Reference(reference) => !matches!(self.reference(reference)?, Some(Value::Boolean(false))),
            Expression::Not(inner) => !self.condition(inner)?,
            Expression::Binary(Operator::And, sides) => self.condition(&sides.0)? && self.condition(&sides.1)?,
            Expression::Binary(Operator::Or, sides) => self.condition(&sides.0)? || self.condition(&sides.1)?,
            Expression::Binary(..) => matches!(self.value(expression)?, Some(Value::Boolean(true))),
            _ => false,
        })
    }

    fn foreach(&mut self, at: usize, slot: Slot, list: &Expression, body: &Block) -> Outcome {
        let list = self.value(list)?;
        let items: Vec<Value> = match &list {
            Some(Value::List(list)) => list.items.borrow().clone(),
            Some(Value::Map(map)) => map.entries.borrow().values().cloned().collect(),
            Some(Value::Object(object)) => match object.call("values", &[]) {
                Ok(Some(Value::List(list))) => list.items.borrow().clone(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        let rounds = self.limits.rounds.map_or(items.len(), |rounds| rounds.min(items.len()));
        self.tell(at, "#foreach", &format!("{rounds} rounds"));
        let before = self.variables.get(slot).cloned();
        let parent = self.loops.len().checked_sub(1);
        self.loops.push(Loop { index: 0, has_next: false, parent });
        let mut flow = Flow::Next;
        let length = items.len();
        for (index, item) in items.into_iter().take(rounds).enumerate() {
            if let Some(Value::List(list)) = &list
                && list.items.borrow().len() != length
            {
                return self.fail(ErrorKind::Runtime, at, "the list was changed while the loop runs over it");
            }
            if let Some(round) = self.loops.last_mut() {
                round.index = index;
                round.has_next = index + 1 < rounds;
            }
            self.assign(slot, item);
            match self.block(body)? {
                Flow::Next => {}
                Flow::Break => break,
                Flow::Stop => {
                    flow = Flow::Stop;
                    break;
                }
            }
        }
        self.loops.pop();
        if let (Some(before), Some(place)) = (before, self.variables.get_mut(slot)) {
            *place = before;
        }
        Ok(flow)
    }

    fn call(&mut self, at: usize, call: &Call) -> Outcome {
        let known = self
            .template
            .macros
            .get(&call.name)
            .or_else(|| self.macros.iter().find(|(name, _)| *name == call.name).map(|(_, definition)| definition));
        let Some(definition) = known.cloned() else {
            self.out.push_str(&call.text);
            return Ok(Flow::Next);
        };
        self.enter(at)?;
        let mut arguments = call.arguments.iter().cloned();
        let parameters = definition.parameters.iter().map(|slot| (*slot, arguments.next())).collect();
        let locals = call.body.iter().map(|(slot, block)| (*slot, Value::Block(BlockValue(Arc::clone(block))))).collect();
        self.frames.push(Frame { parameters, locals, caller: self.frames.len() });
        let flow = self.block(&definition.body);
        self.frames.pop();
        self.calls -= 1;
        Ok(match flow? {
            Flow::Stop => Flow::Stop,
            _ => Flow::Next,
        })
    }

    fn evaluate(&mut self, at: usize, expression: &Expression) -> Outcome {
        let Some(Value::String(text)) = self.value(expression)? else { return Ok(Flow::Next) };
        self.enter(at)?;
        self.step(at, (text.len() / 16) as u64 + 1)?;
        let mut names = self.names.take().unwrap_or_else(|| Names::from_list(self.template.names.clone()));
        let parsed = {
            let mut parser = Parser::new(&text, &mut names);
            parser.template().map(|block| (block, std::mem::take(&mut parser.macros)))
        };
        self.variables.resize(names.list.len(), Variable::Unknown);
        self.names = Some(names);
        let (block, macros) =
            parsed.map_err(|error| Error::at(ErrorKind::Runtime, &self.text, at, format!("#evaluate: {}", error.message)))?;
        self.macros.extend(macros);
        let flow = self.block(&block);
        self.calls -= 1;
        flow
    }

    fn assign(&mut self, slot: Slot, value: Value) {
        if let Some(place) = self.variables.get_mut(slot) {
            *place = Variable::Set(value);
        }
    }

    fn set(&mut self, target: &Reference, expression: &Expression) -> Result<(), Error> {
        let Some(value) = self.value(expression)? else {
            self.tell(target.at, "#set", "nothing, so it keeps what it was");
            return Ok(());
        };
        if self.trace.is_some() {
            let what = format!("#set({})", self.source(target.at));
            self.tell(target.at, &what, &value.to_text());
        }
        let Some((last, before)) = target.parts.split_last() else {
            let local = self.frames.last_mut().filter(|frame| frame.parameters.iter().any(|(slot, _)| *slot == target.root));
            match local {
                Some(frame) => {
                    frame.locals.retain(|(slot, _)| *slot != target.root);
                    frame.locals.push((target.root, value));
                }
                None => self.assign(target.root, value),
            }
            return Ok(());
        };
        let Some(mut holder) = self.root(target.root)? else { return Ok(()) };
        for part in before {
            match self.part(&holder, part, target.at)? {
                Some(next) => holder = next,
                None => return Ok(()),
            }
        }
        let key = match last {
            Part::Property(name) => Value::String(Arc::clone(name)),
            Part::Index(index) => match self.value(index)? {
                Some(key) => key,
                None => return Ok(()),
            },
            Part::Method(..) => return Ok(()),
        };
        self.store(&holder, &key, value, target.at)
    }

    fn store(&mut self, holder: &Value, key: &Value, value: Value, at: usize) -> Result<(), Error> {
        let collection: *const () = match holder {
            Value::Map(map) => Rc::as_ptr(map).cast(),
            Value::List(list) => Rc::as_ptr(list).cast(),
            _ => std::ptr::null(),
        };
        if value.holds(collection) {
            return self.fail(ErrorKind::Runtime, at, "a collection cannot contain itself");
        }
        match holder {
            Value::Map(map) => {
                map.entries.borrow_mut().insert(Key::of(key), value);
                self.made(holder, at)
            }
            Value::List(list) => {
                let Value::Integer(index) = key else { return Ok(()) };
                let mut items = list.items.borrow_mut();
                let index = if *index < 0 { *index + items.len() as i64 } else { *index };
                match usize::try_from(index).ok().and_then(|index| items.get_mut(index)) {
                    Some(place) => {
                        *place = value;
                        Ok(())
                    }
                    None => {
                        drop(items);
                        self.fail(ErrorKind::Runtime, at, format!("index {index} is out of bounds"))
                    }
                }
            }
            Value::Object(object) => {
                object.set(&key.to_text(), &value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A reference's value; nothing where it resolves to nothing.
    fn reference(&mut self, reference: &Reference) -> Result<Option<Value>, Error> {
        let Some(mut value) = self.root(reference.root)? else { return Ok(None) };
        for part in &reference.parts {
            self.step(reference.at, 1)?;
            match self.part(&value, part, reference.at)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value).filter(|value| !matches!(value, Value::Null)))
    }

    fn root(&mut self, slot: Slot) -> Result<Option<Value>, Error> {
        if let Some(found) = self.parameter(slot)? {
            return Ok(found);
        }
        match self.variables.get(slot) {
            Some(Variable::Set(value)) => return Ok(Some(value.clone())),
            Some(Variable::Unknown) => {}
            None => return Ok(None),
        }
        let name = self.names.as_ref().map_or(&self.template.names, |names| &names.list).get(slot).cloned();
        let Some(name) = name else { return Ok(None) };
        if let Some(value) = self.loop_variable(&name) {
            return Ok(Some(value));
        }
        let found = self.scope.get(&name);
        if let Some(value) = &found {
            self.assign(slot, value.clone());
        }
        Ok(found)
    }

    /// A macro's parameter: what was set in its place, or its argument, evaluated where the macro was called.
    fn parameter(&mut self, slot: Slot) -> Result<Option<Option<Value>>, Error> {
        let Some(frame) = self.frames.last() else { return Ok(None) };
        if let Some((_, value)) = frame.locals.iter().find(|(known, _)| *known == slot) {
            return Ok(Some(Some(value.clone())));
        }
        let Some((_, argument)) = frame.parameters.iter().find(|(known, _)| *known == slot) else { return Ok(None) };
        let Some(argument) = argument.clone() else { return Ok(Some(None)) };
        let caller = frame.caller;
        let inner: Vec<Frame> = self.frames.drain(caller..).collect();
        let value = self.value(&argument);
        self.frames.truncate(caller);
        self.frames.extend(inner);
        value.map(Some)
    }

    fn loop_variable(&self, name: &str) -> Option<Value> {
        let round = self.loops.last()?;
        match name {
            "foreach" => Some(self.loop_state(self.loops.len() - 1)),
            "velocityCount" => Some(Value::Integer(round.index as i64 + 1)),
            "velocityHasNext" => Some(Value::Boolean(round.has_next)),
            _ => None,
        }
    }

    fn loop_state(&self, level: usize) -> Value {
        let Some(round) = self.loops.get(level) else { return Value::Null };
        let parent = round.parent.map(|parent| self.loop_state(parent));
        let top = (level > 0).then(|| self.loop_state(0));
        Value::Object(Rc::new(LoopState { index: round.index, has_next: round.has_next, parent, top }))
    }

    fn part(&mut self, value: &Value, part: &Part, at: usize) -> Result<Option<Value>, Error> {
        match part {
            Part::Property(name) => Ok(methods::property(value, name)),
            Part::Index(index) => {
                let Some(index) = self.value(index)? else { return Ok(None) };
                methods::index(value, &index).or_else(|message| self.fail(ErrorKind::Runtime, at, message))
            }
            Part::Method(name, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    // The empty string stands for what resolves to nothing, also for methods.
                    values.push(self.value(argument)?.unwrap_or_else(|| Value::text("")));
                }
                let result = methods::call(value, name, &values).or_else(|message| self.fail(ErrorKind::Runtime, at, message))?;
                if let Some(result) = &result {
                    self.made(result, at)?;
                    self.made(value, at)?;
                }
                Ok(result)
            }
        }
    }

    /// An expression's value; nothing where it has none. A reference that resolves to nothing is the empty string.
    fn value(&mut self, expression: &Expression) -> Result<Option<Value>, Error> {
        Ok(Some(match expression {
            Expression::Boolean(value) => Value::Boolean(*value),
            Expression::Integer(value) => Value::Integer(*value),
            Expression::BigInteger(value) => Value::BigInteger(Rc::new((**value).clone())),
            Expression::Double(value) => Value::Double(*value),
            Expression::String(text) => Value::String(Arc::clone(text)),
            Expression::Interpolated(block) => self.interpolated(block)?,
            Expression::Reference(reference) => self.reference(reference)?.unwrap_or_else(|| Value::text("")),
            Expression::List(items) => {
                let values = items.iter().map(|item| Ok(self.value(item)?.unwrap_or(Value::Null))).collect::<Result<Vec<_>, Error>>()?;
                let list = Value::list(values);
                self.made(&list, 0)?;
                list
            }
            Expression::Range(first, last) => return self.range(first, last),
            Expression::Map(entries) => {
                let mut map = indexmap::IndexMap::new();
                for (key, value) in entries {
                    let key = self.value(key)?.unwrap_or(Value::Null);
                    map.insert(Key::of(&key), self.value(value)?.unwrap_or(Value::Null));
                }
                Value::map(map)
            }
            Expression::Not(_) | Expression::Binary(Operator::And | Operator::Or, _) => Value::Boolean(self.condition(expression)?),
            Expression::Binary(operator, sides) => return self.binary(*operator, &sides.0, &sides.1),
        }))
    }

    fn interpolated(&mut self, block: &Block) -> Result<Value, Error> {
        let outer = std::mem::take(&mut self.out);
        let rendered = self.block(block);
        let text = std::mem::replace(&mut self.out, outer);
        rendered?;
        let value = Value::String(text.into());
        self.made(&value, 0)?;
        Ok(value)
    }

    fn range(&mut self, first: &Expression, last: &Expression) -> Result<Option<Value>, Error> {
        let (Some(Value::Integer(first)), Some(Value::Integer(last))) = (self.value(first)?, self.value(last)?) else { return Ok(None) };
        let length = first.abs_diff(last).saturating_add(1);
        if length > self.limits.elements as u64 {
            return self.fail(ErrorKind::Limit, 0, format!("a list of more than {} elements", self.limits.elements));
        }
        let items: Vec<Value> =
            if first <= last { (first..=last).map(Value::Integer).collect() } else { (last..=first).rev().map(Value::Integer).collect() };
        let list = Value::list(items);
        self.made(&list, 0)?;
        Ok(Some(list))
    }

    fn binary(&mut self, operator: Operator, left: &Expression, right: &Expression) -> Result<Option<Value>, Error> {
        let left = self.value(left)?;
        let right = self.value(right)?;
        let boolean = |value| Ok(Some(Value::Boolean(value)));
        let (left, right) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => match operator {
                Operator::Equal => return boolean(left.is_none() && right.is_none()),
                Operator::NotEqual => return boolean(left.is_some() || right.is_some()),
                _ => return Ok(None),
            },
        };
        use std::cmp::Ordering::{Equal, Greater, Less};
        match operator {
            Operator::Equal => boolean(self.equal(&left, &right)?),
            Operator::NotEqual => boolean(!self.equal(&left, &right)?),
            Operator::Less => boolean(compare(&left, &right) == Some(Less)),
            Operator::LessOrEqual => boolean(matches!(compare(&left, &right), Some(Less | Equal))),
            Operator::Greater => boolean(compare(&left, &right) == Some(Greater)),
            Operator::GreaterOrEqual => boolean(matches!(compare(&left, &right), Some(Greater | Equal))),
            Operator::Add if matches!(left, Value::String(_)) || matches!(right, Value::String(_)) => {
                let text = Value::String((left.to_text() + &right.to_text()).into());
                self.made(&text, 0)?;
                Ok(Some(text))
            }
            _ => Ok(calculate(operator, &left, &right)),
        }
    }

    fn equal(&mut self, left: &Value, right: &Value) -> Result<bool, Error> {
        let size = |value: &Value| match value {
            Value::List(list) => list.items.borrow().len(),
            Value::Map(map) => map.entries.borrow().len(),
            _ => 0,
        };
        self.step(0, (size(left) + size(right)) as u64)?;
        Ok(equal(left, right))
    }
}

/// `$foreach`.
struct LoopState {
    index: usize,
    has_next: bool,
    parent: Option<Value>,
    top: Option<Value>,
}

impl Object for LoopState {
    fn get(&self, name: &str) -> Option<Value> {
        Some(match name {
            "index" => Value::Integer(self.index as i64),
            "count" => Value::Integer(self.index as i64 + 1),
            "hasNext" => Value::Boolean(self.has_next),
            "first" => Value::Boolean(self.index == 0),
            "last" => Value::Boolean(!self.has_next),
            "parent" => self.parent.clone()?,
            "topmost" => self.top.clone()?,
            _ => return None,
        })
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Option<Value>, String> {
        let property = match name {
            "hasNext" | "index" => name,
            "getIndex" => "index",
            "getCount" => "count",
            "isFirst" => "first",
            "isLast" => "last",
            _ => return Ok(None),
        };
        Ok(if arguments.is_empty() { self.get(property) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Nothing;

    impl Object for Nothing {
        fn get(&self, _name: &str) -> Option<Value> {
            None
        }
    }

    fn render(text: &str) -> Result<String, Error> {
        Template::parse(text)?.render(&Nothing, &Limits::default())
    }

    #[test]
    fn hostile_templates_end_at_a_limit() {
        for template in [
            "#set($l = [1])#foreach($i in [1..60])#set($l = [$l, $l])#end$l",
            "#set($a = [1])#set($b = [1])#foreach($i in [1..60])#set($a = [$a, $a])#set($b = [$b, $b])#end#if($a == $b)x#end$a",
            "#macro(m)#m()#end#m()",
            "#set($s = 'x')#foreach($i in [1..40])#set($s = \"$s$s\")#end",
            "#set($l = [])#set($x = $l.add($l))",
            "#set($m = {})#set($m.self = [$m])",
            "#foreach($i in [1..99999])#foreach($j in [1..99999])x#end#end",
        ] {
            assert!(render(template).is_err(), "{template}");
        }
    }

    #[test]
    fn what_is_nested_deep_is_freed() {
        assert_eq!(render("#set($l = [])#foreach($i in [1..90000])#set($l = [$l])#end").as_deref(), Ok(""));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a$#{}()\\[\\]\"'.,!=+ \n\\\\-]|\\$x|#set\\(|#if\\(|#foreach\\(|#end|#else|#macro\\(m|\\$x\\.add\\(| in |\\[1\\.\\.3\\]){0,40}") {
            let _ = render(&text);
        }
    }
}
