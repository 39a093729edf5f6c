"""An aiocoap server over TCP or WebSockets, with a value to write and a clock to observe.

    stream_server.py tcp|ws PORT
"""

import asyncio
import sys

from aiocoap import Context, Message, resource
from aiocoap.numbers.codes import Code

from lines import say

transports = {"tcp": "tcpserver", "ws": "ws"}


class Value(resource.Resource):
    value = b""

    async def render_get(self, request):
        return Message(payload=self.value)

    async def render_put(self, request):
        self.value = request.payload
        return Message(code=Code.CHANGED)


class Clock(resource.ObservableResource):
    ticks = 0

    async def render_get(self, request):
        return Message(payload=b"tick %d" % self.ticks)

    async def tick(self):
        while True:
            await asyncio.sleep(0.2)
            self.ticks += 1
            self.updated_state()


async def main(kind, port):
    site = resource.Site()
    clock = Clock()
    site.add_resource(["value"], Value())
    site.add_resource(["clock"], clock)
    await Context.create_server_context(site, bind=("127.0.0.1", int(port)), transports=[transports[kind]])
    say(ready=True)
    await clock.tick()


asyncio.run(main(*sys.argv[1:]))
