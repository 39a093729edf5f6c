"""An aiocoap server with the resources of the OSCORE interop tests, and a few more.

    server.py --port PORT [--oscore BASEDIR]...
"""

import argparse
import asyncio
import signal

from aiocoap import Context, Message, credentials, error, resource
from aiocoap.numbers.codes import Code
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from lines import say

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--oscore", action="append", default=[])
arguments = parser.parse_args()


def needs_protection(request):
    if not hasattr(request.remote, "security_context"):
        raise error.Unauthorized()


class Open(resource.Resource):
    async def render_get(self, request):
        return Message(payload=b"Hello World!", content_format=0)


class Hello(resource.Resource):
    """Says hello under protection, with options of its own."""

    def __init__(self, **options):
        super().__init__()
        self.options = options

    async def render_get(self, request):
        needs_protection(request)
        return Message(payload=b"Hello World!", content_format=0, **self.options)


class Value(resource.Resource):
    """Keeps what is sent to it."""

    def __init__(self, value=b"", etag=None):
        super().__init__()
        self.value = value
        self.etag = etag

    async def render_get(self, request):
        needs_protection(request)
        return Message(payload=self.value, content_format=0, etag=self.etag)

    async def render_post(self, request):
        needs_protection(request)
        self.value = request.payload
        return Message(code=Code.CHANGED, payload=self.value, content_format=0)

    async def render_put(self, request):
        needs_protection(request)
        if request.opt.if_none_match or (request.opt.if_match and self.etag not in request.opt.if_match):
            return Message(code=Code.PRECONDITION_FAILED)
        self.value = request.payload
        return Message(code=Code.CHANGED)


class Removable(resource.Resource):
    async def render_delete(self, request):
        needs_protection(request)
        return Message(code=Code.DELETED)


class Slow(resource.Resource):
    """Answers after the time in which a response could travel with the acknowledgement."""

    async def render_get(self, request):
        needs_protection(request)
        await asyncio.sleep(1)
        return Message(payload=b"slow", content_format=0)


class Counting(resource.ObservableResource):
    """one, two, and after that the end if it is to have one."""

    def __init__(self, ends):
        super().__init__()
        self.ends = ends
        self.value = b"one"

    async def add_observation(self, request, observation):
        await super().add_observation(request, observation)
        self.value = b"one"
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, self.count)
        if self.ends:
            end = Message(code=Code.INTERNAL_SERVER_ERROR, payload=b"Terminate Observe", content_format=0)
            loop.call_later(0.6, self.updated_state, end)

    def count(self):
        self.value = b"two"
        self.updated_state()

    async def render_get(self, request):
        needs_protection(request)
        return Message(payload=self.value, content_format=0)


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["oscore", "hello", "coap"], Open())
    site.add_resource(["oscore", "hello", "1"], Hello())
    site.add_resource(["oscore", "hello", "2"], Hello(etag=b"\x2b"))
    site.add_resource(["oscore", "hello", "3"], Hello(max_age=5))
    site.add_resource(["oscore", "hello", "6"], Value())
    site.add_resource(["oscore", "hello", "7"], Value(etag=b"\x7b"))
    site.add_resource(["oscore", "observe1"], Counting(ends=True))
    site.add_resource(["oscore", "observe2"], Counting(ends=False))
    site.add_resource(["oscore", "test"], Removable())
    site.add_resource(["large"], Value(b"".join(b"%07d\n" % line for line in range(700))))
    site.add_resource(["slow"], Slow())
    server_credentials = credentials.CredentialsMap()
    server_credentials.load_from_dict(
        {f":{number}": {"oscore": {"basedir": basedir}} for number, basedir in enumerate(arguments.oscore)}
    )
    context = await Context.create_server_context(
        OscoreSiteWrapper(site, server_credentials),
        bind=("127.0.0.1", arguments.port),
        server_credentials=server_credentials,
        transports=["simplesocketserver"],
    )
    say(ready=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await context.shutdown()


asyncio.run(main())
