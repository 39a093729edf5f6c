/** A process that changes a store, for the tests of several processes: `node child.js FOLDER WHAT [COUNT]`. */
import { join } from 'node:path';
import { utf8 } from '../../src/core/bytes.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { Turns } from '../../src/store/lmdb/lmdb-turns.ts';

const [folder = '', what = '', count = '1'] = process.argv.slice(2);

if (what === 'reopen') {
  const firsts: number[] = [];
  for (let i = 0; i < Number(count); i++) {
    const again = lmdbStore(folder);
    firsts.push(await again.increment('n', 1));
    await again.put(`k/${process.pid}/${i}`, utf8(`value ${i}`));
    firsts.push(await again.increment('n', 1));
    await again.close();
  }
  process.stdout.write(`${JSON.stringify(firsts)}\n`);
  process.exit();
}

if (what === 'hold') {
  const turns = new Turns(join(folder, 'turn.mdb'));
  await turns.join(async () => {
    process.stdout.write('held\n');
    await new Promise((done) => setTimeout(done, Number(count)));
  });
  await turns.idle();
  turns.close();
  process.exit();
}

process.stdout.write('opening\n');
const store = lmdbStore(folder);

if (what === 'increment') {
  process.stdout.write('ready\n');
  await new Promise((go) => process.stdin.once('data', go));
  const firsts: number[] = [];
  for (let i = 0; i < Number(count); i++) firsts.push(await store.increment('n', 2));
  process.stdout.write(`${JSON.stringify(firsts)}\n`);
  process.stdin.destroy();
  await store.close();
} else if (what === 'read') {
  // Until the last key is there, which is named by the last word.
  while ((await store.get(count)) === undefined) await new Promise((again) => setTimeout(again, 5));
  let found = 0;
  for await (const [key] of store.scan('k/')) found += (await store.get(key)) === undefined ? 0 : 1;
  process.stdout.write(`${found}\n`);
  await store.close();
} else if (what === 'put-until-killed') {
  for (let i = 0; ; i++) {
    const [key, pair, value] = [`k/${i}`, `pair/${i}`, utf8(`value ${i}`)];
    await Promise.all([
      store.batch([
        { key: pair, value, expected: null },
        { key, value, expiresAt: 1e12 },
      ]),
      store.increment('n', 1),
    ]);
    process.stdout.write(`${i}\n`);
  }
} else if (what === 'fill') {
  let kept = 0;
  const failure = async (): Promise<string> => {
    for (;;) {
      try {
        await store.put(`big/${kept}`, new Uint8Array(60_000).fill(kept));
        kept++;
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    }
  };
  const code = await failure();
  const whole = async (): Promise<boolean> => {
    for (let i = 0; i < kept; i++) if ((await store.get(`big/${i}`))?.[59_999] !== i) return false;
    return true;
  };
  // A second failure, so that the first has broken nothing.
  const again = await failure();
  process.stdout.write(`${JSON.stringify({ code, again, kept, whole: await whole(), torn: (await store.get(`big/${kept}`)) !== undefined })}\n`);
  await new Promise((go) => process.stdin.once('data', go));
  const batch = await store.batch([{ key: `big/${kept}`, value: new Uint8Array(60_000).fill(kept), expected: null }]);
  kept++;
  process.stdout.write(`${JSON.stringify({ batch, whole: await whole() })}\n`);
  process.stdin.destroy();
  await store.close();
} else if (what === 'grow') {
  for (let i = 0; i < Number(count); i++) await store.put(`big/${i}`, new Uint8Array(100_000).fill(i));
  await store.close();
}
