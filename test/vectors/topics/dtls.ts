import { encodePskIdentity } from '../../../profiles/dtls/params.ts';
import { toHex, utf8 } from '../../../src/core/bytes.ts';
import type { Vector } from '../format.ts';
import { type HandshakeOptions, HandshakeSteps } from '../handshake-steps.ts';
import { Recipe } from '../recipe.ts';
import type { Topic } from '../topic.ts';

const suites = {
  PSK_AES_128_CCM_8: 0xc0a8,
  PSK_AES_128_GCM_SHA256: 0x00a8,
  ECDHE_PSK_AES_128_GCM_SHA256: 0xd001,
  ECDHE_ECDSA_AES_128_CCM_8: 0xc0ae,
  ECDHE_ECDSA_AES_256_GCM_SHA384: 0xc02c,
} as const;

interface Heading {
  readonly id: string;
  readonly standard: string;
  readonly section: string;
  readonly proves: string;
}

function begin(seed: string, heading: Heading, options: (recipe: Recipe) => HandshakeOptions): { readonly recipe: Recipe; readonly steps: HandshakeSteps } {
  const recipe = new Recipe(seed, { ...heading, action: 'replay-handshake' });
  return { recipe, steps: new HandshakeSteps(recipe, options(recipe)) };
}

function handshakes(seed: string): Vector[] {
  const make = (
    heading: Heading,
    options: (recipe: Recipe) => HandshakeOptions,
    more: (steps: HandshakeSteps) => HandshakeSteps = (steps) => steps,
  ): Vector => {
    const { recipe, steps } = begin(seed, heading, options);
    more(
      steps
        .run()
        .data('client', utf8(`to ${heading.id}`))
        .data('server', utf8('and back')),
    );
    return recipe.accept(...steps.names);
  };
  const ccm8 = suites.PSK_AES_128_CCM_8;
  return [
    make(
      {
        id: 'dtls-psk-ccm8',
        standard: 'RFC 9202',
        section: '3.3.2',
        proves: 'a pre-shared key whose identity names an access token; extended master secret, Finished of both sides and a record of each',
      },
      (recipe) => ({ suite: ccm8, pskIdentity: recipe.cbor('identity', encodePskIdentity(recipe.chance('pskId', 8))) }),
    ),
    make({ id: 'dtls-psk-gcm', standard: 'RFC 5487', section: '2', proves: 'a pre-shared key and AES-GCM, with an identity that is a text' }, () => ({
      suite: suites.PSK_AES_128_GCM_SHA256,
      pskIdentity: utf8('Client_identity'),
    })),
    make({ id: 'dtls-ecdhe-psk', standard: 'RFC 5489', section: '2', proves: 'the premaster secret of X25519 and a pre-shared key' }, () => ({
      suite: suites.ECDHE_PSK_AES_128_GCM_SHA256,
      group: 'x25519',
      pskIdentity: utf8('ue-4711'),
    })),
    make(
      {
        id: 'dtls-rpk-p256',
        standard: 'RFC 7250',
        section: '3',
        proves: 'raw public keys of both sides on P-256: ServerKeyExchange and CertificateVerify are signed as RFC 6979 has it',
      },
      () => ({ suite: suites.ECDHE_ECDSA_AES_128_CCM_8, group: 'secp256r1', curve: 'P-256' }),
    ),
    make(
      {
        id: 'dtls-rpk-ed25519',
        standard: 'RFC 8422',
        section: '5.10',
        proves: 'raw public keys on Ed25519, which signs the messages and not their hash; a suite whose PRF has SHA-384',
      },
      () => ({ suite: suites.ECDHE_ECDSA_AES_256_GCM_SHA384, group: 'x25519', curve: 'Ed25519' }),
    ),
    make(
      {
        id: 'dtls-cid',
        standard: 'RFC 9146',
        section: '5',
        proves: 'connection IDs of 5 and 6 bytes: the type moves inside, and the AAD has the connection ID',
      },
      () => ({ suite: ccm8, pskIdentity: utf8('sleepy-3'), cids: { client: 5, server: 6 } }),
    ),
    make(
      {
        id: 'dtls-resumption',
        standard: 'RFC 5246',
        section: '7.3',
        proves: 'a full handshake, and a short one with the master secret of that and new randoms',
      },
      () => ({ suite: ccm8, pskIdentity: utf8('node-12'), resumable: true }),
      (steps) => steps.resume(),
    ),
  ];
}

