//! Whether a template can change a collection that it was given. Where it cannot, nobody can tell a copy from the collection itself, and a
//! payload is read where it lies.

use super::ast::{Expression, Part, Reference, Template};
use super::visit::Found;

/// Methods that change the collection which they are called on, for some kind of collection.
const CHANGING: [&str; 12] =
    ["add", "addAll", "clear", "put", "putAll", "putIfAbsent", "remove", "removeAll", "replace", "retainAll", "set", "setValue"];

impl Template {
    /// Whether rendering it may change a list or map that it did not make itself. It may where this cannot be known.
    #[must_use]
    pub fn may_change_collections(&self) -> bool {
        let context = |reference: &Reference| self.names.name(reference.root) == Some("context");
        let (mut changes, mut overrides, mut shadowed) = (false, false, false);
        self.visit(&mut |found| match found {
            Found::Reference(reference) => changes |= reference.parts.iter().any(is_change),
            // The overrides are nobody else's, as long as `$context` is itself and nothing of the payload is put there.
            Found::Stored(target, value) if context(target) && is_text(value) => overrides = true,
            Found::Stored(..) | Found::Evaluated => changes = true,
            Found::Assigned(slot) => shadowed |= self.names.name(slot) == Some("context"),
        });
        changes || overrides && shadowed
    }
}

fn is_change(part: &Part) -> bool {
    matches!(part, Part::Method(name, _) if CHANGING.contains(&&**name))
}

const fn is_text(value: &Expression) -> bool {
    matches!(value, Expression::String(_) | Expression::Interpolated(..) | Expression::Integer(_) | Expression::Boolean(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str) -> bool {
        Template::parse(text).unwrap().may_change_collections()
    }

    #[test]
    fn what_only_reads_changes_nothing() {
        for text in [
            "$input.path('$').a.b[0].get('x').size()",
            "#set($x = $input.path('$.a'))#foreach($y in $x.entrySet())$y.key=$y.value#end",
            "#set($context.responseOverride.status = 400)#set($context.responseOverride.header.A = \"$a\")",
        ] {
            assert!(!changes(text), "{text}");
        }
    }

    #[test]
    fn what_may_change_a_collection_is_known_wherever_it_stands() {
        for text in [
            "$x.put('a', 1)",
            "#if($x.remove(0))#end",
            "\"$x.get($y.add(1))\" #set($z = [$x.clear()])",
            "#macro(m $a)$a.addAll([1])#end",
            "#define($d)$x.b.retainAll([])#end",
            "#set($x.a = 1)",
            "#set($x[0] = 1)",
            "#set($context.requestOverride.header = $input.path('$.h'))",
            "#set($context = $x)#set($context.a = 1)",
            "#foreach($context in $x)#set($context.a = 1)#end",
            "#evaluate($x)",
        ] {
            assert!(changes(text), "{text}");
        }
    }
}
