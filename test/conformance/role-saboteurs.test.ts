import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Acceptance,
  type AsIo,
  type Binding,
  credential,
  type Grant,
  type Profile,
  type ProfileAtAs,
  type ProfileAtRs,
  type RsIo,
} from '../../src/ace/index.ts';
import { type Layer, Method, type Option, OptionNumber, opaqueOption, type Request, type Response, sortOptions, withoutOptions } from '../../src/coap/index.ts';
import { conformanceCases } from '../../src/conformance/index.ts';
import { toBase64Url } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode } from '../../src/core/cbor.ts';
import type { ClaimsSet } from '../../src/core/cwt.ts';
import { ReplayWindow } from '../../src/oscore/index.ts';
import { authorizationServer, check, env, haste, oscoreServer, resourceServer, type Sabotage, type Tested } from './lab.ts';

/** A layer that changes what comes or what goes; both are looked at from the network's side of it. */
function meddling({
  request = (same) => same,
  response = (same) => same,
}: {
  request?: (request: Request) => Request;
  response?: (response: Response) => Response;
}): Layer {
  return {
    name: 'saboteur',
    outbound: (next) => next,
    inbound: (next) => (came, reply) =>
      next(request(came), {
        respond: (answer) => reply.respond(response(answer)),
        notify: (answer) => reply.notify(response(answer)),
        onCancel: (listener) => reply.onCancel(listener),
      }),
  };
}

/** Whatever goes out has changed options. */
const withOptions = (change: (options: readonly Option[]) => readonly Option[]): Sabotage => ({
  layer: meddling({ response: (answer) => ({ ...answer, options: change(answer.options) }) }),
});

/** A window that is not one. */
class Forgetful extends ReplayWindow {
  override accepts(): boolean {
    return true;
  }
}

/** A window that moves before anything has verified. */
class Hasty extends ReplayWindow {
  override accepts(sequence: number): boolean {
    const isNew = super.accepts(sequence);
    if (isNew) super.commit(sequence);
    return isNew;
  }
}

/** A window that takes rising numbers alone. */
class Narrow extends ReplayWindow {
  override accepts(sequence: number): boolean {
    return sequence > this.highest;
  }
}

const windowOf = (window: ReplayWindow): Sabotage => ({
  context: (context) => {
    context.window = window;
  },
});

/** A profile whose side of the RS is changed. */
const atRs = (change: (rs: ProfileAtRs) => Partial<ProfileAtRs>): Sabotage => ({
  profile: (profile: Profile): Profile => ({
    ...profile,
    rs: (io: RsIo) => {
      const rs = profile.rs!(io);
      return Object.assign(Object.create(rs) as ProfileAtRs, bound(rs), change(rs));
    },
  }),
});

const atAs = (change: (as: ProfileAtAs, io: AsIo) => Partial<ProfileAtAs>): Sabotage => ({
  profile: (profile: Profile): Profile => ({
    ...profile,
    as: (io: AsIo) => {
      const as = profile.as!(io);
      return Object.assign(Object.create(as) as ProfileAtAs, bound(as), change(as, io));
    },
  }),
});

/** The methods of an instance with private parts, for an object that stands before it. */
function bound(of: object): object {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(of)).filter((name) => name !== 'constructor');
  const methods = names.flatMap((name) => {
    const value: unknown = Reflect.get(of, name);
    return typeof value === 'function' ? [[name, value.bind(of)]] : [];
  });
  return Object.fromEntries(methods);
}

/** The AS says something else to the client about the key than it should. */
const binding = (change: (binding: Binding, grant: Grant) => Binding): Sabotage =>
  atAs((as) => ({
    bind: async (grant) => {
      const made = await as.bind(grant);
      return made && change(made, grant);
    },
  }));

/** Answers of the AS in a map are changed before they are protected. */
const answering = (change: (map: Map<number, CborValue>) => void, request: (request: Request) => Request = (same) => same): Sabotage =>
  atAs((as) => ({ layers: [meddling({ request, response: (answer) => ({ ...answer, payload: changedMap(answer.payload, change) }) }), ...as.layers] }));

function changedMap(payload: Uint8Array, change: (map: Map<number, CborValue>) => void): Uint8Array {
  if (payload.length === 0) return payload;
  const map = new Map(decode(payload) as ReadonlyMap<number, CborValue>);
  change(map);
  return encode(map);
}

