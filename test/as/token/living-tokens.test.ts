import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LivingTokens } from '../../../src/as/token/living-tokens.ts';
import { Clock } from '../../ace/clock.ts';

type Step = { readonly add: number } | { readonly delete: number } | { readonly advance: number };

const seconds = fc.integer({ min: 1, max: 300 });
const client = fc.constantFrom('a', 'b');

describe('tokens that live', () => {
  test('whatever is added, revoked and waited for: as many as a list of their ends has', async () => {
    const step = fc.oneof(fc.record({ add: seconds }), fc.record({ delete: fc.nat() }), fc.record({ advance: fc.integer({ min: 1, max: 60 }) }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(client, step), { maxLength: 200 }), async (steps: readonly (readonly [string, Step])[]) => {
        const clock = new Clock(0);
        const tokens = new LivingTokens(clock);
        let model: { readonly of: string; readonly at: number }[] = [];
        for (const [of, what] of steps) {
          const own = model.filter((one) => one.of === of);
          if ('add' in what) {
            const at = Math.floor(clock.epoch()) + what.add;
            tokens.add(of, at);
            model.push({ of, at });
          } else if ('advance' in what) await clock.advance(what.advance);
          else if (own.length > 0) {
            const gone = own[what.delete % own.length]!;
            tokens.delete(of, gone.at);
            model.splice(model.indexOf(gone), 1);
          }
          model = model.filter(({ at }) => at > clock.epoch());
          for (const name of ['a', 'b']) assert.equal(tokens.count(name), model.filter((one) => one.of === name).length);
          assert.equal(tokens.size, model.length);
        }
        await clock.advance(400);
        assert.deepEqual([tokens.size, clock.timers], [0, 0]);
      }),
      { numRuns: 100 },
    );
  });

  test('as many as a client may have, those that are being made included; what is not made is not counted', () => {
    const clock = new Clock(0);
    const tokens = new LivingTokens(clock);
    assert.equal(tokens.begin('a', 2), true);
    assert.equal(tokens.begin('a', 2), true);
    assert.equal(tokens.begin('a', 2), false);
    tokens.end('a');
    assert.equal(tokens.begin('a', 2), true);
    tokens.add('a', 100);
    tokens.end('a');
    assert.equal(tokens.begin('a', 2), false);
    assert.equal(tokens.begin('b', 2), true);
    tokens.delete('a', 99);
    assert.equal(tokens.begin('a', 2), false, 'no token of this client would have ended then');
    tokens.delete('a', 100);
    assert.equal(tokens.begin('a', 2), true);
    tokens.close();
    // The server was closed while one was made.
    tokens.end('a');
    tokens.end('b');
    assert.equal(clock.timers, 0);
  });

  test('tokens that are made and revoked again and again leave one timer, which goes with the first that would have ended', async () => {
    const clock = new Clock(0);
    const tokens = new LivingTokens(clock);
    for (let i = 0; i < 1000; i++) {
      tokens.add('a', 100 + i);
      tokens.delete('a', 100 + i);
    }
    assert.deepEqual([tokens.size, clock.timers], [0, 1]);
    await clock.advance(101);
    assert.equal(clock.timers, 0);
  });
});
