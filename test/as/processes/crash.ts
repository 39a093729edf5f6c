import assert from 'node:assert/strict';
import { decodeIntrospectionResponse, decodeTokenResponse } from '../../../src/ace/index.ts';
import { Code, formatCode } from '../../../src/coap/index.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { oscBytes } from '../../ace/osc.ts';
import { auditWire } from '../../flows/wire-audit.ts';
import { SeededRandom } from '../../support/random.ts';
import { pause } from '../../support/wait.ts';
import { clients, rs1 } from '../support.ts';
import { AsProcess, Party } from './server-process.ts';

/** Token requests that each client has under way. */
const atOnce = 8;

/**
 * Kill an AS with `kill -9` at random moments while it gives out tokens, and see to it that nothing is lost that was answered and nothing is used twice.
 *
 * @param place - of the store
 */
export async function crashDuringIssuance(place: string, kills: number, seed: number): Promise<Readonly<Record<string, number>>> {
  const random = new SeededRandom(seed);
  const server = await AsProcess.start('as', place);
  const parties = [await Party.open(clients[0]!.credentials), await Party.open(clients[1]!.credentials)];
  const rs = await Party.open(rs1.credentials);
  const tokens: Uint8Array[] = [];
  /** Of the keys that tokens are bound to. */
  const ids = new Set<string>();
  let failures = 0;
  let over = false;
  const ask = async (party: Party): Promise<void> => {
    while (!over) {
      try {
        const { code, payload } = await party.token(server, { audience: 'rs1', scope: 'r_temp' }, 2_000);
        assert.equal(formatCode(code), '2.01');
        const { accessToken, cnf } = decodeTokenResponse(payload);
        tokens.push(accessToken!);
        const id = toHex(oscBytes(cnf, 0));
        assert.ok(!ids.has(id), `the identifier ${id} was given twice`);
        ids.add(id);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        failures++;
      }
    }
  };
  const asking = Promise.all(parties.flatMap((party) => Array.from({ length: atOnce }, () => ask(party))));
  asking.catch(() => {});
  try {
    for (let kill = 0; kill < kills; kill++) {
      const before = tokens.length;
      await pause(50 + random.below(300));
      await server.kill();
      await server.start();
      if (kill === kills - 1) while (tokens.length === before) await pause(20);
    }
  } finally {
    over = true;
  }
  await asking;
  assert.ok(tokens.length > kills, `${tokens.length} tokens`);
  for (const token of tokens) {
    const { code, payload } = await rs.introspect(server, token);
    assert.equal(code, Code.Created);
    assert.equal(decodeIntrospectionResponse(payload).active, true, 'a token that was answered is lost');
  }
  const { messages, pairs } = auditWire(
    server.wire,
    [...parties, rs].map(({ context }) => context),
  );
  for (const party of [...parties, rs]) await party.close();
  await server.close();
  return { kills, tokens: tokens.length, failures, messages, pairs };
}
