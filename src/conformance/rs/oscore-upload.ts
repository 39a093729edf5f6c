import { Code } from '../../coap/index.ts';
import { emptyBytes, equalBytes, toHex } from '../../core/bytes.ts';
import type { CborMap, CborValue } from '../../core/cbor.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase, Level } from '../case.ts';
import { openPlain, PlainChannel } from '../channel.ts';
import { Nonconformity } from '../errors.ts';
import { expectCode } from '../expect.ts';
import type { Need } from '../target.ts';
import { deriveSession, establish, postToken, uploadToken } from './establish.ts';
import { encodeUpload, freshMaterial, goodClaims, type Material, materialMap, mint, rsOf, type Upload } from './token.ts';

const needs: readonly Need[] = ['udp', 'rsOscore'];

/** A token with this OSCORE_Input_Material. */
function tokenWith(bench: Bench, osc: CborMap): Uint8Array {
  return mint(bench, goodClaims(bench, { osc }));
}

/** An upload that lacks something, or has it in the wrong form. */
const badUploads: readonly (readonly [id: string, what: string, level: Level, change: (upload: Required<Upload>) => Upload])[] = [
  ['rs-osc-up-01', 'without nonce1', 'MUST', ({ token, id1 }) => ({ token, id1 })],
  ['rs-osc-up-02', 'without ace_client_recipientid', 'MUST', ({ token, nonce1 }) => ({ token, nonce1 })],
  ['rs-osc-up-03', 'without access_token', 'MUST', ({ nonce1, id1 }) => ({ nonce1, id1 })],
  ['rs-osc-up-04', 'whose nonce1 is text', 'SHOULD', (upload) => ({ ...upload, nonce1: '0123456789abcdef' })],
  ['rs-osc-up-05', 'whose ace_client_recipientid is a number', 'SHOULD', (upload) => ({ ...upload, id1: 1 })],
  [
    'rs-osc-up-06',
    'whose ace_client_recipientid is longer than any nonce takes (RFC 8613, Section 3.3)',
    'SHOULD',
    (upload) => ({ ...upload, id1: new Uint8Array(20) }),
  ],
];

/** An OSCORE_Input_Material that cannot be worked with. */
const badMaterials: readonly (readonly [id: string, what: string, change: (osc: Map<number, CborValue>) => void])[] = [
  ['rs-osc-mat-01', 'without a Master Secret', (osc) => osc.delete(2)],
  ['rs-osc-mat-02', 'without an id', (osc) => osc.delete(0)],
  ['rs-osc-mat-03', 'with a parameter that nobody has registered', (osc) => osc.set(4711, 1)],
  ['rs-osc-mat-04', 'with an AEAD algorithm that there is not', (osc) => osc.set(4, 4711)],
  ['rs-osc-mat-05', 'with an HKDF that there is not', (osc) => osc.set(3, 4711)],
];

/** Algorithms that a resource server may or may not have; what it takes has to work. */
const algorithms: readonly (readonly [id: string, what: string, of: Partial<Material>])[] = [
  ['rs-osc-alg-02', 'A128GCM', { alg: 1 }],
  ['rs-osc-alg-03', 'A256GCM', { alg: 3 }],
  ['rs-osc-alg-04', 'AES-CCM-16-128-128', { alg: 30 }],
  ['rs-osc-alg-05', 'ChaCha20/Poly1305', { alg: 24 }],
  ['rs-osc-alg-06', 'HKDF SHA-512', { hkdf: 7 }],
];

