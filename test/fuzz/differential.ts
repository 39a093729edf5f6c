import assert from 'node:assert/strict';
import * as cbor2 from 'cbor2';
import * as cborg from 'cborg';
import { parse } from 'coap-packet';
import { decodeMessage, formatCode, MessageType } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { type CborValue, decode, Simple, Tagged } from '../../src/core/cbor.ts';
import { datagrams } from './decoders.ts';
import { mutateDatagram, nearlyCbor } from './mutate.ts';
import { hexOf } from './seeds.ts';
import type { Target } from './target.ts';

const cdeDecoding = { ...cbor2.cdeDecodeOptions, ignoreGlobalTags: true, preferMap: true };
const cborgDecoding = { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true };

/** Whether another decoder takes it. */
function takes(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

/** What cborg has no place for: tags and simple values. */
function isBeyondCborg(value: CborValue): boolean {
  if (value instanceof Tagged || value instanceof Simple) return true;
  if (value instanceof Map) return [...value].some((entry) => entry.some(isBeyondCborg));
  return Array.isArray(value) && value.some(isBeyondCborg);
}

/** Decoders that claim to be strict: what ours takes, they take. */
export const differentialTargets: readonly Target[] = [
  {
    name: 'CBOR, beside cbor2 and cborg',
    seeds: [...hexOf('cbor', 1), ...hexOf('cwt', 4)],
    mutate: nearlyCbor,
    run: (input) => {
      const value = decode(input, { canonical: true });
      assert.ok(
        takes(() => cbor2.decode(input, cdeDecoding)),
        'cbor2 takes it',
      );
      if (!isBeyondCborg(value))
        assert.ok(
          takes(() => cborg.decode(input, cborgDecoding)),
          'cborg takes it',
        );
    },
  },
  {
    name: 'CoAP message, beside coap-packet',
    seeds: datagrams,
    mutate: mutateDatagram,
    run: (input) => {
      const { type, code, id, token, options, payload } = decodeMessage(input);
      const read = parse(Buffer.from(input));
      assert.deepEqual(
        [read.code, read.messageId, read.confirmable, read.ack, read.reset],
        [formatCode(code), id, type === MessageType.CON, type === MessageType.ACK, type === MessageType.RST],
      );
      assert.deepEqual(
        [read.token, read.payload, ...(read.options ?? []).map(({ value }) => value)].map(toHex),
        [token, payload, ...options.map(({ value }) => value)].map(toHex),
      );
    },
  },
];
