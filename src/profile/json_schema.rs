//! The profile language as a JSON Schema (draft 2020-12), for editors that complete and check as one writes.
//!
//! It knows words and forms; what a profile means (whether an operation models an error, say) only `squall check` tells.

use serde_json::{Map, Value, json};

use super::{matcher, schedule};
use crate::aws::catalog;
use crate::fault::json_schema::{self as fault, DURATION};

/// The schema of a whole profile.
pub fn json_schema() -> Value {
    let rule = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,100}$",
                     "description": "Shown in the report and in x-squall-fault."},
            "match": {"$ref": "#/$defs/match", "description": "Which requests; all keys must hold. Without it: all."},
            "when": {"$ref": "#/$defs/when", "description": "Which of them; all keys must hold. Without it: each."},
            "fault": {"$ref": "#/$defs/fault", "description": "What happens to them."},
        },
        "required": ["name", "fault"],
        "additionalProperties": false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Squall profile",
        "description": format!("What should go wrong, and when. Services and operations are those of {}.", catalog::version()),
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The profile's name; without it, the file's."},
            "seed": {"type": "integer", "minimum": 0, "description": "Of all its chance; without it, drawn at each start and printed."},
            "services": {"type": "object", "additionalProperties": {"type": "string"},
                         "description": "Which of services that look alike is meant: {rds: neptune}."},
            "tcp": {"type": "array", "items": tcp_entry(),
                    "description": "Ports of Squall's own that lead to far ends: databases, brokers, anything over TCP."},
            "rules": {"type": "array", "items": rule, "description": "In the order in which they are looked at."},
        },
        "required": ["rules"],
        "additionalProperties": false,
        "$defs": {"match": matching(), "when": when(), "fault": fault::json_schema()},
    })
}

fn tcp_entry() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,100}$",
                     "description": "What rules (`match: {tcp: …}`), ledger and report call it."},
            "listen": {"type": ["string", "integer"],
                       "description": "Where clients connect: 127.0.0.1:15432, or a port of loopback's alone; port 0 is any free one."},
            "upstream": {"type": "string", "pattern": ":[0-9]+$", "description": "Where they are led: HOST:PORT."},
        },
        "required": ["name", "listen", "upstream"],
        "additionalProperties": false,
    })
}

fn matching() -> Value {
    let services: Vec<&str> = catalog::services().iter().map(|service| service.name).collect();
    let mut properties: Map<String, Value> = matcher::KEYS
        .iter()
        .map(|(key, about)| {
            let mut schema = match *key {
                "service" => any_of(&json!({"anyOf": [{"enum": services}, {"type": "string", "pattern": "[*?]"}]})),
                "client" => json!({"type": "object", "additionalProperties": false, "properties": {
                    "user_agent": any_of(&text()),
                    "header": {"type": "object", "additionalProperties": any_of(&text())}}}),
                "body" => json!({"type": "object", "additionalProperties": any_of(&text())}),
                _ => any_of(&text()),
            };
            schema["description"] = (*about).into();
            ((*key).to_owned(), schema)
        })
        .collect();
    let not = any_of(&json!({"$ref": "#/$defs/match"}));
    properties.insert("not".to_owned(), not);
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn when() -> Value {
    let properties: Map<String, Value> = schedule::KEYS
        .iter()
        .map(|(key, about)| {
            let mut schema = match *key {
                "probability" => json!({"anyOf": [text(), {"type": "object", "additionalProperties": false,
                    "required": ["from", "to", "over"],
                    "properties": {"from": text(), "to": text(), "over": {"type": "string", "pattern": DURATION}}}]}),
                "per" => json!({"enum": ["rule", "invocation", "resource", "client"]}),
                "limit" | "max_active" => json!({"type": ["integer", "string"], "minimum": 1}),
                _ => json!({"type": "string"}),
            };
            schema["description"] = (*about).into();
            ((*key).to_owned(), schema)
        })
        .collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// One, or a list.
fn any_of(one: &Value) -> Value {
    json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
}

/// A word; YAML takes some for numbers or truth values.
fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}