const bytes = new Uint8Array(16).fill(5);
const rsOscore = (sabotage: Parameters<typeof resourceServer>[1]) => () => resourceServer('coap_oscore', sabotage);
const accepting = (change: (acceptance: Acceptance) => Acceptance): Sabotage => atRs((rs) => ({ accept: async (...args) => change(await rs.accept(...args)) }));
/** The answer to an upload says something else. */
const uploaded = (change: (map: Map<number, CborValue>) => void): Sabotage =>
  accepting((acceptance) => ({ ...acceptance, response: { ...acceptance.response, payload: changedMap(acceptance.response.payload, change) } }));

/** The clock of a server that stands still, long ago. */
const late = { ...env, epoch: (): number => 1_000_000_000 };
/** Chance that gives the same nonce each time. */
const dull = { ...env, random: (length: number): Uint8Array => (length === 8 ? new Uint8Array(8) : env.random(length)) };

/** A case that waits in vain fails, as it has to; what comes late is no silence. */
const hurried = { answer: 300 * haste, silence: 300 * haste };

/** What is wrong with a server, and the cases that have to say so. */
const saboteurs: readonly (readonly [name: string, make: () => Promise<Tested>, cases: readonly string[]])[] = [
  ['OSCORE that knows no replay', () => oscoreServer(windowOf(new Forgetful(32))), ['oscore-win-01', 'oscore-win-02', 'oscore-win-03', 'oscore-win-05']],
  ['OSCORE whose window moves before anything verifies', () => oscoreServer(windowOf(new Hasty(32))), ['oscore-win-06', 'oscore-win-07']],
  ['OSCORE that takes rising numbers alone', () => oscoreServer(windowOf(new Narrow(32))), ['oscore-win-04']],
  [
    'OSCORE that passes over reserved flags',
    () => oscoreServer({ layer: meddling({ request: withFlags((flags) => flags & 0x1f) }) }),
    ['oscore-dec-01', 'oscore-dec-02', 'oscore-dec-03', 'oscore-err-02'],
  ],
  [
    'OSCORE with an ETag outside',
    () => oscoreServer(withOptions((options) => sortOptions([...options, opaqueOption(OptionNumber.ETag, bytes.slice(0, 2))]))),
    ['oscore-03'],
  ],
  [
    'OSCORE with an option of one zero byte',
    () =>
      oscoreServer(
        withOptions((options) =>
          options.map((each) => (each.number === OptionNumber.Oscore && each.value.length === 0 ? opaqueOption(OptionNumber.Oscore, Uint8Array.of(0)) : each)),
        ),
      ),
    ['oscore-04', 'oscore-01'],
  ],
  [
    'OSCORE with the Outer Code of the inside',
    () => oscoreServer({ layer: meddling({ response: (answer) => ({ ...answer, code: answer.code === 68 ? 69 : answer.code }) }) }),
    ['oscore-02'],
  ],
  ['OSCORE that does not answer Non-confirmable messages', () => oscoreServer({ transport: deafTo(1) }), ['oscore-06']],
  [
    'a server that takes every unprotected request for a protected one',
    rsOscore({ public: ['/temperature'] }),
    ['rs-access-02', 'rs-access-03', 'rs-hints-01', 'rs-osc-ctx-12'],
  ],
  ['an RS whose clock stands still', rsOscore({ env: late }), ['rs-token-01', 'rs-token-07', 'rs-expiry-01', 'rs-osc-ctx-08', 'rs-osc-ctx-10']],
  ['an RS that answers to every audience', rsOscore({ audience: ['rs1', 'conformance-other-audience'] }), ['rs-token-02']],
  ['an RS that knows every scope', rsOscore({ scopes: { r_temp: { '/temperature': ['GET'] }, 'conformance-no-such-scope': {} } }), ['rs-token-04']],
  [
    'an RS whose scope opens too much',
    rsOscore({ scopes: { r_temp: { '/temperature': ['GET', 'DELETE'], '/led': ['GET'] }, r_led: { '/led': ['GET'] } } }),
    ['rs-access-04', 'rs-access-07', 'rs-osc-ctx-04'],
  ],
  ['an RS that says the same nonce each time', rsOscore({ env: dull }), ['rs-osc-03']],
  ['an RS with a short nonce', rsOscore(uploaded((map) => map.set(42, bytes.slice(0, 4)))), ['rs-osc-04', 'rs-osc-05']],
  ['an RS that gives no identifier', rsOscore(uploaded((map) => map.delete(44))), ['rs-osc-01']],
  ['an RS that gives back the identifier of the client', rsOscore(mirroringIds()), ['rs-osc-02']],
  ['an RS that gives up a context at the upload of its token by anybody', rsOscore(forgettingContexts()), ['rs-osc-ctx-02']],
  ['an RS that takes an update for any key', rsOscore(takingAnyKid()), ['rs-osc-ctx-07']],
  [
    'an RS that answers an update with a payload',
    rsOscore(accepting((one) => (one.update ? { ...one, response: { ...one.response, payload: bytes } } : one))),
    ['rs-osc-ctx-03'],
  ],
  ['an RS that refuses nothing in an input material', rsOscore(tidyingMaterials()), ['rs-osc-mat-03']],
  [
    'an AS that gives no key',
    () =>
      authorizationServer(
        'oscore',
        binding((made) => ({ ...made, response: () => ({}) })),
      ),
    ['as-osc-01', 'as-osc-02', 'as-osc-03'],
  ],
  [
    'an AS that gives the same key each time',
    () =>
      authorizationServer(
        'oscore',
        binding((made) => withKey(made, bytes, bytes)),
      ),
    ['as-osc-02'],
  ],
  [
    'an AS whose token has another key than its response',
    () =>
      authorizationServer(
        'oscore',
        binding((made) => ({ ...made, response: () => ({ cnf: withKey(made, bytes, bytes).claims.cnf }) })),
      ),
    ['as-osc-03'],
  ],
  [
    'an AS that tells the key again at an update',
    () =>
      authorizationServer(
        'oscore',
        atAs((as) => ({ bind: ({ request: { reqCnf: _, ...request }, ...grant }) => as.bind({ ...grant, request }) })),
      ),
    ['as-osc-04', 'as-osc-05', 'as-err-11'],
  ],
  [
    'an AS that tells a key of the RS beside a symmetric one',
    () =>
      authorizationServer(
        'oscore',
        binding((made) => ({ ...made, response: (token) => ({ ...made.response(token), rsCnf: { kid: bytes } }) })),
      ),
    ['as-token-09'],
  ],
  ['an AS that gives every scope', () => authorizationServer('oscore', { grants: 'r_temp r_led' }), ['as-err-02', 'as-token-08']],
  [
    'an AS that does not say the profile, nor for how long, nor that the scope is another',
    () =>
      authorizationServer(
        'oscore',
        answering((map) => [2, 9, 38].map((label) => map.delete(label))),
      ),
    ['as-token-04', 'as-token-05', 'as-token-07'],
  ],
  [
    'an AS of bearer tokens',
    () =>
      authorizationServer(
        'oscore',
        answering((map) => map.set(34, 1)),
      ),
    ['as-token-06'],
  ],
  [
    'an AS whose errors have another code',
    () =>
      authorizationServer(
        'oscore',
        answering((map) => map.has(30) && map.set(30, 3)),
      ),
    ['as-err-01', 'as-err-04', 'as-err-07', 'as-err-09', 'as-err-15', 'as-err-18', 'as-intro-06'],
  ],
  ['an AS whose answers have no Content-Format', () => authorizationServer('oscore', unformatted()), ['as-token-01', 'as-err-03', 'as-intro-01', 'as-trl-01']],
  ['an AS that takes anybody for its client', () => authorizationServer('oscore', trusting()), ['as-err-20', 'as-intro-05', 'as-trl-09']],
  [
    'an AS that finds every token active',
    () =>
      authorizationServer(
        'oscore',
        answering((map) => map.has(10) && map.set(10, true)),
      ),
    ['as-intro-02', 'as-intro-03', 'as-intro-04'],
  ],
  [
    'an AS that reads no query',
    () =>
      authorizationServer(
        'oscore',
        answering(
          () => {},
          (request) => ({ ...request, options: withoutOptions(request.options, OptionNumber.UriQuery) }),
        ),
      ),
    ['as-trl-04', 'as-trl-05', 'as-trl-06', 'as-trl-07'],
  ],
  [
    'an AS that gives tokens for GET',
    () =>
      authorizationServer(
        'oscore',
        answering(
          () => {},
          (request) =>
            request.code === Method.GET
              ? {
                  ...request,
                  code: Method.POST,
                  options: sortOptions([...request.options, opaqueOption(OptionNumber.ContentFormat, Uint8Array.of(19))]),
                  payload: encode(new Map([[5, 'rs1']])),
                }
              : request,
        ),
      ),
    ['as-err-22'],
  ],
];

