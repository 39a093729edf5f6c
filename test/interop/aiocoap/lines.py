"""What the scripts here share: JSON lines towards the test, messages towards aiocoap."""

import json

import aiocoap
from aiocoap import oscore


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

