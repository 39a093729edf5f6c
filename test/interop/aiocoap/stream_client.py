"""An aiocoap client over TCP or WebSockets: it asks our server for each thing once and tells what it heard.

    stream_client.py tcp|ws BASE-URI
"""

import asyncio
import sys

import aiocoap

from lines import say

transports = {"tcp": "tcpclient", "ws": "ws"}


def body(length):
    return b"".join(b"%07d\n" % line for line in range(length // 8 + 1))[:length]


async def main(kind, base):
    context = await aiocoap.Context.create_client_context(transports=[transports[kind]])

    async def ask(code, path, payload=b""):
        request = aiocoap.Message(code=code, uri=base + path, payload=payload)
        return await asyncio.wait_for(context.request(request).response, 10)

    hello = await ask(aiocoap.GET, "/hello")
    large = await ask(aiocoap.GET, "/large")
    put = await ask(aiocoap.PUT, "/value", body(5000))
    request = context.request(aiocoap.Message(code=aiocoap.GET, uri=base + "/clock", observe=0))
    await asyncio.wait_for(request.response, 10)
    seen = 1
    async for _ in request.observation:
        seen += 1
        if seen == 3:
            break
    request.observation.cancel()
    same = large.payload == body(len(large.payload))
    say(hello=hello.payload.decode(), large=len(large.payload) if same else None, put=str(put.code), clock=seen)
    await context.shutdown()


asyncio.run(main(*sys.argv[1:]))