for (const [name, make, ids] of saboteurs)
  test(`conformance: ${name} is found by ${ids.join(', ')}`, async () => {
    const server = await make();
    try {
      const cases = conformanceCases.filter(({ id }) => ids.includes(id));
      assert.equal(cases.length, ids.length);
      for (const { case: one, outcome, reason } of await check(server, cases, hurried)) assert.equal(outcome, 'fail', `${one.id}: ${reason}`);
    } finally {
      await server.close();
    }
  });

function withFlags(change: (flags: number) => number): (request: Request) => Request {
  return (request) => ({
    ...request,
    options: request.options.map((each) => {
      if (each.number !== OptionNumber.Oscore || each.value.length === 0) return each;
      const value = each.value.slice();
      value[0] = change(value[0]!);
      return { number: OptionNumber.Oscore, value };
    }),
  });
}

/** A socket that hears no messages of this type. */
function deafTo(type: number): NonNullable<Sabotage['transport']> {
  return (transport) =>
    Object.assign(Object.create(transport) as typeof transport, bound(transport), {
      local: transport.local,
      start: ((receive, watcher) =>
        transport.start((datagram, peer) => {
          if (((datagram[0]! >> 4) & 3) !== type) receive(datagram, peer);
        }, watcher)) as typeof transport.start,
    });
}

