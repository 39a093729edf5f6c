/** An AS in a process of its own: `server.js STORE PORT [LEASE]`. Tells its parent of each token. */
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../../src/as/index.ts';
import { openStore } from '../../../src/store/index.ts';
import { udp } from '../../../src/transport/index.ts';
import { clients, rs1, rs2 } from '../support.ts';

const [place, port, lease] = process.argv.slice(2);
const store = await openStore(place!);
const as = new AuthorizationServer({
  store,
  ...(lease === undefined ? {} : { lease: Number(lease) }),
  profiles: [oscoreProfile],
  clients,
  resourceServers: [rs1, rs2],
  grantTypes: ['client_credentials', 'refresh_token'],
  refreshTokens: { clientCredentials: true },
  emit: ({ type }) => type === 'token-issued' && process.send!('issued'),
});
await as.listen(await udp({ port: Number(port) }));

process.on('message', (message: { readonly id: number; readonly add?: Parameters<typeof as.administration.addClient>[0]; readonly remove?: string }) => {
  const done = message.add === undefined ? as.administration.removeClient(message.remove!) : as.administration.addClient(message.add);
  done.then(
    () => process.send!({ id: message.id }),
    (error: unknown) => process.send!({ id: message.id, error: String(error) }),
  );
});
process.once('SIGTERM', async () => {
  await as.close();
  await store.close();
  process.disconnect();
});
process.send!('ready');
