/**
 * A process for the crash test, which is killed at any moment: `node crash-process.js server FOLDER PORT`, `node crash-process.js client FOLDER PORT SERVER RUN`.
 *
 * What happened is appended to files, which a killed process leaves whole: `executed` (numbers of requests, as the server carried them out) and `notes` (of the
 * observation).
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { storedContexts } from '../../profiles/oscore/context-store.ts';
import { Endpoint, echo, Method, type ObservationStore, pathOptions, Router } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';
import { pause } from '../support/wait.ts';
import { follow, type Note } from './observation-world.ts';
import { parameters as keys, mirrored } from './support.ts';

const [role = '', folder = '', port = '', serverPort = '', run = ''] = process.argv.slice(2);
const env = systemEnv;
/** Soon enough that requests go out again while their server is away. */
const parameters = { ackTimeout: 100, maxRetransmit: 3 };
const outstanding = 6;

const store = lmdbStore(join(folder, role));
const contexts = new ContextTable();
const transport = await udp({ port: Number(port) });
const layer = oscore({ contexts, store: storedContexts(store), env, block: 32 });

if (role === 'server') {
  contexts.add(deriveContext(mirrored(keys), { window: 'unverified' }));
  const file = join(folder, 'executed');
  appendFileSync(file, '');
  let executed = readFileSync(file, 'utf8').split('\n').length - 1;
  const router = new Router();
  const count = router.resource('/count', { observable: true, get: () => `${executed}` });
  router.resource('/log', {
    post: (request) => {
      appendFileSync(file, `${request.text()}\n`);
      executed++;
      count.changed();
      return `${executed}`;
    },
  });
  new Endpoint({ transport, env, handler: router.handler, layers: [layer], parameters });
} else {
  const association = deriveContext(keys, { window: 'unverified' });
  contexts.add(association);
  const endpoint = new Endpoint({ transport, env, layers: [echo({}, env), layer], parameters: { ...parameters, nstart: outstanding } });
  const random = new SeededRandom(`crash ${run}`);
  const peer = await endpoint.resolve('127.0.0.1', Number(serverPort));
  const observations: ObservationStore = { load: (name) => store.get(`observation/${name}`), save: (name, state) => store.put(`observation/${name}`, state) };
  const notes = { push: (note: Note) => appendFileSync(join(folder, 'notes'), `${note.join(' ')}\n`) };
  void follow(
    notes,
    () => true,
    () => pause(random.below(20)),
    observations,
    (durable) => endpoint.observe({ peer, options: pathOptions(['count']), association }, { durable: { name: 'count', store: durable } }),
  );
  let number = 0;
  const ask = async (): Promise<never> => {
    for (;;) {
      const code = random.chance(0.7) ? Method.POST : Method.GET;
      const request =
        code === Method.POST ? { code, options: pathOptions(['log']), payload: utf8(`${run}.${number++}`) } : { code, options: pathOptions(['count']) };
      try {
        await endpoint.request({ ...request, peer, association });
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
      await pause(random.below(20));
    }
  };
  for (let i = 0; i < outstanding; i++) void ask();
}
process.stdout.write('ready\n');
