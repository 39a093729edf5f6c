import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Acceptance,
  AceError,
  type Binding,
  errorResponse,
  type Grant,
  type Profile,
  type ProfileAtAs,
  type ProfileAtClient,
  type ProfileAtRs,
  type Target,
  type TokenRequest,
  type TokenResponse,
  type TokenUpload,
} from '../../src/ace/index.ts';
import {
  Code,
  Endpoint,
  echo,
  formatCode,
  Method,
  pathOf,
  pathOptions,
  type Request,
  type Response,
  type SecurityAssociation,
  type Transports,
} from '../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../src/core/bytes.ts';
import { openCwt, protectCwt, type TokenKey } from '../../src/core/cwt.ts';
import type { Env } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

/** Where a part of the profile lives: its network, and the plain CoAP port that it has. */
export interface Place {
  readonly role: 'as' | 'client' | 'rs';
  readonly simulator: Simulator;
  readonly env: Env;
  readonly address: string;
  readonly port: number;
}

/** The profile as this party has it, and what carries its messages. */
export interface Party {
  readonly profile: Profile;
  readonly transport: Transports;
}

export interface ComplianceOptions {
  /** What the tests are called. */
  readonly name: string;
  readonly party: (place: Place) => Party;
  /** What `connectAs` and `addPeer` must refuse. */
  readonly badCredentials: readonly unknown[];
  /** What the association before answers once the one after has worked, where a token is uploaded twice. */
  readonly replaced: '4.01' | '2.05';
  /** The token goes to the RS in a handshake, which says no more than that it failed. */
  readonly uploads?: false;
}

/** How the resource server of the suite is known to the AS. */
const issuer = 'as1';
const tokenKey: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } };

/** The three parts of a profile, each where its role would have it, and no more of the roles than they need to meet. */
class World {
  readonly simulator = new Simulator();
  readonly stores: { readonly as: Store; readonly client: Store; readonly rs: Store } = {
    as: memoryStore({ env: this.simulator.env() }),
    client: memoryStore(),
    rs: memoryStore(),
  };
  readonly acceptances: Acceptance[] = [];
  /** The credential of each request that reached the resource. */
  readonly served: (string | undefined)[] = [];
  readonly as: ProfileAtAs;
  readonly name: string;
  client!: ProfileAtClient;
  rs!: ProfileAtRs;
  readonly #party: ComplianceOptions['party'];
  #client: Endpoint | undefined;
  #rs: Endpoint | undefined;
  #runs = 0;

  constructor(party: ComplianceOptions['party']) {
    this.#party = party;
    const env = this.simulator.env('as');
    const { profile } = party({ role: 'as', simulator: this.simulator, env, address: '10.0.0.1', port: 5683 });
    const as = profile.as?.({ env, store: this.stores.as, emit: () => {} });
    assert.ok(as, 'a part for the AS');
    this.as = as;
    this.name = profile.name;
    this.startRs();
    this.startClient();
  }

  get target(): Target {
    return { peer: this.simulator.peer('10.0.0.2', 5683), audience: 'rs1', authzInfo: ['authz-info'] };
  }

