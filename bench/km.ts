import type { AceClient } from '../src/client/index.ts';
import { KmLab } from '../test/profiles/seal/rows/km-lab.ts';
import { limitOf } from './catalogue.ts';
import { type Row, rowBeside } from './row.ts';
import type { Run } from './run.ts';

/** Messages for a device, with key material of 32 bytes. */
export const kmWireNames = ['wire-km-request', 'wire-km-response'] as const;
export type KmWireName = (typeof kmWireNames)[number];

const device = { kind: 'deviceId', id: 'ue1' } as const;

let sizes: Promise<Readonly<Record<KmWireName, number>>> | undefined;

/** The row of one size; both come of one exchange. */
export async function kmWireRow(name: KmWireName): Promise<Row> {
  sizes ??= measureSizes();
  return rowBeside(name, 'bytes', [(await sizes)[name]], 'limit', limitOf(name));
}

/** Asks for keys over OSCORE on a simulated network, and looks at the payloads below the protection. */
async function measureSizes(): Promise<Readonly<Record<KmWireName, number>>> {
  const lab = await new KmLab().start();
  try {
    await lab.records.put({ serviceId: 'v2x', identity: device }, new Uint8Array(32).fill(0x4b));
    let request = 0;
    let response = 0;
    const watched: Pick<AceClient, 'fetch'> = {
      fetch: async (uri, init) => {
        const answer = await lab.simC.fetch(uri, init);
        request = init?.payload?.length ?? 0;
        response = answer.payload.length;
        return answer;
      },
    };
    await lab.keys({ identity: device }, watched);
    return { 'wire-km-request': request, 'wire-km-response': response };
  } finally {
    await lab.close();
  }
}

/** Milliseconds of one way. */
const delay = 50;
const seeds = 100;

/** The share of datagrams that get lost. */
const firstContacts = { 'km-first-contact': 0, 'km-first-contact-5': 0.05, 'km-first-contact-20': 0.2 } as const;

export type FirstContactName = keyof typeof firstContacts;
export const firstContactNames: readonly FirstContactName[] = Object.keys(firstContacts) as FirstContactName[];

/** How long it takes a client that knows nothing yet to get its keys, token and upload included: virtual time, the median of the seeds. */
export async function firstContactRow(name: FirstContactName, { quick, progress }: Run): Promise<Row> {
  const count = quick ? seeds / 10 : seeds;
  const times: number[] = [];
  for (let seed = 1; seed <= count; seed++) {
    progress(`${name}: ${seed} of ${count}`);
    times.push(await firstContact(seed, firstContacts[name]));
  }
  const slow = Math.round([...times].sort((a, b) => a - b)[Math.floor(0.95 * count)]!);
  return rowBeside(name, 'ms', times, 'limit', limitOf(name), { note: `95 of 100 within ${slow} ms` });
}

async function firstContact(seed: number, loss: number): Promise<number> {
  const patient = { parameters: { maxRetransmit: 8 } };
  const lab = await new KmLab({ simulator: { seed, loss, delay }, simC: patient, simS: patient, server: patient }).start();
  try {
    const before = lab.simulator.now;
    await lab.keys({ identity: device, timeout: 600_000 });
    return lab.simulator.now - before;
  } finally {
    await lab.close();
  }
}
