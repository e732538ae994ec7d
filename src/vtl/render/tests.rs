//! Hostile templates end; no template panics.

use proptest::prelude::*;

use crate::vtl::{Empty, Error, ErrorKind, Evaluated, Limits, Template, no_clock};

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

#[test]
fn a_reference_of_any_length_is_walked() {
    let long = format!("#set($x = {{}})[$x{}]", ".a".repeat(400_000));
    assert_eq!(render(&long).as_deref(), Ok("[]"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([a$#{}()\\[\\]\"'.,!=+ \n\\\\-]|\\$x|#set\\(|#if\\(|#foreach\\(|#end|#else|#macro\\(m|\\$x\\.add\\(| in |\\[1\\.\\.3\\]){0,40}") {
        let _ = render(&text);
    }
}

fn limited(template: &str, limits: &Limits) -> Error {
    let seconds = std::cell::Cell::new(0);
    let clock = || {
        seconds.set(seconds.get() + 1);
        std::time::Duration::from_secs(seconds.get())
    };
    Template::parse(template).unwrap().render(&Empty, &Evaluated::default(), limits, &clock).unwrap_err()
}

#[test]
fn every_limit_is_told_with_the_line_where_it_was_reached() {
    let usual = Limits { time: std::time::Duration::MAX, ..Limits::default() };
    for (limits, template, message) in [
        (Limits { steps: 100, ..usual }, "\n#foreach($i in [1..9])#foreach($j in [1..9])$i$j#end#end", "more than 100 steps"),
        (Limits { output: 100, ..usual }, "\n#foreach($i in [1..20])0123456789#end", "an output of more than 100 bytes"),
        (Limits { string: 50, ..usual }, "#set($s = 'x')\n#foreach($i in [1..9])#set($s = \"$s$s\")#end", "a string of more than 50 bytes"),
        (Limits { elements: 20, ..usual }, "\n#set($l = [1..30])", "a list of more than 20 elements"),
        (Limits { elements: 2, ..usual }, "#set($l = [1, 2])\n$l.add(3)", "a list of more than 2 elements"),
        (Limits { calls: 5, ..usual }, "#macro(m)\n#m()#end#m()", "macros more than 5 levels deep"),
        (Limits { calls: 5, ..usual }, "#set($e = '#evaluate($e)')\n#evaluate($e)", "macros more than 5 levels deep"),
        (Limits { memory: 500, ..usual }, "\n#foreach($i in [1..9])#set($l = [1..9])#end", "more than 500 bytes of values"),
        (Limits { time: std::time::Duration::from_secs(1), ..usual }, "\n#foreach($i in [1..60000])$i#end", "more than 1000 ms"),
    ] {
        let error = limited(template, &limits);
        assert_eq!((error.kind, error.line), (ErrorKind::Limit, 2), "{template}: {error}");
        assert!(error.message.contains(message), "{template}: {error}");
    }
}

#[test]
fn what_a_macro_prints_of_its_call_is_held_to_the_output_each_time() {
    let template = format!("#macro(m $x)\n{}#end#m($x.{})", "\\$x ".repeat(50), "a".repeat(90));
    let error = limited(&template, &Limits { output: 150, ..Limits::default() });
    assert_eq!((error.kind, error.line, error.column), (ErrorKind::Limit, 2, 6), "{error}");
}

#[test]
fn a_loop_ends_silently_after_the_rounds_that_it_may_have() {
    let limits = Limits { rounds: Some(3), ..Limits::default() };
    let template = Template::parse("#foreach($i in [1..9])$i#if($foreach.hasNext),#end#end").unwrap();
    assert_eq!(template.render(&Empty, &Evaluated::default(), &limits, &no_clock).as_deref(), Ok("1,2,3,"));
}

#[test]
fn texts_too_large_or_too_deep_are_refused_with_their_place() {
    let deep = format!("\n{}{}", "#if(true)".repeat(101), "#end".repeat(101));
    let parentheses = format!("#set($x = {}1{})", "(".repeat(100_000), ")".repeat(100_000));
    let long = format!("#set($x = 1{})", " + 1".repeat(200));
    for (text, line, message) in [
        (deep, 2, "nested more than 100 levels deep"),
        (parentheses, 1, "nested more than 100 levels deep"),
        (long, 1, "more than 100 operators"),
        ("x".repeat((1 << 20) + 1), 1, "larger than 1048576 bytes"),
        (format!("#set($x = {})", "9".repeat(1001)), 1, "more than 1000 digits"),
    ] {
        let error = Template::parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn patterns_run_in_linear_time_and_in_bounded_space() {
    for pattern in ["(a+)+$", "(a|a)*b"] {
        let template = format!("#set($s = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')$s.matches('{pattern}x')");
        assert_eq!(render(&template).as_deref(), Ok("false"));
    }
    for pattern in ["(?=a)b", "(a)\\1", "a{1000}{1000}", &"(".repeat(200)] {
        assert!(render(&format!("#set($s = 'a')$s.matches('{pattern}')")).is_err(), "{pattern}");
    }
}
