/**
 * Runs our endpoints against foreign ones, all on 127.0.0.1. What is missing of the others is installed first, by the name of its package.
 *
 *     npm run interop [-- PART OF A PATH ...]
 *     npm run interop -- --table [--markdown]         the matrix of what was proved with whom, too; a whole run writes it to fixtures/interop-matrix.json
 *     npm run -s interop -- --from FILE [--markdown]  run nothing: the matrix that a run wrote
 *
 * `--readme FILE` puts the matrix between the lines <!-- interop-matrix --> and <!-- /interop-matrix --> of FILE.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '../support/fixtures.ts';
import { writeBlock } from '../support/readme-block.ts';
import { type Matrix, MatrixRun, matrixMarkdown, matrixText, type PeerName, writeMatrix } from './matrix.ts';
import { startPostgres } from './postgres/server.ts';
import {
  coapClient,
  coapServer,
  provideAiocoap,
  provideCalifornium,
  provideChromium,
  provideDcaf,
  provideGnutls,
  provideJsonschema,
  provideLibcoap,
  provideNodeCoap,
  provideNodeDtlsClient,
  provideOpenssl,
  providePion,
  providePostgres,
  provideShells,
  provideSystemd,
  provideTshark,
  ToolError,
} from './tools.ts';

const { values, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    from: { type: 'string' },
    readme: { type: 'string' },
  },
});

/** Install what is missing; the versions of the peers that stand in the matrix. */
function provide(): Readonly<Record<PeerName, string>> {
  console.log(`node ${process.versions.node}`);
  const libcoap = provideLibcoap();
  console.log(`libcoap ${libcoap} (${coapClient}, ${coapServer})`);
  const { aiocoap, python } = provideAiocoap();
  console.log(`aiocoap ${aiocoap} (Python ${python})`);
  console.log(`jsonschema ${provideJsonschema()}`);
  const { californium, java } = provideCalifornium();
  console.log(`Californium ${californium} (Java ${java})`);
  const nodeCoap = provideNodeCoap();
  console.log(`node-coap ${nodeCoap}`);
  const openssl = provideOpenssl();
  console.log(openssl);
  const gnutls = provideGnutls();
  console.log(`GnuTLS ${gnutls}`);
  const nodeDtlsClient = provideNodeDtlsClient();
  console.log(`node-dtls-client ${nodeDtlsClient}`);
  const pion = providePion();
  console.log(`pion/dtls ${pion}`);
  const dcaf = provideDcaf();
  console.log(`dcaf ${dcaf}`);
  console.log(providePostgres());
  console.log(`tshark ${provideTshark()}`);
  console.log(`Chromium ${provideChromium()}`);
  console.log(provideShells());
  console.log(provideSystemd());
  return {
    libcoap,
    aiocoap,
    Californium: californium,
    'node-coap': nodeCoap,
    OpenSSL: openssl.split(' ')[1]!,
    GnuTLS: gnutls,
    'node-dtls-client': nodeDtlsClient,
    'pion/dtls': pion.replace(/^v/, ''),
    dcaf,
  };
}

/** The cases, with what they declare for the matrix. */
async function runAll(): Promise<MatrixRun> {
  const here = join(dirname(fileURLToPath(import.meta.url)), '..');
  // The list comes from the sources: a case whose source is gone may still lie compiled in dist.
  const files = (readdirSync(join(root, 'test'), { recursive: true }) as string[])
    .filter((name) => name.endsWith('.interop.ts') || name.endsWith('postgres.test.ts'))
    .map((name) => relative(process.cwd(), join(here, name.replace(/\.ts$/, '.js'))))
    .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
    .sort();
  const matrix = new MatrixRun();
  const postgres = await startPostgres();
  try {
    process.env['ACE_TEST_POSTGRES'] = postgres.url;
    // A case waits for most of its time, for a peer or for a clock; with more at once the peers do not keep the times that they promise.
    const events = run({ files, concurrency: Math.max(2, availableParallelism()) });
    async function* watched(): AsyncGenerator<unknown> {
      for await (const event of events) {
        const { type, data } = event;
        if (type === 'test:fail') process.exitCode = 1;
        if ((type === 'test:pass' || type === 'test:fail') && data.nesting === 0 && data.skip === undefined) matrix.ended(data.name, type === 'test:pass');
        if (type !== 'test:diagnostic' || !matrix.takes(data.message)) yield event;
      }
    }
    for await (const text of Readable.from(watched()).compose<NodeJS.ReadWriteStream>(new spec())) process.stdout.write(text);
  } finally {
    await postgres.close();
  }
  return matrix;
}

function show(matrix: Matrix): void {
  console.log(values.markdown ? matrixMarkdown(matrix) : matrixText(matrix));
  if (values.readme !== undefined) writeFileSync(values.readme, writeBlock(readFileSync(values.readme, 'utf8'), 'interop-matrix', matrixMarkdown(matrix)));
}

if (values.from !== undefined) show(JSON.parse(readFileSync(values.from, 'utf8')) as Matrix);
else {
  try {
    const versions = provide();
    const cells = (await runAll()).cells();
    if (values.table) {
      const matrix: Matrix = { date: new Date().toISOString().slice(0, 10), node: process.versions.node, versions, cells };
      if (parts.length === 0) writeFileSync(join(root, 'fixtures', 'interop-matrix.json'), writeMatrix(matrix));
      show(matrix);
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(`interop: ${error.message}`);
    process.exitCode = 1;
  }
}
