//! Expressions.

use std::rc::Rc;

use super::Rendering;
use super::flow::Fault;
use crate::vtl::arithmetic::{calculate, compare, equal};
use crate::vtl::ast::{Block, Expression, Operator, Reference};
use crate::vtl::error::ErrorKind;
use crate::vtl::map::{Entries, Key};
use crate::vtl::value::Value;

impl<'r> Rendering<'r, '_, '_> {
    /// An expression's value; nothing where it has none. A reference that resolves to nothing is the empty string.
    #[inline]
    pub(super) fn value(&mut self, expression: &'r Expression) -> Result<Option<Value<'r>>, Fault> {
        match expression {
            Expression::Reference(reference) => self.reference_or_empty(reference),
            Expression::String(text) => Ok(Some(Value::text(&**text))),
            Expression::Integer(value) => Ok(Some(Value::Integer(*value))),
            other => self.calculated(other),
        }
    }

    fn reference_or_empty(&mut self, reference: &'r Reference) -> Result<Option<Value<'r>>, Fault> {
        let mut found = self.reference(reference);
        if matches!(found, Ok(None | Some(Value::Null))) {
            found = Ok(Some(Value::text("")));
        }
        found
    }

    fn calculated(&mut self, expression: &'r Expression) -> Result<Option<Value<'r>>, Fault> {
        Ok(Some(match expression {
            Expression::Reference(_) | Expression::String(_) | Expression::Integer(_) => return self.value(expression),
            Expression::Boolean(value) => Value::boolean(*value),
            Expression::BigInteger(value) => Value::BigInteger(Rc::new((**value).clone())),
            Expression::Double(value) => Value::Double(*value),
            Expression::Nothing => return Ok(None),
            Expression::Interpolated(block, padded) => self.interpolated(block, *padded)?,
            Expression::List(items) => {
                let values = items.iter().map(|item| Ok(self.value(item)?.unwrap_or(Value::Null))).collect::<Result<Vec<_>, Fault>>()?;
                let list = Value::list(values);
                self.made(&list)?;
                list
            }
            Expression::Range(first, last) => return self.range(first, last),
            Expression::Map(entries) => {
                let mut map = Entries::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.value(key)?.unwrap_or(Value::Null);
                    map.insert(Key::of(&key, self.budget.meter()), self.value(value)?.unwrap_or(Value::Null));
                }
                Value::map(map)
            }
            Expression::Binary(operator, sides) if operator.is_arithmetic() => return self.arithmetic(*operator, &sides.0, &sides.1),
            Expression::Not(_) | Expression::Binary(..) => Value::boolean(self.condition(expression)?),
        }))
    }

    fn interpolated(&mut self, block: &'r Block, padded: bool) -> Result<Value<'r>, Fault> {
        let at = self.at;
        let outer = std::mem::take(&mut self.out);
        let rendered = self.block(block);
        let mut text = std::mem::replace(&mut self.out, outer);
        rendered?;
        self.at = at;
        if padded {
            text.pop();
        }
        let value = Value::text(text);
        self.made(&value)?;
        Ok(value)
    }

    fn range(&mut self, first: &'r Expression, last: &'r Expression) -> Result<Option<Value<'r>>, Fault> {
        let (Some(Value::Integer(first)), Some(Value::Integer(last))) = (self.value(first)?, self.value(last)?) else { return Ok(None) };
        let length = first.abs_diff(last).saturating_add(1);
        if length > self.budget.limits.elements as u64 {
            return Err(self.exceeded(format!("a list of more than {} elements", self.budget.limits.elements)));
        }
        let items: Vec<Value<'r>> =
            if first <= last { (first..=last).map(Value::Integer).collect() } else { (last..=first).rev().map(Value::Integer).collect() };
        let list = Value::list(items);
        self.made(&list)?;
        Ok(Some(list))
    }

    fn arithmetic(&mut self, operator: Operator, left: &'r Expression, right: &'r Expression) -> Result<Option<Value<'r>>, Fault> {
        let (Some(left), Some(right)) = (self.value(left)?, self.value(right)?) else { return Ok(None) };
        if operator == Operator::Add && (matches!(left, Value::String(_)) || matches!(right, Value::String(_))) {
            let mut text = left.to_text();
            right.print(&mut text);
            let text = Value::text(text);
            self.made(&text)?;
            return Ok(Some(text));
        }
        calculate(operator, &left, &right).map_err(|message| self.fault(ErrorKind::Runtime, message))
    }

    /// Whether a comparison holds.
    pub(super) fn holds(&mut self, operator: Operator, left: &'r Expression, right: &'r Expression) -> Result<bool, Fault> {
        let left = &self.value(left)?;
        if let (Some(Value::Integer(left)), Expression::Integer(right)) = (left, right) {
            return Ok(operator.accepts(left.cmp(right)));
        }
        let right = &self.value(right)?;
        let (Some(left), Some(right)) = (left, right) else {
            let alike = left.is_none() && right.is_none();
            return Ok(operator == Operator::Equal && alike || operator == Operator::NotEqual && !alike);
        };
        Ok(match operator {
            Operator::Equal => self.equal(left, right)?,
            Operator::NotEqual => !self.equal(left, right)?,
            _ => compare(left, right).is_some_and(|order| operator.accepts(order)),
        })
    }

    fn equal(&mut self, left: &Value<'r>, right: &Value<'r>) -> Result<bool, Fault> {
        Ok(equal(left, right, self.budget.meter()))
    }
}
