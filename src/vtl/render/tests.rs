//! Hostile templates end; no template panics.

use proptest::prelude::*;

use crate::vtl::{Empty, Error, Evaluated, Limits, Template, no_clock};

fn render(text: &str) -> Result<String, Error> {
    Template::parse(text)?.render(&Empty, &Evaluated::default(), &Limits::default(), &no_clock)
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
