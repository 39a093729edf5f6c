"""An aiocoap server for the conformance checker: a resource of each kind that it asks for.

    conformance_server.py --port PORT
"""

import argparse
import asyncio
import hashlib
import signal

from aiocoap import Context, Message, resource
from aiocoap.numbers.codes import Code

from lines import say

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
arguments = parser.parse_args()


def text(request, payload):
    """What aiocoap leaves to the application: the format that was asked for, and whether the client has the representation."""
    if request.opt.accept not in (None, 0):
        return Message(code=Code.NOT_ACCEPTABLE)
    response = Message(code=Code.CONTENT, payload=payload, content_format=0, etag=hashlib.sha256(payload).digest()[:8])
    if response.opt.etag in request.opt.etags:
        return Message(code=Code.VALID, etag=response.opt.etag)
    return response


class Hello(resource.Resource):
    async def render_get(self, request):
        return text(request, b"Hello World!")


class Value(resource.ObservableResource):
    """Keeps what is put to it."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    async def render_get(self, request):
        return text(request, self.value)

    async def render_put(self, request):
        if request.opt.if_none_match or (request.opt.if_match and hashlib.sha256(self.value).digest()[:8] not in request.opt.if_match):
            return Message(code=Code.PRECONDITION_FAILED)
        self.value = request.payload
        self.updated_state()
        return Message(code=Code.CHANGED)


class Separate(resource.Resource):
    """Answers after the time in which a response could travel with the acknowledgement."""

    async def render_get(self, request):
        await asyncio.sleep(0.5)
        return Message(payload=b"late", content_format=0)


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["hello"], Hello())
    site.add_resource(["value"], Value(b"empty"))
    site.add_resource(["large"], Value(b"x" * 300))
    site.add_resource(["separate"], Separate())
    context = await Context.create_server_context(site, bind=("127.0.0.1", arguments.port), transports=["simplesocketserver", "tcpserver"])
    say(ready=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await context.shutdown()


asyncio.run(main())
