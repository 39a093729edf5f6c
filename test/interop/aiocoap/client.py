"""An aiocoap client that does what lines of JSON on its standard input say.

    client.py [--proxy URI] [--oscore URI-PATTERN BASEDIR]...
"""

import argparse
import asyncio

import aiocoap
from aiocoap.proxy.client import ProxyForwarder

from lines import message, orders, say, told

parser = argparse.ArgumentParser()
parser.add_argument("--oscore", nargs=2, action="append", default=[])
parser.add_argument("--proxy")
arguments = parser.parse_args()


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


async def obey(context, requester, order):
    if "sequence" in order:
        # Test 15 of the OSCORE interop: a client that sends a number again.
        for credential in context.client_credentials.values():
            credential.sender_sequence_number = order["sequence"]
        say(sequence=order["sequence"])
    elif "senderKey" in order or "recipientKey" in order:
        # Tests 13 and 14.
        for credential in context.client_credentials.values():
            credential.sender_key = bytes.fromhex(order.get("senderKey", credential.sender_key.hex()))
            credential.recipient_key = bytes.fromhex(order.get("recipientKey", credential.recipient_key.hex()))
        say(ready=True)
    elif order.get("count") is not None:
        await observe(requester, order)
    else:
        say(**told(await requester.request(message(order)).response))


async def main():
    context = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    for pattern, basedir in arguments.oscore:
        context.client_credentials.load_from_dict({pattern: {"oscore": {"basedir": basedir}}})
    requester = context if arguments.proxy is None else ProxyForwarder(arguments.proxy, context)
    say(ready=True)
    async for order in orders():
        try:
            await asyncio.wait_for(obey(context, requester, order), 15)
        except Exception as error:
            say(error=type(error).__name__, detail=str(error))
    await context.shutdown()


asyncio.run(main())
