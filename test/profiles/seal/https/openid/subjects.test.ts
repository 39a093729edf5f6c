import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subjects } from '../../../../../profiles/seal/identities/subjects.ts';
import type { ValIdentity } from '../../../../../profiles/seal/index.ts';
import { memoryStore } from '../../../../../src/store/index.ts';
import { inOpenIdLab, type OpenIdLab } from './openid-lab.ts';

const user = (id: string): ValIdentity => ({ kind: 'user', id, valServiceIds: ['v2x'] });
const subjectsOf = ({ store, simS, env }: OpenIdLab): Subjects => new Subjects(store, simS.identities, env);
const withUsers = (...users: readonly string[]) => ({ identities: users.map(user) });

test('TS 33.434 A.2.1.2: a user who leaves the configuration has another subject later, after a reload as after a start', async () => {
  const store = memoryStore();
  const seen: string[] = [];
  const see = async (lab: OpenIdLab): Promise<void> => void seen.push(await subjectsOf(lab).of('bob'));
  const reload = async (lab: OpenIdLab, ...users: readonly string[]): Promise<void> => {
    lab.simS.identities.configure(users.map(user));
    await lab.face.renew();
  };
  await inOpenIdLab(
    async (lab) => {
      await see(lab);
      await reload(lab, 'carl');
      await reload(lab, 'bob');
      await see(lab);
    },
    { store, simS: withUsers('bob') },
  );
  await inOpenIdLab(see, { store, simS: withUsers('bob') });
  await inOpenIdLab(async () => {}, { store, simS: withUsers('carl') });
  await inOpenIdLab(see, { store, simS: withUsers('bob') });
  assert.equal(seen[1], seen[2]);
  assert.equal(new Set(seen).size, 3);
});

test('of several processes none takes the subject of a user whom only the configuration of another has', async () => {
  const lease = 5;
  await inOpenIdLab(
    async (first) => {
      const subject = await subjectsOf(first).of('bob');
      await inOpenIdLab(
        async (second) => {
          const own = await subjectsOf(second).of('carl');
          assert.equal(await subjectsOf(first).userOf(subject), 'bob');
          second.simS.identities.configure([]);
          await second.face.renew();
          assert.equal(await subjectsOf(first).of('bob'), subject);
          assert.notEqual(await subjectsOf(first).of('carl'), own, 'who has left the configuration of this one goes');
        },
        { store: first.store, simS: { ...withUsers('carl'), lease } },
      );
    },
    { simS: { ...withUsers('bob'), lease } },
  );
});