function refusals(seed: string): Vector[] {
  const make = (
    heading: Heading,
    options: HandshakeOptions,
    reason: string,
    error: string,
    build: (steps: HandshakeSteps, recipe: Recipe) => readonly string[],
  ): Vector => {
    const { recipe, steps } = begin(seed, { ...heading, id: `dtls-reject-${heading.id}` }, () => options);
    const last = build(steps, recipe);
    return recipe.reject(reason, error, ...steps.names, ...last);
  };
  /** A bit of a datagram is another; `at` counts from its end. */
  const flip = (recipe: Recipe, data: string, name: string, at: number): string => {
    const bytes = recipe.bytes(data);
    const place = bytes.length - at;
    recipe.step(name, 'edit', { data, at: place, remove: 1, insert: { hex: toHex(Uint8Array.of(bytes[place]! ^ 1)) } });
    return name;
  };
  const psk = { suite: suites.PSK_AES_128_CCM_8, pskIdentity: utf8('node-7') } as const;
  return [
    make(
      { id: 'finished-altered', standard: 'RFC 5246', section: '7.4.9', proves: 'who cannot make Finished has not the key' },
      psk,
      'a bit of the protected Finished of the client is another',
      'ERR_DTLS_HANDSHAKE',
      (steps, recipe) => [flip(recipe, steps.run(4).hold('client'), 'clientAltered', 1)],
    ),
    make(
      { id: 'record-altered', standard: 'RFC 6347', section: '4.1.2.7', proves: 'a record that does not verify is dropped, and the association lives on' },
      psk,
      'a bit of the data is another',
      'mac',
      (steps, recipe) => [flip(recipe, steps.run().heldData('client', utf8('door: open')), 'clientAltered', 12)],
    ),
    make(
      { id: 'record-replayed', standard: 'RFC 6347', section: '4.1.2.6', proves: 'a record is taken once' },
      psk,
      'the same record came before',
      'replay',
      (steps, recipe) => {
        steps.run().data('client', utf8('open once'));
        recipe.step('clientReplayed', 'concat', { parts: [steps.names.at(-1)!] });
        return ['clientReplayed'];
      },
    ),
    make(
      { id: 'cid-unknown', standard: 'RFC 9146', section: '6', proves: 'a record of a connection ID that nobody gave is dropped' },
      { ...psk, cids: { client: 5, server: 8 } },
      'a bit of the connection ID is another',
      'unknown',
      (steps, recipe) => {
        const held = steps.run().heldData('client', utf8('hello'));
        return [flip(recipe, held, 'clientAltered', recipe.bytes(held).length - 11)];
      },
    ),
    make(
      { id: 'server-signature', standard: 'RFC 8422', section: '5.4', proves: 'the parameters of the server are signed with its key' },
      { suite: suites.ECDHE_ECDSA_AES_128_CCM_8, group: 'secp256r1', curve: 'P-256' },
      'the server signs with the nonce of another handshake',
      'ERR_DTLS_HANDSHAKE',
      (steps, recipe) => {
        const held = steps.run(3).hold('server');
        const at = toHex(recipe.bytes(held)).indexOf(toHex(recipe.bytes('serverSignatureDer'))) / 2;
        return [flip(recipe, held, 'serverAltered', recipe.bytes(held).length - at - 20)];
      },
    ),
  ];
}

export const dtls: Topic = {
  name: 'dtls',
  title: 'DTLS 1.2 handshakes with every secret, record and datagram, and what to refuse',
  vectors: (seed) => [...handshakes(seed), ...refusals(seed)],
};
