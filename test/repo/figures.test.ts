import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { catalogue, goalOf } from '../../bench/catalogue.ts';
import { drawChart } from '../../bench/chart.ts';
import { charts } from '../../bench/charts.ts';
import { ForeignServer } from '../../bench/foreign-server.ts';
import { markdown, outcome, readReport, writeReport } from '../../bench/report.ts';
import { absentRow, rowBeside, summary } from '../../bench/row.ts';
import { AbsentPeer } from '../../bench/server.ts';
import { wireFloors } from '../../bench/wire-floor.ts';
import { toHex } from '../../src/core/bytes.ts';
import { type Matrix, MatrixRun, matrixMarkdown, matrixText, writeMatrix } from '../interop/matrix.ts';
import { root } from '../support/fixtures.ts';
import { readBlock, writeBlock } from '../support/readme-block.ts';

const file = (...path: string[]): string => join(root, ...path);
const readme = readFileSync(file('README.md'), 'utf8');
const report = readReport(file('fixtures', 'bench.json'));

test('README: the figures are those of fixtures/bench.json', () => {
  assert.equal(readBlock(readme, 'bench'), markdown(report));
});

test('fixtures/bench.json has every row of the catalogue, and the charts are drawn of it', () => {
  const measured = new Set(report.rows.map(({ bench }) => bench));
  assert.deepEqual(
    Object.keys(catalogue).filter((name) => !measured.has(name)),
    [],
  );
  assert.equal(writeReport(report), readFileSync(file('fixtures', 'bench.json'), 'utf8'));
  const drawn = charts(report.rows);
  assert.deepEqual(readdirSync(file('fixtures', 'charts')).sort(), drawn.map((chart) => chart.file).sort());
  for (const chart of drawn) assert.equal(readFileSync(file('fixtures', 'charts', chart.file), 'utf8'), chart.svg, chart.file);
});

test('README: the interop matrix is that of fixtures/interop-matrix.json, in which nothing failed', () => {
  const text = readFileSync(file('fixtures', 'interop-matrix.json'), 'utf8');
  const matrix = JSON.parse(text) as Matrix;
  assert.equal(readBlock(readme, 'interop-matrix'), matrixMarkdown(matrix));
  assert.equal(writeMatrix(matrix), text);
  assert.deepEqual(
    matrix.cells.filter(({ failed }) => failed > 0),
    [],
  );
});

test('bench: a row has the median of its rounds, the smallest and the largest; one round has no spread', () => {
  assert.deepEqual(summary([3.04, 1, 9, 2, 4], 1), { value: 3, spread: [1, 9] });
  assert.deepEqual(summary([7]), { value: 7, spread: null });
  const row = rowBeside('wire-access-token', 'bytes', [86], 'limit', 90);
  assert.deepEqual([row.value, row.peer_value, row.ratio, outcome(row)], [86, 90, 1.047, 'met']);
  assert.equal(outcome(rowBeside('wire-access-token', 'bytes', [91], 'limit', 90)), 'missed');
});

test('bench: a goal is for a peer, and not for its bytes; what is absent is neither met nor missed', async () => {
  assert.equal(goalOf('coap-get', 'dgram-echo', 'req/s'), 0.7);
  assert.equal(goalOf('coap-get', 'libcoap', 'req/s'), undefined);
  assert.equal(goalOf('dtls-psk-handshake', 'openssl s_server', 'bytes'), undefined);
  const absent = absentRow('coap-get', 'req/s', 'dgram-echo', 'why');
  assert.equal(outcome(absent), undefined);
  assert.match(markdown({ ...report, rows: [absent] }), /\| - \| dgram-echo: not here \|$/m);
  await assert.rejects(
    ForeignServer.start('no-such-coap-server', [], 9, 'ping'),
    (error) => error instanceof AbsentPeer && /no-such-coap-server.*npm run interop installs the peers$/.test(error.message),
  );
});

