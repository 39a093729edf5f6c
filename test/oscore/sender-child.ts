/** A process that sends requests all at once, for the tests of several processes: `node sender-child.js FOLDER COUNT BLOCK`; prints their Partial IVs. */
import { findOption, OptionNumber } from '../../src/coap/index.ts';
import { decodeOscoreOption, decodePartialIv } from '../../src/oscore/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { ask, FakeStore, pair, request, Side } from './support.ts';

const [folder = '', count = '1', block = '1'] = process.argv.slice(2);
const store = lmdbStore(folder);
const { client } = pair();
const side = new Side([client], new FakeStore(), { store: { reserve: (key, numbers) => store.increment(key, numbers) }, block: Number(block) });
const numbers: number[] = [];
const requester = side.layer.outbound((message) => {
  numbers.push(decodePartialIv(decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).partialIv!));
  if (numbers.length === Number(count)) {
    process.stdout.write(`${JSON.stringify(numbers)}\n`);
    process.stdin.destroy();
    void store.close();
  }
  return () => {};
});
process.stdout.write('ready\n');
await new Promise((go) => process.stdin.once('data', go));
for (let i = 0; i < Number(count); i++) ask(requester, request(client));
