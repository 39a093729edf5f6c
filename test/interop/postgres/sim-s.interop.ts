import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setPassword } from '../../../src/as/index.ts';
import { systemEnv } from '../../../src/core/env.ts';
import { openStore } from '../../../src/store/index.ts';
import { Browser } from '../../cli/browser.ts';
import { edit, Server } from '../../cli/lab.ts';
import { crashDuringExchanges } from '../../cli/sim-s-crash.ts';
import { SimSLab } from '../../cli/sim-s-lab.ts';
import { freePort } from '../../support/ports.ts';
import { repeat } from '../../support/scale.ts';
import { type PostgresServer, startPostgres } from './server.ts';

let database: PostgresServer;
let lab: SimSLab;
let other: Server;
let places: readonly [a: string, b: string];

/** Two processes of one SIM-S on one PostgreSQL: the issuer is where the first one listens. */
before(async () => {
  database = await startPostgres();
  lab = await SimSLab.make();
  const url = database.database();
  const text = readFileSync(lab.asYaml, 'utf8').replace(/^store: .*$/m, `store: "${url}"`);
  assert.ok(text.includes(url));
  const [coap, https] = [await freePort(), await freePort()];
  places = [lab.issuer, `https://127.0.0.1:${https}`];
  writeFileSync(lab.asYaml, text);
  const second = join(lab.folder, 'as2.yaml');
  // One of the two has the list of revoked certificates.
  const without = text.replace(/^ +crl_(?:file|listen): .*\n/gm, '');
  writeFileSync(second, without.replace(/^listen: .*$/m, `listen: 127.0.0.1:${coap}`), { mode: 0o600 });
  edit(second, `    listen: ${lab.issuer}\n`, `    listen: ${places[1]}\n    issuer: ${lab.issuer}\n`);
  other = new Server('as', second);
  const store = await openStore(url);
  await setPassword(store, systemEnv.random, 'anna@val.example', lab.password);
  await store.close();
  await lab.as.start();
  await other.start();
});
after(async () => {
  // A process that is left would keep this one.
  try {
    await other.stop();
  } finally {
    try {
      await lab.end();
    } finally {
      await database.close();
    }
  }
});

/** Each request goes to the process that did not get the one before. */
async function byTurns<T>(use: () => Promise<T>): Promise<T> {
  const { fetch } = lab;
  let turn = 0;
  const alternating: typeof fetch = (uri, init) => {
    lab.at = places[turn++ % 2]!;
    return fetch(uri, init);
  };
  Object.assign(lab, { fetch: alternating });
  try {
    return await use();
  } finally {
    Object.assign(lab, { fetch });
    lab.at = lab.issuer;
  }
}

describe('two processes of a SIM-S on one PostgreSQL', () => {
  it('each step of a login, of an exchange and of what comes after may be at the other process', () =>
    byTurns(async () => {
      for (let round = 0; round < 3; round++) {
        const browser = new Browser(lab);
        const { status, body } = await lab.exchange(await browser.code());
        assert.equal(status, 200, JSON.stringify(body));
        const again = await lab.refresh(body['refresh_token']);
        assert.equal(again.status, 200);
        const active = async (token: unknown): Promise<unknown> => (await lab.post('/introspect', { token: String(token) })).body['active'];
        for (const token of [body['access_token'], again.body['access_token']]) assert.deepEqual([await active(token), await active(token)], [true, true]);
        await lab.post('/revoke', { token: String(again.body['refresh_token']) });
        for (const token of [body['access_token'], again.body['access_token']]) assert.deepEqual([await active(token), await active(token)], [false, false]);
        assert.deepEqual([await browser.silently(), browser.typed], ['interaction_required', 1]);
      }
    }));

  it('a code, and a refresh token, that both get at once are used once at most, and what came of them is revoked', async () => {
    const browser = new Browser(lab);
    const atBoth = async (ask: () => Promise<{ status: number; body: Readonly<Record<string, unknown>> }>): Promise<readonly string[]> => {
      const answers = await Promise.all(
        [...places, ...places].map((place) => {
          lab.at = place;
          return ask();
        }),
      );
      lab.at = lab.issuer;
      const given = answers.filter(({ status }) => status === 200);
      assert.ok(given.length <= 1, `used ${given.length} times`);
      for (const { status, body } of answers) assert.ok(status === 200 || body['error'] === 'invalid_grant', JSON.stringify(body));
      return given.map(({ body }) => String(body['access_token']));
    };
    for (let round = 0; round < 5; round++) {
      const code = await browser.code();
      const tokens = [...(await atBoth(() => lab.exchange(code)))];
      const first = await lab.exchange(await browser.code());
      tokens.push(String(first.body['access_token']), ...(await atBoth(() => lab.refresh(first.body['refresh_token']))));
      for (const token of tokens) assert.equal((await lab.post('/introspect', { token })).body['active'], false);
    }
  });

  it('failures are counted together: whoever is locked out at one is at the other', () =>
    byTurns(async () => {
      let locked = 0;
      for (let attempt = 0; attempt < 8; attempt++)
        await lab.codeWith('not the right one').then(
          () => assert.fail('expected no login'),
          (error: Error) => {
            if (/too many attempts/.test(error.message)) locked++;
          },
        );
      assert.equal(locked, 3);
    }));
});

it('kill -9 of one while both change codes: no token that was answered is lost, no code is used twice, sessions go on or end cleanly', async () => {
  // The lock of the test before is over by then, or is taken away with the password.
  const store = await openStore(readFileSync(lab.asYaml, 'utf8').match(/^store: "(.*)"$/m)![1]!);
  await store.delete('seal/login/user/anna%40val.example');
  await store.close();
  const totals = await repeat('sim-s-crash-postgres', { quick: 1, full: 30 }, (seed) => byTurns(() => crashDuringExchanges(lab, [lab.as, other], seed, 4)));
  assert.ok(totals['tokens']! > 0 && totals['exchanged']! > totals['kills']!, JSON.stringify(totals));
});
