import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { descriptions, objectiveOf } from '../etsi/etsi.ts';
import { type Feature, testsWith } from './matrix.ts';

/** A test description that this peer can take part in, or the reason why it cannot. */
export type Entry<Open> = ((t: TestContext, open: Open) => Promise<void>) | string;

export type Table<Open> = Readonly<Record<string, Entry<Open>>>;

/** One direction over one transport. */
export interface Direction<Open> {
  /** `libcoap client -> our server`. */
  readonly name: string;
  readonly scheme: 'coap' | 'coap+tcp';
  readonly open: Open;
  /** What makes no sense on this transport, by the first words of identifiers, with the reason. */
  readonly without?: Readonly<Record<string, string>>;
}

/** What makes no sense on a stream. */
export const onStreams: Readonly<Record<string, string>> = {
  TD_COAP_CORE_05: 'it differs from another by the type of its messages only',
  TD_COAP_CORE_06: 'it differs from another by the type of its messages only',
  TD_COAP_CORE_07: 'it differs from another by the type of its messages only',
  TD_COAP_CORE_08: 'it differs from another by the type of its messages only',
  TD_COAP_CORE_12: 'the empty token is that of a client that tells responses apart by their Message ID',
  TD_COAP_CORE_15: 'a stream loses nothing',
  TD_COAP_CORE_16: 'a stream loses nothing',
  TD_COAP_CORE_17: 'it differs from another by the type of its messages only',
  TD_COAP_OBS_02: 'notifications on a stream have no type',
  TD_COAP_OBS_04: 'an observation ends with its connection',
  TD_COAP_OBS_05: 'an observation ends with its connection',
  TD_COAP_OBS_06: 'an observation ends with its connection',
  TD_COAP_OBS_11: 'a stream loses nothing',
};

/** What the families of test descriptions are about. */
const families: Readonly<Record<string, Feature>> = { CORE: 'methods', LINK: 'discovery', BLOCK: 'block-wise', OBS: 'observe' };

/** A test of each description that can run; the others are printed with their reason. None is left out in silence. */
export function interop<Open>({ name, scheme, open, without = {} }: Direction<Open>, table: Table<Open>): void {
  const where = `${name}, ${scheme}`;
  const peerTest = testsWith({ peer: 'libcoap', transport: scheme === 'coap' ? 'UDP' : 'TCP', security: 'none' });
  test(`${where}: every ETSI test description runs or has a reason`, () => {
    assert.deepEqual(Object.keys(table).sort(), descriptions.map(({ id }) => id).sort());
  });
  for (const [id, entry] of Object.entries(table)) {
    const reason = typeof entry === 'string' ? entry : Object.entries(without).find(([start]) => id.startsWith(start))?.[1];
    if (reason !== undefined || typeof entry === 'string') console.log(`${where}: ${id} cannot run: ${reason}`);
    else {
      peerTest(`${where}: ${id}: ${objectiveOf(id)}`, families[id.split('_')[2]!]!, async (t) => {
        await entry(t, open);
        console.log(`${where}: ${id} ran`);
      });
    }
  }
}
