//! What a game's entities are made of, as its server says it (docs/protocol.md §6a): components and events
//! become values by name, and values become inputs.

use bytes::Bytes;
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// Values of a component, an input or an event, by the names of their fields.
pub type Values = Map<String, Value>;

/// One game's schema.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Schema {
    /// Of its text, as in Welcome.
    #[serde(skip)]
    pub hash: u64,
    /// Kinds of entities; the first is the character.
    pub kinds: Vec<String>,
    components: Vec<Struct>,
    inputs: Vec<Struct>,
    events: Vec<Struct>,
    /// Constant tables of the game.
    #[serde(default)]
    pub tables: Values,
}

#[derive(Debug, Clone, Deserialize)]
struct Struct {
    name: String,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Deserialize)]
struct Field {
    n: u32,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    quant: f64,
    #[serde(default)]
    entity: bool,
}

fn malformed() -> Refusal {
    Refusal::new(Code::Protocol, "a value that does not fit the schema")
}

impl Schema {
    /// Reads what a server sent.
    ///
    /// # Errors
    /// `protocol` if it is no schema.
    pub fn read(hash: u64, text: &str) -> Result<Self, Refusal> {
        let schema: Self = serde_json::from_str(text)
            .map_err(|error| Refusal::new(Code::Protocol, format!("this is no schema: {error}")))?;
        Ok(Self { hash, ..schema })
    }

    /// The number of a kind of entities.
    pub fn kind(&self, name: &str) -> Option<u8> {
        self.kinds.iter().position(|kind| kind == name).and_then(|n| u8::try_from(n).ok())
    }

    /// The name of a component.
    pub fn component(&self, number: u8) -> Option<&str> {
        self.components.get(usize::from(number)).map(|component| component.name.as_str())
    }

    /// Puts what was told of a component into its values.
    pub(crate) fn apply(&self, number: u8, mut from: &[u8], values: &mut Values) -> Result<(), Refusal> {
        let component = self.components.get(usize::from(number)).ok_or_else(malformed)?;
        let mask = varint(&mut from)?;
        for n in (0..64).filter(|n| mask & 1 << n != 0) {
            let field = component.fields.iter().find(|field| field.n == n).ok_or_else(malformed)?;
            let value = take(&mut from, &field.kind, field.quant)?;
            values.insert(field.name.clone(), value);
        }
        if from.is_empty() { Ok(()) } else { Err(malformed()) }
    }

    /// The number and the bytes of an input.
    ///
    /// # Errors
    /// `protocol` if the game has no such input, or the values do not fit it.
    pub fn input(&self, name: &str, values: &impl Serialize) -> Result<(u8, Bytes), Refusal> {
        let found = self.inputs.iter().position(|input| input.name == name);
        let kind = found.ok_or_else(|| Refusal::new(Code::Protocol, format!("no input «{name}»")))?;
        let values = serde_json::to_value(values).map_err(|_| malformed())?;
        let mut payload = Vec::new();
        for field in &self.inputs[kind].fields {
            put(&mut payload, &field.kind, field.quant, &values[field.name.as_str()])?;
        }
        Ok((u8::try_from(kind).map_err(|_| malformed())?, payload.into()))
    }

    /// Whether an input of this kind names an entity by its number on the wire, which is another's at another server.
    pub fn names_entity(&self, kind: u8) -> bool {
        self.inputs.get(usize::from(kind)).is_some_and(|input| input.fields.iter().any(|field| field.entity))
    }

    /// The name and the values of an event.
    ///
    /// # Errors
    /// `protocol` if the game has no such event, or the bytes do not fit it.
    pub fn event(&self, number: u8, mut payload: &[u8]) -> Result<(&str, Values), Refusal> {
        let event = self.events.get(usize::from(number)).ok_or_else(malformed)?;
        let mut values = Values::new();
        for field in &event.fields {
            let value = take(&mut payload, &field.kind, field.quant)?;
            values.insert(field.name.clone(), value);
        }
        Ok((&event.name, values))
    }
}

fn bytes<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Refusal> {
    let (taken, rest) = from.split_first_chunk::<N>().ok_or_else(malformed)?;
    *from = rest;
    Ok(*taken)
}

fn varint(from: &mut &[u8]) -> Result<u64, Refusal> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = bytes(from)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(malformed());
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed())
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// A number of JSON; what is not finite is null there.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn take(from: &mut &[u8], kind: &str, quant: f64) -> Result<Value, Refusal> {
    if quant > 0.0 {
        return Ok(number(signed(varint(from)?) as f64 * quant));
    }
    if let Some(of) = kind.strip_suffix('?') {
        return match bytes(from)? {
            [0] => Ok(Value::Null),
            [1] => take(from, of, 0.0),
            _ => Err(malformed()),
        };
    }
    if let Some(of) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        let count = varint(from)?;
        // Each takes a byte at least: a lie cannot reserve memory.
        if count > from.len() as u64 {
            return Err(malformed());
        }
        return (0..count).map(|_| take(from, of, 0.0)).collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    Ok(match kind {
        "u8" | "u16" | "u32" | "u64" => varint(from)?.into(),
        "i8" | "i16" | "i32" | "i64" => signed(varint(from)?).into(),
        "f32" => number(f32::from_le_bytes(bytes(from)?).into()),
        "f64" => number(f64::from_le_bytes(bytes(from)?)),
        "bool" => match bytes(from)? {
            [0] => false.into(),
            [1] => true.into(),
            _ => return Err(malformed()),
        },
        "string" => {
            let length = usize::try_from(varint(from)?).map_err(|_| malformed())?;
            let (text, rest) = from.split_at_checked(length).ok_or_else(malformed)?;
            *from = rest;
            String::from_utf8(text.to_vec()).map_err(|_| malformed())?.into()
        }
        _ => return Err(malformed()),
    })
}