/** Uploads to authz-info in the OSCORE profile (RFC 9203, Sections 4.1 to 4.3). */
export const rsOscoreUploadCases: readonly ConformanceCase[] = [
  {
    id: 'rs-osc-01',
    title: 'the answer to an upload is a map of Content-Format 19 with nonce2 and ace_server_recipientid',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      await uploadToken(bench, await openPlain(bench), tokenWith(bench, materialMap(freshMaterial(bench))));
    },
  },
  {
    id: 'rs-osc-02',
    title: 'ace_server_recipientid is never the ace_client_recipientid, whatever that is',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const channel = await openPlain(bench);
      // Whoever counts, or takes what is free, is led into giving the same.
      let id1: Uint8Array = Uint8Array.of(0);
      for (let round = 0; round < 4; round++) {
        const { id2 } = await uploadToken(bench, channel, tokenWith(bench, materialMap(freshMaterial(bench))), { id1 });
        id1 = id2.slice();
        if (round % 2 === 1 && id1.length > 0) id1[id1.length - 1]!++;
      }
    },
  },
  {
    id: 'rs-osc-03',
    title: 'nonce2 is fresh for each upload, also for the same one again',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const channel = await openPlain(bench);
      const token = tokenWith(bench, materialMap(freshMaterial(bench)));
      const own = { nonce1: bench.env.random(8), id1: bench.env.random(2) };
      const [first, second] = [await uploadToken(bench, channel, token, own), await uploadToken(bench, channel, token, own)];
      if (equalBytes(first.nonce2, second.nonce2)) throw new Nonconformity('another nonce2', `${toHex(first.nonce2)} twice`);
    },
  },
  {
    id: 'rs-osc-04',
    title: 'nonce2 has 64 bits at least',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const { nonce2 } = await uploadToken(bench, await openPlain(bench), tokenWith(bench, materialMap(freshMaterial(bench))));
      if (nonce2.length < 8) throw new Nonconformity('a nonce2 of 8 bytes or more', `${nonce2.length}`);
    },
  },
  {
    id: 'rs-osc-05',
    title: 'the Master Salt is salt, nonce1 and nonce2, each as a CBOR byte string',
    standard: 'RFC 9203',
    section: '4.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session } = await establish(bench, { material: { ...freshMaterial(bench), salt: bench.env.random(16) } });
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-06',
    title: 'nonces of other lengths than 8 bytes are taken',
    standard: 'RFC 9203',
    section: '4.1',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const material = freshMaterial(bench);
      for (const length of [4, 32]) {
        const line = await bench.udp();
        const agreed = await uploadToken(bench, new PlainChannel(bench, line), tokenWith(bench, materialMap(material)), { nonce1: bench.env.random(length) });
        expectCode(await deriveSession(bench, line, material, agreed).ask(rsOf(bench).allowed), Code.Content);
      }
    },
  },
  {
    id: 'rs-osc-07',
    title: 'contextId is the ID Context of the context: it takes part in the keys, and requests carry it as kid context',
    standard: 'RFC 9203',
    section: '4.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session } = await establish(bench, { material: { ...freshMaterial(bench), contextId: bench.env.random(8) } });
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-08',
    title: 'two clients may choose the same ace_client_recipientid',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const id1 = bench.env.random(2);
      const sessions = [];
      for (const material of [freshMaterial(bench), freshMaterial(bench)]) {
        const line = await bench.udp();
        const agreed = await uploadToken(bench, new PlainChannel(bench, line), tokenWith(bench, materialMap(material)), { id1 });
        sessions.push(deriveSession(bench, line, material, agreed));
      }
      for (const session of sessions) expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-09',
    title: 'an empty ace_client_recipientid is one like any other',
    standard: 'RFC 9203',
    section: '4.1.2',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const material = freshMaterial(bench);
      const line = await bench.udp();
      const agreed = await uploadToken(bench, new PlainChannel(bench, line), tokenWith(bench, materialMap(material)), { id1: emptyBytes });
      expectCode(await deriveSession(bench, line, material, agreed).ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-10',
    title: 'who has seen a token but not its Master Secret gets nothing by it',
    standard: 'RFC 9203',
    section: '4',
    level: 'MUST',
    needs,
    async run(bench) {
      const line = await bench.udp();
      const material = freshMaterial(bench);
      const agreed = await uploadToken(bench, new PlainChannel(bench, line), tokenWith(bench, materialMap(material)));
      const thief = deriveSession(bench, line, { ...material, ms: bench.env.random(16) }, agreed);
      await thief.refused(thief.protect(rsOf(bench).allowed).message, 'a request under other keys not to be served');
    },
  },
  {
    id: 'rs-osc-alg-01',
    title: 'AES-CCM-16-64-128 and HKDF SHA-256 are there when the token names them',
    standard: 'RFC 8613',
    section: '3.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session } = await establish(bench, { material: { ...freshMaterial(bench), alg: 10, hkdf: 5 } });
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  ...algorithms.map(
    ([id, what, of]): ConformanceCase => ({
      id,
      title: `a token for ${what} gives a context that works, or is refused with 4.00`,
      standard: 'RFC 9203',
      section: '4.3',
      level: 'MUST',
      needs,
      async run(bench) {
        const material = { ...freshMaterial(bench), ...of };
        const probe = encodeUpload({ token: tokenWith(bench, materialMap(material)), nonce1: bench.env.random(8), id1: bench.env.random(2) });
        const { code } = await postToken(bench, await openPlain(bench), probe);
        expectCode({ code }, Code.Created, Code.BadRequest);
        if (code === Code.BadRequest) return;
        const { session } = await establish(bench, { material });
        expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
      },
    }),
  ),
  ...badUploads.map(
    ([id, what, level, change]): ConformanceCase => ({
      id,
      title: `an upload ${what} is refused with 4.00`,
      standard: 'RFC 9203',
      section: '4.2',
      level,
      needs,
      async run(bench) {
        const token = tokenWith(bench, materialMap(freshMaterial(bench)));
        const upload = change({ token, nonce1: bench.env.random(8), id1: bench.env.random(2) });
        expectCode(await postToken(bench, await openPlain(bench), encodeUpload(upload)), Code.BadRequest);
      },
    }),
  ),
  ...badMaterials.map(
    ([id, what, change]): ConformanceCase => ({
      id,
      title: `a token with an OSCORE_Input_Material ${what} is refused with 4.00`,
      standard: 'RFC 9203',
      section: '4.2',
      level: 'MUST',
      needs,
      async run(bench) {
        const osc = new Map(materialMap(freshMaterial(bench)) as ReadonlyMap<number, CborValue>);
        change(osc);
        const upload = encodeUpload({ token: tokenWith(bench, osc), nonce1: bench.env.random(8), id1: bench.env.random(2) });
        expectCode(await postToken(bench, await openPlain(bench), upload), Code.BadRequest);
      },
    }),
  ),
];
