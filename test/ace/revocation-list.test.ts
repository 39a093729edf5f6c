import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ListChange, RevocationListFollower, type TrlResponse } from '../../src/ace/index.ts';
import { Clock } from './clock.ts';

/** A follower of a list that answers in turn; what it hears. */
function follow(answers: readonly (() => TrlResponse)[], change: (change: ListChange) => void = () => {}) {
  const clock = new Clock();
  const heard: string[] = [];
  let asked = 0;
  const answer = (): TrlResponse => answers[Math.min(asked++, answers.length - 1)]!();
  const follower = new RevocationListFollower({
    observe: false,
    interval: 60,
    list: { query: async () => answer(), observe: () => assert.fail('it is not observed') },
    env: clock,
    changed: (changed) => {
      heard.push(JSON.stringify(changed));
      change(changed);
    },
    reached: (failure) => heard.push(failure === undefined ? 'reached' : `${failure.code}: ${failure.message}`),
  });
  follower.start();
  return { clock, heard, follower };
}

const thrown = (error: unknown) => (): TrlResponse => {
  throw error;
};
const full = (): TrlResponse => ({ fullSet: [Uint8Array.of(1)] });

test('RFC 9770 11: a fault of a list is told like a list that cannot be had, and it is asked again', async () => {
  const { clock, heard, follower } = follow([thrown(new TypeError('no such thing')), full]);
  await clock.advance(0);
  assert.deepEqual(heard, ['ERR_ACE_REVOCATION_LIST: expected to follow the token revocation list, got a fault: no such thing']);
  await clock.advance(2);
  assert.deepEqual(heard.slice(1), ['{"all":["AQ"]}', 'reached']);
  follower.close();
  assert.equal(clock.timers, 0);
});

test('RFC 9770 11: whoever does not take a change is told so, and gets all of the list again', async () => {
  let isFaulty = true;
  const { clock, heard, follower } = follow([full], () => {
    if (isFaulty) throw new RangeError('too many');
  });
  await clock.advance(0);
  isFaulty = false;
  await clock.advance(2);
  assert.deepEqual(heard, [
    '{"all":["AQ"]}',
    'ERR_ACE_REVOCATION_LIST: expected to follow the token revocation list, got a fault: too many',
    '{"all":["AQ"]}',
    'reached',
  ]);
  follower.close();
});

test('RFC 9770 11: by polling too, each eighth look is at all of the list, however well the diffs connect', async () => {
  const clock = new Clock();
  const asked: string[] = [];
  const follower = new RevocationListFollower({
    observe: false,
    interval: 60,
    list: {
      query: async ({ diff, cursor }) => {
        asked.push(diff === undefined ? 'full' : `diff from ${cursor}`);
        return diff === undefined ? { fullSet: [], cursor: 0 } : { diffSet: [], cursor: 0, more: false };
      },
      observe: () => assert.fail('it is not observed'),
    },
    env: clock,
    changed: () => {},
    reached: () => {},
  });
  follower.start();
  for (let i = 0; i < 17; i++) await clock.advance(i === 0 ? 0 : 60);
  const diffs = new Array(7).fill('diff from 0');
  assert.deepEqual(asked, ['full', ...diffs, 'full', ...diffs, 'full']);
  follower.close();
});
