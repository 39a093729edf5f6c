//! What dcaf leaves to others: AES-CCM-16-64-128 and ES256. All headers are protected.

use aes::Aes128;
use ccm::aead::{Aead, KeyInit, Payload};
use ccm::consts::{U13, U8};
use ccm::Ccm;
use coset::iana::{Algorithm, Ec2KeyParameter, EnumI64, SymmetricKeyParameter};
use coset::{CoseKey, Header, ProtectedHeader, RegisteredLabelWithPrivate};
use dcaf::error::CoseCipherError;
use dcaf::token::CoseCipher;
use dcaf::{CoseEncryptCipher, CoseSignCipher};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::EncodedPoint;
use rand::{CryptoRng, RngCore};

use crate::json::parameter;

type Ccm8 = Ccm<Aes128, U8, U13>;

fn refused(why: impl ToString) -> CoseCipherError<String> {
    CoseCipherError::other_error(why.to_string())
}

fn name(key: &CoseKey, algorithm: Algorithm, protected: &mut Header) {
    protected.alg = Some(RegisteredLabelWithPrivate::Assigned(algorithm));
    protected.key_id.clone_from(&key.key_id);
}

pub struct AesCcm;

fn cipher_of(key: &CoseKey) -> Option<Ccm8> {
    Ccm8::new_from_slice(&parameter(key, SymmetricKeyParameter::K.to_i64())?).ok()
}

impl CoseCipher for AesCcm {
    type Error = String;

    fn set_headers<RNG: RngCore + CryptoRng>(
        key: &CoseKey,
        _unprotected: &mut Header,
        protected: &mut Header,
        mut rng: RNG,
    ) -> Result<(), CoseCipherError<String>> {
        name(key, Algorithm::AES_CCM_16_64_128, protected);
        let mut iv = vec![0; 13];
        rng.fill_bytes(&mut iv);
        protected.iv = iv;
        Ok(())
    }
}

impl CoseEncryptCipher for AesCcm {
    fn encrypt(
        key: &CoseKey,
        plaintext: &[u8],
        aad: &[u8],
        first: &Header,
        second: &Header,
    ) -> Vec<u8> {
        // By its trait dcaf gives the protected header first, by its call the other one: the IV is in the protected one.
        let protected = if first.iv.is_empty() { second } else { first };
        let sealed = cipher_of(key).expect("a key").encrypt(
            protected.iv.as_slice().into(),
            Payload {
                msg: plaintext,
                aad,
            },
        );
        sealed.expect("a short plaintext")
    }

    fn decrypt(
        key: &CoseKey,
        ciphertext: &[u8],
        aad: &[u8],
        _unprotected: &Header,
        protected: &ProtectedHeader,
    ) -> Result<Vec<u8>, CoseCipherError<String>> {
        let iv = protected.header.iv.as_slice();
        if iv.len() != 13 {
            return Err(refused(
                "expected an IV of 13 bytes among the protected headers",
            ));
        }
        let cipher = cipher_of(key).ok_or_else(|| refused("expected a key of 16 bytes"))?;
        cipher
            .decrypt(
                iv.into(),
                Payload {
                    msg: ciphertext,
                    aad,
                },
            )
            .map_err(|_| CoseCipherError::DecryptionFailure)
    }
}

pub struct Es256;

impl CoseCipher for Es256 {
    type Error = String;

    fn set_headers<RNG: RngCore + CryptoRng>(
        key: &CoseKey,
        _unprotected: &mut Header,
        protected: &mut Header,
        _rng: RNG,
    ) -> Result<(), CoseCipherError<String>> {
        name(key, Algorithm::ES256, protected);
        Ok(())
    }
}

impl CoseSignCipher for Es256 {
    fn sign(key: &CoseKey, target: &[u8], _unprotected: &Header, _protected: &Header) -> Vec<u8> {
        let d = parameter(key, Ec2KeyParameter::D.to_i64()).expect("a private key");
        let signature: Signature = SigningKey::from_slice(&d)
            .expect("a key on P-256")
            .sign(target);
        signature.to_bytes().to_vec()
    }

    fn verify(
        key: &CoseKey,
        signature: &[u8],
        signed_data: &[u8],
        _unprotected: &Header,
        _protected: &ProtectedHeader,
        _unprotected_signature: Option<&Header>,
        _protected_signature: Option<&ProtectedHeader>,
    ) -> Result<(), CoseCipherError<String>> {
        let coordinate = |label: Ec2KeyParameter| {
            parameter(key, label.to_i64()).ok_or_else(|| refused("expected a public key"))
        };
        let (x, y) = (
            coordinate(Ec2KeyParameter::X)?,
            coordinate(Ec2KeyParameter::Y)?,
        );
        let point =
            EncodedPoint::from_affine_coordinates(x.as_slice().into(), y.as_slice().into(), false);
        let verifying = VerifyingKey::from_encoded_point(&point).map_err(refused)?;
        let signature = Signature::from_slice(signature).map_err(refused)?;
        verifying
            .verify(signed_data, &signature)
            .map_err(|_| CoseCipherError::VerificationFailure)
    }
}
