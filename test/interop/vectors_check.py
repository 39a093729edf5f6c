"""Recomputes each step of the files in fixtures/vectors by the package cryptography and by what is written here: nothing of ace-coap takes part.

    python vectors_check.py FOLDER

Prints how often each operation was checked, as JSON. A step that comes out otherwise, a file that schema.json does not allow, a name that is not there: a line for each, and
exit status 1.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

import cbor2
import jsonschema
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Wrong(Exception):
    pass


def head(major, number):
    """RFC 8949, Section 3: the shortest head."""
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise Wrong("a number beyond 64 bits")


def item(value, get):
    """A CBOR item in deterministic encoding (RFC 8949, Section 4.2.1)."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(item(one, get) for one in value)
    if "item" in value:
        return get(value["item"])
    if "tag" in value:
        return head(6, value["tag"]) + item(value["value"], get)
    if "map" in value:
        entries = sorted((item(key, get), item(one, get)) for key, one in value["map"])
        return head(5, len(entries)) + b"".join(key + one for key, one in entries)
    content = get(value["ref"]) if "ref" in value else bytes.fromhex(value["hex"])
    return head(2, len(content)) + content


def extended(number):
    """The nibble of an option delta or length, and the bytes behind it (RFC 7252, Section 3.1)."""
    if number < 13:
        return number, b""
    if number < 269:
        return 13, bytes([number - 13])
    return 14, (number - 269).to_bytes(2, "big")


def body(options, payload):
    out, before = b"", 0
    for number, value in options:
        delta, behind_delta = extended(number - before)
        length, behind_length = extended(len(value))
        out += bytes([delta << 4 | length]) + behind_delta + behind_length + value
        before = number
    return out + (b"\xff" + payload if payload else b"")


def prf(name, secret, label, seed, length):
    """RFC 5246, Section 5."""
    seed = label.encode() + seed
    a, out = seed, b""
    while len(out) < length:
        a = hmac.digest(secret, a, name)
        out += hmac.digest(secret, a + seed, name)
    return out[:length]


def p256(d):
    return ec.derive_private_key(int.from_bytes(d, "big"), ec.SECP256R1())


def point(key):
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def raw(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def rfc6979(d, digest):
    """ECDSA on P-256 with the nonce of RFC 6979, Section 3.2; r and s behind one another."""
    z = int.from_bytes(digest, "big")
    seed = d + (z % ORDER).to_bytes(32, "big")
    v, k = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        k = hmac.digest(k, v + separator + seed, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        nonce = int.from_bytes(v, "big")
        if 0 < nonce < ORDER:
            r = int.from_bytes(point(p256(v))[:32], "big") % ORDER
            s = pow(nonce, -1, ORDER) * (z + r * int.from_bytes(d, "big")) % ORDER
            if r and s:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        k = hmac.digest(k, v + b"\x00", "sha256")
        v = hmac.digest(k, v, "sha256")


def halves(signature):
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def sign(curve, d, data):
    if curve == "Ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(d).sign(data)
    signature = rfc6979(d, hashlib.sha256(data).digest())
    p256(d).public_key().verify(encode_dss_signature(*halves(signature)), data, ec.ECDSA(hashes.SHA256()))
    return signature


def public_key(curve, d):
    if curve == "P-256":
        return point(p256(d))
    return raw({"Ed25519": ed25519.Ed25519PrivateKey, "X25519": x25519.X25519PrivateKey}[curve].from_private_bytes(d))


def ecdh(curve, private, public):
    if curve == "X25519":
        return x25519.X25519PrivateKey.from_private_bytes(private).exchange(x25519.X25519PublicKey.from_public_bytes(public))
    return p256(private).exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public))


