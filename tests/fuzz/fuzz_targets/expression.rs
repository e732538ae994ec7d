//! Any text is a mapping expression or none; one that is prints as what reads back. Any text is a substitution, and without a variable in
//! it stays as it is. The text before the first NUL is the expression, what follows is the content.
#![no_main]

use headgate::mapping::expression::{Expression, Parameter, Scope, body_value};
use headgate::mapping::substitution::Substitution;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (text, content) = text.split_once('\0').unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":2.5}"#));
    for scope in [Scope::Request, Scope::Response] {
        let Some(expression) = Expression::parse(text, scope) else { continue };
        assert_eq!(Expression::parse(&expression.to_string(), scope).as_ref(), Some(&expression));
        if let Expression::Body(_, path) = &expression {
            let _ = body_value(content, path.as_deref());
        }
    }
    if let Some(Parameter(pieces)) = Parameter::parse(text) {
        assert!(pieces.len() <= text.len() + 1);
    }
    let substitution = Substitution::parse(text);
    let mut out = String::new();
    substitution.render(&mut out, "", |_| None);
    assert!(out.len() <= text.len());
    if substitution.variables().next().is_none() {
        assert_eq!(out, text);
    }
});
