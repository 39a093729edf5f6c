"""An aiocoap client that does what lines of JSON on its standard input say.

    client.py [--oscore URI-PATTERN BASEDIR]...
"""

import argparse
import asyncio
import json
import sys

import aiocoap
from aiocoap import Message
from aiocoap.numbers.codes import Code

from lines import say, told

parser = argparse.ArgumentParser()
parser.add_argument("--oscore", nargs=2, action="append", default=[])
arguments = parser.parse_args()


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


async def observe(context, order):
    """Tell the answer to the registration and each notification, until there were as many as wanted or the server ends it."""
    request = context.request(message(order))
    say(**told(await request.response))
    seen = 1
    if seen < order["count"]:
        try:
            async for notification in request.observation:
                say(**told(notification))
                seen += 1
                if seen == order["count"]:
                    break
        except aiocoap.error.Error as error:
            say(ended=type(error).__name__)
            return
    if not request.observation.cancelled:
        request.observation.cancel()
    say(ended=None)


async def obey(context, order):
    if "sequence" in order:
        # Test 15 of the OSCORE interop: a client that sends a number again.
        for credential in context.client_credentials.values():
            credential.sender_sequence_number = order["sequence"]
        say(sequence=order["sequence"])
    elif order.get("count") is not None:
        await observe(context, order)
    else:
        say(**told(await context.request(message(order)).response))


async def main():
    context = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    for pattern, basedir in arguments.oscore:
        context.client_credentials.load_from_dict({pattern: {"oscore": {"basedir": basedir}}})
    say(ready=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            await asyncio.wait_for(obey(context, json.loads(line)), 15)
        except Exception as error:
            say(error=type(error).__name__, detail=str(error))
    await context.shutdown()


asyncio.run(main())
