use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::vtl::{ErrorKind, no_clock};

struct Nothing;

impl<'r> Source<'r> for Nothing {
    fn parameters(&self, _kind: Kind, _each: &mut dyn FnMut(&'r str, Text<'r>)) {}

    fn context(&self, _name: &str) -> Option<Value<'r>> {
        None
    }

    fn context_names(&self) -> Vec<&'r str> {
        Vec::new()
    }
}

/// What a template makes of a payload that is read where it lies, or else made into values.
fn rendered(text: &str, body: &str, in_place: bool) -> Result<String, Error> {
    rendered_in_time(text, body, in_place, &no_clock)
}

fn rendered_in_time(text: &str, body: &str, in_place: bool, clock: Clock<'_>) -> Result<String, Error> {
    let mut template = Template::parse(text)?;
    assert!(!template.paths.may_change, "{text}");
    template.paths.may_change = !in_place;
    rendered_by(&template, body, &Limits::default(), clock)
}

fn rendered_by(template: &Template, body: &str, limits: &Limits, clock: Clock<'_>) -> Result<String, Error> {
    let (evaluated, texts) = (Evaluated::default(), Texts::default());
    let (overrides, stage_variables) = (Overrides::default(), IndexMap::new());
    let work =
        Work { body, source: &Nothing, stage_variables: &stage_variables, overrides: &overrides, evaluated: &evaluated, texts: &texts };
    work.render(template, limits, clock, None).map(|(text, _)| text)
}

const BODY: &str =
    r#"{"a":[1,"x",null,{"b":"y\"z","c":[]},1.50,[[2]]],"b":{"a":{},"c":"d","n":12345678901234567890},"c":"\u00e9","d":[],"e":true}"#;

#[test]
fn nothing_tells_whether_a_payload_was_read_where_it_lies() {
    for text in [
        "$p $p.a $p.b $p.a[3] $p.a.get(3).c $p.a[-1][0] $p.b.n $p.c $p.zz $p.e",
        "$p.a.size() $p.b.size() $p.a.isEmpty() $p.d.isEmpty() $p.d.empty $p.b.isEmpty()",
        "$p.get('a') $p.get('zz') $p.get(1) $p['b'] $p[0] $p.a['x'] $p.a.contains('x') $p.a.contains(null) $p.a.contains($p.d)",
        "$p.keySet() $p.values() $p.entrySet() $p.b.containsKey('c') $p.b.containsKey(1) $p.containsValue($p.b)",
        "#foreach($e in $p.entrySet())$e.key=$e.value $e.getValue() #end#foreach($k in $p.keySet())$k #end",
        "#foreach($v in $p)$v;#end#foreach($v in $p.a)$foreach.count:$v;#end#foreach($v in $p.d)never#end",
        "#if($p.a == $p.a)1#end#if($p.d == $p.a[3].c)2#end#if($p.b.a == {})3#end#if($p.b == $p.b.clone())4#end#if($p.a)5#end",
        "$p.a.containsAll($p.a) $p.d.containsAll($p.a) $p.c.join('-', $p.d) $p.c.valueOf($p.a) $p.c.format('%s', $p.b)",
        "$p.a.equals($p.a) $p.b.equals({}) $p.hashCode() $p.a.indexOf('x') $p.a.subList(0, 2) $p.a.toString() $p.a.toJSONString()",
        "$input.json('$') $input.json('$.a') $input.json('$.b.c') $input.path('$.a[?(@.b)]') $input.path('$..c') $input.json('$..*')",
        "$input.path('$.a.length()') $input.path('$.b.keys()') $input.json(\"$['b']['a','c']\") $input.path('$.a[0,2]') $input.path('$.a[-2:]')",
        "#set($l = [$p.a, $p.b])$l $l.get(0).get(3).b #set($m = {'k': $p.b})$m.k.c $m $m.k.a.size()",
        "$util.escapeJavaScript($p.a[3].b) $util.escapeJavaScript($p) $util.parseJson($p.b.c) $util.urlEncode($p.a)",
        "#macro(m $x)$x $x.c#end#m($p.b)#m($p.a[3])",
        "$input.path('$.a[?(@.c size 0)]') $input.path('$.a[?(@.c empty true)]') $input.path('$[?(@ contains 1)]') $input.path('$.a[0:2]')",
        "$input.path('$.a[*].b') $input.path('$.a.first()') $input.path('$.a.last()') $input.path('$.a.sum()') $input.path('$.length()')",
        "$input.path('$.a[?(@ in $.a)]') $input.path('$[?(@ subsetof $.a)]') $input.path('$.zz[*]') $input.path('$.a[99]') $input.path('$.c[*]')",
    ] {
        let text = format!("#set($p = $input.path('$')){text}");
        let (here, there) = (rendered(&text, BODY, true).unwrap(), rendered(&text, BODY, false).unwrap());
        assert_eq!(here, there, "{text}");
    }
    for text in ["$p.a.size(1)", "$p.a[99]", "$p.a.get(9)", "$p.b.keySet(1)"] {
        let text = format!("#set($p = $input.path('$')){text}");
        assert_eq!(rendered(&text, BODY, true).unwrap_err(), rendered(&text, BODY, false).unwrap_err(), "{text}");
    }
}

#[test]
fn large_payloads_are_compared_alike() {
    let body = format!("{{\"a\":{0},\"b\":{0}}}", format!("[{}]", vec!["[1]"; 350].join(",")));
    let text = "#set($p = $input.path('$'))#if($p.a == $p.b)same#end";
    assert_eq!(rendered(text, &body, true), rendered(text, &body, false));
    assert_eq!(rendered(text, &body, true).as_deref(), Ok("same"));
}

