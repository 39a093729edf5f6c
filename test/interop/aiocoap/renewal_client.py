"""An aiocoap client with renewable input parameters, which does what lines of JSON on its standard input say.

    renewal_client.py PARAMETERS [URI-PATTERN [ID-CONTEXT]]

With a pattern it begins with a context in use. {"renew": URI, ...} runs the exchange that the client begins, {"answer": URI, ...} the one that the server
begins, and {"uri": URI, ...} is a request under the context in use.
"""

import asyncio
import os
import sys

import aiocoap
import cbor2

from lines import message, orders, say, told
from renewal import Exchanged, Second, input_parameters

parameters = input_parameters(sys.argv[1])
pattern = sys.argv[2]


async def send(context, order):
    return await context.request(message(order)).response


async def renew(context, order):
    if "renew" in order:
        r1 = os.urandom(8)
        context.client_credentials[pattern] = Exchanged(parameters, r1, cbor2.dumps(r1))
    order = {**order, "uri": order.get("renew") or order["answer"]}
    first = await send(context, order)
    second = first.remote.security_context
    if not isinstance(second, Second) or first.code is not aiocoap.UNAUTHORIZED:
        raise RuntimeError(f"no response #1: {first.code}")
    third = second.third()
    context.client_credentials[pattern] = third
    response = await send(context, order)
    third.kid_context = True
    say(**told(response))


async def obey(context, order):
    if "uri" in order:
        say(**told(await send(context, order)))
    else:
        await renew(context, order)


async def main():
    context = await aiocoap.Context.create_client_context(transports=["oscore", "simple6"])
    id_context = bytes.fromhex(sys.argv[3]) if len(sys.argv) > 3 else None
    context.client_credentials[pattern] = Exchanged(parameters, id_context)
    say(ready=True)
    async for order in orders():
        try:
            await asyncio.wait_for(obey(context, order), 15)
        except Exception as error:
            say(error=type(error).__name__, detail=str(error))
    await context.shutdown()


asyncio.run(main())
