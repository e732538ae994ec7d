//! A parsed template.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::error::ErrorKind;
use super::name::Property;
use super::parse::Names;

/// A template, ready to be rendered any number of times.
#[derive(Debug)]
pub struct Template {
    pub(super) text: Box<str>,
    pub(super) body: Block,
    pub(super) names: Names,
    pub(super) macros: Macros,
}

impl Template {
    /// What is rendered whatever the references stand for; nothing where anything but text stands in the template.
    #[must_use]
    pub fn constant(&self) -> Option<String> {
        let texts = self.body.0.iter().map(|node| if let NodeKind::Text(text) = &node.kind { Some(&**text) } else { None });
        texts.collect()
    }
}

/// Macros by name.
pub(super) type Macros = HashMap<Box<str>, Macro>;

/// Nodes in the order in which they are rendered.
#[derive(Debug, Default)]
pub(super) struct Block(pub(super) Vec<Node>);

/// A variable: an index of the template's names.
pub(super) type Slot = usize;

/// A `#macro`.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) parameters: Vec<Slot>,
    pub(super) body: Block,
}

/// One element of a block, with the byte of the text at which it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: NodeKind,
}

/// With a tag of its own: one that hides in a member is slower to tell.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum NodeKind {
    Text(Box<str>),
    Reference(Reference),
    /// An escaped reference: evaluated, not printed.
    Discard(Reference),
    /// `\$name`, evaluated already: printed as it is written, or as the argument is that a macro's call has for it.
    Name(Slot, Box<str>),
    Set(Reference, Expression),
    If(Vec<(Expression, Block)>, Option<Block>),
    Foreach(Slot, Expression, Block),
    /// Ends the innermost loop, macro, block or `#evaluate`, or else the loop whose `$foreach` it is given.
    Break(Option<Expression>),
    Stop,
    Call(Call),
    Define(Slot, Block),
    Evaluate(Expression),
    /// What fails wherever it is rendered: `#parse` and `#include`, for there are no other files.
    Fails(ErrorKind, &'static str),
}

/// A macro call, or text that looks like one.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Box<str>,
    pub(super) arguments: Vec<Expression>,
    /// The arguments as they are written.
    pub(super) literals: Vec<Box<str>>,
    /// Whether an argument is a bare word, which is an error only if there is such a macro.
    pub(super) has_words: bool,
    /// What is printed where no macro has the name.
    pub(super) text: Box<str>,
    /// What a block call holds, and the variable under which the macro sees it.
    pub(super) body: Option<(Slot, Block)>,
}

/// `$name.property[index].method(…)`.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) at: usize,
    pub(super) root: Slot,
    pub(super) parts: Vec<Part>,
}

/// With a tag of its own: one that hides in a member is slower to tell.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum Part {
    Property(Property),
    Method(Box<str>, Vec<Expression>),
    Index(Expression),
}

/// With a tag of its own: one that hides in a member is slower to tell.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum Expression {
    /// What looks like a reference and is none: it has no value, not even the empty string.
    Nothing,
    Boolean(bool),
    Integer(i64),
    BigInteger(Box<num_bigint::BigInt>),
    Double(f64),
    String(Box<str>),
    /// A string with references or directives in it, and whether the last sign of what it gives is to be taken off.
    Interpolated(Block, bool),
    Reference(Reference),
    List(Vec<Self>),
    Range(Box<Self>, Box<Self>),
    Map(Vec<(Self, Self)>),
    Not(Box<Self>),
    Binary(Operator, Box<(Self, Self)>),
}

impl Expression {
    /// Whether a macro takes it as a value; it looks at other arguments each time it reads them.
    pub(super) const fn is_constant(&self) -> bool {
        matches!(self, Self::Boolean(_) | Self::Integer(_) | Self::BigInteger(_) | Self::Double(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// Whether it gives a number, or a text.
    pub(super) const fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder)
    }

    /// Whether a comparison holds for two values in this order.
    pub(super) const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            _ => false,
        }
    }
}
