"""AKMA keys of TS 33.535, Annex A, by Python's hmac and by the HMAC and HKDF of the package cryptography: one JSON object a line in, one out."""

import hmac
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def kdf(key, fc, *parameters):
    s = bytes([fc])
    for parameter in parameters:
        s += parameter + len(parameter).to_bytes(2, "big")
    mac = HMAC(key, hashes.SHA256())
    mac.update(s)
    derived = mac.finalize()
    assert derived == hmac.digest(key, s, "sha256")
    return derived


for line in sys.stdin:
    case = json.loads(line)
    k_ausf, supi = bytes.fromhex(case["k_ausf"]), case["supi"].encode()
    k_akma = kdf(k_ausf, 0x80, b"AKMA", supi)
    k_af = kdf(k_akma, 0x82, case["fqdn"].encode() + bytes.fromhex(case["protocol"]))
    master_secret = HKDF(hashes.SHA256(), 32, None, b"AKMA-OSCORE").derive(k_af)
    derived = {"k_akma": k_akma, "a_tid": kdf(k_ausf, 0x81, b"A-TID", supi), "k_af": k_af, "master_secret": master_secret}
    print(json.dumps({name: value.hex() for name, value in derived.items()}))