function mirroringIds(): Sabotage {
  return atRs((rs) => ({
    accept: async (claims, issuer, upload) => {
      const { id1 } = upload.extra as { readonly id1: Uint8Array };
      const acceptance = await rs.accept(claims, issuer, upload);
      return { ...acceptance, response: { ...acceptance.response, payload: changedMap(acceptance.response.payload, (map) => map.set(44, id1)) } };
    },
  }));
}

function forgettingContexts(): Sabotage {
  return atRs((rs) => ({
    accept: (claims, issuer, upload) => {
      rs.release(credential('coap_oscore', issuer, claims.cnf!.osc!.get(0) as Uint8Array));
      return rs.accept(claims, issuer, upload);
    },
  }));
}

/** The key of an update is taken to be that of the context, whatever it is. */
function takingAnyKid(): Sabotage {
  const seen: Uint8Array[] = [];
  return atRs((rs) => ({
    accept: (claims: ClaimsSet, issuer, upload) => {
      const id = claims.cnf?.osc?.get(0) as Uint8Array | undefined;
      if (id !== undefined) seen.push(id.slice());
      const kid = seen.find((one) => upload.association?.credential?.endsWith(`:${toBase64Url(one)}`) === true);
      return rs.accept(kid === undefined ? claims : { ...claims, cnf: { kid } }, issuer, upload);
    },
  }));
}

function tidyingMaterials(): Sabotage {
  return atRs((rs) => ({
    accept: (claims, issuer, upload) => {
      const osc = new Map([...claims.cnf!.osc!].filter(([label]) => typeof label === 'number' && label <= 6));
      return rs.accept({ ...claims, cnf: { osc } }, issuer, upload);
    },
  }));
}

function withKey(made: Binding, id: Uint8Array, ms: Uint8Array): Binding {
  const osc = new Map<number, CborValue>([
    [0, id],
    [2, ms],
  ]);
  return { ...made, claims: { cnf: { osc } }, response: () => ({ cnf: { osc } }) };
}

function unformatted(): Sabotage {
  return atAs((as) => ({
    layers: [meddling({ response: (answer) => ({ ...answer, options: withoutOptions(answer.options, OptionNumber.ContentFormat) }) }), ...as.layers],
  }));
}

function trusting(): Sabotage {
  const association = { kind: 'none', id: 'anybody', credential: 'client:client1' };
  return atAs((as) => ({
    layers: [meddling({ request: (request) => (request.association === undefined ? { ...request, association } : request) }), ...as.layers],
  }));
}
