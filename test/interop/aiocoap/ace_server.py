"""An ACE resource server (RFC 9200, RFC 9203) made of aiocoap and cbor2.

    ace_server.py --port PORT --audience NAME --as URI --key HEX

Its tokens are COSE_Encrypt0 with AES-CCM-16-64-128 under the key; r_temp lets read /temperature, w_led write /led.
It tells of each upload that it takes in a line of JSON.
"""

import argparse
import asyncio
import os
import time

import cbor2
from aiocoap import Context, Message, credentials, error, resource
from aiocoap.numbers.codes import Code
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from lines import input_material_context, say

ACE_CBOR = 19
CWT, ENCRYPT0 = 61, 16
RIGHTS = {"r_temp": ("temperature", Code.GET), "w_led": ("led", Code.PUT)}

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--audience", required=True)
parser.add_argument("--as", dest="authorization_server", required=True)
parser.add_argument("--key", type=bytes.fromhex, required=True)
arguments = parser.parse_args()

contexts = credentials.CredentialsMap()


def open_token(token):
    """The claims of a token that is for us and has not expired."""
    try:
        tagged = cbor2.loads(token)
        assert tagged.tag == CWT and tagged.value.tag == ENCRYPT0
        protected, unprotected, ciphertext = tagged.value.value
        headers = cbor2.loads(protected)
        assert unprotected == {} and headers[1] == 10
        structure = cbor2.dumps(["Encrypt0", protected, b""])
        claims = cbor2.loads(AESCCM(arguments.key, tag_length=8).decrypt(headers[5], ciphertext, structure))
    except (InvalidTag, AssertionError, ValueError, KeyError) as cause:
        raise error.Unauthorized() from cause
    if claims[4] <= time.time():
        raise error.Unauthorized()
    if claims[3] != arguments.audience:
        raise error.Forbidden()
    return claims


class AuthzInfo(resource.Resource):
    async def render_post(self, request):
        if request.opt.content_format != ACE_CBOR:
            raise error.UnsupportedContentFormat()
        upload = cbor2.loads(request.payload)
        claims = open_token(upload[1])
        context = getattr(request.remote, "security_context", None)
        if context is not None:
            if claims[8].get(3) != context.material_id:
                raise error.Unauthorized()
            context.scope = claims[9]
            say(upload="update")
            return Message(code=Code.CREATED)
        material = claims[8][4]
        nonce2 = os.urandom(8)
        id2 = b"\x5e" + bytes([len(contexts)])
        context = input_material_context(material, upload[40], nonce2, sender_id=upload[43], recipient_id=id2)
        context.material_id = material[0]
        context.scope = claims[9]
        contexts[f":{len(contexts)}"] = context
        say(upload="first")
        return Message(code=Code.CREATED, content_format=ACE_CBOR, payload=cbor2.dumps({42: nonce2, 44: id2}))


def refusal(request, path):
    """What a request without the right to it is answered with; nothing, if it has it."""
    context = getattr(request.remote, "security_context", None)
    if context is None:
        (scope,) = [name for name, right in RIGHTS.items() if right == (path, request.code)] or [None]
        hints = {1: arguments.authorization_server, 5: arguments.audience} | ({} if scope is None else {9: scope})
        return Message(code=Code.UNAUTHORIZED, content_format=ACE_CBOR, payload=cbor2.dumps(hints))
    rights = [RIGHTS[name] for name in context.scope.split()]
    if (path, request.code) in rights:
        return None
    return Message(code=Code.METHOD_NOT_ALLOWED if path in [covered for covered, _ in rights] else Code.FORBIDDEN)


class Temperature(resource.ObservableResource):
    degrees = 21

    async def add_observation(self, request, observation):
        if refusal(request, "temperature") is None:
            await super().add_observation(request, observation)
            asyncio.get_running_loop().call_later(0.3, self.warm)

    def warm(self):
        self.degrees += 1
        self.updated_state()

    async def render_get(self, request):
        return refusal(request, "temperature") or Message(payload=str(self.degrees).encode(), content_format=0)


class Led(resource.Resource):
    async def render_put(self, request):
        return refusal(request, "led") or Message(code=Code.CHANGED)


async def main():
    site = resource.Site()
    site.add_resource(["authz-info"], AuthzInfo())
    site.add_resource(["temperature"], Temperature())
    site.add_resource(["led"], Led())
    await Context.create_server_context(
        OscoreSiteWrapper(site, contexts),
        bind=("127.0.0.1", arguments.port),
        server_credentials=contexts,
        transports=["simplesocketserver"],
    )
    say(ready=True)
    await asyncio.Event().wait()


asyncio.run(main())