  startRs(): void {
    const env = this.simulator.env(`rs ${++this.#runs}`);
    const { profile, transport } = this.#party({ role: 'rs', simulator: this.simulator, env, address: '10.0.0.2', port: 5683 });
    const rs = profile.rs?.({ env, store: this.stores.rs, emit: () => {}, admit: (upload) => this.#admit(upload), forget: () => {} });
    assert.ok(rs, 'a part for the RS');
    this.rs = rs;
    this.#rs = new Endpoint({
      transport,
      env,
      layers: rs.layers,
      handler: (request, reply) => {
        if (pathOf(request.options)[0] === 'authz-info') {
          this.#accept(request).then(
            (response) => reply.respond(response),
            (error: unknown) =>
              reply.respond(error instanceof AceError ? errorResponse(error) : { code: Code.InternalServerError, options: [], payload: utf8(String(error)) }),
          );
          return;
        }
        // As the guard of the role would.
        if (request.association !== undefined) this.served.push(request.association.credential);
        reply.respond({ code: request.association === undefined ? Code.Unauthorized : Code.Content, options: [], payload: emptyBytes });
      },
    });
  }

  async stopRs(): Promise<void> {
    await this.#rs?.close();
    await this.rs.close();
  }

  startClient(): void {
    const env = this.simulator.env(`client ${++this.#runs}`);
    const { profile, transport } = this.#party({ role: 'client', simulator: this.simulator, env, address: '10.0.0.3', port: 40_000 + 2 * this.#runs });
    const client = profile.client?.({ env, store: this.stores.client, request: (request) => this.#client!.request(request), emit: () => {} });
    assert.ok(client, 'a part for the client');
    this.client = client;
    this.#client = new Endpoint({ transport, env, layers: [echo({}, env), ...client.layers] });
  }

  async stopClient(): Promise<void> {
    await this.#client?.close();
    await this.client.close();
  }

  async close(): Promise<void> {
    await this.stopClient();
    await this.stopRs();
    await this.as.close();
  }

  grant(request: TokenRequest = {}, client = 'c1'): Grant {
    return { client, audience: 'rs1', resourceServer: 'rs1', request, expiresAt: Math.floor(this.simulator.env().epoch()) + 100, exi: false };
  }

  /** What the AS answers once it has decided. */
  token(binding: Binding): TokenResponse {
    const token = protectCwt(
      { aud: 'rs1', scope: 'r', exp: this.grant().expiresAt, cnf: binding.claims.cnf },
      tokenKey,
      this.simulator.env(`n ${++this.#runs}`).random,
    );
    return { accessToken: token, expiresIn: 100, ...binding.response(token) };
  }

  async granted(request: TokenRequest = {}, client?: string): Promise<TokenResponse> {
    const binding = await this.as.bind(this.grant(request, client));
    assert.ok(binding, 'the AS binds a key');
    assert.ok(await this.stores.as.batch(binding.changes));
    return this.token(binding);
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  async establish(granted?: TokenResponse): Promise<SecurityAssociation> {
    return this.finish(this.client.establish(granted ?? (await this.granted()), this.target));
  }

  async read(association: SecurityAssociation): Promise<string> {
    const request = { code: Method.GET, options: pathOptions(['resource']), peer: this.target.peer, association };
    return formatCode((await this.finish(this.#client!.request(request))).code);
  }

  /** What authz-info does, without the checks that are no profile's business. */
  async #accept(request: Request): Promise<Response> {
    const upload = this.rs.decodeUpload(request);
    if (upload === undefined) return { code: Code.UnsupportedContentFormat, options: [], payload: emptyBytes };
    return (await this.#admit(upload)).response;
  }

  async #admit(upload: TokenUpload): Promise<Acceptance> {
    let claims: ReturnType<typeof openCwt>['claims'];
    try {
      ({ claims } = openCwt(upload.token, [tokenKey]));
    } catch (error) {
      throw new AceError('ERR_TEST_TOKEN', String(error), { responseCode: Code.Unauthorized });
    }
    const acceptance = await this.rs.accept(claims, issuer, upload);
    this.acceptances.push(acceptance);
    return acceptance;
  }
}

/**
 * What every profile of ACE has to do, whatever it protects with (RFC 9200, Appendix C). A profile's test calls this once.
 */
export function profileCompliance({ name: profileName, party, badCredentials, replaced, uploads }: ComplianceOptions): void {
  const check = (name: string, run: (world: World) => Promise<void>): void => {
    test(`profile ${profileName}: ${name}`, async () => {
      const world = new World(party);
      await run(world);
      await world.close();
    });
  };

  check('bind, establish, accept: the first request comes with the credential of the token', async (world) => {
    const association = await world.establish();
    assert.equal(world.acceptances.length, 1);
    const [acceptance] = world.acceptances;
    assert.equal(acceptance!.update, false);
    assert.ok(acceptance!.credential.startsWith(`${world.name}:${issuer}:`), acceptance!.credential);
    assert.ok(acceptance!.saved instanceof Uint8Array);
    assert.equal(await world.read(association), '2.05');
    assert.deepEqual(world.served, [acceptance!.credential]);
  });

  check('a token whose claims hold a secret asks to be encrypted', async (world) => {
    const binding = await world.as.bind(world.grant());
    assert.ok(binding);
    assert.equal(typeof binding.confidential, 'boolean');
    const holdsSecret = binding.claims.cnf.osc !== undefined || binding.claims.cnf.coseKey?.k !== undefined;
    assert.equal(binding.confidential, holdsSecret);
    if (binding.confidential) assert.equal(world.as.confidential, true);
  });

  check('two tokens: two keys, two credentials, two associations that do not mix', async (world) => {
    const one = await world.establish();
    const two = await world.establish(await world.granted({}, 'c2'));
    for (const association of [one, two, one, two]) assert.equal(await world.read(association), '2.05');
    const [first, second] = world.acceptances.map(({ credential }) => credential);
    assert.notEqual(first, second);
    assert.deepEqual(world.served, [first, second, first, second]);
  });

  check('update: another token for the same key, over the living association', async (world) => {
    const association = await world.establish();
    const request = world.client.request(world.target, association);
    assert.ok(request.reqCnf, 'a reference to the key');
    const granted = await world.granted(request);
    await world.finish(world.client.update(granted, association, world.target));
    const [first, update] = world.acceptances;
    assert.equal(update?.update, true);
    assert.equal(update?.credential, first?.credential);
    assert.equal(await world.read(association), '2.05');
  });

  check('update: a key that the AS does not know, or that is of another client', async (world) => {
    const association = await world.establish();
    const request = world.client.request(world.target, association);
    assert.equal(await world.as.bind(world.grant({ reqCnf: { kid: new Uint8Array(9).fill(0xee) } })), undefined);
    assert.equal(await world.as.bind(world.grant(request, 'c2')), undefined);
    assert.ok([1, 7].includes(world.as.unknownKey));
  });

  check('update: a token for another key than that of the association is refused, and nothing changes', async (world) => {
    const one = await world.establish();
    const two = await world.establish(await world.granted({}, 'c2'));
    const foreign = await world.granted(world.client.request(world.target, two), 'c2');
    await assert.rejects(world.finish(world.client.update(foreign, one, world.target)), AceError);
    assert.equal(world.acceptances.length, 2);
    assert.equal(await world.read(one), '2.05');
    assert.equal(await world.read(two), '2.05');
  });

  check('release at the RS: the association is of no use any more, and the handler is not called', async (world) => {
    const association = await world.establish();
    assert.equal(await world.read(association), '2.05');
    world.rs.release(world.acceptances[0]!.credential);
    assert.equal(await world.read(association), '4.01');
    assert.equal(world.served.length, 1);
    world.rs.release(world.acceptances[0]!.credential);
    world.rs.release('of nobody');
  });

  check('restore at the RS: the association goes on after a restart', async (world) => {
    const association = await world.establish();
    assert.equal(await world.read(association), '2.05');
    const { credential, saved } = world.acceptances[0]!;
    await world.stopRs();
    world.startRs();
    await world.rs.restore(credential, saved!);
    assert.equal(await world.read(association), '2.05');
    assert.equal(await world.read(association), '2.05');
    assert.deepEqual(world.served, [credential, credential, credential]);
    await assert.rejects(world.rs.restore('another', Uint8Array.of(0xff)), ProtocolError);
  });

  check('save and restore at the client: the next process goes on with the association', async (world) => {
    const association = await world.establish();
    assert.equal(await world.read(association), '2.05');
    const saved = world.client.save(association);
    await world.stopClient();
    world.startClient();
    const restored = await world.client.restore(saved);
    assert.equal(await world.read(restored), '2.05');
    const granted = await world.granted(world.client.request(world.target, restored));
    await world.finish(world.client.update(granted, restored, world.target));
    assert.equal(await world.read(restored), '2.05');
    await assert.rejects(world.client.restore(Uint8Array.of(0xff)), ProtocolError);
  });

  check('the same token again: the association before works until the one after does', async (world) => {
    const granted = await world.granted();
    const one = await world.establish(granted);
    assert.equal(await world.read(one), '2.05');
    const two = await world.establish(granted);
    assert.equal(await world.read(one), '2.05');
    assert.equal(await world.read(two), '2.05');
    assert.equal(await world.read(one), replaced);
    assert.equal(await world.read(two), '2.05');
    assert.equal(new Set(world.acceptances.map(({ credential }) => credential)).size, 1);
  });

  check('a token that the RS refuses: AceError with its code, and nothing is left', async (world) => {
    const granted = await world.granted();
    const altered = granted.accessToken.slice();
    altered[altered.length - 1]! ^= 1;
    const before = world.client.stats();
    await assert.rejects(
      world.establish({ ...granted, accessToken: altered }),
      (error: AceError) => error instanceof AceError && error.responseCode === Code.Unauthorized,
    );
    assert.deepEqual(world.client.stats(), before);
    assert.deepEqual(world.acceptances, []);
  });

  check('an upload that is of another profile is left to it', async (world) => {
    const upload: Request = { code: Method.POST, options: pathOptions(['authz-info']), payload: utf8('x'), peer: world.target.peer };
    assert.equal(world.rs.decodeUpload(upload), undefined);
  });

  check('a token without a key: refused', async (world) => {
    const granted = await world.granted();
    const accessToken = protectCwt({ aud: 'rs1', scope: 'r', exp: world.grant().expiresAt }, tokenKey, world.simulator.env('x').random);
    await assert.rejects(
      world.establish({ ...granted, accessToken }),
      (error: AceError) => error.responseCode === (uploads === false ? Code.Unauthorized : Code.BadRequest),
    );
  });

  check('credentials of a wrong shape are refused, at AS and client', async (world) => {
    for (const credentials of badCredentials) {
      await assert.rejects(world.client.connectAs(credentials, world.target.peer), ProtocolError);
      await assert.rejects(world.as.addPeer('client:x', credentials), ProtocolError);
    }
    assert.equal(badCredentials.length > 0, true);
  });

  check('stats return to where they were once associations are released and lifetimes have ended', async (world) => {
    const before = { client: world.client.stats(), rs: world.rs.stats(), as: world.as.stats() };
    const one = await world.establish();
    const two = await world.establish();
    await world.establish();
    for (const association of [one, two, one]) await world.read(association);
    for (const { credential } of world.acceptances.slice(0, 2)) world.rs.release(credential);
    await world.client.release(one);
    await world.client.release(one);
    await world.client.release(two);
    await world.simulator.sleep(1_000_000);
    assert.deepEqual(world.rs.stats(), before.rs);
    assert.deepEqual(world.as.stats(), before.as);
    assert.notDeepEqual(world.client.stats(), before.client, 'one is left');
  });
}
