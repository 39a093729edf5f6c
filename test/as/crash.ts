import assert from 'node:assert/strict';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AceError, type TokenResponse } from '../../src/ace/index.ts';
import { issueCode } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { deriveContext } from '../../src/oscore/index.ts';
import { memoryStore, openStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { auditWire } from '../flows/wire-audit.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { SeededRandom } from '../support/random.ts';
import { Relay } from '../support/relay.ts';
import { pause, until } from '../support/wait.ts';
import { clientIds, keyOf } from './crash-world.ts';

const script = new URL('crash-process.js', import.meta.url);
const killsOfRound = 5;
/** Soon enough that requests go out again while their server is away. */
const parameters = { ackTimeout: 100, maxRetransmit: 6 };

/** A peer of the AS, which outlives it. */
async function peerOf(index: number, as: string): Promise<AceClient> {
  const authorizationServers = [{ uri: as, credentials: keyOf(index) }];
  return new AceClient({ store: memoryStore(), profiles: [oscoreProfile], transport: await udp(), authorizationServers, parameters });
}

/** Asks for tokens without end, by turns by its credentials and by refresh tokens, and by a code now and then. */
class Asker {
  readonly tokens: TokenResponse[] = [];
  /** How often each code was answered with a token. */
  readonly codes: Map<string, number> = new Map();
  answered = 0;
  refreshed = 0;
  unanswered = 0;
  readonly #client: AceClient;
  readonly #random: SeededRandom;
  readonly #newCode: () => Promise<Uint8Array>;
  #ended = false;

  constructor(client: AceClient, random: SeededRandom, newCode: () => Promise<Uint8Array>) {
    this.#client = client;
    this.#random = random;
    this.#newCode = newCode;
  }

  end(): void {
    this.#ended = true;
  }

  async run(): Promise<void> {
    let chained = false;
    while (!this.#ended) {
      const code = this.#random.chance(0.1) ? await this.#newCode() : undefined;
      const refresh = code === undefined && chained && this.#random.chance(0.8);
      try {
        this.tokens.push(await this.#client.token({ audience: 'rs1', refresh, ...(code === undefined ? {} : { grant: { code } }) }));
        chained = true;
        this.answered++;
        if (refresh) this.refreshed++;
        if (code !== undefined) {
          await this.#again(code);
          chained = false;
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        // A refresh token that was answered is good until it is used, whatever happened in between.
        if (refresh && error instanceof AceError && error.error !== undefined) throw error;
        this.unanswered++;
      }
      await pause(this.#random.below(5));
    }
  }

  /** A code that was answered is of no use any more, and what it brought ends with a second use: so its token is not one of those to be found. */
  async #again(code: Uint8Array): Promise<void> {
    const spent = this.tokens.pop()!;
    try {
      await this.#client.token({ audience: 'rs1', grant: { code } });
      assert.fail('a code was used twice');
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Nor was it answered: what went out more than once to a server that was killed is not sent again.
      if (!(error instanceof AceError) || error.error === undefined) return;
      assert.equal(error.error, 3, error.message);
      this.codes.set(toHex(code), spent.accessToken.length);
    }
  }
}

/**
 * Kill an AS with `kill -9` while it gives out tokens: no token and no refresh token that was answered is lost, no number, key id or code is used twice.
 *
 * @param place - of its store, for `openStore`
 */
export async function crashDuringIssuance(place: string, seed: number): Promise<Readonly<Record<string, number>>> {
  const random = new SeededRandom(`as crash ${seed}`);
  const port = await freePort();
  const relay = await Relay.open('server', port, () => false);
  const uri = `coap://127.0.0.1:${relay.port}/token`;
  const store = await openStore(place);
  const clients = await Promise.all(clientIds.map((_, index) => peerOf(index, uri)));
  const rs = await peerOf(clientIds.length, uri);
  let child = new Child(script, [place, `${port}`]);
  const codeFor = (client: string) => (): Promise<Uint8Array> =>
    issueCode(store, systemEnv, { client, audience: 'rs1', scope: 'r', expiresAt: systemEnv.epoch() + 60 });
  const askers = clients.map((client, index) => new Asker(client, new SeededRandom(`asker ${seed} ${index}`), codeFor(clientIds[index]!)));
  const issued = (): number => askers.reduce((total, { answered }) => total + answered, 0);
  const running = Promise.all(askers.map((asker) => asker.run()));
  let broken = false;
  running.catch(() => {
    broken = true;
  });
  try {
    for (let kill = 0; kill < killsOfRound; kill++) {
      await Promise.race([child.ready(), running]);
      const enough = issued() + 1 + random.below(5);
      await Promise.race([until(() => broken || issued() >= enough, 60), running]);
      await pause(random.below(10));
      assert.equal(child.failed, false, 'the server ended by itself');
      await child.kill();
      child = new Child(script, [place, `${port}`]);
    }
    await child.ready();
    const enough = issued() + 4;
    await Promise.race([until(() => broken || issued() >= enough, 60), running]);
    for (const asker of askers) asker.end();
    await running;
    const tokens = askers.flatMap((asker) => asker.tokens);
    for (const { accessToken } of tokens) assert.equal((await rs.introspect(accessToken)).active, true, 'a token that was answered is lost');
    const keys = new Map(tokens.map(({ cnf }) => [toHex(cnf!.osc!.get(0) as Uint8Array), toHex(cnf!.osc!.get(2) as Uint8Array)]));
    for (const { cnf } of tokens) {
      const id = toHex(cnf!.osc!.get(0) as Uint8Array);
      assert.equal(toHex(cnf!.osc!.get(2) as Uint8Array), keys.get(id), 'a key id stands for two keys');
    }
    const contexts = [...clientIds, 'rs'].map((_, index) => deriveContext(keyOf(index)));
    const { pairs } = auditWire(relay.wire, contexts);
    const sum = (count: (asker: Asker) => number): number => askers.reduce((total, asker) => total + count(asker), 0);
    const refreshed = sum((asker) => asker.refreshed);
    return {
      kills: killsOfRound,
      tokens: tokens.length,
      refreshed,
      codes: sum(({ codes }) => codes.size),
      unanswered: sum((asker) => asker.unanswered),
      pairs,
    };
  } finally {
    for (const asker of askers) asker.end();
    await child.kill();
    for (const client of [...clients, rs]) await client.close();
    await store.close();
    relay.close();
  }
}

/** Whether there was something to lose. */
export function checkTotals(totals: Readonly<Record<string, number>>): void {
  assert.ok(totals['tokens']! > totals['kills']! && totals['refreshed']! > 0, JSON.stringify(totals));
}
