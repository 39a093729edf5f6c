import assert from 'node:assert/strict';
import type { TokenResponse } from '../../../../src/ace/index.ts';
import { ContentFormat, decodeMessage, findOption, formatCode, OptionNumber, uintOf } from '../../../../src/coap/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { trafficOf } from '../../../support/amplification.ts';
import type { Packet } from '../../../support/simulator.ts';
import { inLab, type Lab, type Rows, simSAddress, tokenKey } from './lab.ts';

const profiles = ['oscore', 'dtls'] as const;

/** Where one profile protects messages to a party. */
function addressOf(lab: Lab, party: 'SIM-S' | 'SEAL server'): string {
  return `${party === 'SIM-S' ? '10.0.0.1' : '10.0.0.2'}:${lab.profile === 'oscore' ? 5683 : 5684}`;
}

/** Datagrams to a party that its profile protects: OSCORE messages, or records of application data. */
function protectedTo(lab: Lab, address: string): Packet[] {
  return lab.simulator.wire.filter(({ to, datagram }) => to === address && isProtected(lab, datagram));
}

function isProtected(lab: Lab, datagram: Uint8Array): boolean {
  return lab.profile === 'dtls' ? datagram[0] === 23 : findOption(decodeMessage(datagram).options, OptionNumber.Oscore) !== undefined;
}

/** Each byte that the profile protects, altered in turn. The header and the token of CoAP are outside OSCORE. */
function alterations(lab: Lab, datagram: Uint8Array): Uint8Array[] {
  const first = lab.profile === 'dtls' ? 0 : datagram.length - decodeMessage(datagram).payload.length;
  return Array.from({ length: datagram.length - first }, (_, index) => datagram.map((byte, at) => (at === first + index ? byte ^ 0x01 : byte)));
}

/** Hold back what an errand sends first to a party; the datagram. The errand goes on by its retransmission. */
async function holdFirst(lab: Lab, address: string, errand: () => Promise<unknown>, meanwhile: (held: Packet) => Promise<void>): Promise<void> {
  const { simulator } = lab;
  let held: Packet | undefined;
  simulator.filter = (packet) => {
    if (held !== undefined || packet.to !== address || !isProtected(lab, packet.datagram)) return true;
    held = { ...packet, arrivals: [] };
    return false;
  };
  const done = errand();
  done.catch(() => {});
  await simulator.run(() => held !== undefined, 60_000);
  await meanwhile(held!);
  simulator.filter = undefined;
  await lab.finish(done);
}

/** Altered and recorded copies of what a client sends to a party have no effect; `effects` counts what they could bring about. */
async function withstandsForgery(lab: Lab, address: string, errand: () => Promise<unknown>, effects: () => number): Promise<void> {
  const { simulator } = lab;
  const before = effects();
  await holdFirst(lab, address, errand, async (packet) => {
    // A refusal that nothing protects goes to where the request came from; DTLS refuses in silence, and knows its session by the address.
    const from = lab.profile === 'oscore' ? '10.0.9.9:5683' : packet.from;
    for (const altered of alterations(lab, packet.datagram)) simulator.inject(altered, from, packet.to);
    await simulator.sleep(500);
    assert.equal(effects(), before, 'an altered request was carried out');
  });
  assert.equal(effects(), before + 1, 'the request itself was not carried out once');
  const arrived = protectedTo(lab, address).filter(({ arrivals }) => arrivals.length > 0);
  // Long enough for the message layer to have forgotten them.
  await simulator.sleep(300_000);
  for (const { datagram, from, to } of arrived) for (const source of [from, '10.0.9.9:5683']) simulator.inject(datagram, source, to);
  await simulator.sleep(500);
  assert.equal(effects(), before + 1, 'a recorded request was carried out again');
}

const issued = (lab: Lab): number => lab.simSEvents.filter(({ type }) => type === 'token-issued').length;

/** The words of a first contact that only its two ends are to read. */
const confidential = ['anna', 'v2x', 'note:read', 'note:write', 'val.example', 'seal1'];

