import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Keys, ladderPicture, type Packet } from '../../src/inspect/index.ts';
import { clientKeyAtAs, Parties, rsAddress, rsUri, tokenKey } from '../flows/parties.ts';
import { root } from '../support/fixtures.ts';
import { Simulator } from '../support/simulator.ts';
import { inspect, simulatedPackets } from './captures.ts';

/** What the deployment of `dance` knows: of the client at the AS, and of the RS. */
export const labKeys: Keys = { contexts: [{ name: 'as.yaml', parameters: clientKeyAtAs(1) }], tokenKeys: [tokenKey] };

/** The whole way of a client to a protected answer (RFC 9200, RFC 9203), and a second request whose answer gets lost once. */
export async function dance(): Promise<readonly Packet[]> {
  const simulator = new Simulator({ seed: 1, delay: [4, 9] });
  const parties = await new Parties(simulator).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  let lost = 0;
  simulator.filter = ({ from }) => from !== rsAddress || lost++ > 0;
  parties.temperature.value = '21.7';
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  simulator.filter = undefined;
  const packets = simulatedPackets(simulator.wire);
  await parties.close();
  return packets;
}

/** Where the picture of it is kept. */
export const pictureFile: string = join(root, 'fixtures', 'ladder.svg');

export async function dancePicture(): Promise<string> {
  const { entries, inspector } = inspect(await dance(), labKeys);
  return ladderPicture(entries, { title: 'A client gets a token and reads a resource', roles: inspector.roles });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pictureFile, await dancePicture());
