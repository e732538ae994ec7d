//! What the lexer makes of a template's text.

use crate::vtl::ast::Operator;

/// A piece of the text with one meaning.
#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// The piece itself, from the first sign that led to it: `#$x` is one name with a `#` to be printed before it.
    pub(super) image: &'t str,
    /// Where the image begins.
    pub(super) at: usize,
    /// Signs before it that might have begun something and did not. Only what is text prints them, as in Velocity.
    pub(super) strays: String,
}

/// A token's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// One backslash.
    Escape,
    /// Two backslashes.
    Escapes,
    /// Backslashes, an odd number, before what may be a directive, and that.
    EscapedDirective,
    /// `$[`, `$![`, `$.`.
    EmptyIndex,
    Comment,
    /// `#[[ … ]]#`.
    Literal,
    If,
    ElseIf,
    Else,
    End,
    /// `#set(`, with the blanks before it.
    Set,
    /// `#name`, or a bare word within a directive's parentheses.
    Word,
    /// `#{name}`.
    BracedWord,
    Identifier,
    Dot,
    /// `{` of a formal reference; also any `{` directly behind a reference.
    FormalOpen,
    FormalClose,
    IndexOpen,
    IndexClose,
    /// `)` of a method's arguments.
    MethodClose,
    Open,
    /// `)` of a directive, with the blanks and the newline behind it.
    Close,
    ListOpen,
    ListClose,
    MapOpen,
    MapClose,
    Comma,
    Colon,
    /// `..`.
    Dots,
    Blanks,
    String,
    True,
    False,
    Integer,
    Float,
    /// `=`.
    Assign,
    Not,
    Operator(Operator),
    EndOfText,
}

impl Kind {
    /// How a message names it.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::Open => "`(`",
            Self::Close | Self::MethodClose => "`)`",
            Self::ListClose | Self::IndexClose => "`]`",
            Self::FormalClose | Self::MapClose => "`}`",
            Self::Assign => "`=`",
            Self::Colon => "`:`",
            Self::Comma => "`,`",
            Self::End => "`#end`",
            Self::Identifier => "a name",
            _ => "something else",
        }
    }

    /// Whether a literal or a reference can begin with it.
    pub(super) const fn begins_value(self) -> bool {
        matches!(
            self,
            Self::Blanks
                | Self::String
                | Self::Integer
                | Self::Float
                | Self::ListOpen
                | Self::MapOpen
                | Self::True
                | Self::False
                | Self::Identifier
                | Self::FormalOpen
        )
    }
}