test('bench: the floors are the bytes that RFC 9200, RFC 9203 and RFC 8392 force', () => {
  const floors = wireFloors();
  // {5: "rs1", 9: h'...' (AIF [["temp", 1]])}
  assert.equal(toHex(floors['wire-token-request']), 'a20563727331094881826474656d7001');
  // {42: nonce2, 44: id}
  assert.equal(toHex(floors['wire-authz-info-response']), 'a2182a480000000000000000182c4101');
  // [<<{1: 10, 6: h'00'}>>, {}, ciphertext of 47 bytes of claims and 8 of tag]
  assert.equal(toHex(floors['wire-access-token']).slice(0, 22), '8346a2010a064100a05837');
  assert.equal(floors['wire-access-token'].length, 11 + 47 + 8);
  for (const [name, floor] of Object.entries(floors)) {
    const row = report.rows.find(({ bench, peer }) => bench === name && peer === 'floor');
    assert.equal(row?.peer_value, floor.length, name);
    assert.ok(row.value! >= floor.length, `${name}: shorter than its floor`);
  }
});

test('bench: a chart has a whisker from the smallest to the largest, escapes its texts, and is readable in the dark', () => {
  const bars = [
    { label: 'ours & <theirs>', value: 50, spread: [40, 100] as const, ours: true },
    { label: 'peer', value: 25 },
  ];
  const svg = drawChart({ title: 'a "title"', unit: 'more', oneScale: true, groups: [{ label: 'group', bars }] });
  // 490 units are 100.
  assert.match(svg, /<rect class="ours" x="150" y="72" width="245.0"/);
  assert.match(svg, /<path class="whisker" d="M346.0 80H640.0/);
  assert.equal(svg.match(/class="whisker"/g)?.length, 1);
  assert.match(svg, /ours &#38; &#60;theirs&#62;/);
  assert.doesNotMatch(svg, /<theirs>/);
  assert.match(svg, /prefers-color-scheme: dark/);
});

const declaration = (name: string, features: readonly string[], more: object = {}): string =>
  `interop-matrix ${JSON.stringify({ peer: 'libcoap', role: 'client', transport: 'UDP', security: 'none', name, features, ...more })}`;

test('interop matrix: what passed is counted, what failed shows, what was skipped or said nothing is blank', () => {
  const run = new MatrixRun();
  assert.equal(run.takes('a diagnostic of somebody else'), false);
  run.ended('one', true);
  assert.equal(run.takes(declaration('one', ['methods', 'observe'])), true);
  run.ended('two', false);
  run.takes(declaration('two', ['observe']));
  run.takes(declaration('skipped', ['discovery']));
  run.ended('no peer', true);
  run.takes(declaration('in another process', ['handshake'], { security: 'DTLS PSK', role: 'server', passed: true }));
  const matrix: Matrix = { date: '2026-11-26', node: '20.20.2', versions: { libcoap: '4.3.1' }, cells: run.cells() };
  assert.match(matrixMarkdown(matrix), /^\| +\| transport \| security \| methods \| observe \|$/m);
  assert.match(matrixMarkdown(matrix), /^\| libcoap 4\.3\.1 client → ours \| UDP \| none \| 1 \| fail: 1 of 2 \|$/m);
  assert.match(matrixMarkdown(matrix), /^\| ours → libcoap 4\.3\.1 server \| UDP \| DTLS PSK \| 1 \|$/m);
  assert.match(matrixText(matrix), /^libcoap 4\.3\.1 client → ours +UDP +none +1 +fail: 1 of 2$/m);
});

test('README blocks: a text takes the place of what stood there, and a README without the block is refused', () => {
  const text = 'before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n';
  const written = writeBlock(text, 'bench', 'new\ntext');
  assert.equal(readBlock(written, 'bench'), 'new\ntext');
  assert.equal(writeBlock(written, 'bench', 'new\ntext'), written);
  assert.match(written, /^before\n[\s\S]*after\n$/);
  assert.throws(() => readBlock('no block', 'bench'), /expected the lines <!-- bench --> and <!-- \/bench -->/);
});
