//! Directives.

use std::cell::RefCell;
use std::rc::Rc;

use super::evaluated::Piece;
use super::{Fault, Flow, Frame, Loop, Outcome, Rendering};
use crate::vtl::ast::{Block, Call, Expression, Operator, Part, Reference, Slot};
use crate::vtl::error::ErrorKind;
use crate::vtl::map::Key;
use crate::vtl::parse::parse;
use crate::vtl::value::{Defined, List, Value};

impl<'r> Rendering<'r, '_, '_> {
    pub(super) fn choose(&mut self, branches: &'r [(Expression, Block)], otherwise: Option<&'r Block>) -> Outcome {
        let at = self.at;
        for (condition, block) in branches {
            let holds = self.condition(condition)?;
            if self.trace.is_some() {
                self.tell(at, "#if", if holds { "true" } else { "false" });
            }
            if holds {
                return self.block(block);
            }
        }
        otherwise.map_or(Ok(Flow::Next), |block| self.block(block))
    }

    /// Only a boolean or a reference can be true; a reference is, unless it is `false`.
    pub(super) fn condition(&mut self, expression: &'r Expression) -> Result<bool, Fault> {
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

    pub(super) fn foreach(&mut self, slot: Slot, list: &'r Expression, body: &'r Block) -> Outcome {
        let at = self.at;
        let list = match self.value(list)? {
            Some(Value::List(list)) => list,
            Some(Value::Map(map)) => Rc::new(List { items: RefCell::new(map.entries.borrow().values().cloned().collect()), json: false }),
            Some(Value::Given(object)) => match self.scope.call(object, "values", &[]) {
                Ok(Some(Value::List(list))) => list,
                _ => Rc::default(),
            },
            _ => Rc::default(),
        };
        let length = list.items.borrow().len();
        let rounds = self.budget.limits.rounds.map_or(length, |rounds| rounds.min(length));
        if self.trace.is_some() {
            self.tell(at, "#foreach", &format!("{rounds} rounds"));
        }
        let before = self.variables.get(slot).cloned();
        let mut flow = Flow::Next;
        self.loops.push(Loop { index: 0, has_next: false });
        for index in 0..rounds {
            let item = {
                let items = list.items.borrow();
                if items.len() == length { items.get(index).cloned() } else { None }
            };
            let Some(item) = item else {
                self.at = at;
                return Err(self.fault(ErrorKind::Runtime, "the list was changed while the loop runs over it"));
            };
            if let Some(round) = self.loops.last_mut() {
                *round = Loop { index, has_next: index + 1 < rounds };
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

    pub(super) fn call(&mut self, call: &'r Call) -> Outcome {
        let own = self.template.macros.get(&call.name);
        let known = own.or_else(|| self.macros.iter().find(|(name, _)| **name == *call.name).map(|(_, definition)| *definition));
        let Some(definition) = known else {
            self.out.push_str(&call.text);
            return Ok(Flow::Next);
        };
        self.enter()?;
        let mut arguments = call.arguments.iter();
        let parameters = definition.parameters.iter().map(|slot| (*slot, arguments.next())).collect();
        let locals = call.body.iter().map(|(slot, block)| (*slot, Value::Block(Defined(block)))).collect();
        self.frames.push(Frame { parameters, locals, caller: self.frames.len() });
        let flow = self.block(&definition.body);
        self.frames.pop();
        self.budget.calls -= 1;
        Ok(match flow? {
            Flow::Stop => Flow::Stop,
            _ => Flow::Next,
        })
    }

    pub(super) fn evaluate(&mut self, expression: &'r Expression) -> Outcome {
        let Some(Value::String(text)) = self.value(expression)? else { return Ok(Flow::Next) };
        self.enter()?;
        self.step(text.len() / 16 + 1)?;
        // What is parsed stays until the end of the rendering.
        self.made_so_much(text.len(), text.len())?;
        let mut names = self.names.take().unwrap_or_else(|| self.template.names.clone());
        let parsed = parse(&text, &mut names);
        self.variables.resize(names.len(), None);
        self.names = Some(names);
        let (block, macros) = parsed.map_err(|error| self.fault(ErrorKind::Runtime, format!("#evaluate: {}", error.message)))?;
        let piece = self.evaluated.get_or_init(|| Box::new(Piece { block, macros, next: Default::default() }));
        self.evaluated = &piece.next;
        self.macros.extend(piece.macros.iter().map(|(name, definition)| (&**name, definition)));
        let flow = self.block(&piece.block);
        self.budget.calls -= 1;
        flow
    }

    pub(super) fn assign(&mut self, slot: Slot, value: Value<'r>) {
        if let Some(place) = self.variables.get_mut(slot) {
            *place = Some(value);
        }
    }

    pub(super) fn set(&mut self, target: &'r Reference, expression: &'r Expression) -> Result<(), Fault> {
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
            match self.part(&holder, part)? {
                Some(next) => holder = next,
                None => return Ok(()),
            }
        }
        let key = match last {
            Part::Property(name) => Value::text(&**name),
            Part::Index(index) => match self.value(index)? {
                Some(key) => key,
                None => return Ok(()),
            },
            Part::Method(..) => return Ok(()),
        };
        self.store(&holder, &key, value)
    }

    fn store(&mut self, holder: &Value<'r>, key: &Value<'r>, value: Value<'r>) -> Result<(), Fault> {
        match holder {
            Value::Map(map) => {
                self.not_itself(&value, Rc::as_ptr(map).cast())?;
                map.entries.borrow_mut().insert(Key::of(key), value);
                self.made(holder)
            }
            Value::List(list) => {
                self.not_itself(&value, Rc::as_ptr(list).cast())?;
                let Value::Integer(index) = key else { return Ok(()) };
                let mut items = list.items.borrow_mut();
                let index = if *index < 0 { *index + items.len() as i64 } else { *index };
                let place = usize::try_from(index).ok().and_then(|index| items.get_mut(index));
                let place = place.ok_or_else(|| self.fault(ErrorKind::Runtime, format!("index {index} is out of bounds")))?;
                *place = value;
                Ok(())
            }
            Value::Given(object) => {
                self.scope.set(*object, &key.as_text(), &value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn not_itself(&self, value: &Value<'r>, collection: *const ()) -> Result<(), Fault> {
        if value.holds(collection) { Err(self.fault(ErrorKind::Runtime, "a collection cannot contain itself")) } else { Ok(()) }
    }
}
