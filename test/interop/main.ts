/**
 * Runs our endpoints against foreign ones, all on 127.0.0.1. What is missing of the others is installed first, by the name of its package.
 *
 *     npm run interop
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../support/fixtures.ts';
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
  provideTshark,
  ToolError,
} from './tools.ts';

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
  console.log(`tshark ${provideTshark()}`);
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  console.error(`interop: ${error.message}`);
  process.exit(1);
}

const here = dirname(fileURLToPath(import.meta.url));
// The list comes from the sources: a case whose source is gone may still lie compiled in dist.
const files = readdirSync(join(root, 'test', 'interop'))
  .filter((name) => name.endsWith('.interop.ts'))
  .map((name) => relative(process.cwd(), join(here, name.replace(/\.ts$/, '.js'))))
  .sort();
const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
process.exit(run.status ?? 1);
