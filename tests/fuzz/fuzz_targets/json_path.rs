//! Any path over any JSON gives a value, nothing or an error; and compact text is what values print. The text before the first NUL is
//! the path, what follows is the JSON.
#![no_main]

use headgate::mapping::json;
use headgate::mapping::json_path::JsonPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, json) = text.split_once('\0').unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":2.5,"e":{"f":[true,null]}}"#));
    let root = json::parse(json);
    let mut compact = String::new();
    if json::compact(json, &mut compact) {
        assert_eq!(Some(compact), root.as_ref().map(|root| root.to_json()));
    }
    if let (Some(root), Ok(path)) = (root, JsonPath::parse(path)) {
        let _ = path.find(&root).map(|found| found.map(|value| value.to_json()));
    }
});
