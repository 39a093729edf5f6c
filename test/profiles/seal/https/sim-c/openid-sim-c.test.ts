import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anna, inProviderLab } from '../login/provider-lab.ts';

test('TS 33.434 A.4: a VAL user logs in, and the client learns the VAL services', () =>
  inProviderLab(async (lab) => {
    const simC = lab.simC();
    const login = await simC.callback(await lab.logIn(simC));
    assert.equal(login?.subject, anna);
    assert.deepEqual(login?.valServiceIds, ['v2x', 'maps']);
    console.log(login, lab.events, lab.requests);
  }));
