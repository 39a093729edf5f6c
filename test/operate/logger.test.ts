import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolError } from '../../src/core/errors.ts';
import { createLogger, type Logger, type LogLevel, loggable } from '../../src/operate/index.ts';

function recorder(level: LogLevel): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level, base: { role: 'as' }, write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { log, lines };
}

describe('logger', () => {
  it('writes one JSON object a line: level, time, base, fields, message', () => {
    const { log, lines } = recorder('info');
    log.info({ client: 'client1' }, 'token made');
    assert.equal(lines.length, 1);
    const { time, ...rest } = lines[0]!;
    assert.deepEqual(rest, { level: 'info', role: 'as', client: 'client1', msg: 'token made' });
    assert.ok(!Number.isNaN(Date.parse(String(time))));
  });

  it('keeps to its level', () => {
    const all = ['debug', 'info', 'warn', 'error'] as const;
    for (const [level, count] of [
      ['debug', 4],
      ['info', 3],
      ['warn', 2],
      ['error', 1],
      ['silent', 0],
    ] as const) {
      const { log, lines } = recorder(level);
      for (const name of all) log[name]({}, name);
      assert.deepEqual(
        lines.map((line) => line['level']),
        all.slice(4 - count),
      );
    }
  });

  it('bytes come out as their number, wherever they stand', () => {
    const { log, lines } = recorder('info');
    const secret = new Uint8Array(16).fill(0xab);
    const error = Object.assign(new ProtocolError('ERR_X', 'refused', { cause: { key: secret } }), { token: secret });
    log.info(
      {
        key: secret,
        buffer: Buffer.from(secret),
        raw: secret.buffer,
        words: new Uint16Array(4),
        view: new DataView(secret.buffer),
        deep: {
          list: [1, { key: secret }],
          map: new Map<unknown, unknown>([
            ['k', secret],
            [secret, 1],
          ]),
          set: new Set([secret]),
        },
        error,
      },
      'all kinds',
    );
    const { key, buffer, raw, words, view, deep, error: logged } = lines[0]!;
    assert.deepEqual([key, buffer, raw, words, view], ['<16 bytes>', '<16 bytes>', '<16 bytes>', '<8 bytes>', '<16 bytes>']);
    assert.deepEqual(deep, { list: [1, { key: '<16 bytes>' }], map: { k: '<16 bytes>', '<16 bytes>': 1 }, set: ['<16 bytes>'] });
    assert.deepEqual(logged, { name: 'ProtocolError', message: 'refused', code: 'ERR_X', token: '<16 bytes>', cause: { key: '<16 bytes>' } });
    // The time may have any digits.
    const said = JSON.stringify(lines.map((line) => ({ ...line, time: '' })));
    assert.ok(!said.includes('171'));
    assert.ok(!said.toLowerCase().includes('abab'));
  });

  it('bytes in base come out as their number', () => {
    const lines: string[] = [];
    createLogger({ base: { key: new Uint8Array(3) }, write: (line) => lines.push(line) }).info({}, 'x');
    assert.equal((JSON.parse(lines[0]!) as Record<string, unknown>)['key'], '<3 bytes>');
  });

  it('what JSON cannot hold, and what has no end, comes out bounded', () => {
    const circle: Record<string, unknown> = { n: 1n, f: () => 1, nan: Number.NaN, date: new Date(0), long: 'x'.repeat(5000) };
    circle['self'] = circle;
    let deep: unknown = 'bottom';
    for (let i = 0; i < 100; i++) deep = { deep };
    const result = loggable({ circle, deep, many: Array.from({ length: 500 }, (_, i) => i) }) as Record<string, Record<string, unknown>>;
    const { self, n, f, nan, date, long } = result['circle']!;
    assert.deepEqual([self, n, f, nan, date], ['<circle>', '1', '<function>', 'NaN', '1970-01-01T00:00:00.000Z']);
    assert.ok(String(long).length < 2100);
    assert.ok(JSON.stringify(result['deep']).includes('<deeper>'));
    const many = result['many'] as unknown as unknown[];
    assert.equal(many.length, 101);
    assert.equal(many[100], '<400 more>');
  });

  it('a field named __proto__ stays a field', () => {
    const fields = JSON.parse('{"__proto__": {"admin": true}}') as object;
    const copy = loggable(fields) as Record<string, unknown>;
    assert.equal(copy['admin'], undefined);
    assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  });
});
