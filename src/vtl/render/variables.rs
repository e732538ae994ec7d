//! Variables, also within macros.
//!
//! A macro has variables of its own, but only as a view: what it sets is set in all the views around it, too, down to the template's own
//! variables. An argument that is no plain number or boolean is evaluated each time it is read, where the macro was called.

use super::Rendering;
use super::flow::Fault;
use crate::vtl::ast::{Call, Expression, Macro, Slot};
use crate::vtl::parse::LOOP_SLOTS;
use crate::vtl::value::Value;

/// What stands between a template's own variables and what reads them, the innermost last.
pub(super) enum View<'r> {
    /// A macro being rendered.
    Macro(Frame<'r>),
    /// The round of a null element.
    Null(NullRound),
}

/// A macro being rendered.
pub(super) struct Frame<'r> {
    pub(super) definition: &'r Macro,
    pub(super) call: &'r Call,
    /// Arguments that are evaluated when they are read.
    pub(super) arguments: Vec<(Slot, &'r Expression)>,
    pub(super) locals: Vec<(Slot, Value<'r>)>,
}

/// Hides a loop's variable while its element is null, whatever is set under its name. A loop within, over the same variable, ends that for all rounds
/// of the loop around it, until an element of it is null.
#[derive(Clone, Copy)]
pub(super) struct NullRound {
    pub(super) slot: Slot,
    pub(super) hides: bool,
}

impl<'r> View<'r> {
    /// How a macro's call writes the argument for a parameter.
    pub(super) fn literal(&self, slot: Slot) -> Option<&'r str> {
        if let Self::Macro(frame) = self { frame.literal(slot) } else { None }
    }
}

impl<'r> Frame<'r> {
    fn local(&self, slot: Slot) -> Option<&Value<'r>> {
        self.locals.iter().find(|(known, value)| *known == slot && !matches!(value, Value::Null)).map(|(_, value)| value)
    }

    fn argument(&self, slot: Slot) -> Option<&'r Expression> {
        self.arguments.iter().find(|(known, _)| *known == slot).map(|(_, argument)| *argument)
    }

    fn literal(&self, slot: Slot) -> Option<&'r str> {
        let place = self.definition.parameters.iter().position(|known| *known == slot)?;
        self.call.arguments.get(place).filter(|argument| !argument.is_constant())?;
        self.call.literals.get(place).map(|literal| &**literal)
    }

    pub(super) fn put(&mut self, slot: Slot, value: Value<'r>) {
        match self.locals.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, place)) => *place = value,
            None => self.locals.push((slot, value)),
        }
    }
}

impl<'r> Rendering<'r, '_, '_> {
    pub(super) fn variable(&mut self, slot: Slot) -> Result<Option<Value<'r>>, Fault> {
        if !self.views.is_empty()
            && let Some(found) = self.of_views(slot)?
        {
            return Ok(found);
        }
        match self.variables.get(slot) {
            Some(Some(value)) => return Ok(Some(value.clone())),
            Some(None) => {}
            None => return Ok(None),
        }
        if slot < LOOP_SLOTS
            && let Some(round) = self.loops.last()
        {
            return Ok(match slot {
                0 => self.rounds(self.loops.len()).map(Value::Round),
                1 => Some(Value::Integer(round.index as i64 + 1)),
                _ => Some(Value::boolean(round.has_next)),
            });
        }
        let Some(name) = self.names.as_ref().unwrap_or(&self.template.names).name(slot) else { return Ok(None) };
        let found = self.scope.find(name);
        if let (Some(value), Some(place)) = (&found, self.variables.get_mut(slot)) {
            *place = Some(value.clone());
        }
        Ok(found)
    }

    /// What the innermost view that knows the name says of it.
    fn of_views(&mut self, slot: Slot) -> Result<Option<Option<Value<'r>>>, Fault> {
        for level in (0..self.views.len()).rev() {
            let frame = match self.views.get(level) {
                Some(View::Macro(frame)) => frame,
                Some(View::Null(round)) if round.hides && round.slot == slot => return Ok(Some(Some(Value::Null))),
                _ => continue,
            };
            if let Some(value) = frame.local(slot) {
                return Ok(Some(Some(value.clone())));
            }
            let Some(argument) = frame.argument(slot) else { continue };
            let inner = self.views.split_off(level);
            let value = match argument {
                Expression::Reference(reference) if reference.parts.is_empty() => {
                    self.reference(reference).map(|found| found.filter(|value| !matches!(value, Value::Null)))
                }
                other => self.value(other),
            };
            self.views.extend(inner);
            return value.map(Some);
        }
        Ok(None)
    }

    pub(super) fn assign(&mut self, slot: Slot, value: Value<'r>) {
        for view in &mut self.views {
            match view {
                View::Macro(frame) => frame.put(slot, value.clone()),
                View::Null(round) => round.hides |= round.slot == slot && matches!(value, Value::Null),
            }
        }
        if let Some(place) = self.variables.get_mut(slot) {
            *place = Some(value);
        }
    }

    pub(super) fn unset(&mut self, slot: Slot) {
        for view in &mut self.views {
            match view {
                View::Macro(frame) => {
                    frame.locals.retain(|(known, _)| *known != slot);
                    frame.arguments.retain(|(known, _)| *known != slot);
                }
                View::Null(round) => round.hides &= round.slot != slot,
            }
        }
        if let Some(place) = self.variables.get_mut(slot) {
            *place = None;
        }
    }
}