def seal(of, part):
    key, nonce, aad, plaintext = (part(of[name]) for name in ("key", "nonce", "aad", "plaintext"))
    if of["cipher"] == "aes-ccm":
        return AESCCM(key, of["tag"]).encrypt(nonce, plaintext, aad)
    if of["tag"] != 16:
        raise Wrong(f"a tag of {of['tag']} bytes")
    return {"aes-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}[of["cipher"]](key).encrypt(nonce, plaintext, aad)


def mac(of, part):
    return hmac.digest(part(of["key"]), part(of["data"]), of["hash"])[: of["length"]]


def hkdf(of, part):
    secret, salt, info = (part(of[name]) for name in ("secret", "salt", "info"))
    return HKDF(HASHES[of["hash"]](), of["length"], salt, info).derive(secret)


def message(of, part):
    token = part(of["token"])
    start = bytes([0x40 | of["type"] << 4 | len(token), of["code"]]) + of["id"].to_bytes(2, "big")
    return start + token + body([(number, part(value)) for number, value in of["options"]], part(of["payload"]))


def edited(of, part):
    data = part(of["data"])
    return data[: of["at"]] + part(of["insert"]) + data[of["at"] + of["remove"] :]


OPERATIONS = {
    "coap-message": message,
    "coap-body": lambda of, part: bytes([of["code"]]) + body([(number, part(value)) for number, value in of["options"]], part(of["payload"])),
    "concat": lambda of, part: b"".join(part(one) for one in of["parts"]),
    "slice": lambda of, part: part(of["data"])[of["start"] : of["end"]],
    "xor": lambda of, part: bytes(a ^ b for a, b in zip(part(of["a"]), part(of["b"]), strict=True)),
    "edit": edited,
    "base64url": lambda of, part: base64.urlsafe_b64encode(part(of["data"])).rstrip(b"="),
    "hash": lambda of, part: hashlib.new(of["hash"], b"".join(part(one) for one in of["parts"])).digest(),
    "hmac": mac,
    "hkdf": hkdf,
    "tls-prf": lambda of, part: prf(of["hash"], part(of["secret"]), of["label"], part(of["seed"]), of["length"]),
    "aead-seal": seal,
    "public-key": lambda of, part: public_key(of["curve"], part(of["key"])),
    "ecdh": lambda of, part: ecdh(of["curve"], part(of["private"]), part(of["public"])),
    "sign": lambda of, part: sign(of["curve"], part(of["key"]), part(of["data"])),
    "ecdsa-der": lambda of, part: encode_dss_signature(*halves(part(of["signature"]))),
}


def check(vector, counts):
    names = {}
    for name, value in vector["input"].items():
        if not isinstance(value, int):
            names[name] = bytes.fromhex(value) if isinstance(value, str) else value["text"].encode()

    def get(name):
        if name not in names:
            raise Wrong(f"nothing before has the name {name}")
        return names[name]

    def part(one):
        return get(one) if isinstance(one, str) else bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode()

    for step in vector["steps"]:
        name, op, of = step["name"], step["op"], step["of"]
        value = item(of["value"], get) if op == "cbor" else OPERATIONS[op](of, part)
        if value.hex() != step["value"]:
            raise Wrong(f"{name}: {op} gives {value.hex()}, the vector has {step['value']}")
        if op == "cbor":
            # Another decoder reads what was written here to the end.
            cbor2.loads(value)
        if name in names:
            raise Wrong(f"{name} is there twice")
        names[name] = value
        counts[op] = counts.get(op, 0) + 1
    for name in vector["output"]:
        get(name)


def main(folder):
    schema = json.loads((folder / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    index = json.loads((folder / "index.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    files, vectors, counts = 0, 0, {}
    of_index = jsonschema.Draft202012Validator({**schema["$defs"]["index"], "$defs": schema["$defs"]})
    wrong = [f"index.json: {error.json_path}: {error.message}" for error in of_index.iter_errors(index)]
    for entry in index["files"]:
        file = json.loads((folder / entry["file"]).read_text())
        for error in validator.iter_errors(file):
            wrong.append(f"{entry['file']}: {error.json_path}: {error.message}")
        if len(file["vectors"]) != entry["vectors"]:
            wrong.append(f"{entry['file']}: {len(file['vectors'])} vectors, and the index says {entry['vectors']}")
        files += 1
        for vector in file["vectors"]:
            try:
                check(vector, counts)
            except (Wrong, InvalidSignature, ValueError) as error:
                wrong.append(f"{entry['file']}: {vector['id']}: {error or type(error).__name__}")
            vectors += 1
    if wrong:
        sys.exit("\n".join(wrong))
    print(json.dumps({"files": files, "vectors": vectors, "steps": sum(counts.values()), "operations": dict(sorted(counts.items()))}))


main(pathlib.Path(sys.argv[1]))
