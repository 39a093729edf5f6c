import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/core/bytes.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';
import { readCorpus, shrink } from './coverage/corpus.ts';
import { instrument } from './coverage/instrument.ts';
import { exportedDecoders, Reached } from './reached.ts';
import { decodeScript, encodeScript } from './script.ts';
import { Crash, fuzz, runOnce } from './target.ts';

const started = new Reached();
const { targets } = await import('./targets.ts');

/** Rounds of 30 inputs for each decoder, and less where one takes long: 2,000 inputs in all and more, or 1,000,000. */
const rounds = { quick: 1, full: 500 };

/** Decoders that no target reaches, and why none has to. */
const exceptions: ReadonlyMap<string, string> = new Map([
  ['src/cli/input.ts readInput', 'the bytes of a file as they are'],
  ['src/cli/session.ts openConfigured', 'opens sockets by what loadClientConfig has read'],
  ['src/cli/session.ts openWith', 'as openConfigured'],
  ['src/cli/session.ts openClient', 'as openConfigured'],
  ['src/cli/session.ts openAsRs', 'as openConfigured'],
  ['src/cli/session.ts openChannel', 'as openConfigured'],
  ['src/cli/inspect/taps.ts openTaps', 'opens sockets'],
  ['src/conformance/as/channel.ts openAs', 'opens sockets'],
  ['src/conformance/as/channel.ts openUnprotected', 'opens sockets'],
  ['src/conformance/channel.ts openPlain', 'opens sockets'],
  ['src/conformance/secure-channel.ts openSecure', 'opens sockets'],
  ['src/conformance/oscore/open.ts openOscore', 'opens sockets'],
  ['src/conformance/expect.ts readBy', 'runs another decoder'],
  ['src/cli/oscore/client.ts openForClient', 'as openConfigured, by what loadOscoreContext has read'],
  ['src/cli/seal/provision/commands.ts importCommand', 'a file for readValServicesConfig'],
  ['profiles/seal/https/openid/open-face.ts openIdFace', 'makes a server'],
  ['src/store/open.ts openStore', 'opens a database by what parseStorePlace has read'],
  ['src/store/lmdb/lmdb-entry.ts readEntry', 'the entries of our own database, which nobody else may write'],
  ['src/store/lmdb/lmdb-entry.ts decodeEntry', 'as readEntry'],
]);

test('the inputs of all corpora together are less than 200 KB of hexadecimal text', () => {
  const bytes = targets.flatMap(({ name }) => readCorpus(name)).reduce((sum, { length }) => sum + 2 * length, 0);
  assert.ok(bytes > 0 && bytes < 200_000, `${bytes}`);
});

for (const { name, share, open } of targets) {
  test(`mutated inputs to ${name}`, async () => {
    const target = await open();
    const corpus = readCorpus(name);
    const inputs = Math.ceil(0.3 * share);
    try {
      // A fault is thrown as a crash.
      for (const input of [...target.seeds, ...corpus]) await runOnce(target, input);
      const whole = { ...target, seeds: [...target.seeds, ...corpus] };
      const totals = await repeat(`fuzz-${name.toLowerCase().replace(/\W+/g, '-')}`, rounds, (seed) =>
        fuzz(whole, new SeededRandom(`${name} ${seed}`), inputs),
      );
      assert.ok(totals['inputs']! >= inputs);
    } finally {
      await target.close?.();
    }
  });
}

test('every exported decoder is reached by a target, or it stands here why not', () => {
  const reached = started.end();
  const missing = exportedDecoders().filter((decoder) => !reached.has(decoder) && !exceptions.has(decoder));
  assert.deepEqual(missing, []);
  for (const exception of exceptions.keys()) assert.ok(!reached.has(exception), `${exception} is reached`);
});

test('no two targets have one name, since the name says which corpus is whose', () => {
  assert.equal(new Set(targets.map(({ name }) => name.toLowerCase().replace(/\W+/g, '-'))).size, targets.length);
});

test('what is instrumented does what it did, and tells each branch once', () => {
  const source = [
    'const name = (n) => (n > 0 ? "above" : n === 0 && "zero");',
    'export function f(n) { if (n > 1) n = 1; else if (n < -9) { n = -9 }',
    'for (const x of [1]) n += x; switch (n) { case 0: case 1: return name(n); default: return name(n) || ((() => ({ m: n }))().n ?? 7) } }',
  ].join('\n');
  const text = instrument('f.js', source);
  assert.equal(text.split('\n').length, source.split('\n').length, 'lines stay where they are');
  const numbers = [...text.matchAll(/\$hit\(\$at\+(\d+)\)/g)].map(([, number]) => Number(number)).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  );
  const taken: number[] = [];
  const run = (code: string): ((n: number) => unknown) =>
    new Function('branches', `const globalThis={branches};${code.replace('export ', '')};return f`)({
      hit: (branch: number) => taken.push(branch),
      range: () => 0,
    }) as (n: number) => unknown;
  const [plain, counted] = [run(source), run(text)];
  for (const n of [-20, -5, -1, 0, 1, 5]) assert.equal(counted(n), plain(n));
  assert.deepEqual(
    [...new Set(taken)].sort((a, b) => a - b),
    numbers,
  );
});

test('a crash says its smallest input', async () => {
  const bad = (input: Uint8Array): boolean => input.includes(7) && input.includes(9);
  assert.equal(
    toHex(
      await shrink(
        Uint8Array.from({ length: 40 }, (_, i) => i),
        async (shorter) => bad(shorter),
      ),
    ),
    '0709',
  );
  const target = {
    name: 'x',
    seeds: [],
    mutate: () => new Uint8Array(0),
    run: () => {
      throw new TypeError('y');
    },
  };
  await assert.rejects(runOnce(target, Uint8Array.of(1, 2)), (error) => error instanceof Crash && error.message.includes("--repeat 0102 'x'"));
});

test('a script is read as it is written, and any bytes are one', () => {
  const steps = [
    { how: 5, bytes: Uint8Array.of(1, 2) },
    { how: 255, bytes: new Uint8Array(300) },
  ];
  assert.deepEqual(decodeScript(encodeScript(steps)), steps);
  assert.deepEqual(decodeScript(Uint8Array.of(1, 0, 9, 4)), [{ how: 1, bytes: Uint8Array.of(4) }]);
});
