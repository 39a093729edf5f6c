/**
 * Runs our endpoints against foreign ones, all on 127.0.0.1. What is missing of the others is installed first, by the name of its package.
 *
 *     npm run interop [-- PART OF A PATH ...]
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../support/fixtures.ts';
import { startPostgres } from './postgres/server.ts';
import {
  coapClient,
  coapServer,
  provideAiocoap,
  provideCalifornium,
  provideGnutls,
  provideLibcoap,
  provideNodeCoap,
  provideNodeDtlsClient,
  provideOpenssl,
  providePion,
  providePostgres,
  provideShells,
  provideTshark,
  ToolError,
} from './tools.ts';

const parts = process.argv.slice(2);

try {
  console.log(`node ${process.versions.node}`);
  console.log(`libcoap ${provideLibcoap()} (${coapClient}, ${coapServer})`);
  const { aiocoap, python } = provideAiocoap();
  console.log(`aiocoap ${aiocoap} (Python ${python})`);
  const { californium, java } = provideCalifornium();
  console.log(`Californium ${californium} (Java ${java})`);
  console.log(`node-coap ${provideNodeCoap()}`);
  console.log(provideOpenssl());
  console.log(`GnuTLS ${provideGnutls()}`);
  console.log(`node-dtls-client ${provideNodeDtlsClient()}`);
  console.log(`pion/dtls ${providePion()}`);
  console.log(providePostgres());
  console.log(`tshark ${provideTshark()}`);
  console.log(provideShells());
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  console.error(`interop: ${error.message}`);
  process.exit(1);
}

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
// The list comes from the sources: a case whose source is gone may still lie compiled in dist.
const files = (readdirSync(join(root, 'test'), { recursive: true }) as string[])
  .filter((name) => name.endsWith('.interop.ts') || name.endsWith('postgres.test.ts'))
  .map((name) => relative(process.cwd(), join(here, name.replace(/\.ts$/, '.js'))))
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .sort();
const postgres = await startPostgres();
try {
  const env = { ...process.env, ACE_TEST_POSTGRES: postgres.url };
  // A case waits for most of its time, for a peer or for a clock.
  const flags = ['--enable-source-maps', '--test', `--test-concurrency=${Math.max(2, availableParallelism()) + 1}`];
  const run = spawn(process.execPath, [...flags, ...files], { stdio: 'inherit', env });
  process.exitCode = await new Promise<number>((done) => run.once('exit', (status) => done(status ?? 1)));
} finally {
  await postgres.close();
}
