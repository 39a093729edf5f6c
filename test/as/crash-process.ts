/** An authorization server for the crash test, which is killed at any moment: `node crash-process.js STORE PORT`. */
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { openStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { clientIds, grantTypes, keyOf, mirrored, tokenKey } from './crash-world.ts';

const [place = '', port = ''] = process.argv.slice(2);

const as = new AuthorizationServer({
  store: await openStore(place),
  profiles: [oscoreProfile],
  grantTypes,
  refreshTokens: { clientCredentials: true },
  clients: clientIds.map((id, index) => ({ id, grantTypes, credentials: mirrored(keyOf(index)), grants: [{ audience: 'rs1', scope: 'r' }] })),
  resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey], credentials: mirrored(keyOf(clientIds.length)) }],
  emit: (event) => {
    if (event.type === 'fault') console.error(event);
  },
});
await as.listen(await udp({ port: Number(port) }));
process.stdout.write('ready\n');
