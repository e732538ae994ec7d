//! Directives.

use std::rc::{Rc, Weak};

use super::evaluated::Piece;
use super::flow::{End, Fault, Outcome, until_break};
use super::variables::{Frame, NullRound, View};
use super::{Loop, Rendering};
use crate::vtl::ast::{Block, Call, Expression, Operator, Part, Reference, Slot};
use crate::vtl::cycle::refuse_cycle;
use crate::vtl::document::Branch;
use crate::vtl::error::ErrorKind;
use crate::vtl::map::{Key, Map};
use crate::vtl::parse::{LOOP_SLOTS, evaluated};
use crate::vtl::value::{Defined, List, ListKind, Truth, Value};
use crate::vtl::view::Shown;

/// What a loop runs over.
enum Looped<'r> {
    List(Rc<List<'r>>),
    /// What a map shows of itself.
    View(Rc<Map<'r>>, Shown),
    Branch(Branch<'r>),
}

impl<'r> Looped<'r> {
    fn list(list: Rc<List<'r>>) -> Self {
        match list.shown() {
            Some((map, shown)) => Self::View(map, shown),
            None => Self::List(list),
        }
    }

    /// What differs once elements have come or gone.
    fn changes(&self) -> u32 {
        match self {
            Self::List(list) => list.changes(),
            Self::View(map, _) => map.changes(),
            Self::Branch(_) => 0,
        }
    }

    /// Whether Java's iterator sees its end behind so many elements: a list's does wherever its length is its place, also after a change.
    fn ends_at(&self, index: usize) -> bool {
        matches!(self, Self::List(_)) && self.len() == index
    }

    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.items().borrow().len(),
            Self::View(map, _) => map.entries.borrow().len(),
            Self::Branch(branch) => branch.len(),
        }
    }

    fn get(&self, index: usize) -> Option<Value<'r>> {
        match self {
            Self::List(list) => list.items().borrow().get(index).cloned(),
            Self::View(map, shown) => shown.at(map, index),
            Self::Branch(branch) => branch.get(index),
        }
    }
}

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
        otherwise.map_or(Ok(()), |block| self.block(block))
    }

    /// Only a boolean or a reference can be true; a reference is, unless it is `false`.
    pub(super) fn condition(&mut self, expression: &'r Expression) -> Result<bool, Fault> {
        Ok(match expression {
            Expression::Boolean(value) => *value,
            Expression::Reference(reference) => !matches!(self.reference(reference)?, Some(Value::Boolean(Truth::False))),
            Expression::Not(inner) => !self.condition(inner)?,
            Expression::Binary(Operator::And, sides) => self.condition(&sides.0)? && self.condition(&sides.1)?,
            Expression::Binary(Operator::Or, sides) => self.condition(&sides.0)? || self.condition(&sides.1)?,
            // A calculation is no condition, and is not even made.
            Expression::Binary(operator, _) if operator.is_arithmetic() => false,
            Expression::Binary(operator, sides) => self.holds(*operator, &sides.0, &sides.1)?,
            _ => false,
        })
    }

    #[inline(never)]
    pub(super) fn foreach(&mut self, slot: Slot, list: &'r Expression, body: &'r Block) -> Outcome {
        let at = self.at;
        let list = match self.value(list)? {
            Some(Value::List(list)) if list.kind == ListKind::Iterator => {
                Looped::List(Rc::new(List::new(list.items().take().into_iter().rev().collect(), ListKind::Java, Weak::new())))
            }
            Some(Value::List(list)) => Looped::list(list),
            Some(Value::Branch(branch)) => Looped::Branch(branch),
            Some(Value::Map(map)) => Looped::View(map, Shown::Values),
            Some(Value::Given(object)) => match self.scope.call(object, "values", &[], self.budget.meter()) {
                Ok(Some(Value::List(list))) => Looped::list(list),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let length = list.len();
        let rounds = self.budget.limits.rounds.map_or(length, |rounds| rounds.min(length));
        if self.trace.is_some() {
            self.tell(at, "#foreach", &format!("{rounds} rounds"));
        }
        let before = self.variable(slot)?;
        // The loop's own variables hide what the template has set under their names.
        let around: [_; LOOP_SLOTS] = std::array::from_fn(|slot| self.variables.get_mut(slot).and_then(Option::take));
        self.loops.push(Loop { index: 0, has_next: false });
        let outcome = self.rounds_of(slot, &list, rounds, body);
        let level = self.loops.len();
        self.loops.pop();
        for (place, value) in self.variables.iter_mut().zip(around) {
            *place = value;
        }
        match before {
            Some(value) if !matches!(value, Value::Null) => self.assign(slot, value),
            _ => self.unset(slot),
        }
        match outcome {
            Err(end) if matches!(*end, End::Break(None)) || matches!(*end, End::Break(Some(of)) if of == level) => Ok(()),
            other => other,
        }
    }

    fn rounds_of(&mut self, slot: Slot, list: &Looped<'r>, rounds: usize, body: &'r Block) -> Outcome {
        let at = self.at;
        let (length, changes) = (list.len(), list.changes());
        let mut null = NullRound { slot, hides: true };
        for index in 0..rounds {
            // A round with an empty body costs time too.
            self.step(1)?;
            if list.ends_at(index) {
                return Ok(());
            }
            if list.changes() != changes {
                self.at = at;
                return Err(self.fault(ErrorKind::Runtime, "the list was changed while the loop runs over it"));
            }
            if let Some(round) = self.loops.last_mut() {
                *round = Loop { index, has_next: index + 1 < length };
            }
            for place in self.variables.get_mut(1..LOOP_SLOTS).unwrap_or_default() {
                *place = None;
            }
            let is_null = match (self.variables.get_mut(slot), list) {
                (Some(place), Looped::Branch(branch)) if self.views.is_empty() => {
                    branch.put(index, place);
                    matches!(place, Some(Value::Null))
                }
                _ => match list.get(index) {
                    Some(item) => {
                        let is_null = matches!(item, Value::Null);
                        self.assign(slot, item);
                        is_null
                    }
                    None => return Ok(()),
                },
            };
            if !is_null {
                self.block(body)?;
                continue;
            }
            self.views.push(View::Null(null));
            let outcome = self.block(body);
            if let Some(View::Null(round)) = self.views.pop() {
                null = round;
            }
            outcome?;
        }
        Ok(())
    }

    /// `#break`, or `#break($foreach.parent)`.
    #[inline(never)]
    pub(super) fn break_(&mut self, of: Option<&'r Expression>) -> Outcome {
        let Some(of) = of else { return Err(Box::new(End::Break(None))) };
        match self.value(of)? {
            Some(Value::Round(round)) => {
                let level = std::iter::successors(Some(&round), |round| round.parent.as_ref()).count();
                Err(Box::new(End::Break(Some(level))))
            }
            _ => Err(self.fault(ErrorKind::Runtime, "`#break` ends a loop, and this is none's `$foreach`")),
        }
    }

    #[inline(never)]
    pub(super) fn call(&mut self, call: &'r Call) -> Outcome {
        let own = self.template.macros.get(&call.name);
        let known = own.or_else(|| self.macros.iter().find(|(name, _)| **name == *call.name).map(|(_, definition)| *definition));
        let Some(definition) = known else {
            self.out.push_str(&call.text);
            return Ok(());
        };
        if call.has_words {
            return Err(self.fault(ErrorKind::Runtime, format!("a bare word is no argument of the macro `#{}`", call.name)));
        }
        self.enter()?;
        let mut frame = Frame { definition, call, arguments: Vec::new(), locals: Vec::new() };
        for (slot, argument) in definition.parameters.iter().zip(&call.arguments) {
            match argument {
                constant if constant.is_constant() => {
                    if let Some(value) = self.value(constant)? {
                        frame.put(*slot, value);
                    }
                }
                argument => frame.arguments.push((*slot, argument)),
            }
        }
        if let Some((slot, block)) = &call.body {
            frame.put(*slot, Value::Block(Defined(block)));
        }
        self.views.push(View::Macro(frame));
        let outcome = self.block(&definition.body);
        self.views.pop();
        self.budget.calls -= 1;
        until_break(outcome)
    }

    #[inline(never)]
    pub(super) fn evaluate(&mut self, expression: &'r Expression) -> Outcome {
        let Some(value) = self.value(expression)? else { return Ok(()) };
        let text = value.as_text();
        self.enter()?;
        self.step(text.len() / 16 + 1)?;
        // What is parsed stays until the end of the rendering.
        self.made_so_much(text.len(), text.len())?;
        let mut names = self.names.take().unwrap_or_else(|| self.template.names.clone());
        let parsed = evaluated(&text, self.at, &mut names);
        self.variables.resize(names.len(), None);
        self.names = Some(names);
        let (block, macros) = parsed.map_err(|error| self.fault(ErrorKind::Runtime, format!("#evaluate: {}", error.message)))?;
        let piece = self.evaluated.get_or_init(|| Box::new(Piece { block, macros, next: Default::default() }));
        self.evaluated = &piece.next;
        self.macros.extend(piece.macros.iter().map(|(name, definition)| (&**name, definition)));
        let outcome = self.block(&piece.block);
        self.budget.calls -= 1;
        match outcome {
            Err(end) if matches!(*end, End::Break(None) | End::Stop) => Ok(()),
            other => other,
        }
    }

    #[inline(never)]
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
            self.assign(target.root, value);
            return Ok(());
        };
        let Some(mut holder) = self.variable(target.root)? else { return Ok(()) };
        for part in before {
            match self.part(&holder, part)? {
                Some(next) => holder = next,
                None => return Ok(()),
            }
        }
        let key = match last {
            Part::Property(property) => Value::text(property.name().text),
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
                map.insert(Key::of(key, self.budget.meter()), value);
                self.made(holder)
            }
            Value::List(list) => {
                self.not_itself(&value, Rc::as_ptr(list).cast())?;
                let Value::Integer(index) = key else { return Ok(()) };
                let mut items = list.items().borrow_mut();
                let index = if *index < 0 { *index + items.len() as i64 } else { *index };
                let place = usize::try_from(index).ok().and_then(|index| items.get_mut(index));
                let place = place.ok_or_else(|| self.fault(ErrorKind::Runtime, format!("index {index} is out of bounds")))?;
                *place = value;
                Ok(())
            }
            Value::Entry(entry) if matches!(key, Value::String(name) if &**name == "value") => {
                self.not_itself(&value, Rc::as_ptr(&entry.map).cast())?;
                entry.map.insert(entry.key.clone(), value);
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
        refuse_cycle([value], collection, self.budget.meter()).map_err(|message| self.failed(message))
    }
}
