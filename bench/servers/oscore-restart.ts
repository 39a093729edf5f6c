/** Our endpoint over a store of contexts, none of which it has loaded: `oscore-restart.js FOLDER`. */
import { Endpoint, Router } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, oscore } from '../../src/oscore/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { temperature } from '../requests.ts';
import { contextStore } from '../stored-contexts.ts';
import { serve } from './serve.ts';

const store = lmdbStore(process.argv[2]!);
const router = new Router();
router.resource('/temperature', { get: () => temperature });
const layer = oscore({ contexts: new ContextTable(), store: contextStore(store), env: systemEnv });
const endpoint = new Endpoint({ transport: await udp(), handler: router.handler, layers: [layer] });
serve(endpoint.local.port, () => endpoint.close().then(() => store.close()));
