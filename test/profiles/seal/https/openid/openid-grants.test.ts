import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenIdGrants } from '../../../../../profiles/seal/https/openid/openid-grants.ts';
import type { SharedTokens } from '../../../../../src/as/index.ts';
import { emptyBytes } from '../../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../../src/store/index.ts';

test('RFC 7009 2.1: with a grant go all of its access tokens, also where one cannot be revoked now; that one goes with the next attempt', async () => {
  const store = memoryStore();
  const revoked: string[] = [];
  let fails = true;
  const shared = {
    revoke: async (hash: string) => {
      if (fails && hash === 'b') throw new Error('the audit log is full');
      revoked.push(hash);
      return true;
    },
  } as SharedTokens;
  const grants = new OpenIdGrants(store, shared);
  const expiresAt = Date.now() / 1000 + 1000;
  await store.put('seal/openid/RefreshToken/x', emptyBytes, { expiresAt });
  await store.batch([
    ...['a', 'b', 'c'].map((hash) => grants.token('grant', hash, expiresAt)),
    grants.member('grant', 'seal/openid/RefreshToken/x', expiresAt),
  ]);
  await assert.rejects(grants.revoke('grant'), /the audit log is full/);
  assert.deepEqual(revoked.sort(), ['a', 'c']);
  assert.equal(await store.get('seal/openid/RefreshToken/x'), undefined);
  fails = false;
  await grants.finish();
  assert.deepEqual(revoked, ['a', 'c', 'b']);
  for await (const [key] of store.scan('')) assert.fail(`${key} is left`);
});
