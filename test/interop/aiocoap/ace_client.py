"""An ACE client (RFC 9200, RFC 9203) made of aiocoap and cbor2, which does what lines of JSON on its standard input say.

    ace_client.py [--oscore URI-PATTERN BASEDIR]

    {"token": URI, "audience": "rs1", "scope": "r_temp"}    ask the AS, over the context in BASEDIR
    {"token": URI, ..., "kid": true}                         the same, for more rights under the key of before
    {"upload": URI, "for": URI-PATTERN}                      give the RS the token and derive a context for what the pattern covers
    {"upload": URI, "for": ..., "with": {"token": HEX, "material": HEX}}    a token from elsewhere
    {"update": URI}                                          give the RS the token under the context of before
    {"uri": URI, ...}                                        a request
"""

import argparse
import asyncio
import os

import aiocoap
import cbor2
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lines import input_material_context, message, orders, say, told

ACE_CBOR = 19

parser = argparse.ArgumentParser()
parser.add_argument("--oscore", nargs=2, action="append", default=[])
arguments = parser.parse_args()


class Client:
    def __init__(self, context):
        self.context = context
        self.granted = None
        self.material = None

    async def post(self, uri, fields):
        request = Message(code=Code.POST, uri=uri, payload=cbor2.dumps(fields), content_format=ACE_CBOR)
        return await self.context.request(request).response

    async def token(self, order):
        fields = {5: order["audience"], 9: order["scope"]}
        if order.get("kid"):
            fields[4] = {3: self.material[0]}
        response = await self.post(order["token"], fields)
        if response.code is Code.CREATED:
            answer = cbor2.loads(response.payload)
            self.granted = answer[1]
            if 8 in answer:
                self.material = answer[8][4]
        say(**told(response))

    async def upload(self, order):
        if "with" in order:
            self.granted = bytes.fromhex(order["with"]["token"])
            self.material = cbor2.loads(bytes.fromhex(order["with"]["material"]))
        nonce1 = os.urandom(8)
        id1 = b"\x0c"
        response = await self.post(order["upload"], {1: self.granted, 40: nonce1, 43: id1})
        if response.code is Code.CREATED:
            answer = cbor2.loads(response.payload)
            self.context.client_credentials[order["for"]] = input_material_context(
                self.material, nonce1, answer[42], sender_id=answer[44], recipient_id=id1
            )
        say(**told(response))

    async def update(self, order):
        say(**told(await self.post(order["update"], {1: self.granted})))

    async def ask(self, order):
        say(**told(await self.context.request(message(order)).response))

    async def obey(self, order):
        for name in ("token", "upload", "update"):
            if name in order:
                return await getattr(self, name)(order)
        await self.ask(order)


async def main():
    context = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    for pattern, basedir in arguments.oscore:
        context.client_credentials.load_from_dict({pattern: {"oscore": {"basedir": basedir}}})
    client = Client(context)
    say(ready=True)
    async for order in orders():
        try:
            await asyncio.wait_for(client.obey(order), 15)
        except Exception as error:
            say(error=type(error).__name__, detail=str(error))
    await context.shutdown()


asyncio.run(main())
