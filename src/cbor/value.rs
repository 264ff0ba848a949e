//! Values whose shape is known at run time only: attestation statements and extension outputs.

use alloc::vec::Vec;

use ciborium::Value;

use super::{Invalid, Writer};

/// Writes a value canonically: maps are sorted, heads shortest. Refuses what CTAP2 CBOR does not have (tags), integers
/// beyond 64 bits and repeated keys.
pub fn write_value(writer: &mut Writer, value: &Value) -> Result<(), Invalid> {
    match value {
        Value::Integer(integer) => {
            let integer = i128::from(*integer);
            match u64::try_from(integer) {
                Ok(unsigned) => writer.unsigned(unsigned),
                Err(_) => writer.integer(i64::try_from(integer).map_err(|_| Invalid)?),
            };
        }
        Value::Bytes(bytes) => {
            writer.bytes(bytes);
        }
        Value::Text(text) => {
            writer.text(text);
        }
        Value::Bool(boolean) => {
            writer.boolean(*boolean);
        }
        Value::Array(elements) => {
            writer.array(elements.len());
            for element in elements {
                write_value(writer, element)?;
            }
        }
        Value::Map(entries) => write_map(writer, entries)?,
        _ => return Err(Invalid),
    }
    Ok(())
}

fn write_map(writer: &mut Writer, entries: &[(Value, Value)]) -> Result<(), Invalid> {
    let mut encoded = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let key = encode(key)?;
        if encoded.iter().any(|(other, _)| *other == key) {
            return Err(Invalid);
        }
        encoded.push((key, encode(value)?));
    }
    writer.sorted_map(encoded);
    Ok(())
}

fn encode(value: &Value) -> Result<Vec<u8>, Invalid> {
    let mut writer = Writer::new();
    write_value(&mut writer, value)?;
    Ok(writer.finish())
}
