//! An ACE peer for the interop tests: dcaf reads and makes the messages of RFC 9200, and tokens. How they travel is for whoever asks.
//!
//! Each line of the input is an order in JSON, `{"read": "hints", "cbor": "a2..."}` or `{"make": "token", ...}`, and each line of the output its answer. Bytes are
//! hexadecimal; `{"refused": "..."}` is what dcaf says of what it does not take.

mod ciphers;
mod json;

use std::io::{self, BufRead, Write};

use ciborium::value::Value as Cbor;
use coset::cwt::{ClaimName, ClaimsSet, ClaimsSetBuilder, Timestamp};
use coset::iana::CwtClaimName;
use coset::{CborSerializable, CoseSign1};
use dcaf::{
    decrypt_access_token, encrypt_access_token, sign_access_token, verify_access_token,
    AccessTokenRequest, AccessTokenResponse, AceProfile, AuthServerRequestCreationHint,
    BinaryEncodedScope, ErrorCode, ErrorResponse, GrantType, ProofOfPossessionKey, Scope,
    TextEncodedScope, ToCborMap,
};
use rand::rngs::OsRng;
use serde_json::{json, Value};

use ciphers::{AesCcm, Es256};
use json::{bytes, cnf_of, hex, key_of, scope_text, show_cnf, text};

/// What dcaf does not take, as text.
type Answer = Result<Value, String>;

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn encoded(message: impl ToCborMap) -> Answer {
    let mut out = Vec::new();
    message.serialize_into(&mut out).map_err(said)?;
    Ok(json!({ "cbor": hex(&out) }))
}

fn decoded<T: ToCborMap>(order: &Value) -> Result<T, String> {
    T::deserialize_from(bytes(&order["cbor"])?.as_slice()).map_err(said)
}

fn scope_of(order: &Value) -> Result<Option<Scope>, String> {
    if let Some(names) = order["scope"].as_str() {
        return Ok(Some(
            TextEncodedScope::try_from(names).map_err(said)?.into(),
        ));
    }
    if order["aif"].is_null() {
        return Ok(None);
    }
    // RFC 9200, Section 8.14, has AIF in a byte string, which is a binary scope to dcaf.
    Ok(Some(
        BinaryEncodedScope::try_from(bytes(&order["aif"])?.as_slice())
            .map_err(said)?
            .into(),
    ))
}

fn make_request(order: &Value) -> Answer {
    let request = AccessTokenRequest {
        client_id: text(&order["client"]),
        grant_type: Some(GrantType::ClientCredentials),
        audience: text(&order["audience"]),
        scope: scope_of(order)?,
        ace_profile: order["profile"]
            .as_bool()
            .and_then(|asked| asked.then_some(())),
        req_cnf: cnf_of(&order["cnf"])?,
        ..AccessTokenRequest::default()
    };
    encoded(request)
}

fn read_request(order: &Value) -> Answer {
    let request: AccessTokenRequest = decoded(order)?;
    Ok(json!({
        "audience": request.audience,
        "scope": request.scope.as_ref().map(scope_text),
        "profile": request.ace_profile.is_some(),
        "cnf": request.req_cnf.as_ref().map(show_cnf),
    }))
}

fn make_response(order: &Value) -> Answer {
    let response = AccessTokenResponse {
        access_token: bytes(&order["token"])?,
        expires_in: order["expires_in"].as_u64().map(|seconds| seconds as u32),
        scope: scope_of(order)?,
        ace_profile: Some(AceProfile::CoapDtls),
        cnf: cnf_of(&order["cnf"])?,
        rs_cnf: cnf_of(&order["rs_cnf"])?,
        ..AccessTokenResponse::default()
    };
    encoded(response)
}

fn read_response(order: &Value) -> Answer {
    let response: AccessTokenResponse = decoded(order)?;
    Ok(json!({
        "token": hex(&response.access_token),
        "expires_in": response.expires_in,
        "profile": response.ace_profile.map(|profile| match profile {
            AceProfile::CoapDtls => "coap_dtls",
            AceProfile::CoapOscore => "coap_oscore",
            _ => "another",
        }),
        "scope": response.scope.as_ref().map(scope_text),
        "cnf": response.cnf.as_ref().map(show_cnf),
        "rs_cnf": response.rs_cnf.as_ref().map(show_cnf),
    }))
}

fn read_error(order: &Value) -> Answer {
    let response: ErrorResponse = decoded(order)?;
    Ok(json!({ "error": format!("{:?}", response.error), "description": response.description }))
}

fn make_error(order: &Value) -> Answer {
    let error = match order["error"].as_str() {
        Some("invalid_scope") => ErrorCode::InvalidScope,
        Some("invalid_request") => ErrorCode::InvalidRequest,
        Some("unsupported_pop_key") => ErrorCode::UnsupportedPopKey,
        Some("incompatible_ace_profiles") => ErrorCode::IncompatibleAceProfiles,
        _ => return Err("expected the name of an error".into()),
    };
    encoded(
        ErrorResponse::builder()
            .error(error)
            .build()
            .map_err(said)?,
    )
}

