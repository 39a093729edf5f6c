import assert from 'node:assert/strict';
import { OpenIdError } from '../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import type { Answer } from '../profiles/seal/https/openid/application.ts';
import { SeededRandom } from '../support/random.ts';
import { pause, until } from '../support/wait.ts';
import { Browser } from './browser.ts';
import type { Server } from './lab.ts';
import type { SimSLab } from './sim-s-lab.ts';

/** Signs in, changes codes for tokens, refreshes them and tries codes again, without end. */
class Asker {
  /** Access tokens that were answered, and have not been given up. */
  readonly tokens: Set<string> = new Set();
  readonly browser: Browser;
  exchanged = 0;
  refreshed = 0;
  triedAgain = 0;
  unanswered = 0;
  readonly #lab: SimSLab;
  readonly #random: SeededRandom;
  #ended = false;

  constructor(lab: SimSLab, random: SeededRandom) {
    this.#lab = lab;
    this.#random = random;
    this.browser = new Browser(lab);
  }

  end(): void {
    this.#ended = true;
  }

  async run(): Promise<void> {
    while (!this.#ended) {
      try {
        await this.#round();
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        // A server that is not there, or a login that has lost its server: it begins anew.
        assert.ok(error.code === 'ERR_TRANSPORT_HTTPS' || error instanceof OpenIdError, error.message);
        this.unanswered++;
        await pause(50);
      }
    }
  }

  async #round(): Promise<void> {
    const code = await this.browser.code();
    const first = await this.#exchange(code);
    if (first === undefined) {
      this.tokens.clear();
      return;
    }
    const { access_token: token, refresh_token: refreshToken } = first.body;
    this.tokens.add(String(token));
    this.exchanged++;
    if (this.#random.chance(0.5)) await this.#refresh(refreshToken);
    else if (this.#random.chance(0.3)) await this.#again(code);
  }

  /** `undefined`: it was used up by a request whose answer was lost, and what its grant has brought is revoked. */
  async #exchange(code: string): Promise<Answer | undefined> {
    const answer = await this.#lab.exchange(code).catch(async (error: unknown) => {
      if (!(error instanceof ProtocolError)) throw error;
      this.unanswered++;
      await pause(200);
      return this.#lab.exchange(code).catch((again: unknown) => {
        // If both were carried out, the second has taken along what the grant has brought.
        this.tokens.clear();
        throw again;
      });
    });
    assert.ok(answer.status === 200 || (answer.status === 400 && answer.body['error'] === 'invalid_grant'), JSON.stringify(answer.body));
    return answer.status === 200 ? answer : undefined;
  }

  async #refresh(refreshToken: unknown): Promise<void> {
    const { status, body } = await this.#lab.refresh(refreshToken);
    assert.equal(status, 200, `a refresh token that was answered is lost: ${JSON.stringify(body)}`);
    this.tokens.add(String(body['access_token']));
    this.refreshed++;
  }

  /** A code that was answered is of no use any more, and takes along what its grant has brought: that of the session, for this application. */
  async #again(code: string): Promise<void> {
    this.tokens.clear();
    const { status, body } = await this.#lab.exchange(code);
    assert.deepEqual([status, body['error']], [400, 'invalid_grant'], 'a code was used twice');
    this.triedAgain++;
  }
}

/**
 * Kill a SIM-S with `kill -9` while it changes codes for tokens: no token and no refresh token that was answered is lost, no code is used twice, and who was signed
 * in still is, or signs in again.
 *
 * @param victims - they are killed by turns, and started again
 */
export async function crashDuringExchanges(lab: SimSLab, victims: readonly Server[], seed: number, kills: number): Promise<Readonly<Record<string, number>>> {
  const random = new SeededRandom(`sim-s crash ${seed}`);
  const askers = [0, 1, 2].map((index) => new Asker(lab, new SeededRandom(`asker ${seed} ${index}`)));
  const running = Promise.all(askers.map((asker) => asker.run()));
  let broken = false;
  running.catch(() => {
    broken = true;
  });
  const sum = (count: (asker: Asker) => number): number => askers.reduce((total, asker) => total + count(asker), 0);
  const exchanged = (): number => sum((asker) => asker.exchanged);
  const more = async (count: number): Promise<void> => {
    const enough = exchanged() + count;
    await Promise.race([until(() => broken || exchanged() >= enough, 60), running]);
  };
  try {
    for (let kill = 0; kill < kills; kill++) {
      await more(2 + random.below(4));
      await pause(random.below(60));
      const victim = victims[kill % victims.length]!;
      await victim.kill();
      await victim.start();
    }
    await more(3);
  } finally {
    for (const asker of askers) asker.end();
  }
  await running;
  const tokens = askers.flatMap((asker) => [...asker.tokens]);
  for (const token of tokens) assert.equal((await lab.post('/introspect', { token })).body['active'], true, 'a token that was answered is lost');
  for (const { browser } of askers) {
    if (!browser.isSignedIn) continue;
    const outcome = await browser.silently();
    assert.ok(['code', 'consent_required', 'interaction_required', 'login_required'].includes(outcome), outcome);
  }
  return {
    kills,
    tokens: tokens.length,
    exchanged: exchanged(),
    refreshed: sum((asker) => asker.refreshed),
    triedAgain: sum((asker) => asker.triedAgain),
    unanswered: sum((asker) => asker.unanswered),
    typed: sum((asker) => asker.browser.typed),
  };
}
