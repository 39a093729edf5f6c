import type { AceClient } from '../src/client/index.ts';
import { KmLab } from '../test/profiles/seal/rows/km-lab.ts';
import type { Row } from './row.ts';
import { median, rounded } from './throughput.ts';

/** What the messages may take, in bytes: for a device, with key material of 32 bytes. */
const byteLimits = { 'wire-km-request': 50, 'wire-km-response': 110 } as const;

export type KmWireName = keyof typeof byteLimits;
export const kmWireNames: readonly KmWireName[] = Object.keys(byteLimits) as KmWireName[];

const device = { kind: 'deviceId', id: 'ue1' } as const;

let sizes: Promise<Readonly<Record<KmWireName, number>>> | undefined;

/** The row of one size; both come of one exchange. */
export async function kmWireRow(name: KmWireName): Promise<Row> {
  sizes ??= measureSizes();
  const value = (await sizes)[name];
  return { bench: name, value, unit: 'bytes', peer: 'limit', ratio: rounded(byteLimits[name] / value, 3), server_cpu_us: null };
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

/** What a first contact may take in the median, in milliseconds, by the share of datagrams that get lost. */
const firstContacts = { 'km-first-contact': [0, 600], 'km-first-contact-5': [0.05, 3_000], 'km-first-contact-20': [0.2, 15_000] } as const;

export type FirstContactName = keyof typeof firstContacts;
export const firstContactNames: readonly FirstContactName[] = Object.keys(firstContacts) as FirstContactName[];

/** How long it takes a client that knows nothing yet to get its keys, token and upload included: virtual time, the median of the seeds. */
export async function firstContactRow(name: FirstContactName, progress: (text: string) => void): Promise<Row> {
  const [loss, limit] = firstContacts[name];
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    progress(`${name}: ${seed} of ${seeds}`);
    times.push(await firstContact(seed, loss));
  }
  const value = Math.round(median(times));
  const slow = Math.round([...times].sort((a, b) => a - b)[Math.floor(0.95 * seeds)]!);
  return { bench: name, value, unit: 'ms', peer: 'limit', ratio: rounded(limit / value, 3), server_cpu_us: null, note: `95 of 100 within ${slow} ms` };
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
