"""What the scripts here share: JSON lines towards the test, messages towards aiocoap."""

import asyncio
import json
import sys

import aiocoap
import cbor2
from aiocoap import Message, oscore
from aiocoap.numbers.codes import Code


def say(**fields):
    print(json.dumps(fields), flush=True)


def told(response):
    """A response, as the test reads it."""
    options = response.opt
    return {
        "code": response.code.dotted,
        "payload": response.payload.hex(),
        "contentFormat": None if options.content_format is None else int(options.content_format),
        "etag": None if options.etag is None else options.etag.hex(),
        "maxAge": options.get_option(aiocoap.numbers.OptionNumber.MAX_AGE)[0].value
        if options.get_option(aiocoap.numbers.OptionNumber.MAX_AGE)
        else None,
        "echo": None if options.echo is None else options.echo.hex(),
        "observe": options.observe,
        "protected": hasattr(response.remote, "security_context"),
    }


async def orders():
    """The lines of the standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def message(order):
    request = Message(
        code=getattr(Code, order.get("method", "GET")),
        uri=order["uri"],
        payload=bytes.fromhex(order.get("payload", "")),
    )
    options = request.opt
    if "contentFormat" in order:
        options.content_format = order["contentFormat"]
    if "accept" in order:
        options.accept = order["accept"]
    if "ifMatch" in order:
        options.if_match = [bytes.fromhex(order["ifMatch"])]
    if "ifNoneMatch" in order:
        options.if_none_match = True
    if "observe" in order:
        options.observe = order["observe"]
    if "szx" in order:
        request.remote.maximum_block_size_exp = order["szx"]
    return request


class MemoryContext(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):
    """An OSCORE security context that lives as long as the process."""

    echo_recovery = None

    def __init__(self, *, secret, salt, sender_id, recipient_id, id_context=None, algorithm=10, hashfun="sha256"):
        (self.alg_aead,) = [one for one in oscore.algorithms.values() if one.value == algorithm]
        self.hashfun = oscore.hashfunctions[hashfun]
        self.sender_id = sender_id
        self.recipient_id = recipient_id
        self.id_context = id_context
        self.sender_sequence_number = 0
        self.recipient_replay_window = oscore.ReplayWindow(32, lambda: None)
        self.recipient_replay_window.initialize_empty()
        self.derive_keys(salt, secret)

    def post_seqnoincrease(self):
        pass


def input_material_context(material, nonce1, nonce2, *, sender_id, recipient_id):
    """The security context of an OSCORE_Input_Material and what was exchanged at authz-info (RFC 9203, Section 4.3)."""
    salt = b"".join(cbor2.dumps(part) for part in (material.get(5, b""), nonce1, nonce2))
    return MemoryContext(
        secret=material[2],
        salt=salt,
        sender_id=sender_id,
        recipient_id=recipient_id,
        id_context=material.get(6),
        algorithm=material.get(4, 10),
        hashfun={5: "sha256", 7: "sha512"}[material.get(3, 5)],
    )