fn read_hints(order: &Value) -> Answer {
    let hints: AuthServerRequestCreationHint = decoded(order)?;
    Ok(json!({
        "as": hints.auth_server,
        "kid": hints.kid.as_ref().map(|kid| hex(kid)),
        "audience": hints.audience,
        "scope": hints.scope.as_ref().map(scope_text),
        "cnonce": hints.client_nonce.as_ref().map(|nonce| hex(nonce)),
    }))
}

fn make_hints(order: &Value) -> Answer {
    encoded(AuthServerRequestCreationHint {
        auth_server: text(&order["as"]),
        audience: text(&order["audience"]),
        scope: scope_of(order)?,
        ..AuthServerRequestCreationHint::default()
    })
}

/// A token by a symmetric key (COSE_Encrypt0) or by one that signs (COSE_Sign1).
fn make_token(order: &Value) -> Answer {
    let key = key_of(&order["key"])?;
    let mut claims = ClaimsSetBuilder::new()
        .audience(text(&order["audience"]).ok_or("expected an audience")?)
        .expiration_time(Timestamp::WholeSeconds(
            order["exp"].as_i64().ok_or("expected exp")?,
        ));
    claims = match (text(&order["scope"]), &order["aif"]) {
        (Some(names), _) => claims.claim(CwtClaimName::Scope, Cbor::Text(names)),
        (None, aif) => claims.claim(CwtClaimName::Scope, Cbor::Bytes(bytes(aif)?)),
    };
    if let Some(cnf) = cnf_of(&order["cnf"])? {
        claims = claims.claim(CwtClaimName::Cnf, cnf.to_ciborium_value());
    }
    let claims = claims.build();
    let token = if order["key"]["k"].is_string() {
        encrypt_access_token::<AesCcm, _>(&key, claims, None, None, None, OsRng).map_err(said)?
    } else {
        sign_access_token::<Es256, _>(&key, claims, None, None, None, OsRng).map_err(said)?
    };
    Ok(json!({ "token": hex(&token) }))
}

fn read_token(order: &Value) -> Answer {
    let key = key_of(&order["key"])?;
    let token = bytes(&order["token"])?;
    let claims = if order["key"]["k"].is_string() {
        decrypt_access_token::<AesCcm>(&key, &token, None).map_err(said)?
    } else {
        verify_access_token::<Es256>(&key, &token, None).map_err(said)?;
        let payload = CoseSign1::from_slice(&token)
            .map_err(said)?
            .payload
            .unwrap_or_default();
        ClaimsSet::from_slice(&payload).map_err(said)?
    };
    let claim = |name: CwtClaimName| {
        claims
            .rest
            .iter()
            .find(|(known, _)| *known == ClaimName::Assigned(name))
            .map(|(_, value)| value)
    };
    let cnf = match claim(CwtClaimName::Cnf) {
        None => Value::Null,
        Some(value) => {
            let mut inner = Vec::new();
            ciborium::into_writer(value, &mut inner).map_err(said)?;
            show_cnf(&ProofOfPossessionKey::deserialize_from(inner.as_slice()).map_err(said)?)
        }
    };
    Ok(json!({
        "issuer": claims.issuer,
        "audience": claims.audience,
        "exp": claims.expiration_time.map(|time| match time { Timestamp::WholeSeconds(seconds) => seconds as f64, Timestamp::FractionalSeconds(seconds) => seconds }),
        "scope": claim(CwtClaimName::Scope).map(|scope| scope.as_text().map_or_else(|| hex(scope.as_bytes().map_or(&[], |bytes| bytes)), String::from)),
        "cnf": cnf,
    }))
}

fn answer(line: &str) -> Answer {
    let order: Value = serde_json::from_str(line).map_err(said)?;
    match (order["make"].as_str(), order["read"].as_str()) {
        (Some("request"), _) => make_request(&order),
        (Some("response"), _) => make_response(&order),
        (Some("error"), _) => make_error(&order),
        (Some("hints"), _) => make_hints(&order),
        (Some("token"), _) => make_token(&order),
        (_, Some("request")) => read_request(&order),
        (_, Some("response")) => read_response(&order),
        (_, Some("error")) => read_error(&order),
        (_, Some("hints")) => read_hints(&order),
        (_, Some("token")) => read_token(&order),
        _ => Err(format!("not an order: {line}")),
    }
}

fn main() {
    for line in io::stdin().lock().lines() {
        let line = line.expect("lines of UTF-8");
        println!(
            "{}",
            answer(&line).unwrap_or_else(|why| json!({ "refused": why }))
        );
        io::stdout().flush().expect("an open output");
    }
}
