/** A process that changes a store, for the tests of several processes: `node child.js FOLDER WHAT [COUNT]`. */
import { utf8 } from '../../src/core/bytes.ts';
import { lmdbStore } from '../../src/store/index.ts';

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
} else if (what === 'grow') {
  for (let i = 0; i < Number(count); i++) await store.put(`big/${i}`, new Uint8Array(100_000).fill(i));
  await store.close();
}
