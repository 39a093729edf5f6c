"""aiocoap with a resource, as its guided tour has it: aiocoap_get.py PORT TEXT"""

import asyncio
import sys

from aiocoap import Context, Message, resource


class Temperature(resource.Resource):
    async def render_get(self, request):
        return Message(payload=sys.argv[2].encode())


async def main():
    site = resource.Site()
    site.add_resource(["temperature"], Temperature())
    await Context.create_server_context(site, bind=("127.0.0.1", int(sys.argv[1])))
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
