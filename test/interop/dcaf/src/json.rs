//! Keys and scopes of dcaf as JSON has them here.

use ciborium::value::Value as Cbor;
use coset::iana::{Ec2KeyParameter, EllipticCurve, EnumI64, SymmetricKeyParameter};
use coset::{CoseKey, CoseKeyBuilder, KeyType, Label};
use dcaf::{ProofOfPossessionKey, Scope};
use serde_json::{json, Value};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let digits = value.as_str().ok_or("expected hexadecimal, got none")?;
    (0..digits.len() / 2)
        .map(|at| {
            u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|error| error.to_string())
        })
        .collect()
}

pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(String::from)
}

/// `{"k": ...}`, or `{"x": ..., "y": ..., "d": ...}` on P-256; each may have a `kid`.
pub fn key_of(value: &Value) -> Result<CoseKey, String> {
    let builder = if value["k"].is_string() {
        CoseKeyBuilder::new_symmetric_key(bytes(&value["k"])?)
    } else if value["d"].is_string() {
        CoseKeyBuilder::new_ec2_priv_key(
            EllipticCurve::P_256,
            bytes(&value["x"])?,
            bytes(&value["y"])?,
            bytes(&value["d"])?,
        )
    } else {
        CoseKeyBuilder::new_ec2_pub_key(
            EllipticCurve::P_256,
            bytes(&value["x"])?,
            bytes(&value["y"])?,
        )
    };
    let builder = if value["kid"].is_string() {
        builder.key_id(bytes(&value["kid"])?)
    } else {
        builder
    };
    Ok(builder.build())
}

/// A key, or `{"kid": ...}` alone for one that is known already.
pub fn cnf_of(value: &Value) -> Result<Option<ProofOfPossessionKey>, String> {
    if value.is_null() {
        return Ok(None);
    }
    if value["k"].is_null() && value["x"].is_null() {
        return Ok(Some(ProofOfPossessionKey::KeyId(bytes(&value["kid"])?)));
    }
    Ok(Some(ProofOfPossessionKey::PlainCoseKey(key_of(value)?)))
}

/// The bytes of a parameter of a key.
pub fn parameter(key: &CoseKey, label: i64) -> Option<Vec<u8>> {
    let (_, value) = key
        .params
        .iter()
        .find(|(known, _)| *known == Label::Int(label))?;
    if let Cbor::Bytes(bytes) = value {
        Some(bytes.clone())
    } else {
        None
    }
}

pub fn show_cnf(cnf: &ProofOfPossessionKey) -> Value {
    let ProofOfPossessionKey::PlainCoseKey(key) = cnf else {
        return json!({ "kid": hex(cnf.key_id()) });
    };
    let mut shown = serde_json::Map::new();
    if !key.key_id.is_empty() {
        shown.insert("kid".into(), hex(&key.key_id).into());
    }
    let symmetric = key.kty == KeyType::Assigned(coset::iana::KeyType::Symmetric);
    let names = if symmetric {
        vec![("k", SymmetricKeyParameter::K.to_i64())]
    } else {
        vec![
            ("x", Ec2KeyParameter::X.to_i64()),
            ("y", Ec2KeyParameter::Y.to_i64()),
        ]
    };
    for (name, label) in names {
        if let Some(value) = parameter(key, label) {
            shown.insert(name.into(), hex(&value).into());
        }
    }
    Value::Object(shown)
}

/// The names, or the bytes in hexadecimal.
pub fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::TextEncoded(names) => names.elements().collect::<Vec<_>>().join(" "),
        other => match Cbor::from(other.clone()) {
            Cbor::Bytes(binary) => hex(&binary),
            value => format!("{value:?}"),
        },
    }
}
