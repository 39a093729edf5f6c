import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AuthorizationServerEvent } from '../../src/as/index.ts';
import { fromHex, toBase64Url, toHex } from '../../src/core/bytes.ts';
import { AuditLog, createLogger, logEvent, type ServerEvent } from '../../src/operate/index.ts';
import type { ResourceServerEvent } from '../../src/rs/index.ts';
import { root } from '../support/fixtures.ts';

const secret = fromHex('5ec2e7c0ffee5ec2e7c0ffee5ec2e700');
/** How the secret could look in text. */
const looks = [toHex(secret), toBase64Url(secret), btoa(String.fromCharCode(...secret)), [...secret].join(',')];

const inner = { code: 1, options: [{ number: 11, value: secret }], payload: secret, peer: { key: 'p', address: 'a', port: 1 } };
const token = 'AU2Tz8O0SxWZOYFeQ2rL2bKqqmo9d7Q0h2T3cZ8eYw0s';

/** One event of each type of the AS, with secrets wherever an event has room for what it is not known to hold. */
const ofAs: { readonly [T in AuthorizationServerEvent['type']]: Extract<AuthorizationServerEvent, { readonly type: T }> } = {
  'token-issued': {
    type: 'token-issued',
    token,
    client: 'c1',
    audience: 'rs1',
    scope: 'r',
    expiresIn: 60,
    profile: 2,
    update: false,
    grant: 'client_credentials',
  },
  'grant-revoked': { type: 'grant-revoked', client: 'c1', reason: 'code-reuse', tokens: [token] },
  'token-refused': { type: 'token-refused', client: 'c1', audience: 'rs1', scope: 'r', reason: 'invalid_scope', detail: 'no' },
  'code-issued': { type: 'code-issued', client: 'c1', user: 'anna', scope: 'openid km' },
  login: { type: 'login', user: 'anna', client: 'c1', address: '192.0.2.1' },
  'login-refused': { type: 'login-refused', reason: 'credentials', user: 'anna', client: 'c1', address: '192.0.2.1' },
  'login-locked': { type: 'login-locked', by: 'user', user: 'anna', client: 'c1', address: '192.0.2.1', seconds: 30 },
  introspected: { type: 'introspected', requester: 'rs:rs1', active: true, client: 'c1', audience: 'rs1' },
  'token-revoked': { type: 'token-revoked', token, client: 'c1', resourceServer: 'rs1' },
  'token-uploaded': { type: 'token-uploaded', token, client: 'c1', resourceServer: 'rs1', outcome: 'refused', detail: '4.00' },
  'trl-queried': { type: 'trl-queried', requester: 'rs:rs1', query: 'full', observe: true },
  administration: { type: 'administration', actor: 'client:admin', act: 'add', object: 'client', id: 'c2' },
  refused: { type: 'refused', reason: 'unprotected', peer: '192.0.2.1:5683', detail: 'no' },
  reconfigured: { type: 'reconfigured', added: ['client:c2'], changed: [], removed: [] },
  clock: { type: 'clock', reason: 'back', seconds: 3600 },
  answered: { type: 'answered', path: '/token', method: 'POST', code: '2.01', milliseconds: 3 },
  fault: { type: 'fault', reason: 'ERR_STORE_IO', detail: 'no space' },
  profile: { type: 'profile', profile: 'coap_oscore', event: { type: 'message', reason: 'r', detail: 'd', inner, direction: 'in' } },
  endpoint: { type: 'endpoint', event: { type: 'failed', peer: inner.peer, error: new Error('why'), message: inner, payload: secret } },
};

const ofRs: { readonly [T in ResourceServerEvent['type']]: Extract<ResourceServerEvent, { readonly type: T }> } = {
  'token-accepted': { type: 'token-accepted', credential: 'k', scope: 'r', expiresIn: 60, profile: 'coap_oscore', update: false, peer: 'p' },
  'token-refused': { type: 'token-refused', reason: 'ERR_RS_EXPIRED', detail: 'no', code: '4.01', peer: 'p' },
  'token-ended': { type: 'token-ended', reason: 'expired', credential: 'k' },
  'request-served': { type: 'request-served', reason: 'permitted', path: '/led', method: 'GET', peer: 'p', credential: 'k' },
  'request-refused': { type: 'request-refused', reason: 'path', path: '/led', method: 'GET', code: '4.03', peer: 'p' },
  'revocation-list': { type: 'revocation-list', issuer: 'coap://as.example/token', reason: 'reached' },
  answered: ofAs.answered,
  fault: ofAs.fault,
  profile: ofAs.profile,
  endpoint: ofAs.endpoint,
};

