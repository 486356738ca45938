//! What may stand under `fault:`, as a JSON Schema: made from what each kind tells of its settings.

use serde_json::{Map, Value as Json, json};

use super::{FaultKind, Setting, Short, Value, kinds};

/// A fault: a bare word, a map with one key per fault, or a list of both.
pub fn json_schema() -> Json {
    let bare = kinds().filter(|kind| matches!(kind.short, Short::Bare | Short::BareOrValue(_))).map(|kind| kind.name);
    let bare: Vec<&str> = bare.collect();
    let properties: Map<String, Json> = kinds().map(|kind| (kind.name.to_owned(), of_kind(kind))).collect();
    let one = json!({"anyOf": [
        {"enum": bare},
        {"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1},
    ]});
    json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
}

fn of_kind(kind: &FaultKind) -> Json {
    let mut ways: Vec<Json> = Vec::new();
    if !kind.settings.is_empty() {
        let properties: Map<String, Json> =
            kind.settings.iter().map(|setting| (setting.name.to_owned(), of_setting(setting))).collect();
        ways.push(json!({"type": "object", "properties": properties, "additionalProperties": false}));
    }
    match kind.short {
        Short::No => {}
        Short::Bare => ways.push(json!({"type": "null"})),
        Short::BareOrValue(value) => ways.extend([json!({"type": "null"}), of_value(value)]),
        Short::Value(value) => ways.push(of_value(value)),
    }
    json!({"description": format!("{} {}", kind.about, kind.details).trim_end(), "anyOf": ways})
}

fn of_setting(setting: &Setting) -> Json {
    let mut schema = of_value(setting.value);
    schema["description"] = setting.about.into();
    if let Some(default) = setting.default {
        schema["default"] = default.into();
    }
    schema
}

fn of_value(value: Value) -> Json {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match value {
        Value::Amount => {
            json!({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, pattern(r"^[0-9.]+ ?(([kKMG]i?)?B)?$")]})
        }
        Value::Count => json!({"type": ["integer", "string"], "minimum": 1}),
        Value::Duration => pattern(DURATION),
        Value::Fault => json!({"type": ["string", "object"]}),
        Value::Flag => json!({"enum": [true, false]}),
        Value::Items => json!({"anyOf": [
            pattern(SHARE),
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            pattern(r"^(first +[1-9][0-9]*|every +[1-9][0-9]*(st|nd|rd|th)?)$"),
            {"type": "object", "properties": {"keys": {"type": ["string", "number"]}}, "required": ["keys"], "additionalProperties": false},
        ]}),
        Value::Members => json!({"type": "object"}),
        Value::Number => json!({"type": ["integer", "string"], "minimum": 0}),
        Value::Offset => json!({"anyOf": [pattern(SHARE), pattern(SIZE)]}),
        Value::Quantiles => json!({"type": "object", "additionalProperties": pattern(DURATION)}),
        Value::Rate => pattern(r"^[0-9.]+ ?(([kKMG]i?)?B)?/(s|m|h)$"),
        Value::Shift => pattern(SHIFT),
        Value::Size => pattern(SIZE),
        Value::Speed => pattern(SPEED),
        Value::Status => json!({"type": ["integer", "string"], "minimum": 300, "maximum": 599}),
        Value::StreamBreak => json!({"anyOf": [
            {"enum": ["cut", "bad_crc"]},
            {"type": "object", "properties": {"exception": {"type": "string"}, "message": {"type": "string"}},
             "required": ["exception"], "additionalProperties": false},
        ]}),
        Value::Text => json!({"type": ["string", "number", "boolean"]}),
        Value::Word(words) => one_of(words),
        Value::WordOrOffset(words) => json!({"anyOf": [one_of(words), pattern(SHARE), pattern(SIZE)]}),
    }
}

/// YAML takes a word of digits for a number.
fn one_of(words: &[&str]) -> Json {
    let numbers = words.iter().filter_map(|word| word.parse::<u64>().ok().map(Json::from));
    let all: Vec<Json> = words.iter().map(|word| Json::from(*word)).chain(numbers).collect();
    json!({"enum": all})
}

/// `250ms`, `1.5s`, `3m`, `1h`
pub const DURATION: &str = r"^[0-9.]+ ?(ms|s|m|h)$";
const SHARE: &str = r"^[0-9.]+ ?%$";
const SHIFT: &str = r"^[+-]?[0-9.]+ ?(ms|s|m|h)$";
const SIZE: &str = r"^[0-9.]+ ?([kKMG]i?)?B$";
const SPEED: &str = r"^[0-9.]+ ?([kKMG]i?)?B/s$";
