"""aiocoap takes the OSCORE vectors of a folder: it derives each context, opens each request as the server and each response as the client.

    python vectors.py FOLDER

Prints as JSON how many contexts, requests and responses came out the same; and of what is to be refused how much was, which vectors it took, and on which it broke with
an error that is none of its own.
"""

import json
import pathlib
import sys

from aiocoap import Message, error, oscore
from aiocoap.message import Direction

from lines import MemoryContext


def values_of(vector):
    given = {**vector["input"], **{step["name"]: step["value"] for step in vector["steps"]}}
    return {name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in given.items()}


def context(values, sender, recipient):
    return MemoryContext(
        secret=values["masterSecret"],
        salt=values["masterSalt"],
        sender_id=values[sender],
        recipient_id=values[recipient],
        id_context=values.get("idContext"),
        algorithm=values["aead"],
        hashfun={5: "sha256", 7: "sha512"}[values["hkdf"]],
    )


def plaintext(message):
    """Code, options and payload, without the options that stay outside."""
    inner = message.copy(uri_host=None, uri_port=None)
    return bytes([int(inner.code)]) + inner.opt.encode() + (b"\xff" + inner.payload if inner.payload else b"")


def exchange(vector, values, counts):
    client, server = context(values, "clientId", "serverId"), context(values, "serverId", "clientId")
    binding = None
    for name in vector["output"]:
        message = Message.decode(values[name])
        # What aiocoap makes of Observe is not what stands inside.
        is_plain = message.opt.observe is None
        if name.startswith("request"):
            opened, binding = server.unprotect(message)
            if f"{name}PartialIv" not in values:
                # Of a request that is to be refused there is nothing to compare.
                return
            client.sender_sequence_number = int.from_bytes(values[f"{name}PartialIv"], "big")
            # aiocoap does not use the last number itself.
            if client.sender_sequence_number < oscore.MAX_SEQNO:
                again = opened.copy()
                again.direction = Direction.OUTGOING
                protected, binding = client.protect(again)
                if is_plain:
                    assert protected.payload == message.payload, f"{vector['id']}: {name}: the client protects it otherwise"
            counts["requests"] += 1
        else:
            opened, _ = client.unprotect(message, binding)
            counts["responses"] += 1
        expected = values[f"{name}Plaintext"]
        if is_plain:
            assert plaintext(opened) == expected, f"{vector['id']}: {name}: {plaintext(opened).hex()}, expected {expected.hex()}"


def main(folder):
    counts = {"contexts": 0, "requests": 0, "responses": 0, "refused": 0, "taken": [], "broken": []}
    for name in ("oscore-derivation.json", "oscore-messages.json", "oscore-exchanges.json"):
        for vector in json.loads((folder / name).read_text())["vectors"]:
            values = values_of(vector)
            if vector["action"] == "derive-context":
                if vector["expect"] == "accept":
                    made = context(values, "clientId", "serverId")
                    assert [made.sender_key, made.recipient_key, made.common_iv] == [values[one] for one in vector["output"]], vector["id"]
                    counts["contexts"] += 1
            elif vector["expect"] == "accept":
                exchange(vector, values, counts)
            else:
                try:
                    exchange(vector, values, {"requests": 0, "responses": 0})
                    counts["taken"].append(vector["id"])
                except (oscore.ProtectionInvalid, oscore.NotAProtectedMessage, error.UnparsableMessage):
                    counts["refused"] += 1
                except Exception as broken:
                    counts["broken"].append(f"{vector['id']}: {type(broken).__name__}")
    print(json.dumps(counts))


main(pathlib.Path(sys.argv[1]))
