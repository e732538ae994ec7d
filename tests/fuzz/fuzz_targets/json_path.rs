//! Any path over any JSON gives a value, nothing or an error, the same whether the JSON was made into values or is read where it lies; and
//! compact text is what values print. The text before the first NUL is the path, what follows is the JSON.
#![no_main]

use headgate::mapping::json;
use headgate::mapping::json_path::JsonPath;
use headgate::vtl::Texts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, json) = text.split_once('\0').unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":2.5,"e":{"f":[true,null]}}"#));
    let texts = Texts::default();
    let root = json::parse(json);
    let mut compact = String::new();
    if json::compact(json, &mut compact) {
        assert_eq!(Some(compact), root.as_ref().map(|root| root.to_json()));
    }
    let document = json::document(json, &texts);
    assert_eq!(document.as_ref().map(|root| root.to_json()), root.as_ref().map(|root| root.to_json()));
    if let (Some(root), Some(document), Ok(path)) = (root, document, JsonPath::parse(path)) {
        let find = |root| path.find(root).map(|found| found.map(|value| value.to_json()));
        assert_eq!(find(&document), find(&root));
    }
});
