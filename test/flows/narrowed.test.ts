import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceError, AceErrorCode, GrantType, type TokenResponse } from '../../src/ace/index.ts';
import type { Policy, TokenGrant } from '../../src/as/index.ts';
import { Code } from '../../src/coap/index.ts';
import type { Authorization, ResourceServer } from '../../src/rs/index.ts';
import { Simulator } from '../support/simulator.ts';
import { Parties, type PartiesOptions, rsUri } from './parties.ts';

const userId = -70_001;
const about = { sub: 'anna', iat: 1_700_000_000, unknown: new Map([[userId, 'anna@example']]) };

const seen: (Authorization | undefined)[] = [];

/** What the RS knows of whoever asks for /who. */
function addWho(rs: ResourceServer): void {
  rs.resource('/who', {
    get: (request) => {
      seen.push(rs.authorizationOf(request));
      return 'seen';
    },
  });
}

const withClaims: PartiesOptions = {
  as: { tokenRules: { claims: async () => about } },
  rs: { scopes: { r_temp: { '/who': ['GET'] } } },
  resources: addWho,
  scopes: ['r_temp'],
};

test('RFC 8392 3: claims that the AS adds reach the resource, also after a restart of the RS', async () => {
  const parties = await new Parties(new Simulator({ seed: 1 }), withClaims).start();
  const who = (): Promise<{ readonly codeText: string }> => parties.client.fetch(`${rsUri}/who`);
  assert.equal((await parties.finish(who())).codeText, '2.05');
  await parties.finish(parties.rs.close());
  await parties.startRs();
  parties.steps();
  assert.equal((await parties.finish(who())).codeText, '2.05');
  assert.ok(!parties.steps().includes('upload'), 'it is the stored token');
  for (const authorization of seen.splice(0)) {
    assert.equal(authorization?.issuer, 'coap://10.0.0.1:5683/token');
    assert.equal(authorization.scope, 'r_temp');
    assert.deepEqual(authorization.claims, { sub: about.sub, aud: 'rs1', unknown: about.unknown });
  }
  assert.equal(parties.rs.authorizationOf({ association: undefined }), undefined);
  await parties.close();
});

test('RFC 9200 5.8.2: a deployment tells the profile in each response, refuses requests and grants, and may narrow the registered policy', async () => {
  const grants: TokenGrant[] = [];
  const policy = (registered: Policy): Policy => ({
    decide: async (request) =>
      request.scope === 'r_led' ? { permit: false, error: AceErrorCode.invalid_scope, reason: 'closed' } : registered.decide(request),
  });
  const parties = await new Parties(new Simulator({ seed: 2 }), {
    as: {
      policy,
      tokenRules: {
        nameProfile: true,
        checkRequest: ({ grantType }) => {
          if (grantType === undefined)
            throw new AceError('ERR_TEST', 'expected grant_type', { responseCode: Code.BadRequest, error: AceErrorCode.invalid_request });
        },
        claims: async (grant) => {
          grants.push(grant);
          if (grant.scope === 'p_log') throw new AceError('ERR_TEST', 'nobody', { responseCode: Code.BadRequest, error: AceErrorCode.unauthorized_client });
          return {};
        },
      },
    },
  }).start();
  const ask = (scope: string): Promise<TokenResponse> => parties.finish(parties.client.token({ audience: 'rs1', scope }));
  await assert.rejects(ask('r_temp'), /invalid_request/);
  parties.startClient(0, 40_100, { tokenRequest: { grantType: GrantType.client_credentials } });
  assert.equal((await ask('r_temp')).aceProfile, 2);
  assert.deepEqual(grants, [{ client: 'client1', resourceServer: 'rs1', audience: 'rs1', scope: 'r_temp' }]);
  await assert.rejects(ask('p_log'), /unauthorized_client/);
  await assert.rejects(ask('r_led'), /invalid_scope/);
  await parties.close();
});

test('RFC 9200 5.10.1.1: an RS refuses tokens that lack what its deployment demands, a client such grants', async () => {
  const refuse = (claim: string): AceError => new AceError('ERR_TEST_DEMAND', `expected ${claim}`, { responseCode: Code.BadRequest });
  const parties = await new Parties(new Simulator({ seed: 3 }), {
    rs: {
      demand: ({ sub }, issuer) => {
        assert.equal(issuer, 'coap://10.0.0.1:5683/token');
        if (sub === undefined) throw refuse('sub');
      },
    },
  }).start();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), (error) => error instanceof AceError && error.code === 'ERR_ACE_UPLOAD');
  assert.ok(parties.rsEvents.some((event) => event.type === 'token-refused' && event.reason === 'ERR_TEST_DEMAND'));
  const checkGrant = ({ aceProfile }: TokenResponse): void => {
    if (aceProfile === undefined) throw refuse('ace_profile');
  };
  parties.startClient(0, 40_100, { checkGrant });
  await assert.rejects(parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_temp' })), /expected ace_profile/);
  await parties.close();
});