fn put(out: &mut Vec<u8>, kind: &str, quant: f64, value: &Value) -> Result<(), Refusal> {
    let wide = |value: &Value| value.as_f64().ok_or_else(malformed);
    let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
    if quant > 0.0 {
        put_varint(out, zigzag((wide(value)? / quant).round() as i64));
        return Ok(());
    }
    if let Some(of) = kind.strip_suffix('?') {
        out.push(u8::from(!value.is_null()));
        return if value.is_null() { Ok(()) } else { put(out, of, 0.0, value) };
    }
    if let Some(of) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        let items = value.as_array().ok_or_else(malformed)?;
        put_varint(out, items.len() as u64);
        return items.iter().try_for_each(|item| put(out, of, 0.0, item));
    }
    match kind {
        "u8" | "u16" | "u32" | "u64" => put_varint(out, value.as_u64().ok_or_else(malformed)?),
        "i8" | "i16" | "i32" | "i64" => put_varint(out, zigzag(value.as_i64().ok_or_else(malformed)?)),
        "f32" => out.extend_from_slice(&(wide(value)? as f32).to_le_bytes()),
        "f64" => out.extend_from_slice(&wide(value)?.to_le_bytes()),
        "bool" => out.push(u8::from(value.as_bool().ok_or_else(malformed)?)),
        "string" => {
            let text = value.as_str().ok_or_else(malformed)?;
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        _ => return Err(malformed()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = r#"{"kinds":["character","wolf"],"components":[{"name":"Body","fields":[
        {"n":0,"name":"health","type":"u16"},{"n":2,"name":"speed","type":"f32","quant":0.5},
        {"n":3,"name":"marks","type":"[i8?]"}]}],"inputs":[{"name":"Say","fields":[
        {"n":0,"name":"text","type":"string"},{"n":1,"name":"loud","type":"bool"},{"n":2,"name":"pitch","type":"f64?"},
        {"n":3,"name":"tones","type":"[i16]"},{"n":4,"name":"step","type":"f32","quant":0.25}]}],
        "events":[{"name":"Said","fields":[{"n":0,"name":"text","type":"string"},{"n":1,"name":"loud","type":"bool"},
        {"n":2,"name":"pitch","type":"f64?"},{"n":3,"name":"tones","type":"[i16]"},
        {"n":4,"name":"step","type":"f32","quant":0.25}]}]}"#;

    #[test]
    fn an_input_that_names_an_entity_is_known() {
        let text = r#"{"kinds":[],"components":[],"events":[],"inputs":[
            {"name":"Walk","fields":[{"n":0,"name":"dx","type":"f32"}]},
            {"name":"Bite","fields":[{"n":0,"name":"hard","type":"bool"},{"n":1,"name":"whom","type":"u16","entity":true}]}]}"#;
        let schema = Schema::read(7, text).expect("a schema");
        assert_eq!([0, 1, 2].map(|kind| schema.names_entity(kind)), [false, true, false]);
    }

    #[test]
    fn what_was_told_of_a_component_changes_only_those_fields() {
        let schema = Schema::read(7, TEXT).expect("a schema");
        assert_eq!(
            (schema.kind("wolf"), schema.kind("bear"), schema.component(0)),
            (Some(1), None, Some("Body"))
        );
        let mut body = Values::new();
        schema.apply(0, &[0b1101, 0x80, 2, 5, 2, 1, 3, 0], &mut body).expect("whole");
        assert_eq!(Value::Object(body.clone()), json!({"health": 256, "speed": -1.5, "marks": [-2, null]}));
        schema.apply(0, &[1, 9], &mut body).expect("a part");
        assert_eq!((&body["health"], &body["speed"]), (&json!(9), &json!(-1.5)));
        for bad in [&[1u8][..], &[2, 1], &[1, 9, 9], &[8, 200, 1], &[0xff; 12], &[]] {
            assert!(schema.apply(0, bad, &mut body).is_err(), "{bad:?}");
        }
        assert!(schema.apply(1, &[0], &mut body).is_err());
        assert_eq!(body["health"], json!(9));
    }

    #[test]
    fn an_input_is_written_as_an_event_is_read() {
        let schema = Schema::read(7, TEXT).expect("a schema");
        let said = json!({"text": "ö", "loud": true, "pitch": 0.1, "tones": [-300, 4], "step": -0.75});
        let (kind, payload) = schema.input("Say", &said).expect("it fits");
        let (name, values) = schema.event(0, &payload).expect("it fits");
        assert_eq!((kind, name, Value::Object(values)), (0, "Said", said.clone()));
        let none = json!({"text": "", "loud": false, "tones": [], "step": 0.0});
        assert!(schema.input("Say", &none).is_ok(), "what is optional may be missing");
        for bad in [json!({"text": 1}), json!({"text": "a"}), json!([])] {
            assert!(schema.input("Say", &bad).is_err(), "{bad}");
        }
        assert!(schema.input("Shout", &said).is_err());
        assert!(schema.event(0, &payload[..3]).is_err() && schema.event(1, &payload).is_err());
        assert!(Schema::read(7, "[]").is_err() && Schema::read(7, "{}").is_err());
    }
}
