"""An aiocoap server with renewable input parameters and one resource, which tells of each request that it executes.

    renewal_server.py PORT PARAMETERS [own-piv]
"""

import asyncio
import sys

from aiocoap import Context, Message, credentials, resource
from aiocoap.numbers.codes import Code
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from lines import say
from renewal import RenewingServer, input_parameters


class Told(resource.Resource):
    async def render_post(self, request):
        say(executed=request.payload.decode())
        return Message(code=Code.CHANGED, payload=request.payload, content_format=0)


async def main():
    site = resource.Site()
    site.add_resource(["told"], Told())
    server_credentials = credentials.CredentialsMap()
    server_credentials[":renewable"] = RenewingServer(input_parameters(sys.argv[2]), "own-piv" in sys.argv)
    await Context.create_server_context(
        OscoreSiteWrapper(site, server_credentials),
        bind=("127.0.0.1", int(sys.argv[1])),
        server_credentials=server_credentials,
        transports=["simplesocketserver"],
    )
    say(ready=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