const all: readonly ServerEvent[] = [...Object.values(ofAs), ...Object.values(ofRs)];

/** What a log of this says. */
function linesOf(events: readonly ServerEvent[]): readonly Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'debug', write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  for (const event of events) logEvent(logger, event);
  return lines;
}

describe('events as log lines', () => {
  it('one line for each, with its type, level and fields', () => {
    const lines = linesOf(all);
    assert.equal(lines.length, all.length);
    const [issued] = lines;
    const { time: _time, pid: _pid, hostname: _hostname, ...fields } = issued!;
    assert.deepEqual(fields, {
      level: 'info',
      msg: 'token-issued',
      token,
      client: 'c1',
      audience: 'rs1',
      scope: 'r',
      expiresIn: 60,
      profile: 2,
      update: false,
      grant: 'client_credentials',
    });
    assert.equal(lines.find(({ msg }) => msg === 'fault')?.['level'], 'error');
    const [unreached] = linesOf([{ ...ofRs['revocation-list'], reason: 'ERR_COAP_TIMEOUT' }]);
    assert.equal(unreached?.['level'], 'warn');
    assert.equal(lines.find(({ msg }) => msg === 'answered')?.['level'], 'debug');
  });

  it('levels and fields are those of the table in src/operate/events.ts', () => {
    const table = readFileSync(join(root, 'src', 'operate', 'events.ts'), 'utf8');
    const rows = new Map(
      [...table.matchAll(/^ \* \| `([\w-]+)`(?: \((\w+)\))? \| (\w+)[^|]* \| ([^|]+) \|$/gm)].map(([, type, role, level, fields]) => [
        `${role ?? ''}${type}`,
        { level, fields: fields! },
      ]),
    );
    for (const [role, events] of [['AS', ofAs] as const, ['RS', ofRs] as const]) {
      for (const event of Object.values(events) as readonly ServerEvent[]) {
        const row = rows.get(`${role}${event.type}`) ?? rows.get(event.type);
        assert.ok(row, `${role} ${event.type} has no row`);
        const { level, msg: _msg, time: _time, pid: _pid, hostname: _hostname, ...fields } = linesOf([event])[0]!;
        assert.equal(level, row.level, event.type);
        for (const name of Object.keys(fields)) assert.ok(row.fields.includes(name), `${event.type}: ${name} is not in its row`);
      }
    }
  });

  it('what a service tells stands under its name, a refusal as a warning', () => {
    const refused = { type: 'key-request-refused', reason: 'version', errorCode: '04' } as const;
    const lines = linesOf([
      { type: 'service', service: 'key-management', event: { type: 'key-material-given' } },
      { type: 'service', service: 'key-management', event: refused },
    ]);
    assert.deepEqual(
      lines.map(({ level, msg, service, event, reason, errorCode }) => [level, msg, service, event, reason, errorCode]),
      [
        ['info', 'service', 'key-management', 'key-material-given', undefined, undefined],
        ['warn', 'service', 'key-management', 'key-request-refused', 'version', '04'],
      ],
    );
  });

  it('nothing of a message or a key comes out, in whatever event it is', () => {
    const poisoned = all.map((event): ServerEvent => Object.assign({}, event, { key: secret, nested: { list: [secret] } }));
    const text = JSON.stringify(linesOf([...all, ...poisoned]));
    for (const look of looks) assert.ok(!text.includes(look), look);
    assert.match(text, /<16 bytes>/);
  });
});

describe('events as audit entries', () => {
  it('nothing of a message or a key comes out', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ace-coap-events-'));
    try {
      const log = await AuditLog.open({ folder, version: '0' });
      for (const event of all) await log.append(Object.assign({}, event, { key: secret }));
      await log.close();
      const text = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
      for (const look of looks) assert.ok(!text.includes(look), look);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