/** Nothing that protects or identifies stands in what passed; the hints of a SEAL server name its audience and a scope, to whoever asks. */
function assertSecret(lab: Lab, words: readonly string[]): void {
  for (const word of words) assert.ok(!lab.wireHas(word), `${word} stands on the wire in clear`);
}

export async function refusesPlainTokenRequest(lab: Lab): Promise<void> {
  const payload = encode(
    new Map<number, string | number>([
      [33, 2],
      [5, 'seal1'],
      [9, 'note:read'],
    ]),
  );
  const before = issued(lab);
  const response = await lab.plain('POST', '/token', { to: simSAddress, payload, contentFormat: ContentFormat.AceCbor });
  assert.equal(formatCode(response.code), '4.01');
  assert.equal(issued(lab), before);
}

/** Protection of messages and bounds on what strangers bring about. */
export const rows: Rows = {
  'R-003': async () => {
    for (const profile of profiles) {
      await inLab({ profile }, async (lab) => {
        const put = (): Promise<unknown> => lab.simC.fetch(`${lab.serverUri}/note`, { method: 'PUT', payload: 'a secret profile' });
        // The first one asks for the way, and must not show what it is about to write.
        await lab.finish(put());
        await withstandsForgery(lab, addressOf(lab, 'SEAL server'), put, () => lab.handled.filter((what) => what === 'PUT /note').length);
        assert.equal((await lab.fetch('/note')).text(), 'a secret profile');
        assertSecret(lab, ['secret profile']);
      });
    }
  },

  'R-004': async () => {
    await inLab({ server: { limits: { tokens: 3, uploadBurst: 8, uploadRate: 0.1 } } }, async (lab) => {
      const { simulator } = lab;
      const stranger = lab.stranger();
      const codes: string[] = [];
      let wait: number | undefined;
      for (let number = 0; number < 12; number++) {
        const osc = new Map<number, Uint8Array>([
          [0, Uint8Array.of(number)],
          [2, new Uint8Array(16).fill(number)],
        ]);
        const response = await lab.finish(lab.uploadFrom(stranger, lab.token({ cnf: { osc } })));
        codes.push(formatCode(response.code));
        wait = uintOf(response.options, OptionNumber.MaxAge);
      }
      assert.deepEqual(codes, [...new Array<string>(8).fill('2.01'), ...new Array<string>(4).fill('4.29')]);
      assert.ok(wait !== undefined && wait >= 1);
      assert.equal(lab.server.stats()['tokens'], 3);
      for (let number = 0; number < 30; number++)
        lab.server.resource(`/large/${number}`, { get: () => '', attributes: { title: 'a resource with a long title' } });
      const before = simulator.wire.length;
      await lab.plain('GET', '/.well-known/core');
      const asked = simulator.wire[before]!;
      const answered = simulator.wire.slice(before).find(({ from }) => from === asked.to)!;
      assert.ok(trafficOf(simulator, asked.to, asked.from, answered.time).excess <= 0, 'more than three times what an unknown address sent');
    });
  },

  'R-005': async () => {
    for (const profile of profiles) {
      const seen: (string | undefined)[] = [];
      const resources = (server: Lab['server']): void => {
        server.resource('/note', {
          get: (request) => {
            seen.push(server.callerOf(request)?.valUserId);
            return '';
          },
        });
      };
      await inLab({ profile, resources }, async (lab) => {
        await lab.fetch('/note');
        assert.deepEqual(seen, ['anna@val.example'], 'the SEAL server knows who asks');
        assertSecret(lab, ['anna', 'ue1', 'v2x']);
      });
    }
  },

  'R-006': async () => {
    for (const profile of profiles) {
      await inLab({ profile }, async (lab) => {
        const ask = (): Promise<unknown> => lab.simC.token({ audience: 'seal1', scope: 'note:read' });
        await lab.finish(ask());
        await withstandsForgery(lab, addressOf(lab, 'SIM-S'), ask, () => issued(lab));
        if (profile === 'oscore') {
          const { accessToken } = await lab.finish(lab.simC.token({ audience: 'seal1', scope: 'note:read' }));
          assert.equal((await lab.finish(lab.introspector().introspect(accessToken))).active, true);
          assert.ok(!lab.wireHas(accessToken));
          assertSecret(lab, ['introspect']);
        }

        assertSecret(lab, ['token', ...confidential]);
      });
    }
  },

  'R-018': async () => {
    for (const profile of profiles) {
      await inLab({ profile }, async (lab) => {
        const scope = 'note:read note:write';
        await lab.fetch('/note', { scope });
        const response = await lab.fetch('/note', { method: 'PUT', payload: 'only for two', scope });
        assert.deepEqual([response.codeText, response.protected, response.association?.kind], ['2.04', true, profile]);
        assertSecret(lab, ['only for two']);
        assert.equal(formatCode((await lab.plain('PUT', '/note', { payload: utf8('x') })).code), '4.01');
        assert.deepEqual(lab.handled, ['GET /note', 'PUT /note']);
      });
    }
  },

  'R-218': async () => {
    for (const profile of profiles) {
      const granted: TokenResponse[] = [];
      const simC = { checkGrant: (response: TokenResponse) => void granted.push(response) };
      await inLab({ profile, simC, server: { limits: { uploadBurst: 1000 } } }, async (lab) => {
        await lab.fetch('/note', { scope: 'note:read' });
        // The probe and its hints come before any authorization; what follows is.
        assertSecret(lab, ['anna', 'v2x', 'val.example', 'note:write']);
        for (const { datagram } of protectedTo(lab, addressOf(lab, 'SEAL server'))) assert.ok(!Buffer.from(datagram).includes('note'));
        const { osc, coseKey } = granted[0]!.cnf!;
        const popKey = coseKey?.k ?? (osc!.get(2) as Uint8Array);
        for (const key of [tokenKey.key.k!, popKey]) assert.ok(!lab.wireHas(key), 'a key stands on the wire');
        if (profile === 'dtls') return;
        const token = lab.token();
        const before = lab.server.stats()['tokens'];
        for (let at = 0; at < token.length; at += 7) {
          const altered = token.map((byte, index) => (index === at ? byte ^ 0x01 : byte));
          assert.match(await lab.upload(altered), /^4\.0[01]$/, `byte ${at} of a token`);
        }
        assert.equal(lab.server.stats()['tokens'], before);
      });
    }
  },

  'R-219': async () => {
    await inLab({ profile: 'dtls' }, async (lab) => {
      const response = await lab.fetch('/note');
      assert.deepEqual([response.codeText, response.association?.kind], ['2.05', 'dtls']);
      assert.ok(lab.serverEvents.some((event) => event.type === 'token-accepted' && event.profile === 'coap_dtls'));
    });
  },

  'R-301': async () => {
    for (const profile of profiles) {
      await inLab({ profile }, async (lab) => {
        await lab.finish(lab.simC.token({ audience: 'seal1', scope: 'note:read' }));
        assert.equal(issued(lab), 1);
        await refusesPlainTokenRequest(lab);
        const recorded = protectedTo(lab, addressOf(lab, 'SIM-S'));
        await lab.restartSimS();
        // RFC 8613, Appendix B.1.2, and RFC 9175: a SIM-S that has lost its replay window challenges, and a recording cannot answer.
        for (const { datagram, from, to } of recorded) lab.simulator.inject(datagram, from, to);
        await lab.simulator.sleep(1000);
        assert.equal(issued(lab), 1);
        await lab.finish(lab.simC.token({ audience: 'seal1', scope: 'note:read' }));
        assert.equal(issued(lab), 2);
      });
    }
  },

  'R-302': async () => {
    for (const profile of profiles) {
      await inLab({ profile }, async (lab) => {
        await lab.finish(lab.simC.token({ audience: 'seal1', scope: 'note:read' }));
        await refusesPlainTokenRequest(lab);
        const last = lab.simulator.wire.filter(({ to, from }) => to === addressOf(lab, 'SIM-S') && from.startsWith('10.0.0.3')).at(-1)!;
        assert.ok(isProtected(lab, last.datagram));
      });
    }
  },
};