#[test]
fn a_collection_is_the_same_as_itself_however_large_it_is() {
    for part in [format!("[{}]", vec!["[]"; 400].join(",")), format!("[{}]", vec!["1"; 100_000].join(","))] {
        let body = format!("{{\"a\":{part}}}");
        let text = "#set($p = $input.path('$'))#if($p.a == $p.a)same#end#if($p.a != $input.path('$.a'))other#end";
        assert_eq!(rendered(text, &body, true).as_deref(), Ok("same"));
        assert_eq!(rendered(text, &body, false).as_deref(), Ok("same"));
    }
}

#[test]
fn whatever_takes_long_is_counted() {
    let list = format!("[{}]", vec!["1"; 20_000].join(","));
    let body = format!("{{\"a\":[{list}],\"b\":[{list}],\"t\":\"{}\",\"j\":\"[{list}]\"}}", "x".repeat(1 << 20));
    let empty = format!("[{}]", vec!["\"\""; 20_000].join(","));
    let body = body.replacen('{', &format!("{{\"z\":\"\",\"e\":{empty},"), 1);
    for (call, may_change) in [
        ("$input.path('$.a[0].sum()')", false),
        ("$input.path('$.a[0][?(@ == 2)]').size()", false),
        ("$input.json('$.a[0][?(@ == 2)]')", false),
        ("$input.path('$.t.length()')", false),
        ("$util.parseJson($p.j).size()", false),
        ("#if($p.a == $p.b)#end", false),
        ("#if($p.a == 'x')#end", false),
        ("#if($p.t == $input.body)#end#if($p.t == $input.path('$').t)#end", false),
        ("$p.containsKey($p.a)", false),
        ("$p[$p.a]", false),
        ("#set($m = {$p.a: 1})", false),
        ("$p.a.hashCode()", false),
        ("$p.containsValue($p.b)", false),
        ("#if($p.hashCode() == 1)#end", false),
        ("#set($x = $p.z.join('', $p.e))", false),
        ("#set($l[0] = $p.a)", true),
        ("$p.put('x', $p.a)", true),
    ] {
        // A round is ten steps at most, so that none of these could reach the limit in so few but for what they cost.
        let text = format!("#set($p = $input.path('$'))#set($l = [1])#foreach($i in [1..1000]){call}#end");
        let template = Template::parse(&text).unwrap();
        assert_eq!(template.paths.may_change, may_change, "{call}");
        let limits = Limits { steps: 20_000, ..Limits::default() };
        let error = rendered_by(&template, &body, &limits, &no_clock).err().map(|error| error.kind);
        assert_eq!(error, Some(ErrorKind::Limit), "{call}");
    }
}

#[test]
fn a_list_that_holds_itself_over_and_over_has_no_hash_code() {
    let text = "#set($l = [1])#foreach($i in [1..60])#set($l = [$l, $l])#end$l.hashCode()";
    assert_eq!(rendered(text, "{}", true).expect_err("it has no end").kind, ErrorKind::Limit);
}

#[test]
fn long_searches_end_at_a_limit() {
    let numbers = format!("[{}]", (0..99_999).map(|number| number.to_string()).collect::<Vec<_>>().join(","));
    let text = "9".repeat(200_000);
    let few = format!("[{}]", vec!["1"; 200].join(","));
    let body = format!("{{\"few\":{few},\"numbers\":{numbers},\"text\":\"{text}\"}}");
    for text in [
        "$p.numbers.containsAll($p.numbers)",
        "$input.path('$.few[?($.text == $.text)]').size()",
        "$input.path('$.few[?($.text < $.text)]').size()",
        "$input.path('$.few[?($.text size @)]').size()",
        "$input.path('$.few[?($.numbers == $.numbers)]').size()",
        "$input.path(\"$.few[?([$.text] == [$.text])]\").size()",
        "#foreach($e in $p.numbers)$p.text.regionMatches(true, 0, $p.text, 0, 200000)#end",
    ] {
        let text = format!("#set($p = $input.path('$')){text}");
        for in_place in [true, false] {
            // Time passes only where somebody looks at it.
            let looks = Cell::new(0);
            let clock = || {
                looks.set(looks.get() + 1);
                Duration::from_millis(100 * looks.get())
            };
            let error = rendered_in_time(&text, &body, in_place, &clock).expect_err(&text);
            assert!(error.kind == ErrorKind::Limit || error.message.contains("visits more"), "{text}: {error}");
        }
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[0-9]{1,3}",
        "[1-9]\\.[0-9]{1,20}",
        "\"([ab/'é]|\\\\n|\\\\\"|\\\\u00e9){0,4}\"",
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[abc]|\\\\u0061", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn reference() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\.[abc]",
        "\\[(-?[0-2]|'a')\\]",
        "\\.(size|isEmpty|keySet|values|entrySet|hashCode|toString|iterator|clone)\\(\\)",
        "\\.(get|contains|containsKey|equals|indexOf|containsValue)\\((0|1|'a'|\\$p|\\$p\\.a|null)\\)",
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| format!("$p{}", parts.concat()))
}

proptest! {
    #[test]
    fn no_payload_tells_it_either(
        body in json(),
        left in reference(),
        right in reference(),
        path in "\\$(\\.[abc*]|\\.\\.[abc]|\\[[0-2*]\\]|\\[0,1\\]|\\[-1:\\]|\\[\\?\\(@\\.a\\)\\]){0,3}(\\.length\\(\\))?",
    ) {
        let text = format!("#set($p = $input.path('{path}')){left}|{right}#if({left} == {right})same#end#foreach($x in {left})$x;$x.a#end$input.json('{path}')");
        prop_assert_eq!(rendered(&text, &body, true), rendered(&text, &body, false), "{}", text);
    }
}
