import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessTokenVerifier, type BearerError, RevokedTokens } from '../../../../../profiles/seal/https/index.ts';
import { type RevocationList, type TrlResponse, tokenHash } from '../../../../../src/ace/index.ts';
import { ProtocolError } from '../../../../../src/core/errors.ts';
import { Simulator } from '../../../../support/simulator.ts';
import { TokenLab } from './token-lab.ts';

test('RFC 9770 11.1: what is on the list of the SIM-S is refused, as it comes and goes, and while the list is out of reach', async () => {
  const lab = await TokenLab.make();
  const simulator = new Simulator({ seed: 1 });
  const tokens = await Promise.all(['a', 'b', 'c'].map((jti) => lab.token({ jti })));
  let listed: readonly string[] | undefined = [];
  const list: RevocationList = {
    query: async (): Promise<TrlResponse> => {
      if (listed === undefined) throw new ProtocolError('ERR_ACE_TIMEOUT', 'no answer');
      return { fullSet: listed.map((token) => tokenHash(token)) };
    },
    observe: () => assert.fail('it was to be asked'),
  };
  const reached: (string | undefined)[] = [];
  const revoked = new RevokedTokens({
    list,
    env: simulator.env('rs'),
    observe: false,
    interval: 10,
    limit: 2,
    reached: (failure) => reached.push(failure?.code),
  });
  const verifier = accessTokenVerifier(lab.options({ isRevoked: revoked.has }));
  const refused = async (): Promise<string> => {
    const results = await Promise.allSettled(tokens.map((token) => verifier.verify(token)));
    return results.map((result) => (result.status === 'fulfilled' ? '-' : (result.reason as BearerError).reason)).join(' ');
  };
  const after = async (next: readonly string[] | undefined): Promise<string> => {
    listed = next;
    await simulator.sleep(10_000);
    return refused();
  };
  revoked.start();
  assert.equal(await after([]), '- - -');
  assert.equal(await after([tokens[1]!]), '- revoked -');
  assert.equal(await after([tokens[0]!, tokens[1]!]), 'revoked revoked -');
  assert.equal(await after(undefined), 'revoked revoked -');
  assert.equal(await after([tokens[2]!]), '- - revoked');
  assert.equal(await after(tokens), '- revoked revoked', 'two at most');
  assert.equal(revoked.size, 2);
  assert.deepEqual(reached, [undefined, 'ERR_ACE_TIMEOUT', undefined]);
  revoked.close();
});
