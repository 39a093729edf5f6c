import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { aceExits, Lab, type Run } from './lab.ts';

let lab: Lab;
const scopes =
  'spatial-anchor:create spatial-anchor:read spatial-anchor:update spatial-anchor:discover spatial-anchor:subscribe user-profile:read user-profile:write';

/** A lab whose AS is a SIM-S and whose RS offers configuration management and spatial anchors. */
function makeSeal({ folder }: Lab): void {
  const edit = (name: string, change: (text: string) => string): void => {
    const file = join(folder, name);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
  };
  edit(
    'as.yaml',
    (text) =>
      `${text.replace('scope: "r_temp r_led w_led", default: "r_temp"', `scope: "${scopes}"`).replace('scopes: [', `scopes: [${scopes.replaceAll(' ', ', ')}, `)}
issuer: sims.val.example
profile: seal
seal:
  val_system: val.example
  users: { anna: {} }
  ues: { ue1: { services: [v2x], client: client1, users: [anna] } }
`,
  );
  edit(
    'rs.yaml',
    (text) => `${text.replace('issuers:\n  - uri:', 'issuers:\n  - issuer: sims.val.example\n    uri:')}
profile: seal
seal: { val_system: val.example, services: { configuration: {}, spatial: { page: { usual: 5, most: 5 } } } }
`,
  );
  edit('client.yaml', (text) => `${text}\nprofile: seal\nseal: { scope: "${scopes}" }\n`);
}

before(async () => {
  lab = await Lab.start(makeSeal);
});
after(() => lab.end());

interface Said {
  readonly code: string;
  readonly location?: string;
  readonly etag?: string;
  readonly payload_bytes: number;
}

const anchors = '/su-san/v1/anchors';
const ace = (code: number, command: string, path: string, ...args: readonly string[]): Promise<Run> =>
  aceExits(code, [command, `coap://127.0.0.1:${lab.rsPort}${path}`, ...args, '--config', lab.folder]);
const said = ({ stdout }: Run): Said => JSON.parse(stdout) as Said;

test('ace-coap post, get, put and observe: an anchor at a shell, in diagnostic notation', async () => {
  const anchor = (tag: string): string => `{"valServiceId": "v2x", "location": {"lat": 48.86, "lon": 2.34}, "tags": ["${tag}"]}`;
  const created = said(await ace(0, 'post', anchors, '--cbor', anchor('statue'), '--json'));
  assert.equal(created.code, '2.01');
  assert.match(created.location!, /^\/su-san\/v1\/anchors\/[\w-]{16}$/);
  const [found, observed, wrong] = await Promise.all([
    ace(0, 'get', `${anchors}?near=48.86,2.34,500&tag=statue`, '--json'),
    ace(0, 'observe', created.location!, '--scope', 'spatial-anchor:subscribe', '--count', '1', '--json'),
    ace(1, 'post', anchors, '--cbor', '{"valServiceId": "v2x"}'),
  ]);
  assert.ok(said(found).payload_bytes > 60);
  assert.equal(said(observed).etag, created.etag);
  assert.match(wrong.stderr, /4\.22[\s\S]*ERR_SEAL_MODEL[\s\S]*location: expected a map/);
  const put = (code: number): Promise<Run> => ace(code, 'put', created.location!, '--cbor', anchor('moved'), '--if-match', created.etag!);
  await put(0);
  assert.match((await put(1)).stderr, /4\.12 Precondition Failed/);
});

test('ace-coap post: a user profile of oneself', async () => {
  const profile = '{"valTgtUe": {"valUserId": "anna"}, "profileInformation": {"status": true}}';
  const path = '/su-up/v1/val-services/v2x/user-profiles';
  const created = await ace(0, 'post', path, '--cbor', profile);
  assert.match(created.stderr, new RegExp(`location ${path}/`));
});
